//! What happens once everything runs: the sample goes in, is followed, checked in the ledger and told about.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use caudal_invoice::{RutCheck, parse_batch};
use caudal_ledger::Ledger;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::client::Client;
use super::sample::{self, Request};
use super::screen::Screen;

/// How many invoices of a client are read at once.
const PAGE: u32 = 1_000;

/// How many clients' balances are shown.
const SHOWN: usize = 8;

/// Of each client (canonical RUT), the amount of each invoice (number).
type Expected = BTreeMap<String, BTreeMap<String, Decimal>>;

/// Posts the sample, waits until all of it is recorded, and proves it by the ledger.
///
/// Fails when an invoice is refused, rejected, or not in the ledger with its amount.
pub(super) async fn run(client: &Client, ledger: &Ledger, screen: &Screen) -> anyhow::Result<()> {
    let requests = sample::requests();
    let expected = expected(&requests)?;
    let locations = post_all(client, &requests, screen).await?;
    follow_all(client, &locations, invoices(&requests), screen).await?;
    check(ledger, &expected).await?;
    report(ledger, &expected, screen).await
}

async fn post_all(client: &Client, requests: &[Request], screen: &Screen) -> anyhow::Result<Vec<String>> {
    // A key of this run's own: the sample can be sent to the same Redis again.
    let run = Uuid::new_v4();
    let mut locations = Vec::with_capacity(requests.len());
    for request in requests {
        locations.push(client.post(request, &format!("{run}-{}", request.name)).await?);
    }
    screen.say(format!("posted {} invoices in {} requests", invoices(requests), requests.len()));
    let first = requests.first().context("the sample is empty")?;
    client.post_again(first, &format!("{run}-{}", first.name)).await?;
    screen.say("repeated the first under its key: 409, as it should be");
    Ok(locations)
}

async fn follow_all(client: &Client, locations: &[String], total: u64, screen: &Screen) -> anyhow::Result<()> {
    let bar = screen.bar(total)?;
    let (mut before, mut rejected) = (0, 0);
    for location in locations {
        let mut settled = 0;
        rejected += client
            .follow(location, |now| {
                settled = now;
                bar.set_position(before + now);
            })
            .await?;
        before += settled;
    }
    bar.finish_and_clear();
    ensure!(rejected == 0, "{rejected} invoices of the sample were rejected");
    screen.say(format!("recorded all {total} in {:.1} s", bar.elapsed().as_secs_f64()));
    Ok(())
}

/// Reads every client's invoices back and compares number by number.
async fn check(ledger: &Ledger, expected: &Expected) -> anyhow::Result<()> {
    for (rut, invoices) in expected {
        let mut found = BTreeMap::new();
        let mut from = Some(String::new());
        while let Some(number) = from {
            let client = ledger.client(rut, &number, PAGE).await?;
            let client = client.with_context(|| format!("client {rut} is not in the ledger"))?;
            found.extend(client.invoices.into_iter().map(|invoice| (invoice.number, invoice.amount)));
            from = client.next;
        }
        let missing = invoices.iter().filter(|(number, amount)| found.get(*number) != Some(amount)).count();
        ensure!(missing == 0, "{missing} invoices of client {rut} are not in the ledger as sent");
    }
    Ok(())
}

async fn report(ledger: &Ledger, expected: &Expected, screen: &Screen) -> anyhow::Result<()> {
    screen.say(format!("\n{:<14}{:>10}{:>20}", "client", "invoices", "balance"));
    for rut in expected.keys().take(SHOWN) {
        let client = ledger.client(rut, "", 1).await?.context("the client is gone")?;
        screen.say(format!("{:<14}{:>10}{:>20}", client.rut, client.count, client.balance));
    }
    screen.say(format!("and {} more clients", expected.len().saturating_sub(SHOWN)));
    Ok(())
}

fn expected(requests: &[Request]) -> anyhow::Result<Expected> {
    let mut expected = Expected::new();
    for request in requests {
        let invoices = parse_batch(Some("application/json"), request.body.to_string().as_bytes(), RutCheck::Lax);
        let invoices = invoices.ok().with_context(|| format!("«{}» is no valid batch", request.name))?;
        for invoice in invoices {
            expected.entry(invoice.client()).or_default().insert(invoice.number.clone(), invoice.amount);
        }
    }
    Ok(expected)
}

fn invoices(requests: &[Request]) -> u64 {
    requests.iter().filter_map(|request| request.body.as_array()).map(|invoices| invoices.len() as u64).sum()
}
