//! What lies between a worker and Redis: any call can be unheard, unanswered, heard late, slow or refused.

use std::time::Duration;

use caudal_queue::Error;
use tokio::time::{Instant, sleep};

use super::host::Power;
use super::world::{State, World};

/// Of so many calls each fault hits so many, the last three fewer; where all is wild, more of calls that are seldom made.
const CALLS: u64 = 1_200;
const OFTEN: u64 = 12;
const RARELY: u64 = 4;
const EAGERLY: u64 = 120;
const SELDOM: [&str; 5] = ["split", "mark", "release", "tidy", "leave"];

/// What befalls one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It has no effect.
    Unheard,
    /// It has its effect, and no answer comes.
    Unanswered,
    /// The worker is told that it failed, and later it has its effect.
    Late,
    /// It takes longer than a lease, perhaps.
    Slow,
    /// Redis answers with an error that is no outage.
    Refused,
}

impl Fault {
    pub(super) const ALL: [Self; 5] = [Self::Unheard, Self::Unanswered, Self::Late, Self::Slow, Self::Refused];

    fn of(draw: u64, eagerly: bool) -> Option<Self> {
        let mut limit = 0;
        Self::ALL.into_iter().find(|fault| {
            limit += match fault {
                Self::Unheard | Self::Unanswered if !eagerly => OFTEN,
                Self::Unheard | Self::Unanswered => 5 * OFTEN,
                _ if eagerly => EAGERLY,
                Self::Late | Self::Slow | Self::Refused => RARELY,
            };
            draw < limit
        })
    }
}

/// A worker's way to Redis. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) world: World,
    pub(super) power: Power,
    pub(super) name: String,
}

impl Line {
    /// One call of a script. Entries that are named are none of the worker's duty any more when something goes wrong.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        what: &'static str,
        named: Vec<u64>,
        effect: impl FnOnce(&mut State) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.world.latency().await;
        if self.is_cut() {
            self.world.lock().stream.disturb(&named);
            sleep(self.world.between(1, 500)).await;
            return Err(unavailable());
        }
        let eagerly = self.world.is_wild() && SELDOM.contains(&what);
        let fault = Fault::of(self.world.below(CALLS), eagerly).filter(|fault| self.world.allows(*fault));
        if let Some(fault) = fault {
            self.befall(what, fault, &named);
        }
        match fault {
            Some(Fault::Unheard) => return Err(unavailable()),
            Some(Fault::Refused) => return Err(Error::Misconfigured(std::io::Error::other("refused").into())),
            Some(Fault::Late) => {
                let (world, delay) = (self.world.clone(), self.world.between(100, 20_000));
                tokio::spawn(async move {
                    sleep(delay).await;
                    apply(&world, effect, true);
                });
                return Err(unavailable());
            }
            Some(Fault::Slow) => self.wait().await,
            Some(Fault::Unanswered) | None => {}
        }
        let answer = apply(&self.world, effect, fault.is_some());
        match fault {
            Some(Fault::Slow) => self.wait().await,
            _ => sleep(Duration::from_millis(1)).await,
        }
        let lost = fault == Some(Fault::Unanswered) || self.is_cut();
        if lost { Err(unavailable()) } else { Ok(answer) }
    }

    fn befall(&self, what: &str, fault: Fault, named: &[u64]) {
        self.world.meet(what, fault);
        self.world.lock().stream.disturb(named);
        if what == "mark" {
            // What the worker has goes back, all of it, and for a lease's time it takes none of it again.
            self.world.trouble_until(Instant::now());
        }
    }

    fn is_cut(&self) -> bool {
        self.world.redis_is_away() || self.power.is_cut_from_redis()
    }

    async fn wait(&self) {
        let delay = self.world.between(1, 20_000);
        self.world.ail(&self.name, Instant::now() + delay);
        sleep(delay).await;
    }
}

/// What the answer named is nobody's duty where no answer comes.
fn apply<T>(world: &World, effect: impl FnOnce(&mut State) -> T, disturbed: bool) -> T {
    let mut state = world.lock();
    state.disturbed = disturbed;
    let answer = effect(&mut state);
    let handed_out = std::mem::take(&mut state.stream.handed_out);
    if disturbed {
        state.stream.disturb(&handed_out);
    }
    answer
}

fn unavailable() -> Error {
    Error::Unavailable(std::io::Error::other("away").into())
}
