//! `deploy/compose.yaml`: its very commands, as processes of this machine. That Compose itself can read it, `cargo xtask test` shows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, time::Duration};

use caudal_testkit::{Output, Postgres, Process, free_port, programs};
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::{Told, told};
use crate::client::{Client, invoices};
use crate::stack::{free_address, ready};

const SOON: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct Compose {
    services: BTreeMap<String, Service>,
    volumes: BTreeMap<String, Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Service {
    image: String,
    build: String,
    command: Vec<String>,
    environment: BTreeMap<String, String>,
    ports: Vec<String>,
    volumes: Vec<String>,
    container_name: Option<String>,
    depends_on: BTreeMap<String, Value>,
    healthcheck: Value,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn yaml<T: DeserializeOwned>(file: &str) -> T {
    serde_saphyr::from_str(&fs::read_to_string(repository().join(file)).unwrap()).unwrap()
}

fn compose() -> Compose {
    yaml("deploy/compose.yaml")
}

/// A command of a container that ends.
async fn run(arguments: &[String], environment: &[(&str, &str)]) -> Told {
    let mut command = Command::new(programs::find(&arguments[0]).unwrap());
    command.args(&arguments[1..]).envs(environment.iter().copied());
    told(command).await
}

/// What the file's containers are on this machine.
struct Machine {
    compose: Compose,
    redis: String,
    database: String,
}

impl Machine {
    /// A program of the service's environment, with the addresses of this machine.
    fn caudal(&self, service: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caudal"));
        command.args(arguments);
        for (name, value) in &self.compose.services[service].environment {
            let here = value.replace("redis://redis:6379/0", &self.redis);
            let here = here.replace("postgres://caudal:caudal@postgres:5432/caudal", &self.database);
            assert_ne!(here, *value, "{name} names no service of the file");
            command.env(name, here);
        }
        command
    }

    /// Starts the service's own command, and tells where it listens for clients.
    async fn start(&self, service: &str) -> (Process, String) {
        let (listen, ops_listen) = (free_address(), free_address());
        let mut command = self.caudal(service, &self.arguments(service));
        command.env("CAUDAL_LISTEN", &listen).env("CAUDAL_OPS_LISTEN", &ops_listen);
        let process = Process::start(&command, Output::Inherit).unwrap();
        process.ready(SOON, async || ready(&ops_listen).await).await.unwrap();
        (process, format!("http://{listen}"))
    }

    fn arguments(&self, service: &str) -> Vec<&str> {
        self.compose.services[service].command.iter().map(String::as_str).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_compose_file_record_an_invoice_with_as_many_workers_as_are_wanted() {
    let compose = compose();
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port().unwrap().to_string());
    let server = &compose.services["redis"].command;
    let mut command = Command::new(programs::find(&server[0]).unwrap());
    command.args(&server[1..]).args(["--port", &port, "--bind", "127.0.0.1", "--dir"]).arg(folder.path());
    let redis = Process::start(&command, Output::File(folder.path().join("log"))).unwrap();
    let mut health = health(&compose, "redis");
    health.splice(1..1, ["-p".to_owned(), port.clone()]);
    redis.ready(SOON, async || well(run(&health, &[]).await)).await.unwrap();

    let postgres = Postgres::start().await.unwrap();
    let port = postgres.port().to_string();
    let asked = run(&self::health(&compose, "postgres"), &[("PGPORT", &port)]).await;
    assert!(asked.success, "{}{}", asked.stdout, asked.stderr);

    let (redis_url, database) = (format!("redis://127.0.0.1:{}/0", health[2]), postgres.database().await.unwrap());
    let machine = Machine { compose, redis: redis_url, database };
    // The API begins without the ledger's tables.
    let (_api, url) = machine.start("api").await;
    let api = Client::new(url);
    let answer = api.post("compose", &invoices("compose", 3)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let migrated = told(machine.caudal("migrate", &machine.arguments("migrate"))).await;
    assert!(migrated.success, "{}", migrated.stderr);
    let _workers = tokio::join!(machine.start("worker"), machine.start("worker"), machine.start("worker"));
    assert_eq!(api.done(&answer, SOON).await["registradas"], 3);

    let shown = told(machine.caudal("worker", &["queue", "show"])).await.stdout;
    assert!(shown.contains("append-only file, synced always") && !shown.contains("warning"), "{shown}");
    drop(redis);
}

/// The health check's words.
fn health(compose: &Compose, service: &str) -> Vec<String> {
    let test: Vec<String> = serde_json::from_value(compose.services[service].healthcheck["test"].clone()).unwrap();
    assert_eq!(test[0], "CMD", "a container may have no shell");
    test[1..].to_vec()
}

fn well(told: Told) -> Result<(), String> {
    if told.success { Ok(()) } else { Err(told.stdout + &told.stderr) }
}

#[tokio::test]
async fn every_variable_of_a_service_is_a_setting_of_its_command() {
    for (name, service) in compose().services.iter().filter(|(_, service)| !service.build.is_empty()) {
        let mut help = Command::new(env!("CARGO_BIN_EXE_caudal"));
        help.args(&service.command).arg("--help");
        let help = told(help).await.stdout;
        assert!(!service.environment.is_empty());
        for variable in service.environment.keys() {
            let known = [format!("[env: {variable}]"), format!("[env: {variable}=")];
            assert!(known.iter().any(|known| help.contains(known)), "{name} does not know {variable}:\n{help}");
        }
    }
}

#[test]
fn the_ports_are_the_originals_and_any_number_of_workers_fits() {
    let compose = compose();
    let published = |name: &str| compose.services[name].ports.clone();
    assert_eq!(
        (published("api"), published("redis")),
        (vec!["8000:8000".into()], vec!["127.0.0.1:${REDIS_PORT:-6379}:6379".into()])
    );
    let worker = &compose.services["worker"];
    assert!(worker.ports.is_empty() && worker.container_name.is_none(), "two workers would want the same");
}

#[test]
fn what_is_kept_is_kept_in_volumes_of_the_file() {
    let compose = compose();
    for (name, place) in [("redis", "/data"), ("postgres", "/var/lib/postgresql/data")] {
        let volumes = &compose.services[name].volumes;
        let (volume, inside) = volumes[0].split_once(':').unwrap();
        assert!(inside == place && compose.volumes.contains_key(volume), "{name}: {volumes:?}");
    }
}

#[test]
fn a_worker_waits_for_the_tables_and_the_api_for_redis_alone() {
    let compose = compose();
    let needs = |name: &str| -> BTreeMap<String, String> {
        let needed = compose.services[name].depends_on.iter();
        needed.map(|(on, how)| (on.clone(), how["condition"].as_str().unwrap().to_owned())).collect()
    };
    let healthy = |name: &str| (name.to_owned(), "service_healthy".to_owned());
    assert_eq!(needs("api"), BTreeMap::from([healthy("redis")]));
    assert_eq!(needs("migrate"), BTreeMap::from([healthy("postgres")]));
    let migrated = ("migrate".to_owned(), "service_completed_successfully".to_owned());
    assert_eq!(needs("worker"), BTreeMap::from([healthy("redis"), migrated]));
}

#[test]
fn the_images_are_those_of_the_chart() {
    let values: Value = yaml("charts/caudal/values.yaml");
    let image = |image: &Value, tag: &str| {
        format!("{}/{}:{tag}", image["registry"].as_str().unwrap(), image["repository"].as_str().unwrap())
    };
    let stores = ["redis", "postgresql"].map(|store| &values[store]["image"]);
    let mut wanted = BTreeSet::from(stores.map(|store| image(store, store["tag"].as_str().unwrap())));
    wanted.insert(image(&values["image"], env!("CARGO_PKG_VERSION")));
    let images: BTreeSet<_> = compose().services.into_values().map(|service| service.image).collect();
    assert_eq!(images, wanted);
}
