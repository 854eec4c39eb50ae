//! The tables of `deploy/reference.md`, made by the code: settings and metrics. `UPDATE_TABLES=1 cargo test -p caudal reference` writes them.

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs};

use caudal_ledger::Ledger;
use caudal_queue::Queue;
use caudal_telemetry::metrics::{Description, Registry};
use clap::{Arg, Command, CommandFactory};

use crate::cli::Cli;
use crate::role;

/// There are fewer settings.
const FEW: usize = 30;

#[test]
fn there_are_few_settings() {
    let settings = settings();
    assert!(settings.len() < FEW, "{} settings are too many", settings.len());
}

// One test: two that write to one file would undo each other.
#[tokio::test]
async fn the_tables_of_the_reference_are_what_the_code_says() {
    let setting = |Setting { arg, commands }: Setting| {
        let default: Vec<_> = arg.get_default_values().iter().map(|value| format!("`{}`", value.display())).collect();
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let flag = arg.get_long().unwrap_or_default();
        format!("| `{}` | `--{flag}` | {} | {help} | {} |", variable(&arg), default.join(" "), commands.join(", "))
    };
    compare("settings", ["variable", "flag", "default", "meaning", "command"], settings().into_values().map(setting));

    let metric = |(metric, roles): (Description, Vec<&str>)| {
        let Description { name, kind, labels, help } = metric;
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{name}` | {kind} | {} | {help} | {} |", labels.join(", "), roles.join(", "))
    };
    compare("metrics", ["metric", "type", "labels", "meaning", "role"], metrics().into_values().map(metric));
}

/// A setting, and the commands that take it.
struct Setting {
    arg: Arg,
    commands: Vec<String>,
}

/// Every setting that has a variable, by its name.
fn settings() -> BTreeMap<String, Setting> {
    let root = Cli::command();
    let mut settings = BTreeMap::new();
    collect(&root, "all", &mut settings);
    for command in root.get_subcommands() {
        collect_below(command, command.get_name(), &mut settings);
    }
    settings
}

fn collect_below(command: &Command, name: &str, settings: &mut BTreeMap<String, Setting>) {
    collect(command, name, settings);
    for below in command.get_subcommands() {
        collect_below(below, name, settings);
    }
}

fn collect(command: &Command, name: &str, settings: &mut BTreeMap<String, Setting>) {
    for arg in command.get_arguments().filter(|arg| arg.get_env().is_some()) {
        let setting =
            settings.entry(variable(arg)).or_insert_with(|| Setting { arg: arg.clone(), commands: Vec::new() });
        if !setting.commands.iter().any(|known| known == name) {
            setting.commands.push(name.to_owned());
        }
    }
}

fn variable(arg: &Arg) -> String {
    arg.get_env().map(|name| name.display().to_string()).unwrap_or_default()
}

/// Every metric by its name, with the roles that tell it.
fn metrics() -> BTreeMap<String, (Description, Vec<&'static str>)> {
    let redis = caudal_redis::Options { redis_url: "redis://localhost".to_owned().into() };
    let name = caudal_queue::Options { queue: "facturas".parse().unwrap() };
    let queue = Queue::new(&caudal_redis::Client::new(&redis).unwrap(), &name);
    let ledger = Ledger::new(&caudal_ledger::Options { database_url: "postgres://localhost".into() }).unwrap();
    let registries: [(&str, Registry); 3] = [
        ("api", caudal_api::registry(&queue, &ledger)),
        ("worker", role::worker::registry(&caudal_worker::Metrics::default(), &queue, &ledger)),
        ("controller", role::controller::registry(&caudal_controller::Metrics::default())),
    ];
    let mut metrics = BTreeMap::new();
    for (role, registry) in &registries {
        for metric in registry.descriptions() {
            let entry = metrics.entry(metric.name.clone()).or_insert_with(|| (metric.clone(), Vec::new()));
            assert_eq!(entry.0, *metric, "two roles mean different things by it");
            assert!(!entry.1.contains(role), "the {role} registers {} twice", metric.name);
            entry.1.push(role);
        }
    }
    metrics
}

/// Compares the table with the one between the page's comments `<!-- begin NAME -->` and `<!-- end NAME -->`.
fn compare(name: &str, columns: [&str; 5], rows: impl Iterator<Item = String>) {
    let head = format!("| {} |", columns.join(" | "));
    let made = [head, "|---|---|---|---|---|".to_owned()].into_iter().chain(rows).collect::<Vec<_>>().join("\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/reference.md");
    let page = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("\n<!-- end {name} -->"));
    let (before, rest) = page.split_once(&begin).unwrap();
    let (found, after) = rest.split_once(&end).unwrap();
    if found != made && env::var_os("UPDATE_TABLES").is_some() {
        fs::write(&path, format!("{before}{begin}{made}{end}{after}")).unwrap();
        return;
    }
    assert_eq!(found, made, "the table of {name}: UPDATE_TABLES=1 cargo test -p caudal reference writes it");
}
