//! `cargo xtask cluster --control-plane-only` runs a command, hands on its code and leaves nothing behind.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use caudal_testkit::wait;

const END: Duration = Duration::from_secs(20);

#[test]
fn the_commands_code_is_handed_on() {
    let status = control_plane("kubectl get namespace default >&2 && exit 7").status().unwrap();
    assert_eq!(status.code(), Some(7));
}

#[tokio::test]
async fn a_killed_run_leaves_nothing_behind() {
    let mut run = control_plane("echo $KUBECONFIG; exec sleep 600").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(run.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let kubeconfig = Path::new(line.trim());
    let text = fs::read_to_string(kubeconfig).unwrap();
    let server = text.lines().find_map(|line| line.trim().strip_prefix("server: https://")).unwrap();
    TcpStream::connect(server).unwrap();

    run.kill().unwrap();
    run.wait().unwrap();
    let folder = kubeconfig.ancestors().nth(2).unwrap();
    wait::until("nothing is left", END, async || match (folder.exists(), TcpStream::connect(server).is_ok()) {
        (false, false) => Ok(()),
        left => Err(left),
    })
    .await
    .unwrap();
}

fn control_plane(script: &str) -> Command {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.args(["cluster", "--control-plane-only", "--", "sh", "-c", script]);
    xtask
}
