//! A wrong setting stops the start with one line: the variable or flag, what was given, what is allowed. Every option is tried.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// A start that goes on has not noticed.
const START: Duration = Duration::from_secs(20);

/// What is tried with an option.
#[derive(Clone, Copy)]
enum Try {
    /// Nothing: any text is allowed.
    Any,
    /// A value that is refused where it is read.
    Wrong(&'static str),
    /// A value that is judged where it is used, for it may hold a secret, or name a file; then always its variable is told.
    Judged(&'static str),
}

use Try::{Any, Judged, Wrong};

const TRIES: [(&str, Try); 30] = [
    ("--after", Wrong("7")),
    ("--api-key", Judged("ñ")),
    ("--api-keys-file", Judged("/nowhere")),
    ("--batch", Wrong("0")),
    ("--caller", Any),
    ("--code", Any),
    ("--concurrency", Wrong("65")),
    ("--database-url", Judged("mysql://localhost/caudal")),
    ("--format", Wrong("xml")),
    ("--from-redis", Judged("http://localhost")),
    ("--limit", Wrong("all")),
    ("--listen", Wrong("localhost")),
    ("--log", Wrong("a=b=c")),
    ("--log-format", Wrong("yaml")),
    ("--max-backlog", Wrong("-1")),
    ("--max-workers", Wrong("many")),
    ("--namespaces", Any),
    ("--on-duplicate", Wrong("ignore")),
    ("--ops-listen", Wrong("0.0.0.0:70000")),
    ("--patience", Wrong("5m")),
    ("--pod", Any),
    ("--pod-uid", Any),
    ("--port", Wrong("65536")),
    ("--queue", Wrong("two words")),
    ("--reason", Any),
    ("--redis-url", Judged("http://localhost")),
    ("--release", Any),
    ("--run", Any),
    ("--rut-check", Wrong("maybe")),
    ("--url", Wrong("localhost:8000")),
];

/// An option that takes a value, as the help names it.
#[derive(Debug)]
struct Choice {
    command: Vec<String>,
    /// What the command cannot do without, in any form.
    needed: Vec<String>,
    flag: String,
    variable: Option<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_option_of_every_command_refuses_a_wrong_value_in_one_line() {
    let choices = choices(Vec::new()).await;
    assert!(choices.len() > 30, "{choices:?}");
    for choice in choices {
        let known = TRIES.iter().find(|(flag, _)| *flag == choice.flag);
        let Some((_, attempt)) = known else { panic!("{choice:?} is not in the table") };
        let (Wrong(value) | Judged(value)) = *attempt else { continue };
        let variable = choice.variable.as_deref();
        let by_flag = refused(&choice, &[&format!("{}={value}", choice.flag)], None).await;
        let expected = match (attempt, variable) {
            (Judged(_), variable) => format!("caudal: {}: given ", variable.unwrap_or(&choice.flag)),
            _ => format!("caudal: {}: given {value:?}, allowed ", choice.flag),
        };
        assert!(by_flag.starts_with(&expected) && by_flag.contains(", allowed "), "{by_flag}");
        if let Some(variable) = variable {
            let by_variable = refused(&choice, &[], Some((variable, value))).await;
            let expected = format!("caudal: {variable}: given ");
            assert!(by_variable.starts_with(&expected) && by_variable.contains(", allowed "), "{by_variable}");
        }
    }
}

#[tokio::test]
async fn a_password_in_a_wrong_setting_is_not_shown() {
    for (flag, wrong) in [
        ("--redis-url", "rediss//user:secret@host"),
        ("--database-url", "user:secret@host"),
        ("--url", "user:secret@host"),
    ] {
        let command: &[&str] = if flag == "--url" { &["send", "x.json"] } else { &["worker"] };
        let output = run(command, &[flag, wrong], None).await;
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.lines().count() == 1 && !told.contains("secret"), "{told}");
    }
}

#[tokio::test]
async fn a_collector_named_in_a_way_that_cannot_work_stops_the_start_in_one_line() {
    const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    // Nothing listens there: that stops nothing.
    let (down, secure) = ((ENDPOINT, "http://127.0.0.1:1"), (ENDPOINT, "https://127.0.0.1:1"));
    let no_certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for (others, variable, wrong) in [
        (&[][..], ENDPOINT, "localhost:4317"),
        (&[], "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://localhost"),
        (&[down], "OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        (&[down], "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "GRPC "),
        (&[down], "OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        (&[down], "OTEL_EXPORTER_OTLP_COMPRESSION", "brotli"),
        (&[secure], "OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere"),
        (&[secure, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], "OTEL_EXPORTER_OTLP_CERTIFICATE", no_certificate),
        (&[secure, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")], "OTEL_EXPORTER_OTLP_CERTIFICATE", no_certificate),
    ] {
        let variables: Vec<_> = others.iter().copied().chain([(variable, wrong)]).collect();
        let told = told(&run_with(&["api"], &[], &variables).await);
        let expected = format!("caudal: {variable}: given {wrong:?}, allowed ");
        assert!(told.starts_with(&expected), "{variables:?} {told}");
    }
    let output = run_with(&["crd"], &[], &[down]).await;
    assert!(output.status.success(), "a collector that is down stops nothing: {output:?}");
}

/// The one line with which the command ends.
async fn refused(choice: &Choice, more: &[&str], variable: Option<(&str, &str)>) -> String {
    let command: Vec<_> = choice.command.iter().chain(&choice.needed).map(String::as_str).collect();
    told(&run(&command, more, variable).await)
}

/// The one line with which a start was refused.
fn told(output: &Output) -> String {
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert_eq!(told.lines().count(), 1, "{told}");
    told
}

async fn run(command: &[&str], more: &[&str], variable: Option<(&str, &str)>) -> Output {
    run_with(command, more, variable.as_slice()).await
}

async fn run_with(command: &[&str], more: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut caudal = Command::new(env!("CARGO_BIN_EXE_caudal"));
    caudal.args(command).args(more).envs(variables.iter().copied()).stdin(Stdio::null());
    let output = tokio::process::Command::from(caudal).kill_on_drop(true).output();
    let ended = tokio::time::timeout(START, output).await;
    ended.unwrap_or_else(|_| panic!("caudal {command:?} {more:?} {variables:?} goes on")).unwrap()
}

/// The options of a command and of those below it.
async fn choices(command: Vec<String>) -> Vec<Choice> {
    let arguments: Vec<_> = command.iter().map(String::as_str).collect();
    let help = String::from_utf8(run(&arguments, &["--help"], None).await.stdout).unwrap();
    let mut choices = Vec::new();
    for below in subcommands(&help) {
        choices.extend(Box::pin(choices_of(&command, below)).await);
    }
    if choices.is_empty() {
        choices = options(&command, &help);
    }
    choices
}

async fn choices_of(command: &[String], below: &str) -> Vec<Choice> {
    choices(command.iter().cloned().chain([below.to_owned()]).collect()).await
}

fn subcommands(help: &str) -> Vec<&str> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = list.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect()
}

fn options(command: &[String], help: &str) -> Vec<Choice> {
    let usage = help.lines().find(|line| line.starts_with("Usage:")).unwrap_or_default();
    let needed: Vec<_> =
        usage.split_whitespace().filter(|word| word.starts_with('<')).map(|_| "1-1".to_owned()).collect();
    let mut choices: Vec<Choice> = Vec::new();
    for line in help.lines().map(str::trim) {
        let flag = line.split_whitespace().next().filter(|word| word.starts_with("--") && line.contains('<'));
        choices.extend(flag.map(|flag| Choice {
            command: command.to_owned(),
            needed: needed.clone(),
            flag: flag.to_owned(),
            variable: None,
        }));
        if let (Some((_, rest)), Some(choice)) = (line.split_once("[env: "), choices.last_mut()) {
            choice.variable = rest.split([']', '=']).next().map(str::to_owned);
        }
    }
    choices
}
