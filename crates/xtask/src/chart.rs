//! `cargo xtask chart`: the files that are made from the chart: its README, its renders, and what is installed without Helm.
#![expect(clippy::print_stderr, reason = "it tells which files it wrote, or which differ")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, ensure};
use caudal_testkit::programs;

use crate::{
    command, repository,
    tools::{self, Tool},
};

/// Each file here is a set of values, and stands for a way to install the chart.
const VALUES: &str = "charts/caudal/ci";
/// What those make of the chart, under the same names.
const RENDERS: &str = "charts/caudal/ci/rendered";

/// A file for those who install without Helm.
struct Plain {
    file: &'static str,
    comment: &'static str,
    values: &'static str,
}

const PLAIN: [Plain; 2] = [
    Plain {
        file: "deploy/kubernetes/caudal.yaml",
        comment: "\
# All of Caudal, for those who install it without Helm. Made from the chart by `cargo xtask chart`.
#
#     kubectl apply --server-side --filename charts/caudal/crds
#     kubectl create namespace caudal
#     kubectl --namespace caudal create secret generic caudal-passwords \\
#       --from-literal=redis-password=\"$(openssl rand -hex 16)\" --from-literal=postgres-password=\"$(openssl rand -hex 16)\"
#     kubectl --namespace caudal apply --server-side --filename deploy/kubernetes/caudal.yaml
",
        values: "auth.existingSecret=caudal-passwords",
    },
    Plain {
        file: "deploy/kubernetes/controller.yaml",
        comment: "\
# The controller alone, for QueueScalers of your own in the namespace caudal. Made from the chart by `cargo xtask chart`.
#
#     kubectl apply --server-side --filename charts/caudal/crds
#     kubectl create namespace caudal
#     kubectl --namespace caudal apply --server-side --filename deploy/kubernetes/controller.yaml
#
# It may read the Secrets named redis and broker there; deploy/examples/queuescalers has a QueueScaler for each kind of queue.
",
        values: "controller.only=true,controller.secretNames={redis,broker}",
    },
];

/// What `cargo xtask chart` understands.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write nothing, and fail where a file is not as the chart makes it.
    #[arg(long)]
    check: bool,
}

/// Gets what the chart is rendered, documented and tested with.
///
/// # Errors
/// Go is missing, or cannot build one of them.
pub(crate) fn provide() -> Result<()> {
    for tool in [Tool::Helm, Tool::Helm4, Tool::HelmDocs] {
        tools::ensure(tool)?;
    }
    Ok(())
}

/// Writes the files that differ from what the chart makes, or tells which they are.
///
/// # Errors
/// The chart cannot be rendered, or a file cannot be written.
pub(crate) fn execute(args: &Args) -> Result<ExitCode> {
    provide()?;
    let root = repository::root();
    let mut differs = false;
    for (file, wanted) in made(&root)? {
        let path = root.join(&file);
        let found = fs::read_to_string(&path).ok();
        if found == wanted {
            continue;
        }
        differs = true;
        if args.check {
            let line = first_difference(found.as_deref(), wanted.as_deref());
            eprintln!("{}:{line} is not as the chart makes it: run `cargo xtask chart`", file.display());
        } else {
            write(&path, wanted.as_deref()).with_context(|| path.display().to_string())?;
            eprintln!("{}", file.display());
        }
    }
    Ok(if differs && args.check { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Every file that the chart makes, and every one that it should not leave behind, with what belongs in it.
fn made(root: &Path) -> Result<BTreeMap<PathBuf, Option<String>>> {
    let mut files: BTreeMap<PathBuf, Option<String>> =
        yaml_files(root, RENDERS)?.into_iter().map(|file| (file, None)).collect();
    for values in yaml_files(root, VALUES)? {
        let name = values.file_name().context("a file without a name")?.to_owned();
        let render = render(root, "invoices", &["--values", &values.display().to_string()])?;
        files.insert(Path::new(RENDERS).join(name), Some(render));
    }
    for Plain { file, comment, values } in PLAIN {
        let render = render(root, "caudal", &["--no-hooks", "--set", values])?;
        files.insert(file.into(), Some(format!("{comment}{render}")));
    }
    files.insert("deploy/prometheus-alerts.yaml".into(), Some(alerts(root)?));
    files.insert("charts/caudal/README.md".into(), Some(readme(root)?));
    Ok(files)
}

fn render(root: &Path, namespace: &str, more: &[&str]) -> Result<String> {
    let mut helm = program("helm");
    helm.current_dir(root).args(["template", "caudal", "charts/caudal", "--namespace", namespace]).args(more);
    Ok(command::text(&mut helm)? + "\n")
}

/// What the alerts say of one release, and what stands for it where they are about whatever Prometheus reads: each Caudal there, told by
/// the `namespace` and the `job` that are attached, as the release is. Prometheus may attach a `namespace` or not: that of a QueueScaler
/// is `exported_namespace` where it does.
const OF_ANY_RELEASE: [(&str, &str); 5] = [
    ("by (exported_namespace, name)", "by (namespace, job, exported_namespace, name)"),
    // A namespace's own Lease may be held by another release's controller, whose metric has another `namespace`.
    (
        r#"max(caudal_controller_leads{lease="caudal"})"#,
        r#"max by (namespace, job, exported_namespace, lease) (caudal_controller_leads{lease!="caudal-controller"})"#,
    ),
    ("min(", "min by (namespace, job) ("),
    ("max(", "max by (namespace, job) ("),
    ("sum(", "sum by (namespace, job) ("),
];

/// The chart's alerts as a file of rules, for a Prometheus without the operator: about whatever it reads.
fn alerts(root: &Path) -> Result<String> {
    let set = "auth.existingSecret=unused,metrics.prometheusRule.enabled=true";
    let rule = render(root, "caudal", &["--set", set, "--show-only", "templates/alerts.yaml"])?;
    let (_, rules) = rule.split_once("\nspec:\n").context("no alerts were rendered")?;
    let mut text =
        "# The chart's alerts for a Prometheus without the operator. Made from the chart by `cargo xtask chart`.\n"
            .to_owned();
    let of = r#"namespace="caudal",job="caudal-metrics""#;
    let rules = rules.replace(&format!(",{of}"), "").replace(&format!("{{{of}}}"), "");
    let of_any = OF_ANY_RELEASE.map(|(one, any)| (one.to_owned(), any.to_owned()));
    let of_any: Vec<_> = of_any.into_iter().chain(["api", "controller"].map(any_gone)).collect();
    for (one, _) in &of_any {
        ensure!(rules.contains(one), "no alert says {one}");
    }
    for line in rules.lines() {
        let mut line = line.strip_prefix("  ").unwrap_or(line).to_owned();
        if line.trim_start().starts_with("expr:") {
            line = of_any.iter().fold(line, |line, (one, any)| line.replace(one, any));
        }
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

/// That a role of the release is not there, and what stands for it: there is none, or one that there was in the last day is gone.
fn any_gone(role: &str) -> (String, String) {
    let it = format!(r#"caudal_build_info{{role="{role}"}}"#);
    let of = "group by (namespace, job)";
    let any = format!("absent_over_time({it}[1d]) or ({of} (last_over_time({it}[1d])) unless {of} ({it}))");
    (format!("absent({it})"), any)
}

fn readme(root: &Path) -> Result<String> {
    let mut docs = program("helm-docs");
    docs.current_dir(root).args(["--chart-search-root", "charts", "--sort-values-order", "file", "--dry-run"]);
    docs.args(["--log-level", "warning"]);
    Ok(command::text(&mut docs)? + "\n")
}

/// One of the pinned programs, whatever `PATH` has.
fn program(name: &str) -> Command {
    Command::new(programs::cache().join("bin").join(name))
}

fn yaml_files(root: &Path, folder: &str) -> Result<Vec<PathBuf>> {
    let folder = Path::new(folder);
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for entry in entries {
        let name = PathBuf::from(entry?.file_name());
        if name.extension().is_some_and(|extension| extension == "yaml") {
            files.push(folder.join(name));
        }
    }
    Ok(files)
}

fn write(path: &Path, wanted: Option<&str>) -> Result<()> {
    let Some(text) = wanted else { return Ok(fs::remove_file(path)?) };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(path, text)?)
}

/// The number of the first line that is not the same in both.
fn first_difference(found: Option<&str>, wanted: Option<&str>) -> usize {
    let mut found = found.unwrap_or_default().lines();
    let mut wanted = wanted.unwrap_or_default().lines();
    let mut line = 1;
    loop {
        match (found.next(), wanted.next()) {
            (Some(one), Some(other)) if one == other => line += 1,
            _ => return line,
        }
    }
}
