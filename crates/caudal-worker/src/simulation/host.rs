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

use super::faults::Line;
use super::handler::Ledger;
use super::queue::{Reader, Redis};
use super::world::World;
use crate::worker::Core;

/// What can be done to a machine. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Power {
    dead: Arc<AtomicBool>,
    frozen: Arc<AtomicBool>,
    cuts: Arc<Mutex<Cuts>>,
    waker: Arc<Mutex<Option<Waker>>>,
}

/// Until when the machine does not reach them, though others do.
#[derive(Debug, Default)]
struct Cuts {
    redis: Option<Instant>,
    postgresql: Option<Instant>,
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

    pub(super) fn is_cut_from_redis(&self) -> bool {
        self.cuts.lock().unwrap().redis.is_some_and(|until| Instant::now() < until)
    }

    pub(super) fn is_cut_from_postgresql(&self) -> bool {
        self.cuts.lock().unwrap().postgresql.is_some_and(|until| Instant::now() < until)
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
    name: String,
    power: Power,
    shutdown: CancellationToken,
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

    pub(super) fn crash(&self, world: &World, host: usize) {
        world.meet("host", "crash");
        self.on(host).power.kill();
    }

    pub(super) fn freeze(&self, world: &World, host: usize, time: Duration) {
        let Running { name, power, .. } = self.on(host);
        world.meet("host", "freeze");
        world.ail(&name, Instant::now() + time);
        power.freeze(true);
        let world = world.clone();
        tokio::spawn(async move {
            sleep(time).await;
            world.thawed();
            power.freeze(false);
        });
    }

    pub(super) fn cut_from_redis(&self, world: &World, host: usize, time: Duration) {
        let Running { name, power, .. } = self.on(host);
        let until = Instant::now() + time;
        world.meet("host", "cut from redis");
        world.ail(&name, until);
        power.cuts.lock().unwrap().redis = Some(until);
    }

    pub(super) fn cut_from_postgresql(&self, world: &World, host: usize, time: Duration) {
        let Running { name, power, .. } = self.on(host);
        let until = Instant::now() + time;
        world.meet("host", "cut from postgresql");
        world.lame(&name, until);
        power.cuts.lock().unwrap().postgresql = Some(until);
    }

    pub(super) fn shut_down(&self, world: &World, host: usize) {
        let Running { name, shutdown, .. } = self.on(host);
        world.meet("host", "shutdown");
        world.ends(&name);
        shutdown.cancel();
    }

    /// All go on that are stopped or cut off, and all but one end for good.
    pub(super) fn calm_down(&mut self, world: &World) {
        for host in 0..self.running.len() {
            let power = self.on(host).power;
            power.freeze(false);
            *power.cuts.lock().unwrap() = Cuts::default();
        }
        (1..self.running.len()).for_each(|host| self.end_for_good(world, host));
    }

    /// Tells all workers to end, and waits for it.
    pub(super) async fn end(mut self, world: &World) {
        (0..self.running.len()).for_each(|host| self.end_for_good(world, host));
        while self.tasks.join_next().await.is_some() {}
    }

    fn end_for_good(&self, world: &World, host: usize) {
        self.over[host].cancel();
        self.shut_down(world, host);
    }
}

/// One worker after the other, each under a name of its own.
async fn keep_running(host: usize, world: World, slot: Arc<Mutex<Running>>, over: CancellationToken) {
    for life in 0_u32.. {
        let running = Running { name: format!("{host}/{life}"), ..Running::default() };
        *slot.lock().unwrap() = running.clone();
        let Running { name, power, shutdown } = running;
        world.born(&name);
        let line = Line { world: world.clone(), power: power.clone(), name: name.clone() };
        let core = Core::new(Redis(line.clone()), Reader::new(line), Ledger::new(&world, &power), world.fork());
        let heartbeat = core.heartbeat();
        let work = async move {
            tokio::select! { biased; () = core.run(shutdown) => {}, () = heartbeat => {} }
        };
        Process { power: power.clone(), work: Some(Box::pin(work)) }.await;
        world.gone(&name, power.dead.load(Ordering::Relaxed));
        if over.run_until_cancelled(sleep(world.between(10, 3_000))).await.is_none() {
            return;
        }
    }
}
