//! Admissions that come while others are under way go together: one call of the script takes many batches in, each by itself,
//! which costs Redis half of as many calls, and one sync of its log. One that comes alone does not wait.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redis::{ErrorKind, RedisError, RedisResult, Value, from_redis_value};
use tokio::{
    sync::{Mutex as Turn, oneshot},
    task::yield_now,
};

use crate::{Queue, queue::KEPT};

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
    answer: oneshot::Sender<RedisResult<Value>>,
}

impl Door {
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::default(), turn: Turn::default() }
    }

    /// What the script answers for the batch. Whoever's turn it is makes the call, with all that wait. If that one is dropped
    /// on the way, those it took along ask again: an admission can be repeated.
    pub(crate) async fn pass(&self, queue: &Queue, request: Request) -> RedisResult<Value> {
        let request = Arc::new(request);
        loop {
            let (sender, mut answer) = oneshot::channel();
            self.lock().push_back(Waiting { request: Arc::clone(&request), answer: sender });
            let answered = tokio::select! {
                biased;
                answered = &mut answer => answered,
                turn = self.turn.lock() => {
                    // After a call all its clients come at once: the first one lets the others in.
                    yield_now().await;
                    let group = self.next_group();
                    if !group.is_empty() {
                        queue.take_in(group).await;
                    }
                    drop(turn);
                    answer.await
                }
            };
            if let Ok(answer) = answered {
                return answer;
            }
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
    /// One call of the script, and its answers to those who wait.
    async fn take_in(&self, group: Vec<Waiting>) {
        let keys = self.keys();
        let mut call = self.scripts().admit.prepare_invoke();
        for key in [&keys.backlog, &keys.version, &keys.shut, &keys.stream] {
            call.key(key);
        }
        let max_backlog = group.first().map(|first| first.request.max_backlog).unwrap_or_default();
        call.arg(max_backlog).arg(KEPT.as_secs()).arg(&keys.wake);
        let mut senders = Vec::with_capacity(group.len());
        for Waiting { request, answer } in group {
            call.key(&request.idem).key(&request.lote);
            for argument in &request.arguments {
                call.arg(argument);
            }
            senders.push(answer);
        }
        let answers = call.invoke_async(&mut self.connection()).await.and_then(from_answer);
        match answers {
            Ok(answers) if answers.len() == senders.len() => {
                for (sender, answer) in senders.into_iter().zip(answers) {
                    drop(sender.send(Ok(answer)));
                }
            }
            Ok(_) => {
                let error = RedisError::from((ErrorKind::UnexpectedReturnType, "not one answer for each batch"));
                senders.into_iter().for_each(|sender| drop(sender.send(Err(error.clone()))));
            }
            Err(error) => senders.into_iter().for_each(|sender| drop(sender.send(Err(error.clone())))),
        }
    }
}

fn from_answer(answer: Value) -> RedisResult<Vec<Value>> {
    Ok(from_redis_value(answer)?)
}
