//! Warnings and words.

use std::time::Duration;

use caudal_queue::{Backlog, Durability, Fsync, Memory, Worker};

use super::{duration, warnings};

const WELL: Durability =
    Durability { append_only: Some(true), fsync: Some(Fsync::Always), last_write_succeeded: Some(true) };
const ROOM: Memory = Memory { used: 84, limit: Some(100) };

fn told(backlog: Backlog, workers: &[Worker], memory: Memory, durability: Durability) -> String {
    warnings(&backlog, workers, Some(20.0), memory, durability).join("\n")
}

#[test]
fn a_redis_that_keeps_everything_warns_of_nothing() {
    assert_eq!(told(Backlog::default(), &[], ROOM, WELL), "");
    assert_eq!(told(Backlog::default(), &[], ROOM, Durability::default()), "");
}

#[test]
fn each_way_to_lose_invoices_is_told() {
    let durable = |durability| told(Backlog::default(), &[], ROOM, durability);
    assert!(durable(Durability { append_only: Some(false), ..WELL }).contains("no append-only file"));
    assert!(durable(Durability { fsync: Some(Fsync::EverySecond), ..WELL }).contains("appendfsync"));
    assert!(durable(Durability { last_write_succeeded: Some(false), ..WELL }).contains("disk"));
    let full = told(Backlog::default(), &[], Memory { used: 86, limit: Some(100) }, WELL);
    assert!(full.contains("over 85 %"), "{full}");
}

#[test]
fn chunks_without_a_living_worker_are_told_unless_the_queue_is_paused() {
    let worker = |seconds| Worker { name: String::new(), chunks: 0, silent: Duration::from_secs(seconds) };
    let waiting = Backlog { waiting_chunks: 1, ..Backlog::default() };
    assert_eq!(told(waiting, &[worker(2)], ROOM, WELL), "");
    assert!(told(waiting, &[worker(20)], ROOM, WELL).contains("no worker is alive"));
    let just_now = warnings(&waiting, &[worker(20)], Some(0.5), ROOM, WELL);
    assert!(just_now.is_empty(), "an idle worker needs a moment: {just_now:?}");
    assert_eq!(told(Backlog { paused: true, ..waiting }, &[], ROOM, WELL), "");
}

#[test]
fn times_are_told_in_their_largest_units() {
    let told: Vec<_> = [0.25, 59.94, 61.0, 3_725.0, 90_000.0].map(duration).into_iter().collect();
    assert_eq!(told, ["0.2 s", "59.9 s", "1 min 1 s", "1 h 2 min", "1 day 1 h"]);
}
