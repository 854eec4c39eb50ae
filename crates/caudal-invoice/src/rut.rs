//! The RUT, Chile's tax number: one spelling for one client.

use std::borrow::Cow;

use crate::rule::Rule;

/// Whether a RUT's check digit is verified at the door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RutCheck {
    /// Any text names a client.
    #[default]
    Lax,
    /// Only a RUT with its own check digit does.
    Strict,
}

/// Whether a text is a RUT with its own check digit.
pub(crate) fn verify(rut: &str) -> Result<(), Rule> {
    const NO_RUT: Rule = Rule::Value("not a RUT");
    let (body, given) = rut.split_once('-').filter(|(body, check)| is_body(body) && is_check(check)).ok_or(NO_RUT)?;
    let body = without_dots_and_zeros(body).parse().map_err(|_| NO_RUT)?;
    let right = given.to_ascii_uppercase().chars().eq([check_digit(body)]);
    if right { Ok(()) } else { Err(Rule::Value("the RUT has another check digit")) }
}

/// The canonical form of a RUT: no dots, no leading zeros, a capital K.
///
/// Only a text that reads as a RUT (digits and dots, one hyphen, then a digit or K) is rewritten; any other text is
/// a client of its own and comes back as it is. The check digit is not verified.
#[must_use]
pub fn canonical_rut(rut: &str) -> Cow<'_, str> {
    match rut.split_once('-').filter(|(body, check)| is_body(body) && is_check(check)) {
        Some((body, check)) if is_rewritten(body, check) => {
            format!("{}-{}", without_dots_and_zeros(body), check.to_ascii_uppercase()).into()
        }
        _ => rut.into(),
    }
}

fn is_rewritten(body: &str, check: &str) -> bool {
    check == "k" || body.contains('.') || body.len() > 1 && body.starts_with('0')
}

fn is_body(body: &str) -> bool {
    body.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && body.bytes().any(|byte| byte.is_ascii_digit())
}

fn is_check(check: &str) -> bool {
    matches!(check.as_bytes(), [b'0'..=b'9' | b'K' | b'k'])
}

fn without_dots_and_zeros(body: &str) -> String {
    let digits = body.replace('.', "");
    match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        significant => significant.to_owned(),
    }
}

/// The check digit that belongs to a RUT's body: `0` to `9` or `K`.
///
/// Modulo 11 with the weights 2 to 7 from the right, as the Servicio de Impuestos Internos defines it.
#[must_use]
pub fn check_digit(body: u32) -> char {
    let digits =
        std::iter::successors(Some(body), |rest| Some(rest / 10).filter(|rest| *rest > 0)).map(|rest| rest % 10);
    let sum: u32 = digits.zip((2..=7).cycle()).map(|(digit, weight)| digit * weight).sum();
    match 11 - sum % 11 {
        11 => '0',
        10 => 'K',
        digit => char::from_digit(digit, 10).unwrap_or('0'),
    }
}

#[cfg(test)]
mod tests;
