//! Every kind of answer.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::json;

use super::{Answer, Complaint, read};

const ID: &str = "0192f0c1-0000-7000-8000-000000000001";

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
    let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
    read(StatusCode::from_u16(status).unwrap(), &headers.collect::<HeaderMap>(), body)
}

#[test]
fn a_202_a_409_and_a_replayed_202_all_mean_accepted() {
    let place = [("location", "/lotes/0192f0c1-0000-7000-8000-000000000001")];
    let accepted = |earlier| Answer::Accepted { batch: Some(ID.parse().unwrap()), earlier };
    assert_eq!(answer(202, &place, "{}"), accepted(false));
    assert_eq!(answer(409, &place, "{}"), accepted(true));
    assert_eq!(answer(202, &[place[0], ("idempotent-replayed", "true")], "{}"), accepted(true));
    assert_eq!(answer(409, &[], "{}"), Answer::Accepted { batch: None, earlier: true });
}

#[test]
fn a_busy_or_absent_api_is_asked_again_when_it_says() {
    for status in [408, 429, 500, 502, 503, 504] {
        let later = answer(status, &[("retry-after", "7")], "");
        assert!(
            matches!(later, Answer::Later { after: Some(after), .. } if after == Duration::from_secs(7)),
            "{later:?}"
        );
    }
    let later = answer(503, &[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")], r#"{"detail": "El servicio .."}"#);
    assert_eq!(
        later,
        Answer::Later { after: None, reason: "the API answers 503 Service Unavailable: El servicio ..".to_owned() }
    );
}

#[test]
fn a_422_tells_element_and_field() {
    let body = json!({"detail": [
        {"type": "float_parsing", "loc": ["body", 3, "monto"], "msg": "no number", "input": "12,5"},
        {"type": "missing", "loc": ["body", 4, "monto"], "msg": "Field required", "input": {"rut_cliente": "1-9"}},
        {"type": "model_attributes_type", "loc": ["body", 5], "msg": "no object", "input": 7},
    ]});
    let complaint = |field: Option<&str>, message: &str, given| Complaint {
        field: field.map(str::to_owned),
        message: message.to_owned(),
        given,
    };
    let expected = vec![
        (3, complaint(Some("monto"), "no number", Some(json!("12,5")))),
        (4, complaint(Some("monto"), "Field required", None)),
        (5, complaint(None, "no object", None)),
    ];
    assert_eq!(answer(422, &[], &body.to_string()), Answer::Invalid(expected));
}

#[test]
fn a_422_about_the_whole_request_refuses_the_whole_batch() {
    let bodies = [
        json!({"detail": "otra cosa"}),
        json!({"detail": []}),
        json!({"detail": [{"type": "json_invalid", "loc": ["body", 3], "msg": "JSON decode error", "input": {}}]}),
        json!({"detail": [{"type": "missing", "loc": ["header", "idempotency-key"], "msg": "Field required"}]}),
    ];
    for body in bodies {
        assert!(matches!(answer(422, &[], &body.to_string()), Answer::Refused(_)), "{body}");
    }
}

#[test]
fn what_no_repetition_can_mend_stops_everything() {
    for status in [401, 403, 404, 405, 301] {
        assert!(matches!(answer(status, &[], "<html>\nlong"), Answer::Hopeless(_)), "{status}");
    }
}
