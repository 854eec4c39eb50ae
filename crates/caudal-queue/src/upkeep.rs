//! What operators and the controller ask for: pausing, recounting, tidying up.

use redis::{RedisResult, cmd};

use crate::{
    Error, Queue,
    dead::MAX_DEAD,
    hold::FORGOTTEN_AFTER,
    queue::{GROUP, NOBODY, or_if_no_group},
};

/// How many entries are counted in one step; Redis does nothing else meanwhile.
const PAGE: u64 = 2_000;

/// The backlog as it is kept, beside a recount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// The number that is kept; none if it is no count, or below 0.
    pub stated: Option<u64>,
    /// The invoices that were counted: in the stream and to be retried.
    pub counted: u64,
    /// Entries of a newer program: how many invoices they hold is not known here. With any, nothing is repaired.
    pub newer: u64,
    /// Whether the count is exact: nothing was finished or moved while it was counted. Always so for up to 2,000 chunks and as
    /// many retries, and for any number while the queue is paused and no worker holds anything. What is not exact is not repaired.
    pub exact: bool,
}

/// What `recount.lua` returns.
type Page = (Option<u64>, Option<String>, u64, String, i64, u64);

impl Queue {
    /// Nothing is leased, retried or reclaimed any more, within 2 s; leases that are held are finished. Admission goes on.
    ///
    /// # Errors
    /// `Unavailable`, `OutOfMemory` and `Misconfigured`.
    pub async fn pause(&self) -> Result<(), Error> {
        Ok(cmd("SET").arg(&self.keys().paused).arg("1").query_async(&mut self.connection()).await?)
    }

    /// The end of a pause.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`.
    pub async fn resume(&self) -> Result<(), Error> {
        Ok(cmd("DEL").arg(&self.keys().paused).query_async(&mut self.connection()).await?)
    }

    /// Whether the queue is paused.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`.
    pub async fn paused(&self) -> Result<bool, Error> {
        Ok(cmd("EXISTS").arg(&self.keys().paused).query_async(&mut self.connection()).await?)
    }

    /// Recounts the backlog, and puts the number right if `repair` says so, the count is exact, and no entry is of a newer program.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`.
    pub async fn check(&self, repair: bool) -> Result<Check, Error> {
        let keys = self.keys();
        let (mut retries, mut start, mut counted, mut newer) = (Some(0), "-".to_owned(), 0, 0);
        let mut left_first: Option<String> = None;
        loop {
            let mut call = self.scripts().recount.prepare_invoke();
            call.key(&keys.stream).key(&keys.retry).key(&keys.backlog).key(&keys.dead).key(&keys.shut);
            let retries_counted = retries.map(|count: u64| count.to_string()).unwrap_or_default();
            call.arg(retries_counted).arg(&start).arg(PAGE).arg(counted);
            call.arg(left_first.as_deref().unwrap_or_default()).arg(u8::from(repair)).arg(MAX_DEAD).arg(newer);
            let page: Page = call.invoke_async(&mut self.connection()).await?;
            let (next, left, stated): (Option<String>, String, i64);
            (retries, next, counted, left, stated, newer) = page;
            let exact = left_first.as_ref().is_none_or(|first| *first == left);
            left_first.get_or_insert(left);
            match next {
                Some(next) => start = next,
                None => return Ok(Check { stated: u64::try_from(stated).ok(), counted, newer, exact }),
            }
        }
    }

    /// Removes consumers that hold nothing and have not been heard of for four lease times, and says how many.
    ///
    /// # Errors
    /// `Unavailable` and `Misconfigured`.
    pub async fn tidy(&self) -> Result<u64, Error> {
        Ok(self.remove_consumers("").await?)
    }

    /// Removes the consumer of this name if it holds nothing; the empty name stands for all that are long gone.
    pub(crate) async fn remove_consumers(&self, only: &str) -> RedisResult<u64> {
        let mut call = self.scripts().tidy.prepare_invoke();
        call.key(&self.keys().stream).key(&self.keys().workers);
        call.arg(GROUP).arg((self.lease_time() * FORGOTTEN_AFTER).as_millis() as u64).arg(NOBODY).arg(only);
        or_if_no_group(call.invoke_async(&mut self.connection()).await, 0)
    }
}
