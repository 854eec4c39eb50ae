//! Which entries of a set reach the ledger, and whose outcome is whose.

use caudal_invoice::Invoice;
use chrono::{DateTime, NaiveDate};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{Entry, Outcome, Set};

fn entry(rut: &str, number: &str, amount: i64, version: i64) -> Entry {
    Entry {
        invoice: Invoice {
            number: number.to_owned(),
            rut: rut.to_owned(),
            amount: Decimal::from(amount),
            issued_on: NaiveDate::from_ymd_opt(2024, 1, 31).unwrap(),
        },
        version,
        batch: Uuid::nil(),
        received_at: DateTime::UNIX_EPOCH,
    }
}

#[test]
fn the_newest_of_one_invoice_is_the_only_row_in_whatever_order_they_come() {
    for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
        let entries = order.map(|version| entry("11.111.111-1", "A", version * 10, version));
        let set = Set::of(&entries);
        assert_eq!(set.amounts, [Decimal::from(30)]);
        let expected = order.map(|version| if version == 3 { Outcome::Recorded } else { Outcome::Unchanged });
        assert_eq!(set.outcomes(&[Outcome::Recorded]), expected);
    }
}

#[test]
fn two_spellings_of_a_rut_are_one_client() {
    let entries = [entry("11.111.111-1", "A", 1, 1), entry("11111111-1", "B", 2, 2)];
    let set = Set::of(&entries);
    assert_eq!(set.ruts, ["11111111-1", "11111111-1"]);
    assert_eq!(set.ruts_received, ["11.111.111-1", "11111111-1"]);
}

#[test]
fn rows_are_sorted_and_outcomes_come_back_in_the_order_given() {
    let entries = [entry("3-5", "A", 1, 1), entry("1-9", "B", 2, 2), entry("1-9", "A", 3, 3)];
    let set = Set::of(&entries);
    assert_eq!(set.ruts, ["1-9", "1-9", "3-5"]);
    assert_eq!(set.numbers, ["A", "B", "A"]);
    let outcomes = set.outcomes(&[Outcome::Unchanged, Outcome::Recorded, Outcome::Recorded]);
    assert_eq!(outcomes, [Outcome::Recorded, Outcome::Recorded, Outcome::Unchanged]);
}

#[test]
fn the_same_entry_twice_has_the_same_outcome_twice() {
    let entries = [entry("1-9", "A", 1, 7), entry("1-9", "A", 1, 7)];
    assert_eq!(Set::of(&entries).outcomes(&[Outcome::Recorded]), [Outcome::Recorded, Outcome::Recorded]);
}
