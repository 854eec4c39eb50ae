//! Python's reader, its words and its places.

use super::{Error, Kind, Node, decode, escape};

fn read(text: &[u8]) -> Result<Node<'_>, Error> {
    super::read(text, 0).map(|document| document.root)
}

fn fault(text: &str) -> (&'static str, usize) {
    match read(text.as_bytes()) {
        Err(Error::Syntax { message, position }) => (message, position),
        other => panic!("{text:?} was read as {other:?}"),
    }
}

fn text(json: &[u8]) -> (String, bool) {
    let text = read(json).unwrap().text().unwrap();
    (text.value.into_owned(), text.whole)
}

fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

#[test]
fn complaints_are_pythons_with_places_in_characters() {
    for (text, message, position) in [
        ("", "Expecting value", 0),
        ("  ", "Expecting value", 2),
        ("hola", "Expecting value", 0),
        ("[1,]", "Expecting value", 3),
        ("[", "Expecting value", 1),
        ("[1 2]", "Expecting ',' delimiter", 3),
        ("[1", "Expecting ',' delimiter", 2),
        ("{", "Expecting property name enclosed in double quotes", 1),
        ("{1:2}", "Expecting property name enclosed in double quotes", 1),
        ("{\"a\":1,}", "Expecting property name enclosed in double quotes", 7),
        ("{\"a\" 1}", "Expecting ':' delimiter", 5),
        ("{\"a\":}", "Expecting value", 5),
        ("[1]]", "Extra data", 3),
        ("\"ñ😀\" x", "Extra data", 5),
        ("[\"ñ", "Unterminated string starting at", 1),
        ("\"a\\", "Unterminated string starting at", 0),
        ("\"a\tb\"", "Invalid control character at", 2),
        ("\"\\x\"", "Invalid \\escape", 1),
        ("\"\\u12\"", "Invalid \\uXXXX escape", 2),
        ("\"\\u1234", "Invalid \\uXXXX escape", 2),
        ("\"\\ud800\\u12\"", "Invalid \\uXXXX escape", 8),
        ("[01]", "Expecting ',' delimiter", 2),
        ("[1.]", "Expecting ',' delimiter", 2),
        ("[1e+]", "Expecting ',' delimiter", 2),
        ("[-]", "Expecting value", 1),
        ("[+1]", "Expecting value", 1),
        ("[nul]", "Expecting value", 1),
        ("[\u{a0}1]", "Expecting value", 1),
    ] {
        assert_eq!(fault(text), (message, position), "{text:?}");
    }
}

#[test]
fn values_beyond_the_standard_are_read() {
    for text in ["NaN", "Infinity", "-Infinity"] {
        assert_eq!(read(text.as_bytes()).unwrap().kind(), Kind::NotFinite);
    }
}

#[test]
fn escapes_are_the_characters_they_stand_for() {
    assert_eq!(text(br#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#), ("\"\\/\u{8}\u{c}\n\r\té😀".to_owned(), true));
}

#[test]
fn a_lone_surrogate_is_noticed_however_it_is_written() {
    for json in
        [&br#""a\ud800b""#[..], br#""a\ude00b""#, br#""a\ud800\u0041""#, b"\"a\xed\xa0\x80b\"", b"\"\\n\xed\xb0\x80\""]
    {
        let (value, whole) = text(json);
        assert!(!whole && value.contains('\u{fffd}'), "{json:?}");
    }
}

#[test]
fn every_encoding_python_guesses_gives_the_same_text() {
    let json = "[\"ñ😀\"]";
    let utf16: Vec<u16> = json.encode_utf16().collect();
    let utf32: Vec<u32> = json.chars().map(u32::from).collect();
    let le16: Vec<u8> = utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let be16: Vec<u8> = utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    let le32: Vec<u8> = utf32.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let be32: Vec<u8> = utf32.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
    for body in [
        json.as_bytes().to_vec(),
        marked(b"\xef\xbb\xbf", json.as_bytes()),
        marked(b"\xff\xfe", &le16),
        marked(b"\xfe\xff", &be16),
        marked(b"\xff\xfe\0\0", &le32),
        marked(b"\0\0\xfe\xff", &be32),
        le16,
        be16,
        le32,
        be32,
    ] {
        assert_eq!(decode(&body).as_deref(), Some(json.as_bytes()), "{body:?}");
    }
}

#[test]
fn a_single_character_in_two_bytes_is_read() {
    for body in [b"1\0", b"\x001"] {
        assert_eq!(decode(body).as_deref(), Some(&b"1"[..]));
    }
}

#[test]
fn what_is_no_text_is_told() {
    for body in [&b"[\"\xff\xfe\"]"[..], b"\"\xc3", b"\"\xed\xa0", b"\xff\xfe[", b"\xff\xfe\0\0[\0\0\x11"] {
        assert_eq!(decode(body), None, "{body:?}");
    }
}

#[test]
fn depth_and_long_integers_end_where_the_original_ends() {
    assert!(read(nested(967).as_bytes()).is_ok());
    assert_eq!(read(nested(968).as_bytes()), Err(Error::Limit));
    assert_eq!(read("[".repeat(5_000_000).as_bytes()), Err(Error::Limit));
    assert!(read("9".repeat(4300).as_bytes()).is_ok());
    assert_eq!(read("9".repeat(4301).as_bytes()), Err(Error::Limit));
    assert!(read(format!("-{}.0", "9".repeat(5000)).as_bytes()).is_ok());
}

#[test]
fn lists_and_objects_are_walked_in_order() {
    let text = br#" [ 1 , "a,]" , [ ] , [[3]] , {"b" : {"c" : [2]} , "\u0062":null} ] "#;
    let elements = super::read(text, 5).unwrap().elements;
    let raw: Vec<_> = elements.iter().map(|node| String::from_utf8_lossy(node.raw()).into_owned()).collect();
    assert_eq!(raw, ["1", "\"a,]\"", "[ ]", "[[3]]", r#"{"b" : {"c" : [2]} , "\u0062":null}"#]);
    let members: Vec<_> = elements[4].members().map(|(name, value)| (name.bytes(), value.kind())).collect();
    assert_eq!(members, [(b"b".into(), Kind::Object), (b"b".into(), Kind::Null)]);
    assert_eq!(super::read(text, 2).unwrap().elements, elements[..2]);
    for other in ["{\"a\":1}", "1", "[]"] {
        assert_eq!(super::read(other.as_bytes(), 5).unwrap().elements, [], "{other}");
    }
}

#[test]
fn a_string_ends_where_it_ends_whatever_its_length() {
    for length in 0..40 {
        let plain = "ñ".repeat(length / 2) + &"a".repeat(length % 2);
        assert_eq!(text(format!("\"{plain}\"").as_bytes()), (plain.clone(), true));
        assert_eq!(text(format!("\"{plain}\\\"\u{7f}\"").as_bytes()), (format!("{plain}\"\u{7f}"), true));
        let begun = format!("[\"{plain}\u{1f}\"]");
        assert_eq!(fault(&begun), ("Invalid control character at", 2 + plain.chars().count()));
    }
}

#[test]
fn an_echo_is_json_for_everyone() {
    let document =
        read(b"{ \"a\\ud800\\n\" : [ NaN , -Infinity , 1.50E2 , true,null ], \"\\u0001\\\"\": \"\xed\xa0\x80\" }")
            .unwrap();
    let echo = document.echo();
    let value: serde_json::Value = serde_json::from_str(&echo).unwrap();
    let expected =
        serde_json::json!({"a\u{fffd}\n": ["NaN", "-Infinity", 150.0, true, null], "\u{1}\"": value["\u{1}\""]});
    assert_eq!(value, expected);
    assert!(echo.contains("1.50E2"), "numbers stay as written");
}

#[test]
fn an_escaped_text_reads_as_itself() {
    let text: String = ('\0'..='\u{ff}').chain(['\u{2028}', '\u{ffff}', '😀']).collect();
    assert_eq!(serde_json::from_str::<String>(&escape(&text)).unwrap(), text);
}
