//! Amounts are taken as pydantic takes floats, and kept as the decimals that were written.

use rust_decimal::Decimal;

use super::read;
use crate::json;
use crate::rule::Rule;

fn amount(json: &str) -> Result<Decimal, Rule> {
    read(json::read(json.as_bytes(), 0).unwrap().root)
}

fn assert_reads(cases: &[(&str, &str)]) {
    for (json, expected) in cases {
        assert_eq!(amount(json).map(|amount| amount.normalize().to_string()), Ok((*expected).to_owned()), "{json}");
    }
}

fn assert_breaks(rule: Rule, cases: &[&str]) {
    for json in cases {
        assert_eq!(amount(json), Err(rule), "{json}");
    }
}

#[test]
fn numbers_keep_every_digit() {
    assert_reads(&[
        ("9007199254740993", "9007199254740993"),
        ("0.1", "0.1"),
        ("-12.50", "-12.5"),
        ("9999999999999999.9999", "9999999999999999.9999"),
        ("-9999999999999999.9999", "-9999999999999999.9999"),
        ("1E3", "1000"),
        ("125e-2", "1.25"),
        ("0.000000000000000000000000000012e31", "120"),
        ("1e15", "1000000000000000"),
    ]);
}

#[test]
fn texts_count_as_rust_reads_floats_with_pythons_underscores() {
    assert_reads(&[
        (r#""1243""#, "1243"),
        (r#""+4""#, "4"),
        (r#"".5""#, "0.5"),
        (r#""5.""#, "5"),
        (r#""1e3""#, "1000"),
        (r#""1_000""#, "1000"),
        (r#""\u0031""#, "1"),
    ]);
    assert_breaks(
        Rule::FloatParsing,
        &[
            r#""""#,
            r#""abc""#,
            r#""1,5""#,
            r#"" 7 ""#,
            r#""0x10""#,
            r#""1__0""#,
            r#""_1""#,
            r#""1_""#,
            r#"".""#,
            r#""1e""#,
        ],
    );
    assert_breaks(Rule::FloatParsing, &[r#""\u0000""#, r#""1\u0000""#, r#""١""#]);
}

#[test]
fn true_and_false_are_one_and_zero() {
    assert_reads(&[("true", "1"), ("false", "0")]);
}

#[test]
fn zero_has_no_sign() {
    for json in ["-0", "-0.0", "-1e-9", "-0.00005", r#""-0""#] {
        assert_eq!(amount(json), Ok(Decimal::ZERO), "{json}");
        assert!(!amount(json).unwrap().is_sign_negative(), "{json}");
    }
}

#[test]
fn further_decimals_are_rounded_half_to_even() {
    assert_reads(&[
        ("0.00005", "0"),
        ("0.000050", "0"),
        ("0.000050000000000000000000000000000000000001", "0.0001"),
        ("0.00015", "0.0002"),
        ("0.00025", "0.0002"),
        ("-0.00015", "-0.0002"),
        ("0.00004999", "0"),
        ("0.00006", "0.0001"),
        ("0.000009", "0"),
        ("1.99995", "2"),
        ("5e-400", "0"),
    ]);
}

#[test]
fn more_than_sixteen_digits_before_the_point_are_refused() {
    assert_breaks(
        Rule::DecimalWholeDigits(16),
        &[
            "10000000000000000",
            "1e16",
            "-1e16",
            "9999999999999999.99995",
            "1e308",
            r#""1e300""#,
            "123456789012345678901",
        ],
    );
}

#[test]
fn what_is_not_finite_is_refused() {
    assert_breaks(Rule::FiniteNumber, &["NaN", "Infinity", "-Infinity", "1e309", "-1e999999999999999999999"]);
    assert_breaks(Rule::FiniteNumber, &[r#""nan""#, r#""-inf""#, r#""Infinity""#, r#""1e400""#, r#""i_nf""#]);
}

#[test]
fn other_values_are_no_amount() {
    let too_large_for_a_float = "1".repeat(310);
    assert_breaks(Rule::FloatType, &["null", "[]", "{}", &too_large_for_a_float]);
    assert_breaks(Rule::StringUnicode, &[r#""\ud800""#]);
}
