//! The steps that can be taken, and how they are made up.

use proptest::{
    collection::vec,
    prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof},
    strategy::Union,
};

use super::state::{Model, WORKERS};

/// One step. A pick names one of what there is, wrapping around.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Requests that come at the same time.
    Admit {
        requests: Vec<Request>,
        most: u64,
    },
    Lease {
        worker: usize,
        most: usize,
    },
    Promote {
        worker: usize,
    },
    Reclaim {
        worker: usize,
        most: usize,
    },
    Renew {
        worker: usize,
    },
    /// Twice: asked again, as after a lost reply.
    Settle {
        ends: Vec<(u8, Fates)>,
        twice: bool,
    },
    Release {
        worker: usize,
        picks: Vec<u8>,
    },
    Split {
        pick: u8,
        halves: bool,
    },
    Mark {
        pick: u8,
    },
    /// A lease is dropped unsettled.
    Drop {
        pick: u8,
    },
    /// A worker dies without a word; another takes its place.
    Die {
        worker: usize,
    },
    Leave {
        worker: usize,
    },
    /// A lease time passes, in which all but this worker renew what they hold.
    LeaseTime {
        silent: usize,
    },
    /// Every retry is due.
    Due,
    Pause,
    Resume,
    RetryDead {
        picks: Vec<u8>,
    },
    DropDead {
        picks: Vec<u8>,
    },
    /// An entry that no admission of this program wrote.
    Intrude {
        newer: bool,
    },
    FlushScripts,
    DestroyGroup,
    Tidy,
    /// The backlog is wrong by so much, and is put right.
    Repair {
        off: u64,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum Request {
    New {
        key: (u8, u8),
        sizes: Vec<u32>,
        content: u8,
    },
    /// One that came before, asked again.
    Again {
        pick: u8,
    },
}

/// What becomes of a lease's invoices.
#[derive(Clone, Debug)]
pub(crate) enum Fates {
    /// Of each, wrapping around.
    Each(Vec<Fate>),
    /// The chunk is buried whole.
    Damaged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Recorded,
    Unchanged,
    Rejected,
    RetriedNow,
    RetriedLater,
}

pub(crate) fn beginnings() -> BoxedStrategy<Model> {
    any::<bool>().prop_map(Model::new).boxed()
}

pub(crate) fn steps(model: &Model) -> BoxedStrategy<Step> {
    let mut steps = outside();
    steps.extend(workers());
    let stale =
        |who| model.handles.iter().any(|handle| handle.who == who && model.owned(who, handle.entry.number).is_none());
    if let Some(worker) = model.workers.iter().position(|who| stale(*who)) {
        steps.push((10, Just(Step::Renew { worker }).boxed()));
    }
    if model.retry.iter().any(|retry| retry.due) {
        steps.push((2, Just(Step::Pause).boxed()));
        steps.push((6, (0..WORKERS).prop_map(|worker| Step::Promote { worker }).boxed()));
    }
    if !model.handles.is_empty() {
        steps.extend(leases());
    }
    if !model.dead.is_empty() {
        let picks = || vec(any::<u8>(), 1..4);
        steps.push((6, picks().prop_map(|picks| Step::RetryDead { picks }).boxed()));
        steps.push((1, picks().prop_map(|picks| Step::DropDead { picks }).boxed()));
    }
    if model.group {
        steps.push((1, Just(Step::DestroyGroup).boxed()));
    }
    Union::new_weighted(steps).boxed()
}

type Weighted = Vec<(u32, BoxedStrategy<Step>)>;

fn outside() -> Weighted {
    let most = prop_oneof![8 => Just(1_000_000), 1 => Just(0), 2 => 1_u64..600];
    let admit = (vec(request(), 1..4), most).prop_map(|(requests, most)| Step::Admit { requests, most });
    vec![
        (14, admit.boxed()),
        (2, Just(Step::Due).boxed()),
        (1, Just(Step::Pause).boxed()),
        (2, Just(Step::Resume).boxed()),
        (1, any::<bool>().prop_map(|newer| Step::Intrude { newer }).boxed()),
        (1, Just(Step::FlushScripts).boxed()),
        (1, Just(Step::Tidy).boxed()),
        (1, (1_u64..50).prop_map(|off| Step::Repair { off }).boxed()),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let sizes = prop_oneof![
        1 => Just(Vec::new()),
        10 => vec(1_u32..5, 1..4),
        1 => Just(std::vec![250, 250, 30]),
    ];
    // Few callers, keys and contents, so that they meet again.
    let new = ((0_u8..2, 0_u8..12), sizes, 0_u8..2);
    prop_oneof![
        8 => new.prop_map(|(key, sizes, content)| Request::New { key, sizes, content }),
        1 => any::<u8>().prop_map(|pick| Request::Again { pick }),
    ]
}

fn workers() -> Weighted {
    let most = || prop_oneof![1_usize..4, Just(1_000)];
    vec![
        (14, (0..WORKERS, most()).prop_map(|(worker, most)| Step::Lease { worker, most }).boxed()),
        (2, (0..WORKERS).prop_map(|worker| Step::Promote { worker }).boxed()),
        (8, (0..WORKERS, most()).prop_map(|(worker, most)| Step::Reclaim { worker, most }).boxed()),
        (2, (0..WORKERS).prop_map(|worker| Step::Renew { worker }).boxed()),
        (1, (0..WORKERS).prop_map(|worker| Step::Die { worker }).boxed()),
        (1, (0..WORKERS).prop_map(|worker| Step::Leave { worker }).boxed()),
        (5, (0..WORKERS).prop_map(|silent| Step::LeaseTime { silent }).boxed()),
    ]
}

fn leases() -> Weighted {
    let settle = (vec((any::<u8>(), fates()), 1..6), any::<bool>());
    vec![
        (22, settle.prop_map(|(ends, twice)| Step::Settle { ends, twice }).boxed()),
        (4, (0..WORKERS, vec(any::<u8>(), 1..4)).prop_map(|(worker, picks)| Step::Release { worker, picks }).boxed()),
        (3, (0_u8..2, any::<bool>()).prop_map(|(pick, halves)| Step::Split { pick, halves }).boxed()),
        (4, (0_u8..2).prop_map(|pick| Step::Mark { pick }).boxed()),
        (1, any::<u8>().prop_map(|pick| Step::Drop { pick }).boxed()),
    ]
}

fn fates() -> impl Strategy<Value = Fates> {
    let fate = prop_oneof![
        6 => Just(Fate::Recorded),
        2 => Just(Fate::Unchanged),
        2 => Just(Fate::Rejected),
        1 => Just(Fate::RetriedNow),
        1 => Just(Fate::RetriedLater),
    ];
    prop_oneof![12 => vec(fate, 1..5).prop_map(Fates::Each), 1 => Just(Fates::Damaged)]
}

impl Fates {
    /// What becomes of each of so many invoices; None where they are buried whole.
    pub(crate) fn of(&self, count: u32) -> Option<Vec<Fate>> {
        match self {
            Self::Each(fates) if count > 0 => Some(fates.iter().copied().cycle().take(count as usize).collect()),
            _ => None,
        }
    }
}
