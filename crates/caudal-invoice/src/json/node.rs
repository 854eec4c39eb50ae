//! A value in a checked document, and the way into it.

use std::borrow::Cow;

use super::scan::{Fault, Scanner};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    /// A number without fraction and exponent.
    Integer,
    Float,
    /// `NaN`, `Infinity` or `-Infinity`.
    NotFinite,
    PlainText,
    /// A text with backslashes.
    EscapedText,
    List,
    Object,
}

/// A value: its kind and its piece of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node<'t> {
    kind: Kind,
    raw: &'t [u8],
}

/// The characters of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Text<'t> {
    /// The characters, U+FFFD in the place of lone surrogates.
    pub(crate) value: Cow<'t, str>,
    /// False when there were lone surrogates.
    pub(crate) whole: bool,
}

impl<'t> Node<'t> {
    pub(super) fn new(kind: Kind, raw: &'t [u8]) -> Self {
        Self { kind, raw }
    }

    pub(crate) fn kind(self) -> Kind {
        self.kind
    }

    /// The value as it was written.
    pub(crate) fn raw(self) -> &'t [u8] {
        self.raw
    }

    /// A number as it was written; empty for any other value.
    pub(crate) fn number(self) -> &'t str {
        match self.kind {
            Kind::Integer | Kind::Float | Kind::NotFinite => std::str::from_utf8(self.raw).unwrap_or_default(),
            _ => "",
        }
    }

    /// The characters of a text; nothing for any other value.
    pub(crate) fn text(self) -> Option<Text<'t>> {
        let within = || self.raw.get(1..self.raw.len() - 1).unwrap_or_default();
        match self.kind {
            Kind::PlainText => Some(plain(within())),
            Kind::EscapedText => Some(unescape(within())),
            _ => None,
        }
    }

    /// The bytes of a text's characters; empty for any other value.
    pub(crate) fn bytes(self) -> Cow<'t, [u8]> {
        match self.kind {
            Kind::PlainText => Cow::Borrowed(self.raw.get(1..self.raw.len() - 1).unwrap_or_default()),
            _ => self.text().map(|text| text.value.into_owned().into_bytes()).unwrap_or_default().into(),
        }
    }

    /// The names and values of an object, in order, repeated names included; none for any other value.
    pub(crate) fn members(self) -> impl Iterator<Item = (Node<'t>, Node<'t>)> {
        let mut scanner = Scanner::new(self.raw);
        let is_object = self.kind == Kind::Object && scanner.accept(b'{');
        std::iter::from_fn(move || if is_object { next_member(&mut scanner) } else { None })
    }
}

fn next_member<'t>(scanner: &mut Scanner<'t>) -> Option<(Node<'t>, Node<'t>)> {
    step_over_comma(scanner);
    if scanner.peek() == Some(b'}') {
        return None;
    }
    let name = checked_before(scanner.member_name())?;
    Some((name, checked_before(scanner.value())?))
}

fn step_over_comma(scanner: &mut Scanner<'_>) {
    scanner.skip_space();
    if scanner.accept(b',') {
        scanner.skip_space();
    }
}

/// The whole document was read before, so that its parts cannot fail.
fn checked_before<T>(part: Result<T, Fault>) -> Option<T> {
    part.ok()
}

fn plain(raw: &[u8]) -> Text<'_> {
    match std::str::from_utf8(raw) {
        Ok(value) => Text { value: Cow::Borrowed(value), whole: true },
        Err(_) => Text { value: String::from_utf8_lossy(raw), whole: false },
    }
}

fn unescape(raw: &[u8]) -> Text<'_> {
    let mut value = String::with_capacity(raw.len());
    let mut whole = true;
    let mut rest = raw;
    while let Some(backslash) = rest.iter().position(|byte| *byte == b'\\') {
        let before = plain(&rest[..backslash]);
        value.push_str(&before.value);
        let (character, length) = escaped_character(&rest[backslash..]);
        whole &= before.whole && character.is_some();
        value.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
        rest = &rest[backslash + length..];
    }
    let after = plain(rest);
    value.push_str(&after.value);
    Text { value: Cow::Owned(value), whole: whole && after.whole }
}

/// The character an escape stands for, none for a lone surrogate, and the escape's length.
fn escaped_character(escape: &[u8]) -> (Option<char>, usize) {
    match escape.get(1) {
        Some(b'u') => unicode_escape(escape),
        Some(b'b') => (Some('\u{8}'), 2),
        Some(b'f') => (Some('\u{c}'), 2),
        Some(b'n') => (Some('\n'), 2),
        Some(b'r') => (Some('\r'), 2),
        Some(b't') => (Some('\t'), 2),
        Some(itself) => (Some(char::from(*itself)), 2),
        None => (None, escape.len()),
    }
}

fn unicode_escape(escape: &[u8]) -> (Option<char>, usize) {
    let units = [code_unit(escape), escape.get(6..).map_or(0, code_unit)];
    match char::decode_utf16(units).next() {
        Some(Ok(character)) => (Some(character), 6 * character.len_utf16()),
        _ => (None, 6),
    }
}

/// The number in a `\uXXXX`; 0 where there is none.
fn code_unit(escape: &[u8]) -> u16 {
    let [b'\\', b'u', digits @ ..] = escape else { return 0 };
    let digits = digits.get(..4).unwrap_or_default();
    std::str::from_utf8(digits).ok().and_then(|digits| u16::from_str_radix(digits, 16).ok()).unwrap_or_default()
}
