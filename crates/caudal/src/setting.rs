//! A wrong setting in one line: its name, what was given, what is allowed.

use std::any::TypeId;
use std::net::SocketAddr;

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};

/// The line for a value that was refused; None for every other error of the command line, which clap tells itself.
pub(crate) fn explain(error: &Error, mut command: Command, arguments: &[String]) -> Option<String> {
    if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        return None;
    }
    let (Some(ContextValue::String(shown)), Some(ContextValue::String(given))) =
        (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue))
    else {
        return None;
    };
    command.build();
    let arg = named(&command, arguments).get_arguments().find(|arg| arg.to_string() == *shown)?;
    let allowed = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) if !values.is_empty() => values.join(" or "),
        _ => allowed(arg, error),
    };
    Some(format!("{}: given {:?}, allowed {allowed}", name(arg, arguments), shown_part(given)))
}

/// The subcommand that the arguments name.
fn named<'a>(command: &'a Command, arguments: &[String]) -> &'a Command {
    arguments.iter().fold(command, |command, argument| command.find_subcommand(argument).unwrap_or(command))
}

/// The flag where it was used, else the variable.
fn name(arg: &Arg, arguments: &[String]) -> String {
    let Some(long) = arg.get_long() else { return arg.to_string() };
    let flag = format!("--{long}");
    let used = arguments.iter().any(|argument| argument.split('=').next() == Some(&flag));
    match arg.get_env() {
        Some(variable) if !used => variable.to_string_lossy().into_owned(),
        _ => flag,
    }
}

/// Foreign types complain in their own way; ours say what is allowed.
fn allowed(arg: &Arg, error: &Error) -> String {
    let is = |kind: TypeId| ValueParser::type_id(arg.get_value_parser()) == kind;
    if is(TypeId::of::<SocketAddr>()) {
        return "ADDRESS:PORT, such as 127.0.0.1:8000 or [::1]:8000".to_owned();
    }
    if is(TypeId::of::<u16>()) {
        return format!("a whole number from 0 to {}", u16::MAX);
    }
    if is(TypeId::of::<u32>()) || is(TypeId::of::<u64>()) {
        return "a whole number".to_owned();
    }
    std::error::Error::source(error).map_or_else(|| arg.to_string(), ToString::to_string)
}

/// What stands before an at sign may be a password.
fn shown_part(given: &str) -> String {
    given.rsplit_once('@').map_or_else(|| given.to_owned(), |(_, place)| format!("***@{place}"))
}
