//! API keys: who is answered, and whose batches they see.

use std::path::PathBuf;

use caudal_api::{Error, Listeners, OnDuplicate, Options, RutCheck, serve};
use caudal_testkit::{Redis, wait};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::site::{NO_DATABASE, SOON, Site, header, invoices, ledger, options, queue, told};

struct Keys {
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Keys {
    fn of(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = Self { file: folder.path().join("keys"), _folder: folder };
        keys.write(text);
        keys
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.file, text).unwrap();
    }

    fn options(&self) -> Options {
        Options { api_keys_file: Some(self.file.clone()), ..options() }
    }
}

async fn post(site: &Site, bearer: &str, key: &str, body: &Value) -> Response {
    let request = site.client.post(site.url("/facturas/")).header("idempotency-key", key);
    request.bearer_auth(bearer).json(body).send().await.unwrap()
}

async fn get(site: &Site, bearer: &str, path: &str) -> u16 {
    site.client.get(site.url(path)).bearer_auth(bearer).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn without_a_known_key_a_batch_is_answered_401_and_its_key_is_not_taken() {
    let redis = Redis::start().await.unwrap();
    let keys = Keys::of("acme:one\n");
    let site = Site::start_with(&redis.url(), NO_DATABASE, keys.options()).await;
    let refused = post(&site, "other", "k", &invoices(1)).await;
    assert_eq!(header(&refused, "www-authenticate"), Some("Bearer"));
    let (status, body) = told(refused).await;
    assert_eq!((status, body["detail"].is_string()), (401, true));
    assert_eq!(site.post("k", &json!("no batch")).await.status(), 401, "nothing is told of the body");
    assert_eq!(post(&site, "one", "k", &invoices(1)).await.status(), 202, "the key was not taken");
}

#[tokio::test]
async fn whether_a_place_or_a_method_exists_is_told_only_to_who_bears_a_known_key() {
    let redis = Redis::start().await.unwrap();
    let keys = Keys::of("acme:one\n");
    let site = Site::start_with(&redis.url(), NO_DATABASE, keys.options()).await;
    for (method, path, known) in [
        (Method::GET, "/lotes/x", 404),
        (Method::DELETE, "/lotes/x", 405),
        (Method::GET, "/facturas", 307),
        (Method::POST, "/facturas?a=b", 307),
        (Method::GET, "/facturas/", 405),
        (Method::GET, "/%66acturas/", 405),
        (Method::OPTIONS, "/facturas/", 405),
        (Method::GET, "/nada", 404),
        (Method::POST, "/", 404),
        (Method::GET, "/clientes/1-9", 503),
        (Method::GET, "/clientes", 404),
        (Method::GET, "/metrics", 404),
        (Method::GET, "/docs/x", 404),
    ] {
        let request = || site.client.request(method.clone(), site.url(path));
        let (status, body) = told(request().bearer_auth("other").send().await.unwrap()).await;
        assert_eq!((status, body["detail"].is_string()), (401, true), "{method} {path}");
        assert_eq!(request().send().await.unwrap().status(), 401, "{method} {path}");
        assert_eq!(request().bearer_auth("one").send().await.unwrap().status(), known, "{method} {path}");
    }
    for (path, status) in [("/docs", 200), ("/redoc", 200), ("/openapi.json", 200), ("/docs/", 307)] {
        assert_eq!(site.client.get(site.url(path)).send().await.unwrap().status(), status, "{path} is for everybody");
    }
}

#[tokio::test]
async fn callers_have_their_own_keys_and_see_their_own_batches_alone() {
    let redis = Redis::start().await.unwrap();
    let keys = Keys::of("acme:one\nbeta:two\n");
    let site = Site::start_with(&redis.url(), NO_DATABASE, keys.options()).await;
    let first = post(&site, "one", "k", &invoices(1)).await;
    assert_eq!(first.status(), 202);
    assert_eq!(post(&site, "two", "k", &invoices(1)).await.status(), 202);
    assert_eq!(post(&site, "one", "k", &invoices(1)).await.status(), 409);

    let place = header(&first, "location").unwrap();
    assert_eq!(get(&site, "one", place).await, 200);
    assert_eq!(get(&site, "two", place).await, 404);
    assert_eq!(get(&site, "one", "/clientes/1-9").await, 503, "clients are told where keys are configured");
}

#[tokio::test]
async fn the_file_is_read_again_when_it_changes() {
    let redis = Redis::start().await.unwrap();
    let keys = Keys::of("acme:one\n");
    let site = Site::start_with(&redis.url(), NO_DATABASE, keys.options()).await;
    let answered = async |bearer: &str, expected: u16| {
        let answer = async || match get(&site, bearer, "/lotes/x").await {
            status if status == expected => Ok(()),
            status => Err(status),
        };
        wait::until("the key is known", SOON, answer).await.unwrap();
    };
    answered("one", 404).await;
    keys.write("acme:two\n");
    answered("two", 404).await;
    answered("one", 401).await;
}

#[tokio::test]
async fn a_wrong_file_stops_the_start_and_is_named() {
    let redis = Redis::start().await.unwrap();
    let keys = Keys::of("acme s3cret\n");
    let listeners = Listeners::bind(&keys.options()).await.unwrap();
    let (queue, ledger) = (queue(&redis.url()), ledger(NO_DATABASE));
    let error = serve(listeners, &keys.options(), queue, ledger, CancellationToken::new()).await.unwrap_err();
    let Error::Keys { source, .. } = &error else { panic!("{error}") };
    let told = format!("{error}: {source}");
    assert!(told.starts_with("CAUDAL_API_KEYS_FILE") && told.contains("line 1"), "{told}");
    assert!(!told.contains("s3cret") && told.lines().count() == 1, "{told}");
}

#[tokio::test]
async fn a_replaying_door_repeats_its_first_answer_to_the_same_invoices_and_refuses_others() {
    let redis = Redis::start().await.unwrap();
    let options = Options { on_duplicate: OnDuplicate::Replay, ..options() };
    let site = Site::start_with(&redis.url(), NO_DATABASE, options).await;
    let first = site.post("k", &invoices(2)).await;
    assert_eq!((first.status().as_u16(), header(&first, "idempotent-replayed")), (202, None));
    let place = header(&first, "location").unwrap().to_owned();
    let first = first.text().await.unwrap();

    let mut respelled = invoices(2);
    respelled[0]["monto"] = json!(1243.0);
    respelled[0]["rut_cliente"] = json!("11.111.111-1");
    let again = site.post("k", &respelled).await;
    assert_eq!((again.status().as_u16(), header(&again, "idempotent-replayed")), (202, Some("true")));
    assert_eq!(header(&again, "location"), Some(&*place));
    assert_eq!(again.text().await.unwrap(), first);

    let (status, body) = told(site.post("k", &invoices(3)).await).await;
    assert_eq!((status, body["detail"].is_string()), (422, true));
    assert_eq!(queue(&redis.url()).backlog().await.unwrap().invoices, 2);
}

#[tokio::test]
async fn a_strict_door_refuses_a_wrong_check_digit_and_leaves_the_key_free() {
    let redis = Redis::start().await.unwrap();
    let options = Options { rut_check: RutCheck::Strict, ..options() };
    let site = Site::start_with(&redis.url(), NO_DATABASE, options).await;
    let mut wrong = invoices(1);
    wrong[0]["rut_cliente"] = json!("11111111-2");
    let (status, body) = told(site.post("k", &wrong).await).await;
    assert_eq!((status, &body["detail"][0]["type"]), (422, &json!("value_error")));
    assert_eq!(site.post("k", &invoices(1)).await.status(), 202);
}
