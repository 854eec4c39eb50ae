//! The day of issue: what pydantic 2.5 takes for a date, by the parser it uses itself.

use chrono::NaiveDate;
use speedate::{Date, DateTime, MicrosecondsPrecisionOverflowBehavior, ParseError, TimeConfig};
use strum::EnumMessage;

use crate::json::{Kind, Node};
use crate::rule::Rule;

/// A day of Python's calendar, which begins with the year 1.
const YEAR_OUT_OF_RANGE: &str = "year 0 is out of range";

/// Reads a date: a text of one, or of a time at midnight, or a Unix time of a midnight in seconds or milliseconds.
pub(crate) fn read(node: Node<'_>) -> Result<NaiveDate, Rule> {
    match node.kind() {
        Kind::PlainText | Kind::EscapedText => match node.text() {
            Some(text) if text.whole => from_text(text.value.as_bytes()),
            _ => Err(Rule::StringUnicode),
        },
        Kind::Integer => from_integer(node.number()),
        Kind::Float | Kind::NotFinite => from_float(float(node.number())),
        Kind::Null | Kind::Bool(_) | Kind::List | Kind::Object => Err(Rule::DateType),
    }
}

fn from_text(text: &[u8]) -> Result<NaiveDate, Rule> {
    match Date::parse_bytes(text) {
        Ok(date) => calendar_day(&date),
        Err(_) => midnight(DateTime::parse_bytes_with_config(text, &config())),
    }
}

fn from_integer(number: &str) -> Result<NaiveDate, Rule> {
    match (number.parse(), float(number)) {
        (Ok(timestamp), _) => at(timestamp, 0),
        // Python cannot make a float of such an integer, and then it is no time at all.
        (Err(_), large) if large.is_infinite() => Err(Rule::DateType),
        (Err(_), large) => from_float(large),
    }
}

fn from_float(timestamp: f64) -> Result<NaiveDate, Rule> {
    if timestamp.is_nan() {
        return Err(Rule::DateParsing("NaN values not permitted"));
    }
    let microseconds = (timestamp.fract().abs() * 1_000_000.0).round();
    at(timestamp.floor() as i64, microseconds as u32)
}

/// A number's float; `NaN` and `Infinity` are spelled as Rust reads them.
fn float(number: &str) -> f64 {
    number.parse().unwrap_or(f64::NAN)
}

fn at(timestamp: i64, microseconds: u32) -> Result<NaiveDate, Rule> {
    midnight(DateTime::from_timestamp_with_config(timestamp, microseconds, &config()))
}

fn config() -> TimeConfig {
    TimeConfig {
        microseconds_precision_overflow_behavior: MicrosecondsPrecisionOverflowBehavior::Truncate,
        unix_timestamp_offset: Some(0),
    }
}

fn midnight(parsed: Result<DateTime, ParseError>) -> Result<NaiveDate, Rule> {
    let DateTime { date, time } =
        parsed.map_err(|error| Rule::DateParsing(error.get_documentation().unwrap_or_default()))?;
    if (time.hour, time.minute, time.second, time.microsecond) != (0, 0, 0, 0) {
        return Err(Rule::DateInexact);
    }
    calendar_day(&date)
}

fn calendar_day(date: &Date) -> Result<NaiveDate, Rule> {
    NaiveDate::from_ymd_opt(date.year.into(), date.month.into(), date.day.into())
        .filter(|_| date.year > 0)
        .ok_or(Rule::DateParsing(YEAR_OUT_OF_RANGE))
}

#[cfg(test)]
mod tests;
