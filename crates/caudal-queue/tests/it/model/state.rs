//! What the model knows: batches, entries, who has them, what is to be retried and what is dead.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::answer::Answer;

/// Consumers are told apart by numbers that are never used again.
pub(crate) type Who = u32;

/// How many workers there are at once.
pub(crate) const WORKERS: usize = 3;

/// What somebody writes into the stream, and a newer program: both long enough for a count to be read out of them by mistake.
pub(crate) const FOREIGN: &str = "\0 is the format of nothing that was ever written to this stream";
pub(crate) const NEWER: &str = "\u{2} is the format of a program that nobody has written so far";

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    /// Redis' clock is behind the versions it has given.
    pub(crate) clock_behind: bool,
    /// Every batch that ever came to the door.
    pub(crate) batches: Vec<Batch>,
    /// The batch that took a key.
    pub(crate) keys: BTreeMap<Key, usize>,
    /// In the order of the stream.
    pub(crate) stream: Vec<Entry>,
    /// In the order in which they were put off.
    pub(crate) retry: Vec<Retry>,
    /// In the order in which they were buried.
    pub(crate) dead: Vec<Letter>,
    /// Invoices that ever left the backlog.
    pub(crate) settled: u64,
    /// Invoices that are dead letters no more and were not tried again.
    pub(crate) dropped: u64,
    /// Leases that a worker has in its memory, whether they are still its own or not.
    pub(crate) handles: Vec<Handle>,
    /// What each process holds back from its own reclaims.
    pub(crate) hand: BTreeMap<(Who, u32), Hold>,
    /// The workers that live.
    pub(crate) workers: [Who; WORKERS],
    /// Those that have reached Redis, and those that have for a lease time.
    pub(crate) reached: BTreeSet<Who>,
    pub(crate) trusted: BTreeSet<Who>,
    /// How often a suspect was tried, by entry.
    pub(crate) deaths: BTreeMap<u32, u32>,
    pub(crate) group: bool,
    pub(crate) paused: bool,
    /// What the last step must have answered.
    pub(crate) answer: Answer,
    /// The batches, or the handles, that the last step was about, in the order in which it named them.
    pub(crate) asked: Vec<usize>,
    pub(crate) meant: Vec<Handle>,
    numbers: u32,
}

/// A client's key: who sends it, and which.
pub(crate) type Key = (u8, u8);

#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) key: Key,
    pub(crate) sizes: Vec<u32>,
    pub(crate) content: u8,
    /// None where it was not taken in.
    pub(crate) status: Option<Status>,
}

impl Batch {
    pub(crate) fn count(&self) -> u64 {
        self.sizes.iter().map(|size| u64::from(*size)).sum()
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    pub(crate) recorded: u64,
    pub(crate) unchanged: u64,
    /// By the position of the first: how many.
    pub(crate) rejected: BTreeMap<u32, u32>,
}

impl Status {
    pub(crate) fn rejections(&self) -> u64 {
        self.rejected.values().map(|count| u64::from(*count)).sum()
    }

    pub(crate) fn settled(&self) -> u64 {
        self.recorded + self.unchanged + self.rejections()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Chunk,
    Foreign,
    Newer,
}

/// An entry of the stream.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Tells it from every other that was or will be.
    pub(crate) number: u32,
    pub(crate) kind: Kind,
    pub(crate) piece: Piece,
    pub(crate) attempts: u32,
    pub(crate) suspect: bool,
    pub(crate) pending: Option<Pending>,
}

/// Some invoices of a batch; of none where no admission wrote them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) batch: Option<usize>,
    pub(crate) position: u32,
    pub(crate) count: u32,
}

impl Piece {
    pub(crate) const FOREIGN: Self = Self { batch: None, position: 0, count: 0 };

    /// One of its invoices.
    pub(crate) fn one(self, place: u32) -> Self {
        Self { position: self.position + place, count: 1, ..self }
    }

    /// The bytes name the invoices, so that none is mistaken for another.
    pub(crate) fn payload(self) -> Vec<u8> {
        let Some(batch) = self.batch else { return FOREIGN.as_bytes().to_vec() };
        (self.position..self.position + self.count).flat_map(|i| format!("{batch}/{i};").into_bytes()).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    /// None: given back, nobody has it.
    pub(crate) owner: Option<Who>,
    pub(crate) deliveries: u32,
    pub(crate) ran_out: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Retry {
    pub(crate) number: u32,
    pub(crate) piece: Piece,
    pub(crate) attempts: u32,
    pub(crate) suspect: bool,
    pub(crate) due: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) piece: Piece,
    pub(crate) attempts: u32,
}

/// A lease in a worker's memory, as it was when it got it.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    pub(crate) serial: u32,
    pub(crate) who: Who,
    pub(crate) entry: Entry,
    /// A try of it was counted.
    pub(crate) tried: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    Held(u32),
    GivenBack,
}

impl Model {
    pub(crate) fn new(clock_behind: bool) -> Self {
        let mut model = Self { clock_behind, ..Self::default() };
        model.workers = std::array::from_fn(|_| model.number());
        model
    }

    /// A number that was never used.
    pub(crate) fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    /// Invoices that wait, are in flight or are to be retried.
    pub(crate) fn backlog(&self) -> u64 {
        let stream = self.stream.iter().map(|entry| entry.piece.count);
        stream.chain(self.retry.iter().map(|retry| retry.piece.count)).map(u64::from).sum()
    }

    /// Where the entry stands in the stream, if this worker owns it.
    pub(crate) fn owned(&self, who: Who, number: u32) -> Option<usize> {
        let at = self.stream.iter().position(|entry| entry.number == number)?;
        let owner = self.stream[at].pending.and_then(|pending| pending.owner);
        (owner == Some(who)).then_some(at)
    }

    /// The handles that are meant: each pick wraps around, none is meant twice.
    pub(crate) fn picked(&self, picks: &[u8], of: Option<Who>) -> Vec<Handle> {
        let all: Vec<_> = self.handles.iter().filter(|handle| of.is_none_or(|who| handle.who == who)).collect();
        let mut seen = BTreeSet::new();
        let wrapped = picks.iter().filter(|_| !all.is_empty()).map(|pick| usize::from(*pick) % all.len());
        wrapped.filter(|at| seen.insert(*at)).map(|at| all[at].clone()).collect()
    }

    /// The handle of this number.
    pub(crate) fn handle(&self, serial: u32) -> &Handle {
        self.handles.iter().find(|handle| handle.serial == serial).unwrap()
    }

    /// The handle leaves its worker's memory.
    pub(crate) fn forget(&mut self, handle: &Handle) {
        self.handles.retain(|other| other.serial != handle.serial);
        let place = (handle.who, handle.entry.number);
        if self.hand.get(&place) == Some(&Hold::Held(handle.serial)) {
            self.hand.remove(&place);
        }
    }
}
