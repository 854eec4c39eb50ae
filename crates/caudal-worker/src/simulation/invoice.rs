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
/// The first byte of a payload that can be read.
const FORMAT: u8 = 1;

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

/// None for a damaged payload.
pub(super) fn decode(payload: &[u8]) -> Option<Vec<Invoice>> {
    let (&FORMAT, rest) = payload.split_first()? else { return None };
    rest.chunks(SIZE).map(invoice).collect()
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

/// A payload of so many invoices that no handler can read.
pub(super) fn damaged() -> Vec<u8> {
    vec![FORMAT, 2, 3]
}
