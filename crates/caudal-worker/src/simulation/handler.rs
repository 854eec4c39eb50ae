//! The ledger in memory, as its handler: versions as in the real one, and outages, hangs and lost replies.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::host::Power;
use super::invoice::{Invoice, Nature, decode, encode, is_deadly, is_newer};
use super::world::{Place, World};
use crate::handler::{Answer, Delivery, Handler, Unavailable, Verdict};

/// A set that hangs keeps its worker for as long: its deadline, and a look.
const HANGS: Duration = Duration::from_secs(70);

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
        if self.is_cut() {
            sleep(self.world.between(1, 3_000)).await;
            return Err(Unavailable::new("away"));
        }
        if self.world.happens(20) {
            self.world.meet("handle", "fault");
            return Err(Unavailable::new("a fault"));
        }
        if self.is_killed_by(set) {
            self.power.kill();
            std::future::pending::<()>().await;
        }
        if self.sleeps_over(set) || (self.world.is_wild() && self.world.happens(400)) {
            self.world.meet("handle", "hang");
            self.world.trouble_until(Instant::now() + HANGS);
            std::future::pending::<()>().await;
        }
        if self.world.is_wild() && self.world.happens(200) {
            self.world.meet("handle", "slow");
            let time = self.world.between(1_000, 59_000);
            self.world.trouble_until(Instant::now() + time);
            sleep(time).await;
        }
        Ok(())
    }

    /// What is in a payload; a newer one can be read once it is calm.
    fn read(&self, payload: &[u8]) -> Option<Vec<Invoice>> {
        if is_newer(payload) && !self.world.is_calm() { None } else { decode(payload) }
    }

    /// Each invoice of a chunk with its batch and position.
    fn invoices(&self, delivery: &Delivery<'_>) -> impl Iterator<Item = (Place, Invoice)> + use<> {
        let (batch, position) = (delivery.batch, delivery.position);
        let invoices = self.read(delivery.payload).unwrap_or_default();
        (position..).zip(invoices).map(move |(position, invoice)| ((batch, position), invoice))
    }

    fn is_cut(&self) -> bool {
        self.world.postgresql_is_away() || self.power.is_cut_from_postgresql()
    }

    fn is_killed_by(&self, set: &[Delivery<'_>]) -> bool {
        for delivery in set {
            let whole = set.len() == 1 && self.split(delivery.payload).is_none_or(|parts| parts.len() == 1);
            let killers: Vec<_> = if is_deadly(delivery.payload) {
                (delivery.position..delivery.position + delivery.count)
                    .map(|position| (delivery.batch, position))
                    .collect()
            } else {
                let killer = |(place, invoice): (_, Invoice)| (invoice.nature == Nature::Killer).then_some(place);
                self.invoices(delivery).filter_map(killer).collect()
            };
            if !killers.is_empty() {
                killers.into_iter().for_each(|place| self.world.killed(place, whole));
                return true;
            }
        }
        false
    }

    fn sleeps_over(&self, set: &[Delivery<'_>]) -> bool {
        let mut sleeps = false;
        for (place, invoice) in set.iter().flat_map(|delivery| self.invoices(delivery)) {
            if let Nature::Sleeper(often) = invoice.nature {
                sleeps |= self.world.sleeps(place, often);
            }
        }
        sleeps
    }

    fn answer(&self, delivery: &Delivery<'_>) -> Answer {
        if is_newer(delivery.payload) && !self.world.is_calm() {
            return Answer::Newer;
        }
        let Some(invoices) = decode(delivery.payload) else { return Answer::Damaged { reason: "damaged".into() } };
        let verdict = |(offset, invoice): (u32, &Invoice)| {
            let place = (delivery.batch, delivery.position + offset);
            let version = delivery.version + i64::from(offset);
            let payload = encode(std::slice::from_ref(invoice));
            let (number, detail) = (invoice.key.to_string(), String::new());
            match invoice.nature {
                Nature::Poison => Verdict::Rejected { number, code: "poison".into(), detail, payload },
                _ if self.world.happens(200) => {
                    self.world.meet("handle", "held up");
                    Verdict::Postponed { payload }
                }
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
        if self.is_cut() { Err(Unavailable::new("away")) } else { Ok(()) }
    }

    async fn handle(&self, set: &[Delivery<'_>]) -> Result<Vec<Answer>, Unavailable> {
        sleep(self.world.between(1, 30)).await;
        self.obstacles(set).await?;
        let answers = set.iter().map(|delivery| self.answer(delivery)).collect();
        sleep(Duration::from_millis(1)).await;
        if self.is_cut() || self.world.happens(40) {
            self.world.meet("handle", "unanswered");
            return Err(Unavailable::new("the reply to the commit is lost"));
        }
        Ok(answers)
    }

    fn split(&self, payload: &[u8]) -> Option<Vec<Vec<u8>>> {
        Some(self.read(payload)?.iter().map(|invoice| encode(std::slice::from_ref(invoice))).collect())
    }
}
