//! `caudal dead`: looks at buried invoices, tries them again, drops them.

mod pick;
mod show;

use std::io::IsTerminal;

use anyhow::{bail, ensure};
use caudal_queue::{EntryId, Queue};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::role::Common;
use crate::terminal::{count, note, say, say_json};
use pick::{Filter, Pick, Summary};

/// What to do with the dead letters.
#[derive(clap::Subcommand, Clone, Debug)]
pub(crate) enum Action {
    /// List them, oldest first
    List {
        #[command(flatten)]
        filter: Filter,
        /// At most so many
        #[arg(long, default_value_t = 50, value_name = "LETTERS")]
        limit: u32,
        /// Only those after this one: the next page
        #[arg(long, value_name = "ID")]
        after: Option<EntryId>,
        #[command(flatten)]
        options: Common,
    },
    /// Show one, with the invoices in it
    Show {
        /// The letter
        #[arg(value_name = "ID")]
        id: EntryId,
        #[command(flatten)]
        options: Common,
    },
    /// Put them back into the queue, once their cause is mended
    Retry {
        #[command(flatten)]
        pick: Pick,
        #[command(flatten)]
        options: Common,
    },
    /// Delete them for good
    Drop {
        #[command(flatten)]
        pick: Pick,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        options: Common,
    },
}

/// What retry and drop have in common.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Fate {
    Retried,
    Dropped,
}

/// Does it.
pub(crate) async fn run(action: Action, shutdown: CancellationToken) -> anyhow::Result<()> {
    match action {
        Action::List { filter, limit, after, options } => {
            show::list(&options.place.open()?, &filter, limit as usize, after, options.json).await
        }
        Action::Show { id, options } => show::one(&options.place.open()?, id, options.json).await,
        Action::Retry { pick, options } => decide(&options, &pick, Fate::Retried, Sure::Yes).await,
        Action::Drop { pick, yes, options } => {
            let sure = if yes { Sure::Yes } else { Sure::Ask(&shutdown) };
            decide(&options, &pick, Fate::Dropped, sure).await
        }
    }
}

#[derive(Serialize)]
struct Done {
    fate: Fate,
    dry_run: bool,
    /// Letters that were dealt with, or would be.
    letters: u64,
    #[serde(flatten)]
    found: Summary,
}

async fn decide(options: &Common, pick: &Pick, fate: Fate, sure: Sure<'_>) -> anyhow::Result<()> {
    let queue = options.place.open()?;
    let (ids, found) = pick.find(&queue).await?;
    let verb = match fate {
        Fate::Retried => "retried",
        Fate::Dropped => "dropped",
    };
    let would = format!("{found} would be {verb}");
    let picked = ids.len() as u64;
    let letters = if pick.dry_run || ids.is_empty() {
        picked
    } else {
        sure.ask(&would).await?;
        act(&queue, fate, &ids).await?
    };
    let missing = found.missing + picked.saturating_sub(letters);
    match (options.json, pick.dry_run) {
        (true, dry_run) => say_json(&Done { fate, dry_run, letters, found })?,
        (false, true) => say(would),
        (false, false) => say(format!("{verb} {}", count(letters, "dead letter"))),
    }
    match missing {
        0 => Ok(()),
        1 => bail!("one of them is not there (any more)"),
        more => bail!("{more} of them are not there (any more)"),
    }
}

async fn act(queue: &Queue, fate: Fate, ids: &[EntryId]) -> anyhow::Result<u64> {
    Ok(match fate {
        Fate::Retried => queue.retry_dead(ids).await?,
        Fate::Dropped => queue.drop_dead(ids).await?,
    })
}

/// Whether it may be done without asking.
enum Sure<'a> {
    Yes,
    /// Only after whoever sits at the terminal has said so, before this.
    Ask(&'a CancellationToken),
}

impl Sure<'_> {
    async fn ask(&self, would: &str) -> anyhow::Result<()> {
        let Self::Ask(shutdown) = self else { return Ok(()) };
        ensure!(std::io::stdin().is_terminal(), "{would}, and nobody can be asked here: --yes does it");
        note(format!("{would} for good. Type yes to go on:"));
        // A thread of its own, which the end of the process does not wait for: it may read for ever.
        let (sender, answer) = oneshot::channel();
        std::thread::spawn(move || {
            let mut answer = String::new();
            let _ = std::io::stdin().read_line(&mut answer);
            sender.send(answer)
        });
        let answer = shutdown.run_until_cancelled(answer).await;
        ensure!(answer.is_some_and(|answer| answer.is_ok_and(|answer| answer.trim() == "yes")), "nothing was dropped");
        Ok(())
    }
}
