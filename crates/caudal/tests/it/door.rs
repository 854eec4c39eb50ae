//! Clients who want more than an API has: memory, and open files.

use std::future::pending;
use std::process::Command;
use std::time::Duration;

use caudal_testkit::{Output, Process, wait};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::stack::{Stack, free_address, ready};

const LONG: Duration = Duration::from_secs(60);
/// What the chart gives an API.
const MEMORY: u64 = 256 * 1024 * 1024;
const MEBIBYTE: usize = 1024 * 1024;
const GET: &str = "GET /lotes/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// The status of what is answered to these bytes.
async fn status(stream: &mut TcpStream, bytes: &[u8]) -> u16 {
    let (mut answers, mut requests) = stream.split();
    let mut line = [0; 12];
    let writing = async {
        let _ = requests.write_all(bytes).await;
        pending::<()>().await
    };
    // At once: an answer that comes early may be gone by the time all is written.
    tokio::select! {
        answered = timeout(LONG, answers.read_exact(&mut line)) => { answered.unwrap().unwrap(); }
        () = writing => {}
    }
    std::str::from_utf8(&line[9..]).unwrap().parse().unwrap()
}

async fn connect(url: &str) -> TcpStream {
    TcpStream::connect(url.trim_start_matches("http://")).await.unwrap()
}

/// The most bytes of memory a process ever had.
fn peak(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Six thousand long invoices, about 1.5 MB.
fn long_batch() -> Vec<u8> {
    let invoice = |number| {
        json!({
            "numero_factura": format!("{number:0150}"),
            "rut_cliente": "11111111-1",
            "monto": "1243.5",
            "fecha_emision": "2025-08-24",
        })
    };
    (0..6_000).map(invoice).collect::<Value>().to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_from_many_clients_are_answered_within_the_memory_of_one_api() {
    let stack = Stack::start().await;
    let api = stack.api().await;
    let head = "POST /facturas/ HTTP/1.1\r\nhost: x\r\nidempotency-key: held\r\n";
    let unfinished =
        [format!("{head}content-length: {}\r\n\r\n", 8 * MEBIBYTE).as_bytes(), &vec![b' '; 7 * MEBIBYTE]].concat();
    let mut holding = join_all((0..40).map(|_| connect(&api.url))).await;
    let mut sent: FuturesUnordered<_> = holding.iter_mut().map(|stream| status(stream, &unfinished)).collect();
    for _ in 0..30 {
        assert_eq!(sent.next().await, Some(503));
    }
    let others = sent.by_ref().take_until(sleep(Duration::from_secs(1))).count().await;
    assert!(others < 10, "none is held");
    drop(sent);
    assert_eq!(api.client.post("small", &json!([])).await.status, 202);
    drop(holding);

    let body = long_batch();
    join_all((0..32).map(|number| {
        let (url, body) = (&api.url, &body);
        let key = format!("large-{number}");
        async move {
            let head = format!(
                "POST /facturas/ HTTP/1.1\r\nhost: x\r\nidempotency-key: {key}\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let whole = [head.as_bytes(), body].concat();
            let taken = async || match status(&mut connect(url).await, &whole).await {
                202 | 409 => Ok(()),
                status => Err(status),
            };
            wait::until("the batch is taken", LONG, taken).await.unwrap();
        }
    }))
    .await;
    let peak = peak(&api.process);
    assert!(peak < MEMORY, "{peak}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_few_open_files_clients_by_the_thousand_wait_and_are_answered() {
    let stack = Stack::start().await;
    let (listen, ops_listen) = (free_address(), free_address());
    let role = stack.command(&["api", "--listen", &listen, "--ops-listen", &ops_listen]);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 96 && exec \"$0\" \"$@\""]).arg(role.get_program()).args(role.get_args());
    command.envs(role.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let process = Process::start(&command, Output::Inherit).unwrap();
    process.ready(LONG, async || ready(&ops_listen).await).await.unwrap();

    let silent = join_all((0..1_000).map(|_| connect(&listen))).await;
    ready(&ops_listen).await.unwrap();
    drop(silent);
    let clients = join_all((0..1_000).map(|_| connect(&listen))).await;
    let statuses = clients.into_iter().map(|mut client| async move { status(&mut client, GET.as_bytes()).await });
    let statuses = join_all(statuses).await;
    assert_eq!(statuses, [404; 1_000]);

    // On this port nothing limits them but the system.
    let probes = join_all((0..150).map(|_| connect(&ops_listen))).await;
    let unanswered = async || {
        let mut client = connect(&listen).await;
        client.write_all(GET.as_bytes()).await.map_err(|error| error.to_string())?;
        match timeout(Duration::from_millis(500), client.readable()).await {
            Err(_) => Ok(client),
            Ok(_) => Err("it is answered".to_owned()),
        }
    };
    let mut waiting = wait::until("a client has to wait", LONG, unanswered).await.unwrap();
    drop(probes);
    assert_eq!(status(&mut waiting, b"").await, 404);
    wait::until("the probes answer", LONG, async || ready(&ops_listen).await).await.unwrap();
}
