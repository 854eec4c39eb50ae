//! The amount: what the original took for a float, read as an exact decimal.

use rust_decimal::Decimal;

use crate::json::{Kind, Node};
use crate::rule::Rule;

/// The most digits an amount may have before its point, which the ledger holds.
pub const WHOLE_DIGITS: i64 = 16;
/// The digits behind an amount's point that the ledger holds; further ones are rounded half to even.
pub const DECIMALS: u32 = 4;

/// Reads an amount as pydantic's lax float: a number, true or false, or a text that Rust reads as a float.
pub(crate) fn read(node: Node<'_>) -> Result<Decimal, Rule> {
    match node.kind() {
        Kind::Integer | Kind::Float if !is_infinite(node.number()) => decimal(node.number()),
        // Python cannot make a float of an integer that is too large for one; a float's text it makes infinite.
        Kind::Integer => Err(Rule::FloatType),
        Kind::Float | Kind::NotFinite => Err(Rule::FiniteNumber),
        Kind::Bool(value) => Ok(Decimal::from(u8::from(value))),
        Kind::PlainText | Kind::EscapedText => match node.text() {
            Some(text) if text.whole => from_text(&text.value),
            _ => Err(Rule::StringUnicode),
        },
        Kind::Null | Kind::List | Kind::Object => Err(Rule::FloatType),
    }
}

fn is_infinite(number: &str) -> bool {
    /// A float takes as many digits, if there is no exponent.
    const ALWAYS_FINITE: usize = 300;
    let may_be = number.len() > ALWAYS_FINITE || number.contains(['e', 'E']);
    may_be && number.parse().is_ok_and(f64::is_infinite)
}

fn from_text(text: &str) -> Result<Decimal, Rule> {
    if let Ok(float) = text.parse::<f64>() {
        return if float.is_finite() { decimal(text) } else { Err(Rule::FiniteNumber) };
    }
    match without_underscores(text) {
        Some(number) => from_text(&number),
        None => Err(Rule::FloatParsing),
    }
}

/// Python's underscores: single ones, never at an end.
fn without_underscores(text: &str) -> Option<String> {
    let allowed = text.contains('_') && !text.starts_with('_') && !text.ends_with('_') && !text.contains("__");
    allowed.then(|| text.replace('_', ""))
}

/// The decimal that a float's text writes, whatever its length.
fn decimal(text: &str) -> Result<Decimal, Rule> {
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = whole.bytes().chain(fraction.bytes());
    let leading_zeros = digits.clone().take_while(|digit| *digit == b'0').count();
    if leading_zeros == whole.len() + fraction.len() {
        return Ok(Decimal::ZERO);
    }
    let whole_digits = length(whole.len()) - length(leading_zeros) + clamped_exponent(exponent);
    if whole_digits > WHOLE_DIGITS {
        return Err(Rule::DecimalWholeDigits(WHOLE_DIGITS));
    }
    let units = rounded(digits.skip(leading_zeros), whole_digits + i64::from(DECIMALS));
    if units >= 10_i128.pow(WHOLE_DIGITS as u32 + DECIMALS) {
        return Err(Rule::DecimalWholeDigits(WHOLE_DIGITS));
    }
    let mut amount = Decimal::from_i128_with_scale(units, DECIMALS);
    amount.set_sign_negative(negative && units > 0);
    Ok(amount)
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// An exponent, cut to a size that no text of a body can make up for.
fn clamped_exponent(text: &str) -> i64 {
    const FAR: i64 = 1 << 40;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.trim_start_matches('+')),
    };
    sign * digits.parse().map_or(FAR, |exponent: i64| exponent.min(FAR))
}

/// The number made of the first `kept` digits, the rest rounded half to even.
fn rounded(digits: impl Iterator<Item = u8>, kept: i64) -> i128 {
    let Ok(kept) = usize::try_from(kept) else { return 0 };
    let mut digits = digits.map(|digit| digit - b'0');
    let mut digit = || digits.next().unwrap_or(0);
    let units = (0..kept).fold(0_i128, |units, _| units * 10 + i128::from(digit()));
    let next = digit();
    let beyond_half = digits.any(|digit| digit != 0);
    let up = match next {
        0..=4 => false,
        5 => beyond_half || units % 2 == 1,
        _ => true,
    };
    units + i128::from(up)
}

#[cfg(test)]
mod tests;
