//! One key is one key, byte for byte.

use axum::http::{HeaderMap, HeaderValue};

use super::digest;

fn headers(values: &[&[u8]]) -> HeaderMap {
    values.iter().map(|value| ("idempotency-key".parse().unwrap(), HeaderValue::from_bytes(value).unwrap())).collect()
}

fn of(value: &[u8], caller: &str) -> [u8; 32] {
    digest(&headers(&[value]), caller).unwrap()
}

#[test]
fn every_byte_counts() {
    assert_eq!(of(b"k-1", ""), of(b"k-1", ""));
    for other in [&b"K-1"[..], b"\"k-1\"", b"k-1 x", b"", b"k-\xb1"] {
        assert_ne!(of(b"k-1", ""), of(other, ""));
    }
}

#[test]
fn callers_do_not_share_keys() {
    assert_ne!(of(b"k", "a"), of(b"k", "b"));
    assert_ne!(of(b"bk", "a"), of(b"k", "ab"));
}

#[test]
fn the_first_of_several_counts() {
    let both = headers(&[b"first", b"second"]);
    assert_eq!(digest(&both, "").unwrap(), of(b"first", ""));
}

#[test]
fn a_missing_key_is_a_complaint_of_the_originals_shape() {
    let complaint = digest(&HeaderMap::new(), "").unwrap_err();
    let expected = serde_json::json!({
        "type": "missing",
        "loc": ["header", "idempotency-key"],
        "msg": "Field required",
        "input": null,
        "url": "https://errors.pydantic.dev/2.5/v/missing",
    });
    assert_eq!(serde_json::to_value(complaint).unwrap(), expected);
}
