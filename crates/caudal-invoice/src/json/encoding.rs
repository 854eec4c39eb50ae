//! From a body's bytes to text, as `json.loads` guesses the encoding.
//!
//! Text is UTF-8 that may also hold surrogates (three bytes each), for Python decodes with `surrogatepass`.

use std::borrow::Cow;

/// The document's text, or nothing where it is no text in the encoding it seems to have.
pub(crate) fn decode(body: &[u8]) -> Option<Cow<'_, [u8]>> {
    match body {
        [0xFF, 0xFE, 0, 0, rest @ ..] => utf32(rest, u32::from_le_bytes),
        [0, 0, 0xFE, 0xFF, rest @ ..] => utf32(rest, u32::from_be_bytes),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest),
        [0, 0, _, _, ..] => utf32(body, u32::from_be_bytes),
        [0, _, _, _, ..] | [0, _] => utf16(body, u16::from_be_bytes),
        [_, 0, 0, 0, ..] => utf32(body, u32::from_le_bytes),
        [_, 0, _, _, ..] | [_, 0] => utf16(body, u16::from_le_bytes),
        _ => utf8(body),
    }
}

fn utf8(body: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut rest = body;
    while let Err(error) = std::str::from_utf8(rest) {
        match &rest[error.valid_up_to()..] {
            [0xED, 0xA0..=0xBF, 0x80..=0xBF, after @ ..] => rest = after,
            _ => return None,
        }
    }
    Some(Cow::Borrowed(body))
}

fn utf16(body: &[u8], unit: fn([u8; 2]) -> u16) -> Option<Cow<'static, [u8]>> {
    let (units, []) = body.as_chunks::<2>() else { return None };
    let mut text = Vec::with_capacity(body.len());
    for character in char::decode_utf16(units.iter().map(|bytes| unit(*bytes))) {
        push(&mut text, character.map_or_else(|lone| lone.unpaired_surrogate().into(), u32::from))?;
    }
    Some(Cow::Owned(text))
}

fn utf32(body: &[u8], unit: fn([u8; 4]) -> u32) -> Option<Cow<'static, [u8]>> {
    let (units, []) = body.as_chunks::<4>() else { return None };
    let mut text = Vec::with_capacity(body.len());
    for bytes in units {
        push(&mut text, unit(*bytes))?;
    }
    Some(Cow::Owned(text))
}

fn push(text: &mut Vec<u8>, code: u32) -> Option<()> {
    match (char::from_u32(code), code) {
        (Some(character), _) => text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        (None, 0xD800..=0xDFFF) => text.extend_from_slice(&[0xED, 0x80 | low_six(code >> 6), 0x80 | low_six(code)]),
        (None, _) => return None,
    }
    Some(())
}

fn low_six(code: u32) -> u8 {
    (code & 0x3F) as u8
}
