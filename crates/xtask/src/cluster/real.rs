//! The cluster with pods, seen from outside its namespaces.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use anyhow::{Context, Result, bail};
use caudal_testkit::programs;

use super::{
    Options,
    components::PAUSE,
    folder::{Folder, group_name},
    groups::Groups,
    keep_logs,
    plan::Plan,
    stage::{self, Stage},
    steps::Steps,
    tools_first, until_it_ends,
};
use crate::{
    image::{self, Image},
    packages,
    tools::{self, Tool},
};

/// What Debian has of the parts.
const PACKAGES: [(&str, &str); 8] = [
    ("etcd", "etcd-server"),
    ("containerd", "containerd"),
    ("runc", "runc"),
    ("/usr/lib/cni/ptp", "containernetworking-plugins"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("ip", "iproute2"),
    ("mount", "mount"),
];

/// See [`super::run`].
pub(crate) async fn run(options: &Options, command: &Command) -> Result<ExitStatus> {
    let mut steps = Steps::begin();
    install()?;
    let pause = tools::ensure(Tool::Pause)?.join("pause");
    for tool in [Tool::ControlPlane, Tool::Node, Tool::CoreDns, Tool::Helm] {
        tools::ensure(tool)?;
    }
    steps.done("parts are there");

    let folder = Folder::new()?;
    let run = folder.path();
    let holder = Image { name: PAUSE, entrypoint: &["/pause"], ..Image::default() };
    let mut images = vec![image::of_program(&holder, &pause, run)?];
    for image in &options.images {
        images.push(image.canonicalize().with_context(|| image.display().to_string())?);
    }
    plan(command, images, options.volumes)?.write(run)?;
    Groups::named(&group_name(run))?.make()?;
    let status = until_it_ends(enter(command, run)?).await?;
    keep_logs(options, run)?;
    let booted = super::booted(run).exists();
    drop(folder);
    steps.total("from nothing to nothing");
    if !booted {
        bail!("the cluster did not come up ({status})");
    }
    Ok(status)
}

/// Gets what the machine has not.
fn install() -> Result<()> {
    let missing = |(program, _): &&(&str, &str)| !Path::new(program).is_file() && programs::find(program).is_err();
    let packages: Vec<&str> = PACKAGES.iter().filter(missing).map(|(_, package)| *package).collect();
    packages::ensure(&packages)
}

fn plan(command: &Command, images: Vec<PathBuf>, volumes: u32) -> Result<Plan> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Option<Vec<String>> = words.map(|word| word.to_str().map(ToOwned::to_owned)).collect();
    let command = words.context("the command is not text")?;
    Ok(Plan { owner: i32::try_from(std::process::id())?, images, volumes, command })
}

/// This program again, on its way into the namespaces, with the variables meant for the command.
fn enter(command: &Command, run: &Path) -> Result<Command> {
    let mut enter = Command::new(env::current_exe()?);
    enter.args(stage::arguments(Stage::Enter, run));
    tools_first(&mut enter);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => enter.env(name, value),
            None => enter.env_remove(name),
        };
    }
    enter.env_remove("KUBEBUILDER_ASSETS");
    Ok(enter)
}
