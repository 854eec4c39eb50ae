//! What the user wants: bounds, targets and pace.

use std::num::NonZeroU32;
use std::time::Duration;

/// How to scale. Made by [`Policy::new`] with the usual pace, every part of it open to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Never fewer replicas.
    pub min: u32,
    /// Never more replicas; wins over `min`.
    pub max: u32,
    /// How much backlog one replica may have, in the source's unit.
    pub backlog_per_replica: Option<NonZeroU32>,
    /// Within what time the backlog should be worked off. With both targets the larger answer counts.
    pub drain: Option<Duration>,
    /// Up only to the least needed within this time; zero: at once.
    pub up_window: Duration,
    /// Down only to the most needed within this time.
    pub down_window: Duration,
    /// How much of the current replicas one step down may take, in percent; always at least one replica.
    pub step_percent: u32,
    /// How long nothing may wait or be in flight before zero.
    pub cooldown: Duration,
}

impl Policy {
    /// From 0 to `max` replicas with so much backlog for each: up at once, down after 60 s by half, to zero after 60 s of idleness.
    pub fn new(max: u32, backlog_per_replica: NonZeroU32) -> Self {
        Self {
            min: 0,
            max,
            backlog_per_replica: Some(backlog_per_replica),
            drain: None,
            up_window: Duration::ZERO,
            down_window: Duration::from_secs(60),
            step_percent: 50,
            cooldown: Duration::from_secs(60),
        }
    }
}
