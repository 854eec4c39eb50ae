//! What is said at the end, and to whom.

use chrono::DateTime;

use super::{End, write};
use crate::answer::Answer;

const QUIET: End<'static> =
    End { open: false, malformed: false, too_large: false, late: false, closed: false, unread: b"" };

fn status(end: &End<'_>) -> Option<u16> {
    use axum::response::IntoResponse;
    end.answer().map(|answer| answer.into_response().status().as_u16())
}

#[test]
fn who_asked_nothing_is_told_nothing() {
    assert_eq!(status(&QUIET), None);
    assert_eq!(status(&End { late: true, ..QUIET }), None);
    assert_eq!(status(&End { closed: true, ..QUIET }), None);
}

#[test]
fn who_began_to_ask_is_told_why_there_is_no_answer() {
    let open = End { open: true, ..QUIET };
    assert_eq!(status(&open), Some(400));
    assert_eq!(status(&End { late: true, ..open }), Some(408));
    assert_eq!(status(&End { closed: true, ..open }), Some(503));
}

#[test]
fn bytes_that_are_no_request_are_told_by_what_they_are() {
    let malformed = |unread| status(&End { open: true, malformed: true, unread, ..QUIET });
    assert_eq!(malformed(b"\x16\x03\x01"), Some(400));
    assert_eq!(malformed(b"GET / FTP/1.0\r\n\r\n"), Some(400));
    assert_eq!(malformed(b"GET / HTTP/1.1\r\n:\r\n\r\n"), Some(400));
    assert_eq!(malformed(b"GET / HTTP/2.0\r\n\r\n"), Some(505));
    let large = |unread| status(&End { open: true, malformed: true, too_large: true, unread, ..QUIET });
    assert_eq!(large(b"GET /aaaa"), Some(414));
    assert_eq!(large(b"GET / HTTP/1.1\r\na: b"), Some(431));
}

#[tokio::test]
async fn the_last_words_are_a_whole_answer() {
    let words = String::from_utf8(write(Answer::Slow, DateTime::UNIX_EPOCH).await).unwrap();
    let (head, body) = words.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\n"), "{head}");
    assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
    assert!(head.ends_with("connection: close\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT"), "{head}");
    assert!(serde_json::from_str::<serde_json::Value>(body).unwrap()["detail"].is_string());
}
