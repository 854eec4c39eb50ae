//! What a simulated invoice is, and how it behaves in the handler.

/// One invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invoice {
    /// RUT and number in one.
    pub(super) key: u8,
    pub(super) amount: i32,
    pub(super) nature: Nature,
}

/// What happens when it is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    Good,
    /// It is rejected.
    Poison,
    /// It fails so often before it succeeds.
    Flaky(u8),
    /// Its worker dies.
    Killer,
    /// The handler hangs so often.
    Sleeper(u8),
}

/// A failure that never ends.
pub(super) const HOPELESS: Nature = Nature::Flaky(u8::MAX);
const SIZE: usize = 7;
/// The first byte of a payload: one that can be read, one that only a newer program reads, and one that kills who reads it.
const FORMAT: u8 = 1;
const NEWER: u8 = 2;
const DEADLY: u8 = 66;

impl Nature {
    /// The code it is buried under, if it is.
    pub(super) fn fate(self) -> Option<&'static str> {
        match self {
            Self::Poison => Some("poison"),
            Self::Killer => Some("kills_its_worker"),
            HOPELESS => Some("attempts_exhausted"),
            Self::Good | Self::Flaky(_) | Self::Sleeper(_) => None,
        }
    }
}

pub(super) fn encode(invoices: &[Invoice]) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    for Invoice { key, amount, nature } in invoices {
        let (kind, often) = match *nature {
            Nature::Good => (0, 0),
            Nature::Poison => (1, 0),
            Nature::Flaky(often) => (2, often),
            Nature::Killer => (3, 0),
            Nature::Sleeper(often) => (4, often),
        };
        bytes.push(*key);
        bytes.extend(amount.to_be_bytes());
        bytes.extend([kind, often]);
    }
    bytes
}

/// None for a payload that is damaged or deadly.
pub(super) fn decode(payload: &[u8]) -> Option<Vec<Invoice>> {
    let (&(FORMAT | NEWER), rest) = payload.split_first()? else { return None };
    rest.chunks(SIZE).map(invoice).collect()
}

/// The code all of a payload's invoices are buried under, if they are.
pub(super) fn fate(payload: &[u8]) -> Option<&'static str> {
    match decode(payload) {
        Some(_) => None,
        None if is_deadly(payload) => Some("kills_its_worker"),
        None => Some("damaged"),
    }
}

pub(super) fn is_newer(payload: &[u8]) -> bool {
    payload.first() == Some(&NEWER)
}

pub(super) fn is_deadly(payload: &[u8]) -> bool {
    payload.first() == Some(&DEADLY)
}

fn invoice(bytes: &[u8]) -> Option<Invoice> {
    let &[key, a, b, c, d, kind, often] = bytes else { return None };
    let nature = match kind {
        0 => Nature::Good,
        1 => Nature::Poison,
        2 => Nature::Flaky(often),
        3 => Nature::Killer,
        _ => Nature::Sleeper(often),
    };
    Some(Invoice { key, amount: i32::from_be_bytes([a, b, c, d]), nature })
}

/// The payload as only a newer program can read it.
pub(super) fn newer(mut payload: Vec<u8>) -> Vec<u8> {
    payload[0] = NEWER;
    payload
}

/// A payload that no handler can read.
pub(super) fn damaged() -> Vec<u8> {
    vec![FORMAT, 2, 3]
}

/// A payload that kills whoever tries to read it, and cannot be cut.
pub(super) fn deadly() -> Vec<u8> {
    vec![DEADLY]
}
