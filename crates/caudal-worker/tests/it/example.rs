//! The example of a handler, as its reader runs it.

use std::fs;
use std::process::Command;
use std::time::Duration;

use caudal_testkit::{Output, Process, Signal};

use crate::world::{World, invoice};

#[tokio::test]
async fn the_example_writes_each_invoice_to_a_file_and_buries_a_credit_note() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    // Made beside the tests, as `cargo run --example` makes it.
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("examples/export");
    assert!(program.exists(), "`cargo build --examples` makes it: {}", program.display());
    let mut command = Command::new(program);
    command.env("REDIS_URL", world.redis.url()).current_dir(folder.path());
    let export = Process::start(&command, Output::Inherit).unwrap();

    let batch = world.admit(&[invoice("F-1", "1500.5"), invoice("F-2", "-3"), invoice("F-3", "7")], 2).await;
    let status = world.finished(batch).await;
    let ended = export.stop(Signal::INT, Duration::from_secs(30)).await.unwrap();

    assert_eq!((status.recorded, status.rejected), (2, 1));
    assert_eq!(status.rejections[0].number, "F-2");
    let files = fs::read_dir(folder.path().join("exported")).unwrap();
    let mut lines: Vec<_> = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    lines.sort();
    assert_eq!(lines, ["11111111-1;F-1;1500.5;2024-01-31\n", "11111111-1;F-3;7;2024-01-31\n"]);
    assert!(ended.success(), "{ended}");
}
