//! What the rarer steps do to the model: leases given back, split, counted, dropped; dead letters; time.

use super::{
    answer::Answer,
    state::{Entry, Handle, Hold, Kind, Letter, Model, Pending, Piece, Who},
    step::Fate,
};

impl Fate {
    /// Whether it is tried again, and then whether that is due at once.
    pub(crate) fn retried(self) -> Option<bool> {
        match self {
            Self::RetriedNow => Some(true),
            Self::RetriedLater => Some(false),
            Self::Recorded | Self::Unchanged | Self::Rejected => None,
        }
    }
}

/// The pieces a split leaves: each invoice alone, or two halves.
pub(crate) fn parts(piece: Piece, halves: bool) -> Vec<Piece> {
    if !halves || piece.count < 2 {
        return (0..piece.count).map(|place| piece.one(place)).collect();
    }
    let half = piece.count / 2;
    vec![Piece { count: half, ..piece }, Piece { position: piece.position + half, count: piece.count - half, ..piece }]
}

impl Model {
    pub(crate) fn release(&mut self, who: Who, picks: &[u8]) -> Answer {
        let released = self.picked(picks, Some(who));
        for handle in &released {
            let number = handle.entry.number;
            if let Some(at) = self.owned(who, number) {
                let deliveries = self.stream[at].pending.map_or(0, |pending| pending.deliveries.saturating_sub(1));
                self.stream[at].pending = Some(Pending { owner: None, deliveries, ran_out: false });
                if handle.tried {
                    self.deaths.entry(number).and_modify(|tries| *tries -= 1);
                    self.deaths.retain(|_, tries| *tries > 0);
                }
            }
            self.forget(handle);
            self.hand.insert((who, number), Hold::GivenBack);
        }
        Answer::Lost(released.iter().map(|handle| handle.serial).collect())
    }

    pub(crate) fn split(&mut self, pick: u8, halves: bool) -> Answer {
        self.meant = self.picked(&[pick], None);
        self.meant.retain(|handle| handle.entry.piece.count > 0);
        let Some(handle) = &self.meant.first().cloned() else { return Answer::Nothing };
        let owned = self.owned(handle.who, handle.entry.number);
        if let Some(at) = owned {
            let Entry { number, piece, attempts, .. } = self.stream.remove(at);
            self.deaths.remove(&number);
            for part in parts(piece, halves) {
                let number = self.number();
                let (kind, suspect, pending) = (Kind::Chunk, true, None);
                self.stream.push(Entry { number, kind, piece: part, attempts, suspect, pending });
            }
        }
        self.forget(handle);
        Answer::Settled(vec![(handle.serial, owned.is_some())])
    }

    pub(crate) fn mark(&mut self, pick: u8) -> Answer {
        let picked = self.picked(&[pick], None);
        let Some(Handle { serial, who, entry, .. }) = picked.first() else { return Answer::Nothing };
        if self.owned(*who, entry.number).is_none() {
            return Answer::Number(0);
        }
        self.handles.iter_mut().filter(|handle| handle.serial == *serial).for_each(|handle| handle.tried = true);
        let tries = self.deaths.entry(entry.number).or_default();
        *tries += 1;
        Answer::Number((*tries).into())
    }

    pub(crate) fn drop_handle(&mut self, pick: u8) -> Answer {
        let dropped = self.picked(&[pick], None);
        dropped.iter().for_each(|handle| self.forget(handle));
        Answer::Lost(dropped.iter().map(|handle| handle.serial).collect())
    }

    /// A worker ends with all it has in memory.
    pub(crate) fn replace(&mut self, worker: usize) -> Answer {
        let who = self.workers[worker];
        self.workers[worker] = self.number();
        let gone = self.handles.iter().filter(|handle| handle.who == who).map(|handle| handle.serial).collect();
        self.handles.retain(|handle| handle.who != who);
        self.hand.retain(|(owner, _), _| *owner != who);
        Answer::Lost(gone)
    }

    /// What was given back is free for all, and what nobody renews runs out.
    pub(crate) fn lease_time(&mut self, silent: Who) -> Answer {
        self.trusted.clone_from(&self.reached);
        self.hand.retain(|_, hold| *hold != Hold::GivenBack);
        for entry in &mut self.stream {
            let Some(pending) = &mut entry.pending else { continue };
            let Some(owner) = pending.owner else { continue };
            let renewed =
                owner != silent && self.workers.contains(&owner) && self.hand.contains_key(&(owner, entry.number));
            pending.ran_out = !renewed;
        }
        Answer::Nothing
    }

    /// The letters that are meant, in the order in which they are named.
    pub(crate) fn letters(&self, picks: &[u8]) -> Vec<usize> {
        let mut letters = Vec::new();
        for pick in picks.iter().filter_map(|pick| usize::from(*pick).checked_rem(self.dead.len())) {
            if !letters.contains(&pick) {
                letters.push(pick);
            }
        }
        letters
    }

    pub(crate) fn retry_dead(&mut self, picks: &[u8]) -> Answer {
        let moved = self.take_letters(picks);
        for Letter { piece, .. } in &moved {
            let number = self.number();
            self.stream.push(Entry {
                number,
                kind: Kind::Chunk,
                piece: *piece,
                attempts: 0,
                suspect: false,
                pending: None,
            });
            if let Some(status) = piece.batch.and_then(|batch| self.batches[batch].status.as_mut()) {
                status.rejected.remove(&piece.position);
            }
        }
        Answer::Number(moved.len() as u64)
    }

    pub(crate) fn drop_dead(&mut self, picks: &[u8]) -> Answer {
        let dropped = self.take_letters(picks);
        self.dropped += dropped.iter().map(|letter| u64::from(letter.piece.count)).sum::<u64>();
        Answer::Number(dropped.len() as u64)
    }

    fn take_letters(&mut self, picks: &[u8]) -> Vec<Letter> {
        let places = self.letters(picks);
        let taken = places.iter().map(|at| self.dead[*at].clone()).collect();
        let mut at = 0..;
        self.dead.retain(|_| !at.next().is_some_and(|at| places.contains(&at)));
        taken
    }
}
