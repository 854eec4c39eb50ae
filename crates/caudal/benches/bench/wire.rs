//! As much of the two protocols as a load needs, and what Caudal itself says to Redis.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

/// What counts as an answer.
#[derive(Clone, Copy)]
pub(crate) enum Reply {
    /// Anything but an error.
    Redis,
    /// 202.
    Accepted,
}

impl Reply {
    /// Whether the bytes are an answer; another one than hoped for is an error.
    pub(crate) fn is_whole(self, bytes: &[u8]) -> io::Result<bool> {
        let hoped = match self {
            Self::Redis => !bytes.starts_with(b"-"),
            Self::Accepted => bytes.starts_with(b"HTTP/1.1 202") || bytes.len() < 12,
        };
        if !hoped {
            return Err(io::Error::other(String::from_utf8_lossy(bytes).into_owned()));
        }
        Ok(match self {
            Self::Redis => value(bytes).is_some(),
            Self::Accepted => http(bytes).is_some_and(|length| length <= bytes.len()),
        })
    }
}

/// The length of the first value of Redis' protocol, if it is there whole.
fn value(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|window| window == b"\r\n")?;
    let number = || std::str::from_utf8(&bytes[1..line]).ok()?.parse::<usize>().ok();
    let after = line + 2;
    match bytes[0] {
        b'$' => number().map(|length| after + length + 2).filter(|end| *end <= bytes.len()),
        b'*' => (0..number()?).try_fold(after, |at, _| Some(at + value(bytes.get(at..)?)?)),
        _ => Some(after),
    }
}

/// The length that a response's head tells.
fn http(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&bytes[..head]).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
    })?;
    Some(head + 4 + length)
}

/// The request of a client of the service.
pub(crate) fn post(key: &str, body: &str) -> Vec<u8> {
    let head = format!(
        "POST /facturas/ HTTP/1.1\r\nhost: localhost\r\nidempotency-key: {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// A way to Redis that remembers what was sent on it.
pub(crate) struct Tap {
    pub(crate) port: u16,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    /// For the Redis on this port of 127.0.0.1.
    pub(crate) async fn open(redis: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&sent);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, redis, Arc::clone(&kept)));
            }
        });
        Ok(Self { port, sent })
    }

    /// The calls of scripts, as they were sent.
    pub(crate) fn script_calls(&self) -> Vec<Vec<u8>> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = sent.as_slice();
        let mut calls = Vec::new();
        while let Some(length) = value(rest) {
            let (command, after) = rest.split_at(length);
            if command.windows(7).take(32).any(|window| window == b"EVALSHA") {
                calls.push(command.to_vec());
            }
            rest = after;
        }
        calls
    }
}

async fn pass(client: TcpStream, redis: u16, kept: Arc<Mutex<Vec<u8>>>) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", redis)).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from_client.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..read]);
        to_server.write_all(&buffer[..read]).await?;
    }
}
