//! `deploy/examples`: each client as it stands there, against a running stack.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use caudal_testkit::programs;
use serde_json::Value;

use crate::cli::{Told, told};
use crate::stack::Stack;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/examples").join(name)
}

/// Runs a program against a stack that records, and returns what it told and what the ledger holds then.
async fn run(program: &str, arguments: &[&str]) -> (Told, String) {
    let stack = Stack::start().await;
    let (api, _worker) = tokio::join!(stack.api(), stack.worker());
    let mut command = Command::new(programs::find(program).unwrap());
    command.args(arguments).env("CAUDAL_URL", &api.url).env("PYTHONUNBUFFERED", "1");
    let told = told(command).await;
    assert!(told.success, "{}{}", told.stdout, told.stderr);
    let held =
        stack.ask("SELECT string_agg(number || ' ' || amount::numeric(20,2), ', ' ORDER BY number) FROM invoices");
    (told, held.await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_example_posts_repeats_and_follows_a_batch() {
    let (told, held) = run("sh", &[example("send.sh").to_str().unwrap()]).await;
    let lines: Vec<_> = told.stdout.lines().filter(|line| line.starts_with("HTTP/")).collect();
    assert!(lines[0].contains(" 202 ") && lines[1].contains(" 409 "), "{}", told.stdout);
    assert!(told.stdout.lines().last().unwrap().contains(r#""estado":"procesado""#), "{}", told.stdout);
    assert_eq!(held, "F-001 1500.50, F-002 999.99");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_example_posts_and_follows_a_batch() {
    let (told, held) = run("python3", &[example("send.py").to_str().unwrap()]).await;
    assert_eq!(told.stdout.lines().next(), Some("202 2 facturas recibidas y encoladas para procesamiento."));
    assert_eq!(told.stdout.lines().last(), Some("procesado 2 of 2"));
    assert_eq!(held, "F-003 750.25, F-004 1243.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cells_of_the_notebook_run_in_their_order() {
    let notebook: Value = serde_json::from_str(&fs::read_to_string(example("call.ipynb")).unwrap()).unwrap();
    let cells = notebook["cells"].as_array().unwrap().iter().filter(|cell| cell["cell_type"] == "code");
    let source = |cell: &Value| {
        assert_eq!(
            (&cell["outputs"], &cell["execution_count"]),
            (&Value::Array(Vec::new()), &Value::Null),
            "left over"
        );
        cell["source"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect::<String>()
    };
    let program = cells.map(source).collect::<Vec<_>>().join("\n");
    let (told, held) = run("python3", &["-c", &program]).await;
    let expected = [
        "202 2 facturas recibidas y encoladas para procesamiento.",
        "202 3 facturas recibidas y encoladas para procesamiento.",
        "202 2 facturas recibidas y encoladas para procesamiento.",
        "409 Transacción duplicada: esta petición ya ha sido recibida.",
    ];
    let lines: Vec<_> = told.stdout.lines().collect();
    assert_eq!(lines[..4], expected);
    // How many of the first were recorded depends on whether its correction was already there.
    assert!(lines.len() == 7 && lines[4..].iter().all(|line| line.starts_with("procesado - ")), "{lines:?}");
    assert_eq!(held, "F-101 1500.50, F-102 1343.00, F-103 999.99, F-104 250.00, F-105 0.01, F-106 750.25");
}
