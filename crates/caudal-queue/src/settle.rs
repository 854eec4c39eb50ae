//! Ending leases, many in one call.

use std::collections::{HashMap, hash_map::Entry};

use futures_util::future::try_join_all;
use redis::ScriptInvocation;

use crate::{
    EntryId, Error, Lease, Queue, Rejected, Retried, Settled, Settlement,
    dead::MAX_DEAD,
    entry::Head,
    queue::{GROUP, KEPT, or_if_no_group},
};

/// How many rejections a batch's status lists.
pub(crate) const MAX_REJECTIONS: u32 = 1_000;
/// How much one call of the script does at most: leases, retries and rejections. A larger lease has a call of its own. Redis
/// syncs its log once a call, and answers nobody meanwhile: about 2 ms.
const LARGEST_CALL: usize = 256;
/// Where the batches' statuses begin among the script's keys, counted from 1.
const FIRST_STATUS: usize = 8;
/// Instead of a place: the next one that no lease before has.
const NEXT: usize = 0;

type End<'a> = (usize, &'a Lease, &'a Settlement);

impl Queue {
    /// Ends leases after their invoices have been dealt with for good, and answers for each, in order. May be asked again when
    /// the answer was lost. Each lease is ended whole or not at all; those of one call share the script's costs.
    ///
    /// # Errors
    /// `Unavailable` (some may have taken effect), `Misconfigured`, and `Miscounted` for a caller's mistake (none has).
    pub async fn settle(&self, ends: &[(&Lease, &Settlement)]) -> Result<Vec<Settled>, Error> {
        for (lease, settlement) in ends {
            settlement.check(lease)?;
        }
        let mut sorted: Vec<End<'_>> = ends.iter().enumerate().map(|(at, end)| (at, end.0, end.1)).collect();
        sorted.sort_by(|(_, one, _), (_, other, _)| (&one.consumer, one.id).cmp(&(&other.consumer, other.id)));
        let calls = calls(&sorted).into_iter().map(|call| async move { Ok::<_, Error>((call, self.end(call).await?)) });
        let mut settled = vec![Settled::Lost; ends.len()];
        for (call, answers) in try_join_all(calls).await? {
            for ((at, _, _), answer) in call.iter().zip(answers) {
                if let Some(settled) = settled.get_mut(*at) {
                    *settled = answer.into();
                }
            }
        }
        Ok(settled)
    }

    /// One call: leases of one consumer, sorted.
    async fn end(&self, ends: &[End<'_>]) -> Result<Vec<bool>, Error> {
        let (Some((_, first, _)), Some((_, last, _))) = (ends.first(), ends.last()) else {
            return Ok(Vec::new());
        };
        let keys = self.keys();
        let mut call = self.scripts().settle.prepare_invoke();
        for key in [&keys.stream, &keys.backlog, &keys.dead, &keys.retry, &keys.deaths, &keys.shut, &keys.settled] {
            call.key(key);
        }
        call.arg(GROUP)
            .arg(&*first.consumer)
            .arg(first.id)
            .arg(last.id)
            .arg(KEPT.as_secs())
            .arg(MAX_REJECTIONS)
            .arg(MAX_DEAD)
            .arg(keys.any_rejected());
        let mut places = HashMap::with_capacity(ends.len());
        for (_, lease, settlement) in ends {
            let next = FIRST_STATUS + places.len();
            let place = match places.entry(lease.batch) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    call.key(keys.lote(lease.batch));
                    new.insert(next);
                    NEXT
                }
            };
            tell(&mut call, place, lease, settlement);
        }
        let answer = call.invoke_async(&mut self.connection()).await;
        Ok(or_if_no_group(answer, vec![false; ends.len()])?)
    }
}

/// Adds the arguments of one lease, whose batch has its status at this place among the keys, or at [`NEXT`].
fn tell(call: &mut ScriptInvocation<'_>, place: usize, lease: &Lease, settlement: &Settlement) {
    call.arg(lease.id).arg(numbers(place, lease, settlement).concat());
    for Retried { position, payload, attempts, delay } in &settlement.retried {
        let attempts = u16::try_from(*attempts).unwrap_or(u16::MAX);
        let entry = Head { attempts, suspect: lease.suspect, ..lease.part(*position, 1) }.encode(payload);
        call.arg(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)).arg(entry);
    }
    for Rejected { position, count, number, code, detail, payload } in &settlement.rejected {
        let entry = lease.part(*position, *count).encode(payload);
        call.arg(*position)
            .arg(*count)
            .arg(lease.attempts.saturating_add(1))
            .arg(clean(number))
            .arg(clean(code))
            .arg(clean(detail))
            .arg(entry);
    }
}

/// Cuts sorted ends into calls.
fn calls<'a, 'b>(sorted: &'b [End<'a>]) -> Vec<&'b [End<'a>]> {
    let mut calls = Vec::new();
    for mut rest in sorted.chunk_by(|(_, one, _), (_, other, _)| one.consumer == other.consumer) {
        while !rest.is_empty() {
            let mut weight = 0;
            let fits = rest.iter().take_while(|(_, _, settlement)| {
                weight += settlement.weight();
                weight <= LARGEST_CALL
            });
            let (call, after) = rest.split_at(fits.count().max(1));
            calls.push(call);
            rest = after;
        }
    }
    calls
}

/// What the script is told of a lease, as it reads it.
fn numbers(place: usize, lease: &Lease, settlement: &Settlement) -> [[u8; 4]; 6] {
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let Settlement { recorded, unchanged, retried, rejected } = settlement;
    [length(place), lease.count, *recorded, *unchanged, length(retried.len()), length(rejected.len())]
        .map(u32::to_be_bytes)
}

/// Without U+0000, which stands between the texts of a rejection.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl redis::ToRedisArgs for EntryId {
    fn write_redis_args<W: ?Sized + redis::RedisWrite>(&self, out: &mut W) {
        out.write_arg_fmt(self);
    }
}
