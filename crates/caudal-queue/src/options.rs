//! Which queue: one flag with its environment twin.

use std::{fmt, str::FromStr};

/// Which queue of the Redis to use.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Options {
    /// The queue: 1 to 64 letters, digits, dots, hyphens or underscores
    #[arg(long, env = "CAUDAL_QUEUE", default_value = "facturas", value_name = "NAME")]
    pub queue: Name,
}

/// A queue's name: 1 to 64 ASCII letters, digits, dots, hyphens or underscores. It is part of every key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text cannot be a queue's name.
#[derive(Debug, thiserror::Error)]
#[error("1 to 64 letters, digits, dots, hyphens or underscores")]
pub struct InvalidName;

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName)
        }
    }
}
