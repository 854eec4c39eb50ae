//! Same content, same fingerprint; any other content, another.

use chrono::NaiveDate;

use super::fingerprint;
use crate::Invoice;

fn invoice(number: &str, rut: &str, amount: &str) -> Invoice {
    Invoice {
        number: number.to_owned(),
        rut: rut.to_owned(),
        amount: amount.parse().unwrap(),
        issued_on: NaiveDate::from_ymd_opt(2024, 1, 15).unwrap(),
    }
}

#[test]
fn spelling_does_not_matter() {
    assert_eq!(
        fingerprint(&[invoice("F-1", "11.111.111-1", "1243.5000")]),
        fingerprint(&[invoice("F-1", "11111111-1", "1243.5")]),
    );
}

#[test]
fn content_and_order_matter() {
    let (one, two) = (invoice("F-1", "1-9", "1"), invoice("F-2", "1-9", "1"));
    let digest = fingerprint(&[one.clone(), two.clone()]);
    assert_ne!(digest, fingerprint(&[two, one.clone()]));
    assert_ne!(digest, fingerprint(&[one]));
    assert_ne!(fingerprint(&[invoice("ab", "c", "1")]), fingerprint(&[invoice("a", "bc", "1")]));
}
