//! `caudal adopt`: takes over from the service this one replaces.

mod message;
mod report;

use std::time::Duration;

use anyhow::{anyhow, bail};
use caudal_invoice::{Invoice, chunk, fingerprint};
use caudal_queue::{Admission, Batch, Chunk, Error, Message, Original, OriginalKey, Queue, key_digest};
use caudal_redis::{Client, SecretUrl};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Builder;

use crate::role::Place;
use message::Task;
use report::Report;

/// How long to wait while the queue is full.
const PAUSE: Duration = Duration::from_secs(1);
/// Stands before the id of a task in the place of a caller's name, which holds no colon.
const CELERY: &str = ":celery";

/// Settings of `caudal adopt`.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct Options {
    /// The Redis of the original service, where it is another one
    #[arg(long, value_name = "URL")]
    from_redis: Option<SecretUrl>,
    /// The name of the API key that the original's clients use now, where the API asks for keys
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    caller: String,
    /// Invoices that may wait before the rest is waited with
    #[arg(long, env = "CAUDAL_MAX_BACKLOG", default_value_t = 1_000_000, value_name = "INVOICES")]
    max_backlog: u64,
    /// Tell what would be taken over, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Write JSON: an object for each message that is left, and one at the end
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Takes everything over. May be repeated, and stopped at any time; what was taken over is not taken twice.
pub(crate) async fn run(options: Options, shutdown: CancellationToken) -> anyhow::Result<()> {
    let queue = options.place.open()?;
    let original = Original::new(&match &options.from_redis {
        Some(url) => open(url)?,
        None => options.place.client()?,
    });
    let Options { caller, max_backlog, dry_run, .. } = options;
    let adoption = Adoption { queue, original, caller, max_backlog, dry_run };
    let mut report = Report::new(options.json, dry_run);
    let done = shutdown.run_until_cancelled(adoption.run(&mut report)).await;
    report.close()?;
    match done {
        None => bail!("stopped; run the same command again to go on"),
        Some(done) => done?,
    }
    report.verdict()
}

fn open(url: &SecretUrl) -> anyhow::Result<Client> {
    Client::new(&caudal_redis::Options { redis_url: url.clone() }).map_err(|_| {
        anyhow!("--from-redis: given {:?}, allowed redis:// or rediss:// as in REDIS_URL", url.to_string())
    })
}

struct Adoption {
    queue: Queue,
    original: Original,
    caller: String,
    max_backlog: u64,
    dry_run: bool,
}

impl Adoption {
    /// The keys first: from then on a client that repeats one hears 409. Then what workers had taken, then what waits.
    async fn run(&self, report: &mut Report) -> anyhow::Result<()> {
        // Redis does not say whose they are, so this is no reason to refuse.
        if self.original.workers().await?.is_some_and(|workers| workers > 0) {
            report.warn("clients of this Redis wait for messages as the original's workers do: stop these first, and run this again")?;
        }
        self.keys(report).await?;
        for tag in self.original.taken().await? {
            if let Some(message) = self.original.taken_message(tag).await? {
                self.message(&message, report).await?;
            }
        }
        let mut left = 0;
        loop {
            let page = self.original.waiting(left).await?;
            if page.is_empty() {
                return Ok(());
            }
            for message in &page {
                // What is not removed stays in front of the next page.
                left += usize::from(!self.message(message, report).await?);
            }
        }
    }

    async fn keys(&self, report: &mut Report) -> anyhow::Result<()> {
        let mut cursor = 0;
        loop {
            let (keys, next) = self.original.keys(cursor).await?;
            let known: Vec<_> = keys.iter().filter_map(|key| digest(&self.caller, key)).collect();
            let adopted = if self.dry_run { 0 } else { self.queue.adopt_keys(&known).await? };
            report.keys(known.len() as u64, adopted, (keys.len() - known.len()) as u64);
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    /// Admits what the message brings and removes it then; says whether it is gone.
    async fn message(&self, message: &Message, report: &mut Report) -> anyhow::Result<bool> {
        let task = match message::read(message) {
            Ok(task) => task,
            Err(unread) => {
                report.left(message.origin(), &unread)?;
                return Ok(false);
            }
        };
        let invoices = task.parts.iter().map(|part| part.len() as u64).sum();
        if self.dry_run {
            report.admitted(invoices);
            return Ok(false);
        }
        for (number, part) in task.parts.iter().enumerate() {
            self.admit(&batch(&task, number, part, &self.caller), report).await?;
        }
        self.original.remove(message).await?;
        report.admitted(invoices);
        Ok(true)
    }

    /// Returns once the queue has the batch, from this run or an earlier one.
    async fn admit(&self, batch: &Batch, report: &mut Report) -> anyhow::Result<()> {
        loop {
            let tight = self.queue.memory().await?.is_tight();
            match self.queue.admit(batch, if tight { 0 } else { self.max_backlog }).await {
                Ok(Admission::Accepted { .. } | Admission::Duplicate { .. }) => return Ok(()),
                Ok(Admission::Full { .. }) | Err(Error::OutOfMemory(_)) => report.waits(),
                Err(error) => return Err(error.into()),
            }
            sleep(PAUSE).await;
        }
    }
}

/// The digest that the API makes of the same header. The original read the header as Latin-1 and wrote it as UTF-8.
fn digest(caller: &str, OriginalKey { key, left }: &OriginalKey) -> Option<([u8; 32], Duration)> {
    let text = std::str::from_utf8(key).ok()?;
    let header: Option<Vec<u8>> = text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
    Some((key_digest(caller, &header?), *left))
}

/// The same batch at every run: a crash between its admission and the message's removal does no harm.
fn batch(task: &Task, number: usize, invoices: &[Invoice], caller: &str) -> Batch {
    let key = key_digest(CELERY, format!("{}/{number}", task.id).as_bytes());
    let id = Builder::from_custom_bytes(key.first_chunk().copied().unwrap_or_default()).into_uuid();
    Batch {
        id,
        key,
        fingerprint: fingerprint(invoices),
        chunks: chunk::cut(invoices).map(|(payload, count)| Chunk { payload, count }).collect(),
        traceparent: None,
        caller: caller.to_owned(),
    }
}
