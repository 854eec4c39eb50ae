//! A child never outlives the one that started it.

use std::{fs, path::Path, process::Command, sync::mpsc, time::Duration};

use caudal_testkit::{Output, Process, Signal, wait};
use tokio::sync::oneshot;

const SOON: Duration = Duration::from_secs(5);

fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("300");
    command
}

fn lives(id: i32) -> bool {
    let state = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    state.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

#[tokio::test]
async fn dropping_a_process_ends_it() {
    let process = Process::start(&sleeper(), Output::Inherit).unwrap();
    let id = process.id();
    assert!(lives(id));
    drop(process);
    assert!(!lives(id));
}

#[tokio::test]
async fn the_end_of_a_process_is_seen_with_its_status_and_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "echo on $WATER; exit 3"]).env("WATER", "flow");
    let process = Process::start(&command, Output::File(folder.path().join("log"))).unwrap();
    assert_eq!(process.wait().await.unwrap().code(), Some(3));
    assert_eq!(process.log(), "on flow\n");
    assert!(process.check().unwrap_err().to_string().contains("on flow"));
    process.signal(Signal::TERM).unwrap();
}

#[tokio::test]
async fn a_process_that_ignores_the_request_to_end_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"]);
    let process = Process::start(&command, Output::File(folder.path().join("log"))).unwrap();
    process.ready(SOON, async || (process.log() == "ready\n").then_some(()).ok_or("silent")).await.unwrap();
    let status = process.stop(Signal::TERM, Duration::from_millis(200)).await.unwrap();
    assert_eq!(status.code(), None, "it ended by itself: {status}");
}

#[tokio::test]
async fn a_process_outlives_the_thread_that_started_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut command = Command::new("sh");
    command.args(["-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done"]);
    let (started, start) = oneshot::channel();
    let (end, ended) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        started.send(Process::start(&command, Output::File(log)).unwrap()).unwrap();
        ended.recv().unwrap_err();
    });
    let process = start.await.unwrap();
    process.ready(SOON, async || (process.log() == "ready\n").then_some(()).ok_or("silent")).await.unwrap();
    drop(end);
    thread.join().unwrap();
    assert_eq!(process.stop(Signal::TERM, SOON).await.unwrap().code(), Some(7));
}

/// The test that plays the parent in the next one; alone it does nothing.
#[tokio::test]
async fn parent_that_waits_to_be_killed() {
    let Some(file) = std::env::var_os("CAUDAL_TEST_CHILD_ID") else { return };
    let process = Process::start(&sleeper(), Output::Inherit).unwrap();
    fs::write(file, process.id().to_string()).unwrap();
    process.wait().await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn killing_the_parent_ends_its_processes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("id");
    let mut parent = Command::new(std::env::current_exe().unwrap());
    parent.args(["--exact", "process::parent_that_waits_to_be_killed"]);
    parent.env("CAUDAL_TEST_CHILD_ID", &file);
    let parent = Process::start(&parent, Output::File(folder.path().join("log"))).unwrap();
    parent.ready(SOON, async || read_id(&file).map(drop).ok_or("no child yet")).await.unwrap();
    let child = read_id(&file).unwrap();
    assert!(lives(child));
    parent.stop(Signal::KILL, SOON).await.unwrap();
    wait::until("the child is gone", SOON, async || (!lives(child)).then_some(()).ok_or(child)).await.unwrap();
}

fn read_id(file: &Path) -> Option<i32> {
    fs::read_to_string(file).ok()?.parse().ok()
}
