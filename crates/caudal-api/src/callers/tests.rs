//! What a file of API keys may hold, and whom it lets in.

use axum::http::{HeaderMap, HeaderValue};

use super::{Callers, InvalidKeys, parse};

fn callers(text: &str) -> Callers {
    Callers { file: "keys".into(), known: std::sync::RwLock::new(parse(text).unwrap().into()) }
}

fn bearing(value: &str) -> HeaderMap {
    HeaderMap::from_iter([("authorization".parse().unwrap(), HeaderValue::from_str(value).unwrap())])
}

#[test]
fn names_keys_comments_and_blank_lines_are_read() {
    let known = callers("# callers\r\n\r\nacme: s3cret:1 \n  \nacme:next\nother:x");
    let name = |value: &str| known.name(&bearing(value)).map(|name| name.to_string());
    assert_eq!(name("Bearer s3cret:1").as_deref(), Some("acme"));
    assert_eq!(name("bearer next").as_deref(), Some("acme"), "a caller may have two keys while they change");
    assert_eq!(name("Bearer  x").as_deref(), Some("other"));
    for stranger in ["Bearer s3cret", "Bearer ", "Bearer", "Basic next", "next", "Bearer X", "Bearer callers"] {
        assert_eq!(name(stranger), None, "{stranger}");
    }
    assert_eq!(known.name(&HeaderMap::new()), None);
}

#[test]
fn a_wrong_file_is_refused_by_its_line_and_without_its_content() {
    let refused = |text: &str| parse(text).unwrap_err();
    for line in ["secret", ":secret", "acme:", "acme: ", "acme:se cret", "acme:clavé"] {
        let error = refused(&format!("ok:fine\n{line}\n"));
        assert!(matches!(error, InvalidKeys::Line(2)), "{line}: {error}");
        assert!(!error.to_string().contains(line.trim_start_matches(':')), "{error}");
    }
    assert!(matches!(refused("a:same\nb:same"), InvalidKeys::Shared(2)));
    assert!(matches!(refused("# nobody\n"), InvalidKeys::Empty));
}

#[tokio::test]
async fn a_wrong_or_missing_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    std::fs::write(&file, "acme:one\n").unwrap();
    let callers = Callers::load(&file).await.unwrap();
    for wrong in ["acme", "acme:one\nbeta:one\n", ""] {
        std::fs::write(&file, wrong).unwrap();
        callers.look().await.unwrap_err();
        assert_eq!(callers.name(&bearing("Bearer one")).as_deref(), Some("acme"), "{wrong:?}");
    }
    std::fs::remove_file(&file).unwrap();
    callers.look().await.unwrap_err();
    assert_eq!(callers.name(&bearing("Bearer one")).as_deref(), Some("acme"));
    std::fs::write(&file, "acme:two\n").unwrap();
    callers.look().await.unwrap();
    assert_eq!(callers.name(&bearing("Bearer one")), None);
    assert_eq!(callers.name(&bearing("Bearer two")).as_deref(), Some("acme"));
}
