//! Whether this Redis can keep the queue.

use redis::{InfoDict, cmd};

use crate::{Error, Queue};

/// The oldest Redis the scripts run on.
const OLDEST: u32 = 7;

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
