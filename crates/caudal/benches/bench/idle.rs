//! How soon a role is ready, and what it holds while it has nothing to do.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use caudal_testkit::{ControlPlane, Output, Process, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::site::{self, Fsync, resident, role_command};
use crate::table::{Aim, Row, median};

/// Until everything that a start needs is done with.
const SETTLED: Duration = Duration::from_secs(5);
const START: Duration = Duration::from_secs(60);
/// How often each role is started.
const STARTS: usize = 11;
const LOOK: Duration = Duration::from_millis(1);

/// What a role needs besides its Redis.
type Environment = Vec<(&'static str, String)>;

/// Two rows for each role; the controller's only where there is an API server for it.
pub(crate) async fn all() -> Result<Vec<Row>> {
    let (redis, _connection) = site::redis(Fsync::Always).await?;
    let (_postgres, database) = site::postgres().await?;
    let plane = ControlPlane::start().await;
    let mut roles: Vec<(&str, Environment)> = vec![
        ("api", vec![("CAUDAL_LISTEN", format!("127.0.0.1:{}", free_port()?))]),
        ("worker", vec![("DATABASE_URL", database)]),
    ];
    if let Ok(plane) = &plane {
        define(plane).await?;
        roles.push(("controller", vec![("KUBECONFIG", plane.kubeconfig().display().to_string())]));
    }
    let mut rows = Vec::new();
    for (role, environment) in roles {
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            let (_process, time) = start(role, &redis.url(), &environment).await?;
            starts.push(time.as_secs_f64() * 1e3);
        }
        let (process, _) = start(role, &redis.url(), &environment).await?;
        sleep(SETTLED).await;
        rows.push(row(format!("{role}, from exec to ready"), (median(starts), "ms"), 200.0));
        rows.push(row(format!("{role}, idle"), (resident(process.id())?, "MB"), 20.0));
    }
    Ok(rows)
}

/// Makes QueueScalers known to the API server.
async fn define(plane: &ControlPlane) -> Result<()> {
    let definition = Command::new(env!("CARGO_BIN_EXE_caudal")).arg("crd").output()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("crd.yaml");
    std::fs::write(&file, definition.stdout)?;
    plane.kubectl(&["apply", "--server-side", "-f", &file.to_string_lossy()]).await?;
    Ok(())
}

/// A role, and how long it took until it was ready.
async fn start(role: &str, redis: &str, environment: &Environment) -> Result<(Process, Duration)> {
    let ops = format!("127.0.0.1:{}", free_port()?);
    let mut command = role_command(role, &ops, redis);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let begun = Instant::now();
    let process = Process::start(&command, Output::File("/dev/null".into()))?;
    while !is_ready(&ops).await {
        ensure!(begun.elapsed() < START, "{role} does not become ready");
        sleep(LOOK).await;
    }
    Ok((process, begun.elapsed()))
}

/// Asks without a client, whose own start would take longer than the role's.
async fn is_ready(ops: &str) -> bool {
    let answer = async {
        let mut stream = TcpStream::connect(ops).await?;
        stream
            .write_all(format!("GET /readyz HTTP/1.1\r\nHost: {ops}\r\nConnection: close\r\n\r\n").as_bytes())
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    answer.await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

fn row(name: String, figure: (f64, &'static str), most: f64) -> Row {
    Row { name, figure, floor: None, aim: Aim::Most(most), costs: Vec::new() }
}
