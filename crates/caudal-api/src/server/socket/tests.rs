//! Which bytes are the library's own refusal.

use super::refusal_at;

#[test]
fn the_librarys_own_refusal_is_told_from_every_answer_of_the_wire() {
    let refusal = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: x\r\n\r\n";
    let answer = "HTTP/1.1 409 Conflict\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    assert_eq!(refusal_at(refusal.as_bytes()), Some(0));
    assert_eq!(refusal_at(format!("{answer}{refusal}").as_bytes()), Some(answer.len()));
    let head = "HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 31\r\n\r\n";
    let redirect = "HTTP/1.1 307 Temporary Redirect\r\ncontent-length: 0\r\n\r\n";
    for other in [answer, head, redirect, "HTTP/1.1 100 Continue\r\n\r\n", "", "\r\n\r\n"] {
        assert_eq!(refusal_at(other.as_bytes()), None, "{other}");
    }
}
