//! The machines workers run on: each can die, be stopped and go on, or be told to end.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::handler::Ledger;
use super::queue::{Reader, Redis};
use super::world::World;
use crate::worker::Core;

/// A worker told to end must have ended by then: its grace, and what Redis takes to answer.
const ENDED: Duration = Duration::from_secs(25);

/// What can be done to a machine. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Power {
    dead: Arc<AtomicBool>,
    frozen: Arc<AtomicBool>,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl Power {
    pub(super) fn kill(&self) {
        self.dead.store(true, Ordering::Relaxed);
        self.wake();
    }

    fn freeze(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::Relaxed);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.lock().unwrap().take() {
            waker.wake();
        }
    }
}

/// A process on a machine: dropped when that dies, not polled while it is frozen.
struct Process<F> {
    power: Power,
    work: Option<Pin<Box<F>>>,
}

impl<F: Future<Output = ()>> Future for Process<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        *self.power.waker.lock().unwrap() = Some(context.waker().clone());
        if self.power.dead.load(Ordering::Relaxed) {
            self.work = None;
        }
        let frozen = self.power.frozen.load(Ordering::Relaxed);
        match &mut self.work {
            None => Poll::Ready(()),
            Some(_) if frozen => Poll::Pending,
            Some(work) => work.as_mut().poll(context),
        }
    }
}

/// What runs on a machine now.
#[derive(Clone, Debug, Default)]
struct Running {
    power: Power,
    shutdown: CancellationToken,
    /// When it was told to end, unless it was frozen then or since.
    asked: Arc<Mutex<Option<Instant>>>,
}

/// All machines.
#[derive(Debug)]
pub(super) struct Hosts {
    running: Vec<Arc<Mutex<Running>>>,
    over: Vec<CancellationToken>,
    tasks: JoinSet<()>,
}

impl Hosts {
    pub(super) fn start(world: &World, count: usize) -> Self {
        let mut hosts = Self { running: Vec::new(), over: Vec::new(), tasks: JoinSet::new() };
        for number in 0..count {
            let running = Arc::new(Mutex::new(Running::default()));
            let over = CancellationToken::new();
            hosts.running.push(Arc::clone(&running));
            hosts.over.push(over.clone());
            hosts.tasks.spawn(keep_running(number, world.clone(), running, over));
        }
        hosts
    }

    fn on(&self, host: usize) -> Running {
        self.running[host].lock().unwrap().clone()
    }

    pub(super) fn crash(&self, host: usize) {
        self.on(host).power.kill();
    }

    pub(super) fn freeze(&self, world: &World, host: usize, time: Duration) {
        let Running { power, asked, .. } = self.on(host);
        *asked.lock().unwrap() = None;
        power.freeze(true);
        let world = world.clone();
        tokio::spawn(async move {
            sleep(time).await;
            world.thawed();
            power.freeze(false);
        });
    }

    pub(super) fn shut_down(&self, host: usize) {
        let Running { shutdown, asked, power } = self.on(host);
        *asked.lock().unwrap() = (!power.frozen.load(Ordering::Relaxed)).then(Instant::now);
        shutdown.cancel();
    }

    /// All go on that are stopped, and all but one end for good.
    pub(super) fn calm_down(&mut self) {
        (0..self.running.len()).for_each(|host| self.on(host).power.freeze(false));
        (1..self.running.len()).for_each(|host| self.end_for_good(host));
    }

    /// Tells all workers to end, and waits for it.
    pub(super) async fn end(mut self) {
        (0..self.running.len()).for_each(|host| self.end_for_good(host));
        while self.tasks.join_next().await.is_some() {}
    }

    fn end_for_good(&self, host: usize) {
        self.over[host].cancel();
        self.shut_down(host);
    }
}

/// One worker after the other, each under a name of its own.
async fn keep_running(host: usize, world: World, slot: Arc<Mutex<Running>>, over: CancellationToken) {
    for life in 0_u32.. {
        let running = Running::default();
        *slot.lock().unwrap() = running.clone();
        let name = format!("{host}/{life}");
        let ledger = Ledger::new(&world, &running.power);
        let redis = Redis::new(&world);
        let core = Core::new(redis, Reader::new(&world, &name), ledger, world.fork());
        let heartbeat = core.heartbeat();
        let shutdown = running.shutdown.clone();
        let work = async move {
            tokio::select! { biased; () = core.run(shutdown) => {}, () = heartbeat => {} }
        };
        Process { power: running.power.clone(), work: Some(Box::pin(work)) }.await;
        let asked = *running.asked.lock().unwrap();
        if asked.is_some_and(|at| at.elapsed() > ENDED) {
            world.violation(format!("{name} took {:?} to end", asked.map(|at| at.elapsed())));
        }
        if over.run_until_cancelled(sleep(world.between(10, 3_000))).await.is_none() {
            return;
        }
    }
}
