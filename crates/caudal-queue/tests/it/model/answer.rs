//! What a step must answer, in the model's words.

/// An answer of the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Answer {
    #[default]
    Nothing,
    Admitted(Vec<Admitted>),
    /// Leases, by the serial numbers of their handles.
    Leases(Vec<u32>),
    /// Of each lease, in the order asked, whether it was ended: serial number and answer.
    Settled(Vec<(u32, bool)>),
    /// Serial numbers of the handles that are lost.
    Lost(Vec<u32>),
    Number(u64),
    /// The backlog as it was stated before it was put right.
    Stated(u64),
}

/// What becomes of one batch at the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admitted {
    Accepted { batch: usize },
    Duplicate { of: usize, same: bool },
    Full { backlog: u64 },
}
