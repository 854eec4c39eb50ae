//! Waiting for a condition instead of sleeping.

use std::{fmt::Debug, time::Duration};

use tokio::time::Instant;

use crate::Error;

const PAUSE: Duration = Duration::from_millis(20);

/// Asks `probe` every 20 ms until it answers `Ok`, and returns what it answered.
///
/// `Err` means "not yet" and carries what was seen instead. The value seen last is part of the
/// error that is returned once `within` has passed; a probe that hangs is cut off then.
pub async fn until<T, E: Debug>(
    what: &str,
    within: Duration,
    mut probe: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, Error> {
    let deadline = Instant::now() + within;
    let mut last = String::from("nothing");
    loop {
        match tokio::time::timeout_at(deadline, probe()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(seen)) => last = format!("{seen:?}"),
            Err(_) => last = format!("{last}, then no answer"),
        }
        if Instant::now() + PAUSE >= deadline {
            return Err(Error::TimedOut { what: what.to_owned(), within, last });
        }
        tokio::time::sleep(PAUSE).await;
    }
}
