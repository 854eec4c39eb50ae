//! Admissions that come while others are under way go together: one call of the script takes many batches in, each by itself,
//! which costs Redis half of as many calls, and one sync of its log. One that comes alone does not wait.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redis::{ErrorKind, RedisError, RedisResult, Value, from_redis_value};
use tokio::{
    sync::{
        Mutex as Turn,
        oneshot::{self, error::RecvError},
    },
    task::yield_now,
};

use crate::{Error, Queue, queue::KEPT};

/// How many batches one call takes in at most.
const MOST_BATCHES: usize = 64;
/// How many bytes one call carries at most, unless a batch has more by itself.
const MOST_BYTES: usize = 256 * 1024;

/// Where batches wait for the next call.
#[derive(Debug)]
pub(crate) struct Door {
    waiting: Mutex<VecDeque<Waiting>>,
    /// One call at a time: all that come meanwhile go in the next. With two, half as many would go together.
    turn: Turn<()>,
}

/// One batch, as the script takes it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) idem: Vec<u8>,
    pub(crate) lote: Vec<u8>,
    pub(crate) arguments: Vec<Vec<u8>>,
    pub(crate) max_backlog: u64,
}

#[derive(Debug)]
struct Waiting {
    request: Arc<Request>,
    answer: oneshot::Sender<Answer>,
}

/// What the script says of one batch.
type Answer = RedisResult<Value>;

impl Door {
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::default(), turn: Turn::default() }
    }

    /// What the script answers for the batch. Whoever's turn it is makes the call, with all that wait. If that one is dropped
    /// on the way, those it took along ask again: an admission can be repeated.
    pub(crate) async fn pass(&self, queue: &Queue, request: Request) -> RedisResult<Value> {
        let request = Arc::new(request);
        loop {
            let (sender, answer) = oneshot::channel();
            self.lock().push_back(Waiting { request: Arc::clone(&request), answer: sender });
            if let Ok(answer) = self.answer(queue, answer).await {
                return answer;
            }
        }
    }

    /// Waits for the answer, and makes calls until it is there: the batch may be too large, or have another limit, to go with
    /// those before it.
    async fn answer(&self, queue: &Queue, mut answer: oneshot::Receiver<Answer>) -> Result<Answer, RecvError> {
        loop {
            let turn = tokio::select! {
                biased;
                answered = &mut answer => return answered,
                turn = self.turn.lock() => turn,
            };
            // After a call all its clients come at once: the first one lets the others in.
            yield_now().await;
            let group = self.next_group();
            if !group.is_empty() {
                queue.take_in(group).await.unwrap_or_else(|error| self.turn_away(&error));
            }
            drop(turn);
        }
    }

    /// Where Redis cannot be reached, those who wait need not each find out, one call after the other.
    fn turn_away(&self, error: &RedisError) {
        if Error::from(error.clone()).is_unavailable() {
            let waiting = std::mem::take(&mut *self.lock());
            waiting.into_iter().for_each(|one| drop(one.answer.send(Err(error.clone()))));
        }
    }

    /// Batches that go together: in their order, with one limit. What nobody waits for any more is forgotten.
    fn next_group(&self) -> Vec<Waiting> {
        let mut waiting = self.lock();
        waiting.retain(|one| !one.answer.is_closed());
        let (mut bytes, mut count) = (0, 0);
        let limit = waiting.front().map(|first| first.request.max_backlog);
        while let Some(next) = waiting.get(count) {
            bytes += next.request.arguments.iter().map(Vec::len).sum::<usize>();
            let fits = count == 0 || bytes <= MOST_BYTES && count < MOST_BATCHES;
            if !fits || Some(next.request.max_backlog) != limit {
                break;
            }
            count += 1;
        }
        waiting.drain(..count).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// One call of the script, and its answers, or its error, to those who wait for them.
    async fn take_in(&self, group: Vec<Waiting>) -> RedisResult<()> {
        let keys = self.keys();
        let mut call = self.scripts().admit.prepare_invoke();
        for key in [&keys.backlog, &keys.version, &keys.shut, &keys.stream] {
            call.key(key);
        }
        let max_backlog = group.first().map(|first| first.request.max_backlog).unwrap_or_default();
        call.arg(max_backlog).arg(KEPT.as_secs()).arg(&keys.wake);
        for Waiting { request, .. } in &group {
            call.key(&request.idem).key(&request.lote);
            for argument in &request.arguments {
                call.arg(argument);
            }
        }
        let answers =
            call.invoke_async(&mut self.connection()).await.and_then(|answer| from_answer(answer, group.len()));
        match answers {
            Ok(answers) => {
                group.into_iter().zip(answers).for_each(|(one, answer)| drop(one.answer.send(Ok(answer))));
                Ok(())
            }
            Err(error) => {
                group.into_iter().for_each(|one| drop(one.answer.send(Err(error.clone()))));
                Err(error)
            }
        }
    }
}

fn from_answer(answer: Value, batches: usize) -> RedisResult<Vec<Value>> {
    let answers: Vec<Value> = from_redis_value(answer)?;
    if answers.len() == batches {
        return Ok(answers);
    }
    Err(RedisError::from((ErrorKind::UnexpectedReturnType, "not one answer for each batch")))
}
