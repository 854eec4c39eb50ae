//! Celery's remote control, as kombu speaks it over Redis: a question is published to all workers of a broker, and each puts its answer
//! into a list. Source: `kombu/pidbox.py` and `kombu/transport/redis.py` of kombu 5.3.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use caudal_redis::{Client, Shared};
use redis::aio::ConnectionLike;
use redis::{RedisResult, Script, cmd};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::Celery;

/// How long workers may take to answer.
const LIMIT: Duration = Duration::from_millis(600);
/// How long to wait before the second look for answers; each next one comes after twice as long.
const PAUSE: Duration = Duration::from_millis(4);
/// After how many seconds Redis removes the answers, should nobody do so before.
const EXPIRY: u32 = 60;

/// What the workers of a broker answered.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// How many workers listened.
    pub(super) asked: u64,
    /// Running tasks that may be of the queues and are acknowledged already: those that the broker does not show any more.
    pub(super) running: u64,
    /// The hosts of the workers that run tasks that may be of the queues.
    pub(super) workers: BTreeSet<String>,
    /// Workers that did not answer in time, or not in words that are understood.
    pub(super) silent: u64,
}

/// The running tasks of a worker, by its name.
type Answer = BTreeMap<String, Vec<Value>>;

impl Celery {
    /// Asks all workers of the broker which tasks they run.
    pub(super) async fn ask(&self, asker: &str, redis: &Client) -> RedisResult<Answers> {
        let mut redis = redis.shared();
        let channel = format!("{}/{}.celery.pidbox", self.global_key_prefix, redis.get_db());
        let list = format!("{}{asker}", self.global_key_prefix);
        let ticket = Uuid::new_v4().to_string();
        let ask = Script::new(include_str!("../scripts/ask.lua"));
        let mut ask = ask.key(&list);
        ask.arg(channel).arg(question(&ticket, asker)).arg(EXPIRY);
        let asked: u64 = ask.invoke_async(&mut redis).await?;
        if asked == 0 {
            return Ok(Answers::default());
        }
        let answers = collect(&mut redis, &list, &ticket, asked).await?;
        // Otherwise the list stays until it expires, for the answers that come late.
        if answers.len() as u64 >= asked {
            let () = cmd("DEL").arg(&list).query_async(&mut redis).await?;
        }
        Ok(self.understand(answers, asked))
    }

    fn understand(&self, answers: Vec<Option<Answer>>, asked: u64) -> Answers {
        let mut understood = Answers { asked, silent: asked, ..Answers::default() };
        for (worker, tasks) in answers.into_iter().flatten().flatten() {
            understood.silent = understood.silent.saturating_sub(1);
            let ours: Vec<&Value> = tasks.iter().filter(|task| self.may_have(task)).collect();
            understood.running += ours.iter().filter(|task| task["acknowledged"] == true).count() as u64;
            if !ours.is_empty() {
                // A worker's name is celery@HOST.
                let host = worker.rsplit_once('@').map_or(worker.as_str(), |(_, host)| host);
                understood.workers.insert(host.to_owned());
            }
        }
        understood
    }

    /// Whether a task may be of these queues: without an exchange the routing key is the queue's name, otherwise nobody knows.
    fn may_have(&self, task: &Value) -> bool {
        let delivery = &task["delivery_info"];
        delivery["exchange"] != "" || self.queues.iter().any(|queue| delivery["routing_key"] == **queue)
    }
}

/// The answers to a question, once all have come or it is too late for the rest. Looked for again and again: what blocks would hold up
/// all that shares the connection.
async fn collect(redis: &mut Shared, list: &str, ticket: &str, asked: u64) -> RedisResult<Vec<Option<Answer>>> {
    let deadline = Instant::now() + LIMIT;
    let mut pause = PAUSE;
    loop {
        let found: Vec<Vec<u8>> = cmd("LRANGE").arg(list).arg(0).arg(-1).query_async(redis).await?;
        let messages = found.iter().filter_map(|message| serde_json::from_slice::<Value>(message).ok());
        let answers: Vec<Value> = messages.filter(|message| message["headers"]["ticket"] == ticket).collect();
        if answers.len() as u64 >= asked || Instant::now() >= deadline {
            return Ok(answers.iter().map(content).collect());
        }
        sleep(pause).await;
        pause = (pause * 2).min(LIMIT / 8);
    }
}

/// The question as a message of kombu. Without an exchange the answer goes straight to the list of that name, and no binding is made
/// that somebody would have to remove. `safe`: arguments are told as short text.
fn question(ticket: &str, asker: &str) -> String {
    let reply_to = json!({ "exchange": "", "routing_key": asker });
    let question = json!({ "method": "active", "arguments": { "safe": true }, "ticket": ticket, "reply_to": reply_to });
    let delivery = json!({ "exchange": "celery.pidbox", "routing_key": "" });
    let message = json!({
        "body": STANDARD.encode(question.to_string()),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {},
        "properties": { "body_encoding": "base64", "delivery_info": delivery, "delivery_tag": ticket },
    });
    message.to_string()
}

/// None where a worker answers with an error or in another serialization.
fn content(message: &Value) -> Option<Answer> {
    serde_json::from_slice(&STANDARD.decode(message["body"].as_str()?).ok()?).ok()
}
