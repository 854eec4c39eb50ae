//! Who sends batches, corrections among them.

use super::invoice::{HOPELESS, Invoice, Nature, damaged, deadly, encode, newer};
use super::world::World;

/// How many invoices there are; what is sent is new or a correction.
const KEYS: u64 = 40;

/// Sends a batch of some chunks, which is accepted.
pub(super) fn admit(world: &World) {
    let chunks = (0..=world.below(3)).map(|_| chunk(world)).collect();
    world.admit(chunks);
}

/// Sends a chunk with an invoice that kills its workers until it is alone.
pub(super) fn admit_killer(world: &World) {
    let invoices: Vec<_> = [Nature::Good, Nature::Killer].map(|nature| Invoice { nature, ..invoice(world) }).into();
    world.admit(vec![(encode(&invoices), invoices)]);
}

fn chunk(world: &World) -> (Vec<u8>, Vec<Invoice>) {
    let size = match world.below(20) {
        0 => 50,
        1..6 => 8,
        _ => 1,
    };
    let invoices: Vec<_> = (0..size).map(|_| invoice(world)).collect();
    let payload = match world.below(1_600) {
        0..20 => damaged(),
        20..21 => deadly(),
        21..31 => newer(encode(&invoices)),
        _ => encode(&invoices),
    };
    (payload, invoices)
}

fn invoice(world: &World) -> Invoice {
    let nature = match world.below(1_000) {
        0..20 => Nature::Poison,
        20..50 => Nature::Flaky(1 + world.below(3) as u8),
        50..51 => HOPELESS,
        51..53 => Nature::Killer,
        53..55 => Nature::Sleeper(1 + world.below(2) as u8),
        _ => Nature::Good,
    };
    Invoice { key: world.below(KEYS) as u8, amount: world.below(5) as i32, nature }
}
