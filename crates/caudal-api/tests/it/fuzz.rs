//! Whatever bytes come on a socket: an answer, never a 500, and the API goes on.
//!
//! Requests are those of the recorded corpus, garbled. `FUZZ_REQUESTS` says how many; a failure prints the bytes.

use std::fmt::{Debug, Formatter};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use caudal_testkit::Redis;
use proptest::prelude::{Just, ProptestConfig, Strategy, any};
use proptest::sample::Index;
use proptest::test_runner::{TestCaseError, TestRunner};
use proptest::{collection, prop_assert, prop_oneof};
use serde_json::Value;

use crate::site::{SOON, Site};

const RECORDED: &str = include_str!("compat/cases.json");
/// Longer ones would only make it slow.
const LONGEST: usize = 4_000;
const A_CONNECTION: usize = 16;
const THREADS: usize = 4;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The frame with which HTTP/2 begins on either side.
const SETTINGS: u8 = 4;
/// Requests in `cargo test`.
const SHORT: u64 = 4_000;
/// What parsers trip over.
const PIECES: [&str; 28] = [
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    " ",
    ":",
    "\0",
    "%",
    "%00",
    "%2F",
    "%ff",
    "?",
    "#",
    "/",
    "//",
    "..",
    "HTTP/1.0",
    "HTTP/2.0",
    "transfer-encoding: chunked\r\n",
    "content-length: 5\r\n",
    "expect: 100-continue\r\n",
    "connection: close\r\n",
    "authorization: Bearer x\r\n",
    "traceparent: 00-0-0-0\r\n",
    "content-encoding: gzip\r\n",
    "0\r\n\r\n",
    "[[[[[[",
    "\u{e9}",
];

/// A change to the bytes of a request.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Insert(Index, &'static str),
    Remove(Index, usize),
    Repeat(Index, usize),
    Cut(Index),
}

impl Change {
    fn any() -> impl Strategy<Value = Self> {
        let place = any::<Index>;
        prop_oneof![
            (place(), any::<u8>()).prop_map(|(at, byte)| Self::Set(at, byte)),
            (place(), proptest::sample::select(PIECES.to_vec())).prop_map(|(at, piece)| Self::Insert(at, piece)),
            (place(), 1_usize..40).prop_map(|(at, length)| Self::Remove(at, length)),
            (place(), 1_usize..200).prop_map(|(at, length)| Self::Repeat(at, length)),
            place().prop_map(Self::Cut),
        ]
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        let range = |at: &Index, most: usize| at.index(length)..(at.index(length) + most).min(length);
        match self {
            _ if bytes.is_empty() => {}
            Self::Set(at, byte) => bytes[at.index(length)] = *byte,
            Self::Insert(at, piece) => drop(bytes.splice(range(at, 0), piece.bytes())),
            Self::Remove(at, most) => drop(bytes.drain(range(at, *most))),
            Self::Repeat(at, most) => {
                let again = bytes[range(at, *most)].to_vec();
                drop(bytes.splice(range(at, 0), again));
            }
            Self::Cut(at) => bytes.truncate(at.index(length)),
        }
    }
}

/// What is said on a connection.
#[derive(Clone)]
enum Said {
    Requests(Vec<u8>),
    /// Behind the preface of HTTP/2.
    Frames(Vec<u8>),
}

impl Debug for Said {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let (Self::Requests(bytes) | Self::Frames(bytes)) = self;
        write!(f, "{}", bytes.escape_ascii())
    }
}

/// Recorded requests, most of them garbled a little, one behind the other.
fn requests() -> impl Strategy<Value = Vec<u8>> {
    let recorded = recorded();
    let garbled = (proptest::sample::select(recorded), changes()).prop_map(|(mut request, changes)| {
        changes.iter().for_each(|change| change.apply(&mut request));
        request
    });
    collection::vec(garbled, 1..=A_CONNECTION).prop_map(|requests| requests.concat())
}

/// Frames of any kind, some with a wrong length.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let frame = (
        any::<[u8; 6]>(),
        0_u8..12,
        collection::vec(any::<u8>(), 0..60),
        proptest::sample::select(vec![0, 0, 0, 0, 0, 0, -1, 1]),
    );
    let bytes = frame.prop_map(|([flags, id @ ..], kind, payload, wrong)| {
        let length = (payload.len() as i16 + wrong).clamp(0, 255) as u8;
        [&[0, 0, length, kind, flags], &id[1..], &payload].concat()
    });
    collection::vec(bytes, 0..=A_CONNECTION)
        .prop_map(|frames| [&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0], &*frames.concat()].concat())
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop_oneof![2 => Just(Vec::new()), 3 => collection::vec(Change::any(), 1..4)]
}

/// The recorded requests as their client sent them.
fn recorded() -> Vec<Vec<u8>> {
    let cases: Vec<Value> = serde_json::from_str(RECORDED).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let request = |case: &Value| {
        let request = &case["request"];
        let body = BASE64_STANDARD.decode(text(&request["body_base64"])).unwrap();
        let headers = request["headers"].as_object().unwrap().iter();
        let headers: String = headers.map(|(name, value)| format!("{name}: {}\r\n", text(value))).collect();
        let line = format!("{} {} HTTP/1.1\r\nhost: x\r\n", text(&request["method"]), text(&request["path"]));
        let head = format!("{line}{headers}content-length: {}\r\n\r\n", body.len());
        [head.as_bytes(), &body].concat()
    };
    cases.iter().map(request).filter(|request| request.len() <= LONGEST).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn garbled_requests_are_answered_and_never_with_500() {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    let address = site.address;
    let wanted = std::env::var("FUZZ_REQUESTS").map_or(SHORT, |count| count.parse().unwrap());
    let answered = tokio::task::spawn_blocking(move || fuzz(address, wanted)).await.unwrap();
    println!("{answered} answers");
    assert!(!site.task.is_finished(), "the API goes on");
    assert_eq!(site.get("/lotes/x").await.0, 404);
}

/// Sends from several threads until so many answers have come, or one thread has failed.
fn fuzz(address: SocketAddr, wanted: u64) -> u64 {
    let answered = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let connections =
                    prop_oneof![9 => requests().prop_map(Said::Requests), 1 => frames().prop_map(Said::Frames)];
                while answered.load(Ordering::Relaxed) < wanted {
                    let told = TestRunner::new(config()).run(&connections, |said| {
                        answered.fetch_add(said.judge(address)?, Ordering::Relaxed);
                        Ok(())
                    });
                    if let Err(failure) = told {
                        answered.store(u64::MAX / 2, Ordering::Relaxed);
                        panic!("{failure}");
                    }
                }
            });
        }
    });
    answered.into_inner()
}

/// The smallest bytes that fail are looked for, but not for long: each try may be one that waits.
fn config() -> ProptestConfig {
    ProptestConfig { cases: 50, failure_persistence: None, max_shrink_time: 60_000, ..ProptestConfig::default() }
}

impl Said {
    /// Says it, and counts the answers.
    fn judge(&self, address: SocketAddr) -> Result<u64, TestCaseError> {
        match self {
            Self::Requests(bytes) => {
                let heads = heads(&ask(address, bytes)?);
                prop_assert!(!heads.is_empty() || bytes.is_empty(), "no answer");
                for head in &heads {
                    let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).unwrap_or("none");
                    prop_assert!(status != "none" && status != "500", "{head}");
                    let is_redirect_or_hint = status == "307" || status == "100";
                    prop_assert!(is_redirect_or_hint || head.contains("content-type: application/json\r\n"), "{head}");
                }
                Ok(heads.len() as u64)
            }
            Self::Frames(bytes) => {
                let answer = ask(address, &[PREFACE, bytes].concat())?;
                prop_assert!(answer.get(3) == Some(&SETTINGS), "no greeting");
                Ok(1)
            }
        }
    }
}

/// All that is answered on a connection that says this and then no more.
fn ask(address: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>, TestCaseError> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    // Who is refused half-way need not be read to the end.
    let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(TestCaseError::fail("the answer does not end")),
        _ => Ok(answer),
    }
}

/// The heads of the answers. Their bodies are as long as they say, but for those to HEAD, which are not there.
fn heads(mut answers: &[u8]) -> Vec<String> {
    let mut heads = Vec::new();
    while let Some(end) = answers.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&answers[..end + 2]).into_owned();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
        answers = &answers[end + 4..];
        if !answers.starts_with(b"HTTP/1.") {
            answers = answers.get(length.parse().unwrap()..).unwrap_or_default();
        }
        heads.push(head);
    }
    heads
}
