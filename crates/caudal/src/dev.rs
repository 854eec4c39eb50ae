//! `caudal dev`: everything on this machine, from migration to workers, with a sample going through.

mod client;
mod process;
mod sample;
mod screen;
mod session;
mod workers;

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Context, bail};
use caudal_ledger::Ledger;
use caudal_scaling::Policy;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::role::Stores;
use client::Client;
use process::Process;
use screen::Screen;
use workers::Workers;

/// How many invoices of backlog one worker is started for.
const BACKLOG_PER_WORKER: NonZeroU32 = NonZeroU32::new(500).unwrap();

/// How long the API may take to be ready.
const START: Duration = Duration::from_secs(60);

/// How long idle workers stay.
const COOLDOWN: Duration = Duration::from_secs(10);

/// Settings of `caudal dev`.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct Options {
    /// Exit after the sample: with 0 only when every invoice of it is in the ledger
    #[arg(long)]
    once: bool,
    /// The API's port on 127.0.0.1; 0 takes any that is free
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// At most this many workers
    #[arg(long, default_value_t = 4)]
    max_workers: u32,
    #[command(flatten)]
    stores: Stores,
}

/// Runs everything until `shutdown`, or with `--once` until the sample is recorded, and stops all it started.
pub(crate) async fn run(options: Options, shutdown: CancellationToken) -> anyhow::Result<()> {
    let screen = Screen::default();
    let (queue, ledger) = options.stores.open()?;
    ledger.migrate().await.context("the ledger's tables cannot be made")?;

    let (listen, ops_listen) = (free_address(options.port).await?, free_address(0).await?);
    let arguments = ["api", "--listen", &listen, "--ops-listen", &ops_listen];
    let mut api = Process::start("api".to_owned(), &arguments, &options.stores.environment(), &screen)?;
    let client = Client::new(format!("http://{listen}"), format!("http://{ops_listen}"))?;

    let mut policy = Policy::new(options.max_workers, BACKLOG_PER_WORKER);
    (policy.down_window, policy.cooldown) = (COOLDOWN, COOLDOWN);
    let workers = Workers::new(queue, policy, options.stores.environment(), screen.clone());

    // Cancelled by the user, and by a part that fails: then there is nothing left to play for.
    let stop = shutdown.child_token();
    let played_out = CancellationToken::new();
    let play = async {
        let played = play(&options, &client, &ledger, &screen, &stop).await;
        played_out.cancel();
        played
    };
    let scale = async { workers.run(played_out.clone()).await.inspect_err(|_| stop.cancel()) };
    let watch = async {
        match played_out.run_until_cancelled(api.ended()).await {
            Some(ended) => ended.inspect_err(|_| stop.cancel()),
            None => Ok(()),
        }
    };
    let (played, scaled, watched) = tokio::join!(play, scale, watch);
    api.stop().await?;
    watched.and(scaled).and(played)
}

async fn play(
    options: &Options,
    client: &Client,
    ledger: &Ledger,
    screen: &Screen,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let sample = async {
        let ready = tokio::time::timeout(START, client.wait_until_ready()).await;
        ready.context("the API is not ready: see its log above")?;
        session::run(client, ledger, screen).await
    };
    match stop.run_until_cancelled(sample).await {
        Some(done) => done?,
        None => bail!("stopped before the sample was recorded"),
    }
    if options.once {
        return Ok(());
    }
    screen.say(client.urls());
    screen.say("Ctrl-C stops everything.");
    stop.cancelled().await;
    Ok(())
}

/// An address on loopback with this port, or with any free one where it is 0 or taken.
async fn free_address(port: u16) -> anyhow::Result<String> {
    let listener = match TcpListener::bind(("127.0.0.1", port)).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind(("127.0.0.1", 0)).await.context("no port is free")?,
    };
    Ok(listener.local_addr()?.to_string())
}
