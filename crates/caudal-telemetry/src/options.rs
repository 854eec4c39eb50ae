//! What a user may say about logs.

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One line of text for people.
    #[default]
    Text,
    /// One JSON object a line for programs.
    Json,
}

/// The logging options every role shares.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct Options {
    /// What is logged: a level (error, warn, info, debug, trace), or directives such as `info,caudal_queue=debug`
    #[arg(long, env = "CAUDAL_LOG", default_value = "info,sqlx=warn", value_parser = filter, global = true)]
    pub log: String,
    /// How a log line is written
    #[arg(long, env = "CAUDAL_LOG_FORMAT", value_enum, default_value_t, global = true)]
    pub log_format: Format,
}

fn filter(text: &str) -> Result<String, &'static str> {
    let known = EnvFilter::try_new(text).map(|_| text.to_owned());
    known.map_err(|_| "a level (error, warn, info, debug, trace) or target=level pairs separated by commas")
}
