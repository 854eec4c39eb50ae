//! Which bodies say that they are JSON.

use super::is_json;

#[test]
fn json_in_any_spelling_is_json() {
    assert!(is_json(None));
    for value in [
        "",
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        "application/json;",
        "  application/vnd.api+json  ; x=y",
        "\u{a0}application/json\u{85}",
        "application/+json",
    ] {
        assert!(is_json(Some(value)), "{value:?}");
    }
}

#[test]
fn anything_else_is_not() {
    for value in [
        " ",
        ";",
        "json",
        "text/json",
        "text/x+json",
        "application/",
        "application/jsonx",
        "application/json, text/plain",
        "application /json",
        "application/ json",
        "application//json",
        "application/a/b+json",
    ] {
        assert!(!is_json(Some(value)), "{value:?}");
    }
}
