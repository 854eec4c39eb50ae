//! Days are taken as pydantic 2.5 takes dates.

use super::read;
use crate::json;
use crate::rule::Rule;

fn date(json: &str) -> Result<String, Rule> {
    read(json::read(json.as_bytes(), 0).unwrap().root).map(|date| date.to_string())
}

fn assert_reads(expected: &str, cases: &[&str]) {
    for json in cases {
        assert_eq!(date(json).as_deref(), Ok(expected), "{json}");
    }
}

fn assert_breaks(rule: Rule, cases: &[&str]) {
    for json in cases {
        assert_eq!(date(json), Err(rule), "{json}");
    }
}

#[test]
fn dates_midnights_and_unix_times_of_midnights_are_days() {
    assert_reads(
        "2024-01-15",
        &[
            r#""2024-01-15""#,
            r#""2024-01-15T00:00:00""#,
            r#""2024-01-15 00:00""#,
            r#""2024-01-15t00:00:00Z""#,
            r#""2024-01-15T00:00:00-03:00""#,
            r#""2024-01-15T00:00:00.0000001""#,
            r#""1705276800""#,
            r#""1705276800.0""#,
            r#""1705276800000""#,
            r#""\u0032024-01-15""#,
            "1705276800",
            "1705276800.0",
            "1705276800000",
        ],
    );
    assert_reads("1600-01-01", &["-11676096000"]);
    assert_reads("9999-12-31", &["253402214400000", r#""9999-12-31""#]);
    assert_reads("0001-01-01", &[r#""0001-01-01""#]);
}

#[test]
fn a_time_of_the_day_is_not_exact() {
    let cases = [r#""2024-01-15T10:00:00""#, "5", r#""20240101""#, "1705276800.5", "-1", "1.5"];
    assert_breaks(Rule::DateInexact, &cases);
}

#[test]
fn what_the_parser_complains_about_is_repeated() {
    for (json, complaint) in [
        (r#""""#, "input is too short"),
        (r#""2024-1-5""#, "input is too short"),
        (r#""x024-01-15""#, "invalid character in year"),
        (r#""2024/01/15""#, "invalid date separator, expected `-`"),
        (r#""2024-13-01""#, "month value is outside expected range of 1-12"),
        (r#""2024-02-30""#, "day value is outside expected range"),
        (r#""2024-01-15x00:00:00""#, "invalid datetime separator, expected `T`, `t`, `_` or space"),
        ("253402300800000", "dates after 9999 are not supported as unix timestamps"),
        ("9223372036854775808", "dates after 9999 are not supported as unix timestamps"),
        ("-11676096001", "dates before 1600 are not supported as unix timestamps"),
        ("-1e30", "dates before 1600 are not supported as unix timestamps"),
        ("Infinity", "dates after 9999 are not supported as unix timestamps"),
        ("NaN", "NaN values not permitted"),
    ] {
        assert_eq!(date(json), Err(Rule::DateParsing(complaint)), "{json}");
    }
}

#[test]
fn there_is_no_year_zero() {
    for json in [r#""0000-01-01""#, r#""0000-12-31T00:00:00""#] {
        assert!(matches!(date(json), Err(Rule::DateParsing(_))), "{json}");
    }
}

#[test]
fn other_values_are_no_date() {
    let too_large_for_a_float = "1".repeat(310);
    assert_breaks(Rule::DateType, &["null", "true", "[]", "{}", &too_large_for_a_float]);
    assert_breaks(Rule::StringUnicode, &[r#""2024-01-15\udc00""#]);
}
