//! `caudal send`: hands the invoices of a file to an API, batch by batch, and may be repeated at any time.

mod answer;
mod batch;
mod claims;
mod client;
mod deliver;
mod follow;
mod read;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use batch::Batch;
use claims::Claims;
use client::{ApiKey, ApiUrl, Client};
use deliver::Courier;
use read::{Format, Source};
use report::Report;

/// Settings of `caudal send`.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct Options {
    /// A JSON list of invoices, or CSV with a header row of the same field names; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What the file is; by default its name tells
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// The API
    #[arg(long, default_value = "http://localhost:8000", value_name = "URL")]
    url: ApiUrl,
    /// The API key; better given by the environment, where no list of processes shows it
    #[arg(long, env = "CAUDAL_API_KEY", hide_env_values = true, value_name = "KEY")]
    api_key: Option<ApiKey>,
    /// A name of this run, which goes into every key: under another name what was accepted before is taken once more
    #[arg(long, value_name = "NAME")]
    run: Option<String>,
    /// Invoices in a batch, 1 to 10,000; a repeated command must use the same
    #[arg(long, default_value = "500", value_parser = read::batch_size, value_name = "INVOICES")]
    batch: usize,
    /// Batches on their way at the same time, 1 to 64
    #[arg(long, default_value = "4", value_parser = concurrency, value_name = "BATCHES")]
    concurrency: usize,
    /// Give up when nothing has gone forward for so many seconds
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    patience: u64,
    /// Wait until every invoice is recorded or rejected
    #[arg(long)]
    wait: bool,
    /// Write JSON: an object for each refused invoice, and one at the end
    #[arg(long)]
    json: bool,
}

fn concurrency(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|number| (1..=64).contains(number)).ok_or("a whole number from 1 to 64")
}

/// Sends all of the file until `shutdown`. That some invoices are refused or rejected is an error, told at the end.
pub(crate) async fn run(options: Options, shutdown: CancellationToken) -> anyhow::Result<()> {
    let client = Client::new(&options.url, options.api_key.as_ref())?;
    let source = Source::open(&options.file, options.format)?;
    let mut report = Report::new(&source, options.json, options.wait)?;
    let batches = read::start(source, options.batch)?;
    let courier = Courier::new(client, options.run, Duration::from_secs(options.patience), report.bar());

    let sending = async {
        send(&courier, batches, options.concurrency, &mut report).await?;
        if options.wait { follow::all(&courier, &mut report).await } else { Ok(()) }
    };
    let done = shutdown.run_until_cancelled(sending).await;
    report.close(matches!(done, Some(Ok(()))))?;
    let again = "run the same command again to go on, what was accepted is not taken twice";
    match done {
        None => bail!("stopped: {again}"),
        Some(Err(error)) => bail!("{error:#}; not everything was sent: {again}"),
        Some(Ok(())) => report.verdict(),
    }
}

/// Sends the batches, several at once, but never two at once that hold the same invoice: of two versions the later line stands.
async fn send(
    courier: &Courier,
    mut batches: Receiver<anyhow::Result<Batch>>,
    most: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut under_way = FuturesUnordered::new();
    let mut claims = Claims::default();
    let (mut next, mut end) = (None, None);
    loop {
        tokio::select! {
            Some(delivered) = under_way.next() => {
                let delivered = delivered?;
                claims.free(&delivered);
                report.delivered(delivered)?;
            }
            batch = batches.recv(), if next.is_none() && end.is_none() => match batch {
                Some(Ok(batch)) => next = Some(batch),
                Some(Err(error)) => end = Some(Err(error)),
                None => end = Some(Ok(())),
            },
            else => return end.unwrap_or(Ok(())),
        }
        if let Some(batch) = next.take_if(|batch| under_way.len() < most && claims.take(batch)) {
            under_way.push(courier.deliver(batch));
        }
    }
}
