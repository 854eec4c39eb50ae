//! Passwords stay hidden; wrong URLs are told in one line.

use super::{Options, SecretUrl};
use crate::Client;

fn options(url: &str) -> Options {
    Options { redis_url: SecretUrl::from(url.to_owned()) }
}

#[test]
fn a_password_is_never_shown() {
    for (url, shown) in [
        ("redis://:secr@et@host:1/0", "redis://***@host:1/0"),
        ("rediss://user:secret@host", "rediss://***@host"),
        ("redis:/user:secret@host", "***@host"),
        ("redis://:secret", "redis://.."),
        ("secret", ".."),
        ("redis+unix:///socket?pass=secret&db=1", "redis+unix://.."),
        ("redis://user@host/0?password=secret", "redis://***@host/0"),
    ] {
        assert_eq!(format!("{:?}", SecretUrl::from(url.to_owned())), shown);
    }
}

#[test]
fn a_wrong_url_is_refused_in_one_line_that_names_the_variable_and_hides_the_password() {
    for url in ["", "localhost:6379", "http://host", "redis://:hush@host:port", "redis://:hush", "redis://host/x"] {
        let text = Client::new(&options(url)).map(drop).unwrap_err().to_string();
        assert!(text.starts_with("REDIS_URL: "), "{text}");
        assert!(text.contains("allowed redis://"), "{text}");
        assert!(!text.contains('\n') && !text.contains("hush"), "{text}");
    }
}
