//! The ledger in memory, as its handler: versions as in the real one, and outages, hangs and lost replies.

use std::time::Duration;

use tokio::time::sleep;

use super::host::Power;
use super::invoice::{Invoice, Nature, decode, encode};
use super::world::World;
use crate::handler::{Answer, Delivery, Handler, Unavailable, Verdict};

/// A handler on a machine, which its invoices may kill.
#[derive(Debug)]
pub(super) struct Ledger {
    world: World,
    power: Power,
}

impl Ledger {
    pub(super) fn new(world: &World, power: &Power) -> Self {
        Self { world: world.clone(), power: power.clone() }
    }

    /// What goes wrong before anything is done.
    async fn obstacles(&self, set: &[Delivery<'_>]) -> Result<(), Unavailable> {
        if self.world.postgresql_is_away() {
            sleep(self.world.between(1, 3_000)).await;
            return Err(Unavailable::new("away"));
        }
        if self.world.happens(20) {
            return Err(Unavailable::new("a fault"));
        }
        let hangs = self.world.happens(400);
        let mut sleeps = false;
        for (place, invoice) in invoices(set) {
            match invoice.nature {
                Nature::Killer => {
                    let alone = set.len() == 1 && set.iter().all(|delivery| delivery.count == 1);
                    self.world.killed(place, alone);
                    self.power.kill();
                    std::future::pending().await
                }
                Nature::Sleeper(often) => sleeps |= self.world.sleeps(place, often),
                Nature::Good | Nature::Poison | Nature::Flaky(_) => {}
            }
        }
        if hangs || sleeps {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    fn answer(&self, delivery: &Delivery<'_>) -> Answer {
        let Some(invoices) = decode(delivery.payload) else { return Answer::Damaged { reason: "damaged".into() } };
        let verdict = |(offset, invoice): (u32, &Invoice)| {
            let place = (delivery.batch, delivery.position + offset);
            let version = delivery.version + i64::from(offset);
            let payload = encode(std::slice::from_ref(invoice));
            let (number, detail) = (invoice.key.to_string(), String::new());
            match invoice.nature {
                Nature::Poison => Verdict::Rejected { number, code: "poison".into(), detail, payload },
                Nature::Flaky(often) if self.world.fails(place, often) => {
                    Verdict::Failed { number, code: "flaky".into(), detail, payload }
                }
                _ if self.world.record(place.0, version, invoice) => Verdict::Recorded,
                _ => Verdict::Unchanged,
            }
        };
        Answer::Verdicts((0..).zip(&invoices).map(verdict).collect())
    }
}

impl Handler for Ledger {
    async fn ready(&self) -> Result<(), Unavailable> {
        sleep(self.world.between(1, 5)).await;
        if self.world.postgresql_is_away() { Err(Unavailable::new("away")) } else { Ok(()) }
    }

    async fn handle(&self, set: &[Delivery<'_>]) -> Result<Vec<Answer>, Unavailable> {
        sleep(self.world.between(1, 30)).await;
        self.obstacles(set).await?;
        let answers = set.iter().map(|delivery| self.answer(delivery)).collect();
        sleep(Duration::from_millis(1)).await;
        if self.world.happens(40) { Err(Unavailable::new("the reply to the commit is lost")) } else { Ok(answers) }
    }

    fn split(&self, payload: &[u8]) -> Option<Vec<Vec<u8>>> {
        Some(decode(payload)?.iter().map(|invoice| encode(std::slice::from_ref(invoice))).collect())
    }
}

/// Each invoice of a set with its batch and position.
fn invoices(set: &[Delivery<'_>]) -> impl Iterator<Item = ((uuid::Uuid, u32), Invoice)> {
    set.iter().flat_map(|delivery| {
        let (batch, position) = (delivery.batch, delivery.position);
        let invoices = decode(delivery.payload).unwrap_or_default();
        (position..).zip(invoices).map(move |(position, invoice)| ((batch, position), invoice))
    })
}
