//! `caudal queue`: looks at the queue, pauses it, recounts it.

mod report;
mod watch;

use anyhow::bail;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::role::Common;
use crate::terminal::{count, say, say_json};
use report::Report;

/// What to do with the queue.
#[derive(clap::Subcommand, Clone, Debug)]
pub(crate) enum Action {
    /// Tell what waits, what is in flight, who works, and how Redis is
    Show(Common),
    /// Tell it again each second, until Ctrl-C
    Watch(Common),
    /// Hand nothing out any more; POSTs are still accepted, and workers finish what they hold
    Pause(Common),
    /// End the pause
    Resume(Common),
    /// Recount the backlog; fails where the number that is kept is another
    Check {
        /// Put the number right
        #[arg(long)]
        repair: bool,
        #[command(flatten)]
        options: Common,
    },
}

/// Does it.
pub(crate) async fn run(action: Action, shutdown: CancellationToken) -> anyhow::Result<()> {
    match action {
        Action::Show(options) => show(&options).await,
        Action::Watch(options) => watch::run(&options.place.open()?, options.json, shutdown).await,
        Action::Pause(options) => pause(&options, true).await,
        Action::Resume(options) => pause(&options, false).await,
        Action::Check { repair, options } => check(&options, repair).await,
    }
}

async fn show(options: &Common) -> anyhow::Result<()> {
    let report = Report::of(&options.place.open()?).await?;
    if options.json {
        return say_json(&report);
    }
    say(report);
    Ok(())
}

async fn pause(options: &Common, paused: bool) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Paused {
        paused: bool,
    }
    let queue = options.place.open()?;
    if paused {
        queue.pause().await?;
    } else {
        queue.resume().await?;
    }
    match (options.json, paused) {
        (true, paused) => return say_json(&Paused { paused }),
        (false, true) => {
            say(format!("{} is paused: workers finish what they hold, POSTs are still accepted", queue.name()))
        }
        (false, false) => say(format!("{} goes on", queue.name())),
    }
    Ok(())
}

async fn check(options: &Common, repair: bool) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Checked {
        stated: Option<u64>,
        counted: u64,
        newer: u64,
        exact: bool,
        repaired: bool,
    }
    let checked = options.place.open()?.check(repair).await?;
    let caudal_queue::Check { stated, counted, newer, exact } = checked;
    let right = stated == Some(counted);
    let repaired = repair && exact && newer == 0 && !right;
    if options.json {
        say_json(&Checked { stated, counted, newer, exact, repaired })?;
    }
    let stated = stated.map_or_else(|| "is no count".to_owned(), |stated| format!("says {}", count(stated, "invoice")));
    let told = format!("the backlog {stated}, counted are {counted}");
    if newer > 0 {
        bail!("{told}, and {} of a newer program not: check with that program", count(newer, "chunk"));
    }
    match (exact, right || repaired) {
        (true, true) if options.json => Ok(()),
        (true, true) => {
            say(format!("{told}{}", if repaired { ": put right" } else { "" }));
            Ok(())
        }
        (true, false) => bail!("{told}: --repair puts it right"),
        (false, _) => bail!("{told}, but invoices left the queue meanwhile: `caudal queue pause`, then check again"),
    }
}
