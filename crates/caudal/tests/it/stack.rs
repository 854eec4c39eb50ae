//! A Redis, a PostgreSQL with the ledger's tables, and roles as processes.

use std::process::Command;
use std::time::Duration;

use caudal_queue::Queue;
use caudal_testkit::{Output, Postgres, Process, Redis, Signal, free_port, programs};

use crate::client::Client;

const START: Duration = Duration::from_secs(20);

/// The services of one test.
pub(crate) struct Stack {
    pub(crate) redis: Redis,
    pub(crate) postgres: Postgres,
    pub(crate) database: String,
    /// More environment for every role.
    pub(crate) environment: Vec<(String, String)>,
    /// Where an API's log goes.
    pub(crate) output: Output,
}

/// One running API.
pub(crate) struct Api {
    pub(crate) client: Client,
    pub(crate) url: String,
    pub(crate) ops_url: String,
    pub(crate) process: Process,
}

impl Stack {
    pub(crate) async fn start() -> Self {
        let (redis, postgres) = tokio::join!(Redis::start(), Postgres::start());
        let (redis, postgres) = (redis.unwrap(), postgres.unwrap());
        let database = postgres.database().await.unwrap();
        let stack = Self { redis, postgres, database, environment: Vec::new(), output: Output::Inherit };
        let migrate = Process::start(&stack.command(&["migrate"]), Output::Inherit).unwrap();
        assert!(migrate.wait().await.unwrap().success());
        stack
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caudal"));
        command.args(arguments).env("REDIS_URL", self.redis.url()).env("DATABASE_URL", &self.database);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) async fn api(&self) -> Api {
        let (listen, ops_listen) = (free_address(), free_address());
        let command = self.command(&["api", "--listen", &listen, "--ops-listen", &ops_listen]);
        let process = Process::start(&command, self.output.clone()).unwrap();
        let url = format!("http://{listen}");
        let client = Client::new(url.clone());
        process.ready(START, async || ready(&ops_listen).await).await.unwrap();
        Api { client, url, ops_url: format!("http://{ops_listen}"), process }
    }

    pub(crate) async fn worker(&self) -> Process {
        self.worker_with_ops().await.0
    }

    /// A worker, and where its ops port is.
    pub(crate) async fn worker_with_ops(&self) -> (Process, String) {
        let ops_listen = free_address();
        let process = Process::start(&self.command(&["worker", "--ops-listen", &ops_listen]), Output::Inherit).unwrap();
        process.ready(START, async || ready(&ops_listen).await).await.unwrap();
        (process, format!("http://{ops_listen}"))
    }

    /// Asks the database and returns the answer's only value as text.
    pub(crate) async fn ask(&self, sql: &str) -> Result<String, String> {
        output(&self.database, sql).await
    }

    /// A session that runs these statements, to be started as a process.
    pub(crate) fn psql(&self, sql: &str) -> Command {
        psql(&self.database, sql)
    }

    /// The queue that the roles work on.
    pub(crate) fn queue(&self) -> Queue {
        let options = caudal_redis::Options { redis_url: self.redis.url().into() };
        let client = caudal_redis::Client::new(&options).unwrap();
        Queue::new(&client, &caudal_queue::Options { queue: "facturas".parse().unwrap() })
    }

    /// What the ledger holds: invoices, their sum, the sum of the balances.
    pub(crate) async fn totals(&self) -> Result<String, String> {
        self.ask(
            "SELECT count(*) || ' ' || coalesce(sum(amount), 0)::numeric(20,2) || ' ' ||
             (SELECT coalesce(sum(balance), 0)::numeric(20,2) FROM clients) FROM invoices",
        )
        .await
    }
}

/// What a database answers, a row a line, the columns parted by `|`.
pub(crate) async fn output(database: &str, sql: &str) -> Result<String, String> {
    let output = tokio::process::Command::from(psql(database, sql)).output().await.unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned()),
        false => Err(String::from_utf8(output.stderr).unwrap()),
    }
}

fn psql(database: &str, sql: &str) -> Command {
    let mut command = Command::new(programs::find("psql").unwrap());
    command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--dbname", database, "--command", sql]);
    command
}

/// Ends a process without warning.
pub(crate) async fn kill(process: Process) {
    process.signal(Signal::KILL).unwrap();
    process.wait().await.unwrap();
}

pub(crate) async fn ready(address: &str) -> Result<(), String> {
    let answer = reqwest::get(format!("http://{address}/readyz")).await.map_err(|error| error.to_string())?;
    match answer.status().is_success() {
        true => Ok(()),
        false => Err(answer.text().await.unwrap_or_default()),
    }
}

pub(crate) fn free_address() -> String {
    format!("127.0.0.1:{}", free_port().unwrap())
}
