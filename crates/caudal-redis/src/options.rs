//! Where Redis is: one flag with its environment twin.

use std::{convert::Infallible, fmt, str::FromStr};

/// How to reach Redis.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Options {
    /// Redis: `redis://[[user]:password@]host[:port][/database]`, or `rediss://` for TLS
    #[arg(
        long,
        env = "REDIS_URL",
        hide_env_values = true,
        default_value = "redis://localhost:6379/0",
        value_name = "URL"
    )]
    pub redis_url: SecretUrl,
}

/// A URL that may hold a password: it shows itself without user and password.
///
/// Any text is taken here and judged by `Client::new`, because a command line parser would print what it refuses.
#[derive(Clone)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// The address as it is, password and all.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl FromStr for SecretUrl {
    type Err = Infallible;

    fn from_str(url: &str) -> Result<Self, Infallible> {
        Ok(Self(url.to_owned()))
    }
}

impl fmt::Display for SecretUrl {
    /// A password may stand before the host, in a query, or where the host was forgotten: all that is shown of a URL are its
    /// scheme and what follows its user, up to the query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((scheme, _)) = self.0.split_once("://") {
            write!(f, "{scheme}://")?;
        }
        match self.0.rsplit_once('@') {
            Some((_, place)) => write!(f, "***@{}", place.split('?').next().unwrap_or_default()),
            None => f.write_str(".."),
        }
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests;
