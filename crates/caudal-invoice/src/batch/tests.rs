//! Whole bodies, and what their senders are told.

use serde_json::{Value, json};

use super::{MAX_BATCH, parse_batch};
use crate::{Invoice, Refusal, RutCheck};

const GOOD: &str = r#"{"numero_factura":"F-1","rut_cliente":"1-9","monto":1.5,"fecha_emision":"2024-01-15"}"#;

fn invoices(body: &str) -> Vec<Invoice> {
    parse_batch(Some("application/json"), body.as_bytes(), RutCheck::Lax).unwrap()
}

fn complaints(body: &str) -> Vec<Value> {
    match parse_batch(Some("application/json"), body.as_bytes(), RutCheck::Lax) {
        Err(Refusal::Invalid(complaints)) => {
            complaints.iter().map(|complaint| serde_json::to_value(complaint).unwrap()).collect()
        }
        other => panic!("{body} gave {other:?}"),
    }
}

/// Type and place of each complaint.
fn briefly(body: &str) -> Vec<(String, String)> {
    complaints(body)
        .iter()
        .map(|entry| (entry["type"].as_str().unwrap().to_owned(), entry["loc"].to_string()))
        .collect()
}

fn with(field: &str, value: &str) -> String {
    let mut invoice: serde_json::Map<String, Value> = serde_json::from_str(GOOD).unwrap();
    invoice.remove(field);
    let rest = Value::Object(invoice).to_string();
    format!("[{},\"{field}\":{value}}}]", rest.strip_suffix('}').unwrap())
}

#[test]
fn an_invoice_is_read_as_sent() {
    let expected = Invoice {
        number: "F-1".to_owned(),
        rut: "1-9".to_owned(),
        amount: "1.5".parse().unwrap(),
        issued_on: "2024-01-15".parse().unwrap(),
    };
    assert_eq!(invoices(&format!("[{GOOD}]")), [expected]);
}

#[test]
fn of_a_repeated_name_the_last_counts_and_other_names_do_not() {
    let body = format!("[{},\"monto\":2,\"otro\":[NaN],\"\\u006donto\":\"3\"}}]", GOOD.strip_suffix('}').unwrap());
    assert_eq!(invoices(&body)[0].amount, "3".parse().unwrap());
}

#[test]
fn every_invalid_field_is_told_in_order_with_what_was_sent() {
    let body = format!(r#"[{GOOD},{{"monto":"x","numero_factura":1}},null]"#);
    let sent = json!({"monto": "x", "numero_factura": 1});
    let url = |rule: &str| format!("https://errors.pydantic.dev/2.5/v/{rule}");
    let expected = json!([
        {"type": "string_type", "loc": ["body", 1, "numero_factura"], "msg": "Input should be a valid string",
         "input": 1, "url": url("string_type")},
        {"type": "missing", "loc": ["body", 1, "rut_cliente"], "msg": "Field required", "input": sent, "url": url("missing")},
        {"type": "float_parsing", "loc": ["body", 1, "monto"], "input": "x", "url": url("float_parsing"),
         "msg": "Input should be a valid number, unable to parse string as a number"},
        {"type": "missing", "loc": ["body", 1, "fecha_emision"], "msg": "Field required", "input": sent, "url": url("missing")},
        {"type": "model_attributes_type", "loc": ["body", 2], "input": null, "url": url("model_attributes_type"),
         "msg": "Input should be a valid dictionary or object to extract fields from"},
    ]);
    assert_eq!(Value::Array(complaints(&body)), expected);
}

#[test]
fn a_body_that_is_no_list_is_told_so() {
    let entry = |kind: &str| vec![(kind.to_owned(), "[\"body\"]".to_owned())];
    assert_eq!(briefly("null"), entry("missing"));
    assert_eq!(briefly(""), entry("missing"));
    for body in ["{}", "1", "\"a\"", "true", "NaN"] {
        assert_eq!(briefly(body), entry("list_type"), "{body}");
    }
}

#[test]
fn a_body_that_does_not_say_it_is_json_is_a_text() {
    let refusal = parse_batch(Some("text/plain"), b"[\"\xff\"]", RutCheck::Lax).unwrap_err();
    let Refusal::Invalid(complaints) = refusal else { panic!("{refusal:?}") };
    let entry = serde_json::to_value(&complaints[0]).unwrap();
    assert_eq!((&entry["type"], &entry["input"]), (&json!("list_type"), &json!("[\"\u{fffd}\"]")));
}

#[test]
fn what_is_no_json_is_told_alone_and_without_a_link() {
    let refusal = parse_batch(None, b"[{}, {]", RutCheck::Lax).unwrap_err();
    let Refusal::Malformed(complaint) = refusal else { panic!("{refusal:?}") };
    let expected = json!({
        "type": "json_invalid",
        "loc": ["body", 6],
        "msg": "JSON decode error",
        "input": {},
        "ctx": {"error": "Expecting property name enclosed in double quotes"},
    });
    assert_eq!(serde_json::to_value(complaint).unwrap(), expected);
}

#[test]
fn what_cannot_be_read_is_no_text() {
    for body in [&b"[\"\xff\"]"[..], "[".repeat(1000).as_bytes()] {
        assert!(matches!(parse_batch(None, body, RutCheck::Lax), Err(Refusal::NotText)));
    }
}

#[test]
fn texts_the_ledger_could_not_keep_are_refused() {
    for (field, longest) in [("numero_factura", 200), ("rut_cliente", 50)] {
        let of_length = |length: usize| with(field, &format!("\"{}\"", "😀".repeat(length)));
        assert_eq!(invoices(&of_length(longest)).len(), 1);
        let entry = &complaints(&of_length(longest + 1))[0];
        assert_eq!((&entry["type"], &entry["ctx"]), (&json!("string_too_long"), &json!({"max_length": longest})));
        for value in [r#""\u0000""#, r#""\ud800""#] {
            assert_eq!(complaints(&with(field, value))[0]["type"], json!("string_unicode"), "{value}");
        }
    }
}

#[test]
fn amounts_the_ledger_could_not_keep_are_refused() {
    let entry = &complaints(&with("monto", "1e16"))[0];
    assert_eq!((&entry["type"], &entry["ctx"]), (&json!("decimal_whole_digits"), &json!({"whole_digits": 16})));
    let entry = &complaints(&with("monto", "NaN"))[0];
    assert_eq!((&entry["type"], &entry["input"]), (&json!("finite_number"), &json!("NaN")));
}

#[test]
fn more_invoices_than_a_batch_may_hold_are_too_many() {
    let body = |count: usize| format!("[{}]", vec![GOOD; count].join(","));
    assert_eq!(invoices(&body(MAX_BATCH)).len(), 10_000);
    let one_more = parse_batch(None, body(MAX_BATCH + 1).as_bytes(), RutCheck::Lax);
    assert!(matches!(one_more, Err(Refusal::TooMany)));
}

#[test]
fn a_strict_door_takes_ruts_with_their_own_check_digit_alone() {
    let strict = |rut: &str| {
        let body = with("rut_cliente", &format!("\"{rut}\""));
        parse_batch(None, body.as_bytes(), RutCheck::Strict)
    };
    for rut in ["11.111.111-1", "011111111-1", "10000013-k", "10.000.013-K"] {
        assert_eq!(strict(rut).unwrap()[0].rut, rut);
    }
    for (rut, words) in [
        ("11111111-2", "the RUT has another check digit"),
        ("111111111", "not a RUT"),
        ("+1-9", "not a RUT"),
        ("99999999999-1", "not a RUT"),
        ("", "not a RUT"),
    ] {
        let Err(Refusal::Invalid(complaints)) = strict(rut) else { panic!("{rut} was taken") };
        let expected = json!([{
            "type": "value_error",
            "loc": ["body", 0, "rut_cliente"],
            "msg": format!("Value error, {words}"),
            "input": rut,
            "ctx": {"error": {}},
            "url": "https://errors.pydantic.dev/2.5/v/value_error",
        }]);
        assert_eq!(serde_json::to_value(complaints).unwrap(), expected);
    }
}
