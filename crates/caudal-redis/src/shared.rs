//! The connection of all short commands.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use redis::{
    Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
};

use crate::client::CONNECT_LIMIT;

/// How long an answer may take.
const RESPONSE_LIMIT: Duration = Duration::from_secs(2);
/// How long to wait between two attempts to connect, at most.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How many attempts follow the first before waiting commands get the error.
const RETRIES: usize = 3;
/// How many commands may wait to be written.
const WAITING_COMMANDS: usize = 1_000;

/// A multiplexed connection that connects at its first command and again after a failure. Clones share it.
///
/// The driver's own manager keeps a connection whose answers no longer come, and keeps the error of a refused login for
/// ever; here both lead to a fresh manager, and so does a Redis that became a replica.
#[derive(Debug, Clone)]
pub struct Shared {
    client: redis::Client,
    manager: Arc<RwLock<(u64, ConnectionManager)>>,
}

impl Shared {
    pub(crate) fn new(client: redis::Client) -> RedisResult<Self> {
        let manager = manager(&client)?;
        Ok(Self { client, manager: Arc::new(RwLock::new((0, manager))) })
    }

    fn current(&self) -> (u64, ConnectionManager) {
        self.manager.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a fresh manager in the place of number `used`, unless another command already has.
    fn replace(&self, used: u64) {
        let mut current = self.manager.write().unwrap_or_else(PoisonError::into_inner);
        if current.0 != used {
            return;
        }
        if let Ok(fresh) = manager(&self.client) {
            *current = (used + 1, fresh);
        }
    }
}

impl ConnectionLike for Shared {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let (number, mut manager) = self.current();
            let answer = manager.send_packed_command(cmd).await;
            if answer.as_ref().is_err_and(needs_fresh_manager) {
                self.replace(number);
            }
            answer
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let (number, mut manager) = self.current();
            let answer = manager.send_packed_commands(cmd, offset, count).await;
            if answer.as_ref().is_err_and(needs_fresh_manager) {
                self.replace(number);
            }
            answer
        })
    }

    fn get_db(&self) -> i64 {
        self.client.get_connection_info().redis_settings().db()
    }
}

fn needs_fresh_manager(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::AuthenticationFailed | ErrorKind::Parse | ErrorKind::Server(ServerErrorKind::ReadOnly) => true,
        _ => error.is_timeout() || error.detail().is_some_and(|text| text.starts_with("max number of clients")),
    }
}

fn manager(client: &redis::Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT_LIMIT))
        .set_response_timeout(Some(RESPONSE_LIMIT))
        .set_min_delay(LONGEST_PAUSE / 5)
        .set_max_delay(LONGEST_PAUSE)
        .set_number_of_retries(RETRIES)
        .set_pipeline_buffer_size(WAITING_COMMANDS);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}
