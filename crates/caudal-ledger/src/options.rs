//! Where the ledger is, and how a wrong answer to that is refused in one line that shows no secret.

use std::fmt;
use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::Error;

/// Settings of the ledger.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Options {
    /// PostgreSQL with the ledger: `postgres://user:password@host:port/database?sslmode=require`
    #[arg(long, env = "DATABASE_URL", default_value = "postgres://localhost/caudal", hide_env_values = true)]
    pub database_url: DatabaseUrl,
}

/// A database's address, with its password: never shown.
#[derive(Clone)]
pub struct DatabaseUrl(String);

impl From<&str> for DatabaseUrl {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for DatabaseUrl {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DatabaseUrl(..)")
    }
}

impl DatabaseUrl {
    /// The address as it is, password and all.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// How to connect. Checked here and not while arguments are parsed, where the error would repeat the password.
    pub(crate) fn connect_options(&self) -> Result<PgConnectOptions, Error> {
        let scheme = self.0.split_once("://").map(|(scheme, _)| scheme);
        if !matches!(scheme, Some("postgres" | "postgresql")) {
            let given = scheme.map_or_else(|| "a text without a scheme".to_owned(), |scheme| format!("{scheme}://.."));
            return Err(wrong(&given));
        }
        let options = PgConnectOptions::from_str(&self.0).map_err(|_| wrong("postgres://.. that does not parse"))?;
        // There is no float here, and a `PgBouncer` refuses connections that ask for such settings.
        let options = options.extra_float_digits(None);
        // A slow statement's text says nothing that its span and the answer's latency do not.
        Ok(options.application_name("caudal").disable_statement_logging())
    }
}

fn wrong(given: &str) -> Error {
    Error::Misconfigured(format!("DATABASE_URL: given {given}, allowed postgres://user:password@host:port/database"))
}
