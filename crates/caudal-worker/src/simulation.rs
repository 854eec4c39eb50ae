//! Workers on a queue and a ledger in memory, by a virtual clock, with a fault possible at every step. A run is its seed.
//!
//! `SEED=7 cargo test -p caudal-worker simulation` runs one alone.

mod client;
mod handler;
mod host;
mod invoice;
mod queue;
mod scripts;
mod world;

use std::thread;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use host::Hosts;
use world::World;

const SEEDS: u64 = 500;
const WORKERS: usize = 3;
/// How long things go wrong.
const STORM: Duration = Duration::from_secs(40);
/// By then all must be done, once nothing goes wrong any more but what invoices bring with them.
const CALM: Duration = Duration::from_secs(3_600);

#[test]
fn whatever_fails_each_accepted_invoice_is_recorded_once_or_buried_once() {
    let seeds: Vec<u64> = match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..SEEDS).collect(),
    };
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let wrong: Vec<String> = thread::scope(|scope| {
        let part = seeds.len().div_ceil(threads);
        let parts: Vec<_> = seeds.chunks(part).map(|part| scope.spawn(|| first_wrong(part))).collect();
        parts.into_iter().filter_map(|part| part.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_seed_is_the_same_run_again() {
    assert_eq!(run(3).history(), run(3).history());
    assert_ne!(run(3).history(), run(4).history());
}

fn first_wrong(seeds: &[u64]) -> Option<String> {
    seeds.iter().find_map(|seed| run(*seed).wrong().map(|wrong| format!("SEED={seed}: {wrong}")))
}

/// One run, from the first admission to the last settlement.
fn run(seed: u64) -> World {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = World::new(seed);
        let mut hosts = Hosts::start(&world, WORKERS);
        storm(&world, &hosts).await;
        world.calm_down();
        hosts.calm_down();
        let since = Instant::now();
        while !world.is_done() && since.elapsed() < CALM {
            sleep(Duration::from_secs(1)).await;
        }
        hosts.end().await;
        world.check_all();
        world
    })
}

/// Clients send, machines die, stop and go on, Redis and PostgreSQL go away and come back.
async fn storm(world: &World, hosts: &Hosts) {
    let since = Instant::now();
    while since.elapsed() < STORM {
        sleep(world.between(10, 1_200)).await;
        let host = world.below(WORKERS as u64) as usize;
        match world.below(100) {
            0..60 => client::admit(world),
            60..68 => hosts.crash(host),
            68..76 => hosts.freeze(world, host, world.between(100, 40_000)),
            76..80 => hosts.shut_down(host),
            80..88 => world.take_redis_away(world.between(50, 20_000)),
            88..96 => world.take_postgresql_away(world.between(50, 40_000)),
            _ => {}
        }
    }
}
