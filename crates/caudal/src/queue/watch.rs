//! The queue each second: in place on a terminal, a line each elsewhere.

use std::time::Duration;

use caudal_queue::{Error, Flow, Queue};
use chrono::Utc;
use console::{Term, truncate_str};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::report::Report;
use crate::terminal::{note, try_say};

const TICK: Duration = Duration::from_secs(1);

/// How fast it goes, over the time since the look before.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Rates {
    chunks_in_per_second: f64,
    chunks_out_per_second: f64,
    backlog_per_second: f64,
}

#[derive(Serialize)]
struct Moment<'a> {
    #[serde(flatten)]
    report: &'a Report,
    #[serde(flatten)]
    rates: Rates,
}

/// Tells it until `shutdown`, or until nobody reads it any more. An outage of Redis is told and waited out.
pub(super) async fn run(queue: &Queue, json: bool, shutdown: CancellationToken) -> anyhow::Result<()> {
    let screen = Term::stdout();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut before, mut drawn) = (None, 0);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let Some(looked) = shutdown.run_until_cancelled(Report::of(queue)).await else { break };
        let rates = looked.as_ref().map_or_else(|_| Rates::default(), |report| rates(before.as_ref(), report));
        let told = match &looked {
            Ok(report) if json => try_say(serde_json::to_string(&Moment { report, rates })?),
            Err(error) if json => {
                note(error);
                Ok(())
            }
            _ if screen.is_term() => draw(&screen, drawn, &text(&looked, rates)).map(|lines| drawn = lines),
            Ok(report) => try_say(line(report, rates)),
            Err(error) => try_say(format!("{}  {error}", Utc::now().format("%H:%M:%S"))),
        };
        if told.is_err() {
            return Ok(());
        }
        before = looked.ok();
    }
    Ok(())
}

fn rates(before: Option<&Report>, now: &Report) -> Rates {
    let Some(before) = before else { return Rates::default() };
    let Flow { added, gone, at } = now.flow;
    let seconds = ((at - before.flow.at).num_milliseconds().max(1) as f64) / 1_000.0;
    let per_second = |now: u64, before: u64| (now as f64 - before as f64) / seconds;
    Rates {
        chunks_in_per_second: per_second(added, before.flow.added),
        chunks_out_per_second: per_second(gone, before.flow.gone),
        backlog_per_second: per_second(now.backlog, before.backlog),
    }
}

fn text(looked: &Result<Report, Error>, rates: Rates) -> String {
    let Rates { chunks_in_per_second, chunks_out_per_second, backlog_per_second } = rates;
    match looked {
        Ok(report) => format!(
            "rates            {chunks_in_per_second:.0} chunks/s in, {chunks_out_per_second:.0} chunks/s out, \
             backlog {backlog_per_second:+.0} invoices/s\n{report}"
        ),
        Err(error) => error.to_string(),
    }
}

fn line(report: &Report, rates: Rates) -> String {
    format!(
        "{}  backlog {} ({:+.0}/s)  waiting {}  in flight {}  to be retried {}  dead {}  oldest {}{}",
        Utc::now().format("%H:%M:%S"),
        report.backlog,
        rates.backlog_per_second,
        report.waiting_chunks,
        report.in_flight_chunks,
        report.retry_invoices,
        report.dead,
        report.oldest(),
        if report.paused { "  paused" } else { "" },
    )
}

/// Draws over what was drawn before and returns how many lines there are now.
fn draw(screen: &Term, drawn: usize, text: &str) -> std::io::Result<usize> {
    let (height, width) = screen.size();
    let lines: Vec<_> = text.lines().take(usize::from(height).saturating_sub(1)).collect();
    screen.clear_last_lines(drawn)?;
    lines.iter().try_for_each(|line| screen.write_line(&truncate_str(line, width.into(), "…")))?;
    Ok(lines.len())
}
