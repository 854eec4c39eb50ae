//! Whatever bytes come: an answer, never a panic, and only what the ledger can hold is taken in.
//!
//! The corpus holds what is tried each time, beside random bytes: what once went wrong, or could.
#![expect(clippy::print_stdout, reason = "a failure is to show its input")]

use std::fs;
use std::path::Path;

use caudal_invoice::{Invoice, Refusal, RutCheck, canonical_rut, chunk, fingerprint, parse_batch};
use chrono::Datelike;
use proptest::prelude::{ProptestConfig, any};
use proptest::{collection, proptest};
use rust_decimal::Decimal;

use crate::soup;

const CONTENT_TYPES: [Option<&str>; 3] = [None, Some("application/json; charset=utf-8"), Some("text/plain")];

#[test]
fn any_body_is_read_or_refused() {
    fuzz(Some("body"), |bytes| {
        for content_type in CONTENT_TYPES {
            judge(parse_batch(content_type, bytes, RutCheck::Lax));
        }
    });
}

#[test]
fn anything_like_json_is_read_or_refused() {
    fuzz(None, |random| {
        judge(parse_batch(None, &soup::body(random), RutCheck::Strict));
    });
}

#[test]
fn anything_like_a_batch_is_read_or_refused() {
    fuzz(None, |random| {
        judge(parse_batch(None, &soup::batch(random), RutCheck::Lax));
    });
}

#[test]
fn any_text_in_the_place_of_an_amount_or_a_date_is_read_or_refused() {
    fuzz(Some("value"), |bytes| {
        let text = String::from_utf8_lossy(bytes).replace(['"', '\\'], "");
        for value in [format!("\"{text}\""), text] {
            let with = |amount: &str, date: &str| {
                format!(r#"[{{"numero_factura":"F","rut_cliente":"1-9","monto":{amount},"fecha_emision":{date}}}]"#)
            };
            judge(parse_batch(None, with(&value, "\"2025-08-24\"").as_bytes(), RutCheck::Lax));
            judge(parse_batch(None, with("1", &value).as_bytes(), RutCheck::Lax));
        }
    });
}

#[test]
fn any_chunk_is_read_or_refused() {
    fuzz(Some("chunk"), |bytes| {
        if let Ok(invoices) = chunk::decode(bytes) {
            assert_eq!(chunk::decode(&chunk::encode(&invoices)).unwrap(), invoices);
        }
        let with_format = [&[1], bytes].concat();
        let _ = chunk::decode(&with_format);
    });
}

#[test]
fn any_rut_has_one_spelling() {
    fuzz(Some("rut"), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let once = canonical_rut(&text);
        assert_eq!(canonical_rut(&once), once);
    });
}

/// Tries the corpus of this name, then random bytes; `PROPTEST_CASES` says how many.
fn fuzz(corpus: Option<&str>, check: impl Fn(&[u8])) {
    if let Some(name) = corpus {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/corpus").join(name);
        let inputs: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(!inputs.is_empty(), "the corpus {name} is empty");
        for input in inputs {
            println!("{}", input.display());
            check(&fs::read(input).unwrap());
        }
    }
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(bytes in collection::vec(any::<u8>(), 0..400))| check(&bytes));
}

/// What is taken in the ledger can hold and the queue can carry; what is refused is told why.
fn judge(read: Result<Vec<Invoice>, Refusal>) {
    match read {
        Ok(invoices) => {
            invoices.iter().for_each(fits);
            let carried = chunk::decode(&chunk::encode(&invoices)).unwrap();
            assert_eq!(carried, invoices);
            assert_eq!(fingerprint(&carried), fingerprint(&invoices));
        }
        Err(Refusal::Invalid(errors)) => {
            assert!(!errors.is_empty());
            serde_json::to_vec(&errors).unwrap();
        }
        Err(Refusal::Malformed(error)) => drop(serde_json::to_vec(&error).unwrap()),
        Err(Refusal::NotText | Refusal::TooMany) => {}
    }
}

fn fits(invoice: &Invoice) {
    let Invoice { number, rut, amount, issued_on } = invoice;
    assert!(number.chars().count() <= 200 && rut.chars().count() <= 50);
    assert!(!number.contains('\0') && !rut.contains('\0'));
    assert!(amount.abs() < Decimal::from(10_i64.pow(16)) && amount.normalize().scale() <= 4, "{amount}");
    assert!((1..=9999).contains(&issued_on.year()));
}
