//! Every command of the documents is run as it stands there: behind ` ```sh ` a word says by whom, and where there is none it is done here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs, os::unix};

use caudal_controller::crd::QueueScaler;
use caudal_testkit::{documents, programs, wait};
use serde_json::{Value, json};

use crate::cli::{Told, told};
use crate::stack::{Api, Stack};

const SOON: Duration = Duration::from_secs(15);
const DOCUMENTS: [&str; 4] = ["README.md", "README.es.md", "CONTRIBUTING.md", "deploy/README.md"];

/// What only a person has.
const BY_HAND: [&str; 4] = ["docker", "kind", "tilt", "export"];
/// Run by `.ci/run` itself, or by the named test in another form.
const BY_CI: [(&str, &str); 9] = [
    ("cargo xtask dev", "dev::dev_once_ends_well_when_the_whole_sample_is_in_the_ledger"),
    ("cargo xtask dev --once", "the part `dev`"),
    ("cargo xtask test", "it is what .ci/run runs"),
    ("cargo xtask soak", "the tests of soak::, the short form"),
    ("cargo xtask bench", "clippy; a figure is no test"),
    ("cargo fmt --all", "the part `format`"),
    ("cargo clippy --workspace --all-targets", "the part `lints`"),
    ("cargo test -p caudal-queue", "the parts `unit` and `integration`"),
    ("UPDATE_TABLES=1 cargo test -p caudal reference", "reference::the_tables_of_the_reference_are_what_the_code_says"),
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn blocks(document: &str) -> Vec<documents::Block> {
    documents::blocks(&fs::read_to_string(repository().join(document)).unwrap())
}

/// The commands of a script without what is only said of them.
fn commands(script: &str) -> impl Iterator<Item = &str> {
    let lines = script.lines().map(|line| line.split(" #").next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[test]
fn every_command_of_the_documents_is_run_by_somebody() {
    for document in DOCUMENTS {
        for block in blocks(document) {
            for command in commands(&block.script) {
                let run = match block.runner.as_str() {
                    // By the tests below, and by the cluster test.
                    "" | "cluster" => true,
                    "ci" => BY_CI.iter().any(|(known, _)| *known == command),
                    "hand" => command.split(' ').next().is_some_and(|program| BY_HAND.contains(&program)),
                    _ => false,
                };
                assert!(run, "{document}: nobody ({:?}) runs: {command}", block.runner);
            }
        }
    }
}

#[test]
fn what_a_person_builds_and_loads_is_what_the_chart_asks_for() {
    let cluster = fs::read_to_string(repository().join("deploy/kind.yaml")).unwrap();
    for document in DOCUMENTS {
        for block in blocks(document).iter().filter(|block| block.runner == "hand") {
            for word in block.script.split_whitespace() {
                if let Some((_, tag)) = word.split_once("caudal-dev/caudal:") {
                    assert_eq!(tag, env!("CARGO_PKG_VERSION"), "{document}: {word}");
                }
            }
            for (_, name) in block.script.lines().filter_map(|line| line.split_once("--name ")) {
                assert!(cluster.contains(&format!("name: {name}\n")), "{document}: no cluster {name}");
            }
            let files = block.script.split(" -f ").skip(1).filter_map(|rest| rest.split_whitespace().next());
            files.for_each(|file| assert!(repository().join(file).exists(), "{document}: there is no {file}"));
        }
    }
}

#[test]
fn every_file_that_a_document_leads_to_is_there() {
    for document in DOCUMENTS {
        let path = repository().join(document);
        let text = fs::read_to_string(&path).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            assert!(path.parent().unwrap().join(link).exists(), "{document}: there is no {link}");
        }
        let words = text.split('`').skip(1).step_by(2).filter(|word| !word.contains([' ', '{', '*', '$', '\n']));
        let ours =
            words.filter(|word| ["crates/", "charts/", "deploy/", ".ci/"].iter().any(|top| word.starts_with(top)));
        for file in ours {
            assert!(repository().join(file).exists(), "{document}: there is no {file}");
        }
    }
}

/// A folder in which the documents' commands find what they expect, on a stack that records.
struct Place {
    stack: Stack,
    api: Api,
    folder: tempfile::TempDir,
}

impl Place {
    fn new(stack: Stack, api: Api) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["deploy", "charts"] {
            unix::fs::symlink(repository().join(name), folder.path().join(name)).unwrap();
        }
        // Whoever asks for port 8000 of this machine is led to the API's.
        let address = api.url.strip_prefix("http://").unwrap();
        fs::write(folder.path().join(".curlrc"), format!("connect-to = \"localhost:8000:{address}\"\n")).unwrap();
        let caudal = format!(
            "#!/bin/sh\n[ \"$1\" = send ] && set -- \"$@\" --url '{}'\nexec '{}' \"$@\"\n",
            api.url,
            env!("CARGO_BIN_EXE_caudal")
        );
        let file = folder.path().join("caudal");
        fs::write(&file, caudal).unwrap();
        fs::set_permissions(&file, unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Self { stack, api, folder }
    }

    /// Runs a block, each line as it stands there.
    async fn run(&self, script: &str) -> Told {
        let path = env::var("PATH").unwrap();
        let postgres = programs::find("pg_dump").unwrap();
        let path =
            [self.folder.path(), postgres.parent().unwrap()].map(|folder| folder.display().to_string()).join(":")
                + ":"
                + &path;
        let mut command = Command::new("sh");
        command.args(["-euc", script]).current_dir(self.folder.path()).env("PATH", path);
        command.env("CURL_HOME", self.folder.path()).env("CAUDAL_URL", &self.api.url);
        command.env("REDIS_URL", self.stack.redis.url()).env("DATABASE_URL", &self.stack.database);
        let told = told(command).await;
        assert!(told.success, "{script}\n{}{}", told.stdout, told.stderr);
        told
    }

    /// Runs a document's own blocks in their order, and returns what they told.
    async fn run_all(&self, document: &str) -> String {
        let mut all = String::new();
        for block in blocks(document).iter().filter(|block| block.runner.is_empty()) {
            all += &self.run(&block.script).await.stdout;
        }
        all
    }

    async fn settled(&self) {
        let settled = wait::until("the queue is empty", SOON, async || {
            let shown = told(self.stack.command(&["queue", "show", "--json"])).await.json();
            if shown["backlog"] == 0 { Ok(()) } else { Err(shown) }
        });
        settled.await.unwrap();
    }
}

async fn place() -> (Place, caudal_testkit::Process) {
    let stack = Stack::start().await;
    let (api, worker) = tokio::join!(stack.api(), stack.worker());
    (Place::new(stack, api), worker)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_readme_do_what_it_says() {
    let (place, _worker) = place().await;
    let said = place.run_all("README.md").await;
    assert!(said.contains("HTTP/1.1 202 Accepted") && said.contains("append-only file, synced always"), "{said}");
    place.settled().await;
    assert_eq!(place.stack.totals().await.unwrap(), "4 5243.99 5243.99", "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_spanish_readme_do_what_it_says() {
    let (place, _worker) = place().await;
    let said = place.run_all("README.es.md").await;
    assert!(said.contains("2 facturas recibidas y encoladas para procesamiento."), "{said}");
    place.settled().await;
    assert_eq!(place.stack.totals().await.unwrap(), "5 6243.98 6243.98", "{said}");
}

/// Whether anything that Redis holds has this text in it.
async fn knows(place: &Place, text: &str) -> bool {
    let dump = r#"redis-cli -u "$REDIS_URL" --rdb all.rdb"#;
    place.run(dump).await;
    let dump = fs::read(place.folder.path().join("all.rdb")).unwrap();
    dump.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Two clients, of whom 11111111-1 has a dead letter besides, his RUT written with dots.
async fn two_clients(place: &Place) {
    place.stack.ask("ALTER TABLE invoices ADD CHECK (number <> 'refused')").await.unwrap();
    let invoice = |number: &str, rut: &str| json!({"numero_factura": number, "rut_cliente": rut, "monto": 100, "fecha_emision": "2026-01-31"});
    let batch =
        json!([invoice("kept", "22222222-2"), invoice("erased", "11111111-1"), invoice("refused", "11.111.111-1")]);
    let answer = place.api.client.post("two clients", &batch).await;
    assert_eq!(place.api.client.done(&answer, SOON).await["registradas"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_guide_backs_up_restores_and_erases_what_it_says() {
    let (place, _worker) = place().await;
    two_clients(&place).await;
    // Copies are readable, and do not wait for others who want one.
    place.run(r#"redis-cli -u "$REDIS_URL" config set rdbcompression no repl-diskless-sync-delay 0"#).await;
    assert!(knows(&place, "11.111.111-1").await, "the dead letter tells it");
    let blocks = blocks("deploy/README.md");
    let mut blocks = blocks.iter().filter(|block| block.runner.is_empty()).map(|block| &block.script);
    place.run(blocks.next().unwrap()).await;

    // What happens after the backup is gone with the restore.
    let later = place
        .api
        .client
        .post(
            "later",
            &json!([{"numero_factura": "later", "rut_cliente": "3-5", "monto": 1, "fecha_emision": "2026-02-01"}]),
        )
        .await;
    place.api.client.done(&later, SOON).await;
    place.run(blocks.next().unwrap()).await;
    assert_eq!(place.stack.totals().await.unwrap(), "2 200.00 200.00");

    place.run(blocks.next().unwrap()).await;
    let dropping = place.run(blocks.next().unwrap()).await;
    assert_eq!(place.stack.ask("SELECT string_agg(rut, ' ') FROM clients").await.unwrap(), "22222222-2");
    assert_eq!(place.stack.totals().await.unwrap(), "1 100.00 100.00");
    let dead = told(place.stack.command(&["dead", "list", "--json"])).await.json();
    assert_eq!(dead["letters"], json!([]), "{}{}", dropping.stdout, dropping.stderr);
    assert!(!knows(&place, "11.111.111-1").await && !knows(&place, "11111111-1").await);
    for block in blocks {
        place.run(block).await;
    }
    place.settled().await;
}

#[test]
fn the_operators_guide_has_a_section_for_each_alert_and_for_no_other() {
    let told = |file: &str, mark: &str| -> BTreeSet<String> {
        let text = fs::read_to_string(repository().join(file)).unwrap();
        text.lines().filter_map(|line| line.trim_start().strip_prefix(mark)).map(str::to_owned).collect()
    };
    let alerts = told("charts/caudal/templates/alerts.yaml", "- alert: ");
    assert!(alerts.len() > 10, "{alerts:?}");
    assert_eq!(told("deploy/README.md", "### "), alerts);
}

#[test]
fn the_queuescaler_of_the_operators_guide_says_nothing_that_is_not_heard() {
    let guide = fs::read_to_string(repository().join("deploy/README.md")).unwrap();
    let yaml = guide.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let given: Value = serde_saphyr::from_str(yaml).unwrap();
    let heard = serde_json::to_value(serde_json::from_value::<QueueScaler>(given.clone()).unwrap()).unwrap();
    assert_eq!(lost(&given, &heard), None);
}

/// The first thing that was given and not heard.
fn lost(given: &Value, heard: &Value) -> Option<String> {
    match (given, heard) {
        (Value::Object(given), Value::Object(heard)) => given.iter().find_map(|(name, value)| match heard.get(name) {
            Some(heard) => lost(value, heard).map(|lost| format!("{name}.{lost}")),
            None => Some(name.clone()),
        }),
        _ => (given != heard).then(|| format!("{given} {heard}")),
    }
}
