//! What goes into a chunk comes out of it; what is no chunk is told apart.

use chrono::NaiveDate;

use super::{Error, decode, encode};
use crate::Invoice;

fn invoice(number: &str, amount: &str) -> Invoice {
    Invoice {
        number: number.to_owned(),
        rut: "11.111.111-1".to_owned(),
        amount: amount.parse().unwrap(),
        issued_on: NaiveDate::from_ymd_opt(9999, 12, 31).unwrap(),
    }
}

#[test]
fn invoices_survive_the_journey() {
    let invoices = [
        invoice("F-1", "1500.5000"),
        invoice("\"\\\n\u{7f}ñ\u{10ffff}", "-9999999999999999.9999"),
        invoice("", "0.0001"),
    ];
    assert_eq!(decode(&encode(&invoices)).unwrap(), invoices);
    assert_eq!(decode(&encode(&[])).unwrap(), []);
}

#[test]
fn a_newer_format_is_told_from_damage() {
    let mut newer = encode(&[invoice("F-1", "1")]);
    newer[0] += 1;
    assert!(matches!(decode(&newer), Err(Error::Newer(2))));

    let whole = encode(&[invoice("F-1", "1")]);
    for bytes in [&[][..], &[0, b'['], &[1], &whole[..whole.len() - 1], b"\x01[[\"F-1\",\"1-9\",\"x\",\"2024-01-15\"]]"]
    {
        assert!(matches!(decode(bytes), Err(Error::Damaged(_))), "{bytes:?}");
    }
}

#[test]
fn an_error_never_quotes_the_content() {
    let error = decode(b"\x01[[\"F-1\",\"1-9\",\"secret\",\"2024-01-15\"]]").unwrap_err();
    assert!(!error.to_string().contains("secret"));
}
