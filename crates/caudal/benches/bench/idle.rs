//! What a role holds while it has nothing to do.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use caudal_testkit::{ControlPlane, Output, Process, free_port};

use crate::site::{self, Fsync, ready, resident};
use crate::table::{Aim, Row};

/// Until everything that a start needs is done with.
const SETTLED: Duration = Duration::from_secs(5);
const START: Duration = Duration::from_secs(60);

/// A row for each role; the controller only where there is an API server for it.
pub(crate) async fn all() -> Result<Vec<Row>> {
    let (redis, _connection) = site::redis(Fsync::Always).await?;
    let (_postgres, database) = site::postgres().await?;
    let api = site::role("api", &redis.url(), &database).await?;
    let worker = site::role("worker", &redis.url(), &database).await?;
    let plane = ControlPlane::start().await;
    let controller = match &plane {
        Ok(plane) => Some(controller(plane, &redis.url()).await?),
        Err(_) => None,
    };
    tokio::time::sleep(SETTLED).await;
    let mut rows = vec![row("api", &api.process)?, row("worker", &worker.process)?];
    if let Some(controller) = &controller {
        rows.push(row("controller", controller)?);
    }
    Ok(rows)
}

async fn controller(plane: &ControlPlane, redis: &str) -> Result<Process> {
    let definition = Command::new(env!("CARGO_BIN_EXE_caudal")).arg("crd").output()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("crd.yaml");
    std::fs::write(&file, definition.stdout)?;
    plane.kubectl(&["apply", "--server-side", "-f", &file.to_string_lossy()]).await?;
    let ops = format!("127.0.0.1:{}", free_port()?);
    let mut command = Command::new(env!("CARGO_BIN_EXE_caudal"));
    command.args(["controller", "--ops-listen", &ops]).env("REDIS_URL", redis).env("KUBECONFIG", plane.kubeconfig());
    let process = Process::start(&command, Output::File("/dev/null".into()))?;
    process.ready(START, async || ready(&ops).await).await?;
    Ok(process)
}

fn row(role: &str, process: &Process) -> Result<Row> {
    let figure = (resident(process.id())?, "MB");
    Ok(Row { name: format!("{role}, idle"), figure, floor: None, aim: Aim::Most(20.0), costs: Vec::new() })
}
