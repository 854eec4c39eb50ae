//! What each step does to the model.

use super::{
    answer::{Admitted, Answer},
    state::{Batch, Entry, Handle, Hold, Kind, Letter, Model, Pending, Piece, Retry, Status, Who},
    step::{Fate, Fates, Request, Step},
};

/// One promotion moves as many at most.
const MOST_PROMOTED: usize = 100;

impl Model {
    pub(crate) fn apply(&mut self, step: &Step) {
        self.answer = match step {
            Step::Admit { requests, most } => self.admit(requests, *most),
            Step::Lease { worker, most } => self.lease(self.workers[*worker], *most),
            Step::Promote { worker } => self.promote(self.workers[*worker]),
            Step::Reclaim { worker, most } => self.reclaim(self.workers[*worker], *most),
            Step::Renew { worker } => self.renew(self.workers[*worker]),
            Step::Settle { ends, .. } => self.settle(ends),
            Step::Release { worker, picks } => self.release(self.workers[*worker], picks),
            Step::Split { pick, halves } => self.split(*pick, *halves),
            Step::Mark { pick } => self.mark(*pick),
            Step::Drop { pick } => self.drop_handle(*pick),
            Step::Die { worker } | Step::Leave { worker } => self.replace(*worker),
            Step::LeaseTime { silent } => self.lease_time(self.workers[*silent]),
            Step::RetryDead { picks } => self.retry_dead(picks),
            Step::DropDead { picks } => self.drop_dead(picks),
            Step::Intrude { newer } => self.intrude(*newer),
            Step::Repair { off } => Answer::Stated(self.backlog() + off),
            Step::Due => {
                self.retry.iter_mut().for_each(|retry| retry.due = true);
                Answer::Nothing
            }
            Step::Pause | Step::Resume => {
                self.paused = matches!(step, Step::Pause);
                Answer::Nothing
            }
            Step::DestroyGroup => {
                self.group = false;
                self.stream.iter_mut().for_each(|entry| entry.pending = None);
                Answer::Nothing
            }
            Step::FlushScripts | Step::Tidy => Answer::Nothing,
        };
    }

    fn admit(&mut self, requests: &[Request], most: u64) -> Answer {
        self.asked = requests.iter().filter_map(|request| self.came(request)).collect();
        Answer::Admitted(self.asked.clone().into_iter().map(|batch| self.admit_one(batch, most)).collect())
    }

    /// The batch that a request brings.
    fn came(&mut self, request: &Request) -> Option<usize> {
        match request {
            Request::New { key, sizes, content } => {
                self.batches.push(Batch { key: *key, sizes: sizes.clone(), content: *content, status: None });
                Some(self.batches.len() - 1)
            }
            Request::Again { pick } => usize::from(*pick).checked_rem(self.batches.len()),
        }
    }

    fn admit_one(&mut self, batch: usize, most: u64) -> Admitted {
        let Batch { key, ref sizes, content, .. } = self.batches[batch];
        if let Some(&of) = self.keys.get(&key) {
            let same = self.batches[of].content == content;
            return if of == batch { Admitted::Accepted { batch } } else { Admitted::Duplicate { of, same } };
        }
        let (sizes, backlog) = (sizes.clone(), self.backlog());
        if most == 0 || backlog + self.batches[batch].count() > most {
            return Admitted::Full { backlog };
        }
        self.keys.insert(key, batch);
        self.batches[batch].status = Some(Status::default());
        let mut position = 0;
        for count in sizes {
            self.add(Kind::Chunk, Piece { batch: Some(batch), position, count }, 0, false);
            position += count;
        }
        Admitted::Accepted { batch }
    }

    fn add(&mut self, kind: Kind, piece: Piece, attempts: u32, suspect: bool) {
        let number = self.number();
        self.stream.push(Entry { number, kind, piece, attempts, suspect, pending: None });
    }

    fn intrude(&mut self, newer: bool) -> Answer {
        self.add(if newer { Kind::Newer } else { Kind::Foreign }, Piece::FOREIGN, 0, false);
        Answer::Nothing
    }

    fn lease(&mut self, who: Who, most: usize) -> Answer {
        self.reached.insert(who);
        if self.paused || !self.group {
            self.group |= !self.paused;
            return Answer::Leases(Vec::new());
        }
        let waiting = self.stream.iter().enumerate().filter(|(_, entry)| entry.pending.is_none());
        let found: Vec<_> = waiting.map(|(at, _)| at).take(most).collect();
        self.hand_out(who, &found)
    }

    fn reclaim(&mut self, who: Who, most: usize) -> Answer {
        if !self.paused && !self.group {
            return Answer::Leases(Vec::new());
        }
        self.reached.insert(who);
        if self.paused {
            return Answer::Leases(Vec::new());
        }
        let all = || self.stream.iter().enumerate().filter_map(|(at, entry)| Some((at, entry.number, entry.pending?)));
        let given_back = all().filter(|(_, _, pending)| pending.owner.is_none());
        let trusted = self.trusted.contains(&who);
        let ran_out = all().filter(|(_, _, pending)| trusted && pending.ran_out);
        let allowed = |(at, number, _)| (!self.hand.contains_key(&(who, number))).then_some(at);
        let found: Vec<_> = given_back.chain(ran_out).filter_map(allowed).take(most).collect();
        self.hand_out(who, &found)
    }

    /// The entries at these places go to the worker, but for those that it cannot read: they go back at once.
    fn hand_out(&mut self, who: Who, places: &[usize]) -> Answer {
        let mut serials = Vec::new();
        for at in places {
            let serial = self.number();
            let entry = &mut self.stream[*at];
            let before = entry.pending.map_or(0, |pending| pending.deliveries);
            let place = (who, entry.number);
            if entry.kind == Kind::Newer {
                entry.pending = Some(Pending { owner: None, deliveries: before, ran_out: false });
                self.hand.insert(place, Hold::GivenBack);
            } else {
                entry.pending = Some(Pending { owner: Some(who), deliveries: before + 1, ran_out: false });
                self.handles.push(Handle { serial, who, entry: entry.clone(), tried: false });
                self.hand.insert(place, Hold::Held(serial));
                serials.push(serial);
            }
        }
        Answer::Leases(serials)
    }

    fn promote(&mut self, who: Who) -> Answer {
        self.reached.insert(who);
        let due = self.retry.iter().filter(|retry| retry.due && !self.paused).take(MOST_PROMOTED);
        let due: Vec<Retry> = due.cloned().collect();
        self.retry.retain(|retry| due.iter().all(|one| one.number != retry.number));
        for Retry { piece, attempts, suspect, .. } in &due {
            self.add(Kind::Chunk, *piece, *attempts, *suspect);
        }
        Answer::Number(due.len() as u64)
    }

    fn renew(&mut self, who: Who) -> Answer {
        let mut lost = Vec::new();
        for Handle { serial, entry, .. } in
            self.handles.iter().filter(|handle| handle.who == who).cloned().collect::<Vec<_>>()
        {
            match self.owned(who, entry.number).and_then(|at| self.stream[at].pending.as_mut()) {
                Some(pending) => pending.ran_out = false,
                None => lost.push(serial),
            }
        }
        Answer::Lost(lost)
    }

    fn settle(&mut self, ends: &[(u8, Fates)]) -> Answer {
        let picks: Vec<u8> = ends.iter().map(|(pick, _)| *pick).collect();
        self.meant = self.picked(&picks, None);
        let asked: Vec<_> = self.meant.clone().into_iter().zip(ends.iter().map(|(_, fates)| fates)).collect();
        // One call for each worker, in the order of the stream.
        let mut ordered: Vec<_> = asked.iter().collect();
        ordered.sort_by_key(|(handle, _)| (handle.who, handle.entry.number));
        let mut done = Vec::new();
        for (handle, fates) in ordered {
            done.push((handle.serial, self.end(handle, fates)));
        }
        for (handle, _) in &asked {
            self.forget(handle);
        }
        Answer::Settled(done)
    }

    fn end(&mut self, handle: &Handle, fates: &Fates) -> bool {
        let Some(at) = self.owned(handle.who, handle.entry.number) else { return false };
        let Entry { number, piece, attempts, suspect, .. } = self.stream.remove(at);
        self.deaths.remove(&number);
        let fates = fates.of(piece.count);
        self.settled += u64::from(piece.count);
        let places = (0..).zip(fates.clone().unwrap_or_default());
        for (place, due) in places.filter_map(|(place, fate)| Some((place, fate.retried()?))) {
            let number = self.number();
            self.retry.push(Retry { number, piece: piece.one(place), attempts: attempts + 1, suspect, due });
            self.settled -= 1;
        }
        let mut status = piece.batch.and_then(|batch| self.batches[batch].status.as_mut());
        let mut bury = |piece: Piece| {
            self.dead.push(Letter { piece, attempts: attempts + 1 });
            if let Some(status) = &mut status {
                status.rejected.insert(piece.position, piece.count);
            }
        };
        match &fates {
            None => bury(piece),
            Some(fates) => {
                let rejected = (0..).zip(fates).filter(|(_, fate)| **fate == Fate::Rejected);
                rejected.for_each(|(place, _)| bury(piece.one(place)));
            }
        }
        if let (Some(status), Some(fates)) = (status, fates) {
            let count = |fate| fates.iter().filter(|other| **other == fate).count() as u64;
            status.recorded += count(Fate::Recorded);
            status.unchanged += count(Fate::Unchanged);
        }
        true
    }
}
