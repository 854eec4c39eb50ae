//! What kind of Redis this is: whether it can keep the queue, how full it is, and how well it keeps what it has confirmed.

use std::collections::HashMap;

use redis::{InfoDict, cmd};

use crate::{Error, Queue};

/// The oldest Redis the scripts run on.
const OLDEST: u32 = 7;

/// The share of its memory, in percent, over which Redis takes no more batches in.
const MOST_MEMORY: u64 = 85;

/// How full Redis is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Bytes in use.
    pub used: u64,
    /// Bytes that may be in use, if there is a limit.
    pub limit: Option<u64>,
}

impl Memory {
    /// Whether so little is left, 15 % of the limit, that no more batches should be taken in.
    #[must_use]
    pub fn is_tight(&self) -> bool {
        self.limit.is_some_and(|limit| self.used.saturating_mul(100) > limit.saturating_mul(MOST_MEMORY))
    }
}

/// When the append-only file reaches the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// Before a change is confirmed.
    Always,
    /// Within about a second: a crash of the machine loses as much.
    EverySecond,
    /// When the operating system sees fit.
    No,
}

/// How well Redis keeps what it has confirmed. What a provider does not tell is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Durability {
    /// Whether an append-only file is written.
    pub append_only: Option<bool>,
    /// When it reaches the disk.
    pub fsync: Option<Fsync>,
    /// Whether its last write succeeded.
    pub last_write_succeeded: Option<bool>,
}

impl Durability {
    /// What a crash would cost, in words for people, the worst first; none where nothing confirmed is lost, or nothing is known.
    #[must_use]
    pub fn weakness(&self) -> Option<&'static str> {
        match (self.append_only, self.last_write_succeeded, self.fsync) {
            (Some(false), ..) => Some("Redis writes no append-only file: its crash loses accepted invoices"),
            (_, Some(false), _) => Some("Redis could not write its append-only file: its disk may be full"),
            (Some(true), _, Some(Fsync::EverySecond | Fsync::No)) => Some(
                "Redis confirms before its append-only file is on the disk (appendfsync): the machine's crash loses accepted invoices",
            ),
            _ => None,
        }
    }
}

impl Queue {
    /// Whether Redis is reached and fit: 7.0 or newer, and never evicting keys.
    ///
    /// # Errors
    /// `Unavailable`, `Misconfigured` and `Unfit`.
    pub async fn ready(&self) -> Result<(), Error> {
        let info: InfoDict = cmd("INFO").query_async(&mut self.connection()).await?;
        let version: String = info.get("redis_version").unwrap_or_default();
        let policy: String = info.get("maxmemory_policy").unwrap_or_default();
        match unfit(&version, &policy) {
            Some(reason) => Err(Error::Unfit(reason)),
            None => Ok(()),
        }
    }

    /// How full Redis is.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`.
    pub async fn memory(&self) -> Result<Memory, Error> {
        let info: InfoDict = cmd("INFO").arg("memory").query_async(&mut self.connection()).await?;
        let limit = info.get("maxmemory").filter(|limit| *limit > 0);
        Ok(Memory { used: info.get("used_memory").unwrap_or_default(), limit })
    }

    /// How well Redis keeps what it has confirmed.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`.
    pub async fn durability(&self) -> Result<Durability, Error> {
        let mut connection = self.connection();
        let info: InfoDict = cmd("INFO").arg("persistence").query_async(&mut connection).await?;
        let fsync = cmd("CONFIG").arg("GET").arg("appendfsync").query_async(&mut connection).await;
        let fsync: HashMap<String, String> = match fsync.map_err(Error::from) {
            Ok(settings) => settings,
            Err(Error::Misconfigured(_)) => HashMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Durability {
            append_only: info.get("aof_enabled").map(|enabled: u8| enabled != 0),
            fsync: fsync.get("appendfsync").and_then(|text| fsync_of(text)),
            last_write_succeeded: info.get("aof_last_write_status").map(|status: String| status == "ok"),
        })
    }
}

fn fsync_of(text: &str) -> Option<Fsync> {
    match text {
        "always" => Some(Fsync::Always),
        "everysec" => Some(Fsync::EverySecond),
        "no" => Some(Fsync::No),
        _ => None,
    }
}

/// What a provider does not tell is taken to be well.
fn unfit(version: &str, policy: &str) -> Option<String> {
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major < OLDEST) {
        return Some(format!("it is version {version}, needed is {OLDEST}.0 or newer"));
    }
    if !policy.is_empty() && policy != "noeviction" {
        return Some(format!("its maxmemory-policy is {policy}, needed is noeviction"));
    }
    None
}

#[cfg(test)]
mod tests;
