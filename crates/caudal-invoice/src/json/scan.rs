//! The scanner: one pass over the text, without recursion, with Python's complaints at Python's places.

use super::node::{Kind, Node};

/// Containers in each other. The original's server could read as many before its own stack ended.
const MAX_DEPTH: usize = 967;

/// Python refuses to read an integer of more digits.
const MAX_INTEGER_DIGITS: usize = 4300;

/// Why a document could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// Not JSON: Python's words, and the place in characters.
    Syntax { message: &'static str, position: usize },
    /// JSON, but deeper or with a longer integer than can be read.
    Limit,
}

/// A whole document, checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Document<'t> {
    pub(crate) root: Node<'t>,
    /// The first values of the list that the root is.
    pub(crate) elements: Vec<Node<'t>>,
}

/// Reads a whole document; of a list, at most so many elements are kept.
pub(crate) fn read(text: &[u8], most: usize) -> Result<Document<'_>, Error> {
    let mut elements = Vec::new();
    let keep = |element| {
        if elements.len() < most {
            elements.push(element);
        }
    };
    let root = Scanner::new(text).whole_document(keep).map_err(|fault| match fault {
        Fault::Syntax { message, at } => Error::Syntax { message, position: characters(&text[..at]) },
        Fault::Limit => Error::Limit,
    })?;
    if root.kind() != Kind::List {
        elements.clear();
    }
    Ok(Document { root, elements })
}

fn characters(text: &[u8]) -> usize {
    text.iter().filter(|byte| !matches!(byte, 0x80..=0xBF)).count()
}

/// As [`Error`], with the place in bytes.
#[derive(Debug)]
pub(super) enum Fault {
    Syntax { message: &'static str, at: usize },
    Limit,
}

fn syntax<T>(message: &'static str, at: usize) -> Result<T, Fault> {
    Err(Fault::Syntax { message, at })
}

/// A place in a text.
#[derive(Clone)]
pub(super) struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
}

#[derive(Clone, Copy)]
enum Open {
    List,
    Object,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Steps over this byte, if it is next.
    pub(super) fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn whole_document(&mut self, inner: impl FnMut(Node<'t>)) -> Result<Node<'t>, Fault> {
        self.skip_space();
        let root = self.value_telling(inner)?;
        self.skip_space();
        match self.peek() {
            None => Ok(root),
            Some(_) => syntax("Extra data", self.at),
        }
    }

    /// One value with all it contains.
    pub(super) fn value(&mut self) -> Result<Node<'t>, Fault> {
        self.value_telling(|_| {})
    }

    /// One value with all it contains; `inner` is told each value directly in it.
    fn value_telling(&mut self, mut inner: impl FnMut(Node<'t>)) -> Result<Node<'t>, Fault> {
        let (text, start) = (self.text, self.at);
        let mut open = Vec::new();
        let root = self.open_or_scalar(&mut open)?;
        let (mut kind, mut begun) = (root, (root, start));
        loop {
            if !matches!(kind, Kind::List | Kind::Object) || self.close_if_empty(&mut open)? {
                self.close_finished(&mut open, |end| inner(Node::new(begun.0, &text[begun.1..end])))?;
            }
            if open.is_empty() {
                return Ok(Node::new(root, &text[start..self.at]));
            }
            let (depth, at) = (open.len(), self.at);
            kind = self.open_or_scalar(&mut open)?;
            if depth == 1 {
                begun = (kind, at);
            }
        }
    }

    fn open_or_scalar(&mut self, open: &mut Vec<Open>) -> Result<Kind, Fault> {
        let (kind, container) = match self.peek() {
            Some(b'[') => (Kind::List, Open::List),
            Some(b'{') => (Kind::Object, Open::Object),
            _ => return self.scalar(),
        };
        if open.len() == MAX_DEPTH {
            return Err(Fault::Limit);
        }
        open.push(container);
        self.at += 1;
        Ok(kind)
    }

    /// Just behind an opening bracket: steps over the closing one, or up to the first value.
    fn close_if_empty(&mut self, open: &mut Vec<Open>) -> Result<bool, Fault> {
        self.skip_space();
        let closed = match open.last() {
            Some(Open::List) => self.accept(b']'),
            Some(Open::Object) => self.accept(b'}'),
            None => false,
        };
        match (closed, open.last()) {
            (true, _) => drop(open.pop()),
            (false, Some(Open::Object)) => drop(self.member_name()?),
            (false, _) => {}
        }
        Ok(closed)
    }

    /// Behind a value: steps over every bracket it is the last in, then up to the next value. `inner_end` is told where a value
    /// directly in the outermost one ends.
    fn close_finished(&mut self, open: &mut Vec<Open>, mut inner_end: impl FnMut(usize)) -> Result<(), Fault> {
        while let Some(container) = open.last().copied() {
            if open.len() == 1 {
                inner_end(self.at);
            }
            self.skip_space();
            match (container, self.peek()) {
                (Open::List, Some(b']')) | (Open::Object, Some(b'}')) => {
                    self.at += 1;
                    open.pop();
                }
                (_, Some(b',')) => {
                    self.at += 1;
                    self.skip_space();
                    if matches!(container, Open::Object) {
                        self.member_name()?;
                    }
                    return Ok(());
                }
                _ => return syntax("Expecting ',' delimiter", self.at),
            }
        }
        Ok(())
    }

    /// A member's name and its colon, up to the value.
    pub(super) fn member_name(&mut self) -> Result<Node<'t>, Fault> {
        if self.peek() != Some(b'"') {
            return syntax("Expecting property name enclosed in double quotes", self.at);
        }
        let start = self.at;
        let kind = self.string()?;
        let name = Node::new(kind, &self.text[start..self.at]);
        self.skip_space();
        if !self.accept(b':') {
            return syntax("Expecting ':' delimiter", self.at);
        }
        self.skip_space();
        Ok(name)
    }

    fn scalar(&mut self) -> Result<Kind, Fault> {
        const WORDS: [(&[u8], Kind); 6] = [
            (b"null", Kind::Null),
            (b"true", Kind::Bool(true)),
            (b"false", Kind::Bool(false)),
            (b"NaN", Kind::NotFinite),
            (b"Infinity", Kind::NotFinite),
            (b"-Infinity", Kind::NotFinite),
        ];
        if self.peek() == Some(b'"') {
            return self.string();
        }
        if let Some(kind) = self.number()? {
            return Ok(kind);
        }
        let rest = &self.text[self.at..];
        match WORDS.iter().find(|(word, _)| rest.starts_with(word)) {
            Some((word, kind)) => {
                self.at += word.len();
                Ok(*kind)
            }
            None => syntax("Expecting value", self.at),
        }
    }

    fn string(&mut self) -> Result<Kind, Fault> {
        let start = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            self.at += plain_length(&self.text[self.at..]);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape(start)?;
                }
                Some(_) => return syntax("Invalid control character at", self.at),
                None => return syntax("Unterminated string starting at", start),
            }
        }
        self.at += 1;
        Ok(if escaped { Kind::EscapedText } else { Kind::PlainText })
    }

    fn escape(&mut self, start: usize) -> Result<(), Fault> {
        match self.text[self.at + 1..] {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => self.at += 2,
            // One more byte must follow the digits, or Python takes the escape for the unfinished thing.
            [b'u', ref digits @ ..] if digits.len() > 4 && digits[..4].iter().all(u8::is_ascii_hexdigit) => {
                self.at += 6
            }
            [b'u', ..] => return syntax("Invalid \\uXXXX escape", self.at + 1),
            [] => return syntax("Unterminated string starting at", start),
            [_, ..] => return syntax("Invalid \\escape", self.at),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Option<Kind>, Fault> {
        let rest = &self.text[self.at..];
        let sign = usize::from(rest.first() == Some(&b'-'));
        let integer = match rest.get(sign) {
            Some(b'0') => 1,
            Some(b'1'..=b'9') => digits(&rest[sign..]),
            _ => return Ok(None),
        };
        let mut length = sign + integer;
        length += fraction(&rest[length..]);
        length += exponent(&rest[length..]);
        let whole = length == sign + integer;
        if whole && integer > MAX_INTEGER_DIGITS {
            return Err(Fault::Limit);
        }
        self.at += length;
        Ok(Some(if whole { Kind::Integer } else { Kind::Float }))
    }
}

/// How many bytes come before the next quote, backslash or control character. Most of a document lies in its strings: eight
/// bytes at a time.
fn plain_length(text: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = ONES << 7;
    let (words, _) = text.as_chunks::<8>();
    let is_plain = |word: &&[u8; 8]| {
        let word = u64::from_ne_bytes(**word);
        let below = |other: u64, most: u64| other.wrapping_sub(ONES * most) & !other & TOPS;
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        quote | backslash | below(word, 0x20) == 0
    };
    let skipped = 8 * words.iter().take_while(is_plain).count();
    skipped + text[skipped..].iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1F)).count()
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn fraction(text: &[u8]) -> usize {
    match text {
        [b'.', rest @ ..] if digits(rest) > 0 => 1 + digits(rest),
        _ => 0,
    }
}

fn exponent(text: &[u8]) -> usize {
    let sign = match text {
        [b'e' | b'E', b'+' | b'-', ..] => 1,
        [b'e' | b'E', ..] => 0,
        _ => return 0,
    };
    match digits(&text[1 + sign..]) {
        0 => 0,
        digits => 1 + sign + digits,
    }
}
