//! The documents: where they are, and that the API answers as they say.

use caudal_api::{OnDuplicate, Options, RutCheck};
use caudal_testkit::{Postgres, Redis};
use jsonschema::Validator;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::site::{NO_DATABASE, Site, header, invoices, ledger, options};

/// What the API says of itself.
struct Document(Value);

impl Document {
    async fn of(site: &Site) -> Self {
        let (status, document) = site.get("/openapi.json").await;
        assert_eq!(status, 200);
        Self(document)
    }

    fn send(&self) -> &Value {
        &self.0["paths"]["/facturas/"]["post"]
    }

    fn validator(&self, schema: &Value) -> Validator {
        jsonschema::validator_for(&json!({"components": self.0["components"], "allOf": [schema]})).unwrap()
    }

    /// Every answer it knows: method, path and status.
    fn answers(&self) -> Vec<String> {
        let operations = members(&self.0["paths"])
            .flat_map(|(path, methods)| members(methods).map(move |(method, told)| (format!("{method} {path}"), told)));
        operations
            .flat_map(|(name, told)| members(&told["responses"]).map(move |(status, _)| format!("{name} {status}")))
            .collect()
    }

    /// Checks an answer against what is told of it, and gives its name.
    async fn check(&self, method: &str, path: &str, answer: Response) -> String {
        let name = format!("{method} {path} {}", answer.status().as_u16());
        let told = &self.0["paths"][path][method]["responses"][answer.status().as_str()];
        assert!(told.is_object(), "{name} is not documented");
        for (documented, _) in members(&told["headers"]).filter(|(documented, _)| *documented != "Idempotent-Replayed")
        {
            assert!(answer.headers().contains_key(documented), "{name} lacks {documented}");
        }
        let Some((kind, content)) = members(&told["content"]).next() else {
            assert_eq!(answer.bytes().await.unwrap(), "", "{name}");
            return name;
        };
        assert_eq!(header(&answer, "content-type"), Some(&**kind), "{name}");
        let body = answer.json().await.unwrap();
        let error = self.validator(&content["schema"]).validate(&body).err().map(|error| error.to_string());
        assert_eq!(error, None, "{name}: {body}");
        if body["detail"].is_string() && body["status"].is_null() {
            let shown = members(&content["examples"]).any(|(_, example)| example["value"] == body);
            assert!(shown, "{name} has no example of {body}");
        }
        name
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn with_keys() -> (tempfile::TempDir, Options) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    std::fs::write(&file, "acme:one\n").unwrap();
    (folder, Options { api_keys_file: Some(file), ..options() })
}

#[tokio::test]
async fn every_example_of_a_request_is_answered_as_documented() {
    let redis = Redis::start().await.unwrap();
    let strict = Options { rut_check: RutCheck::Strict, on_duplicate: OnDuplicate::Replay, ..options() };
    for options in [options(), strict] {
        let site = Site::start_with(&redis.url(), NO_DATABASE, options).await;
        let document = Document::of(&site).await;
        let examples = &document.send()["requestBody"]["content"]["application/json"]["examples"];
        let refusals = &document.send()["responses"]["422"]["content"]["application/json"]["examples"];
        assert!(members(examples).count() > 15);
        for (name, example) in members(examples) {
            let answer = site.post(&format!("{} {name}", site.address), &example["value"]).await;
            let status = answer.status().as_u16();
            match refusals.get(name) {
                None => {
                    assert_eq!(status, 202, "{name}");
                    document.check("post", "/facturas/", answer).await;
                }
                Some(documented) => {
                    assert_eq!((status, &answer.json::<Value>().await.unwrap()), (422, &documented["value"]), "{name}");
                }
            }
        }
    }
}

/// Asks for something, with a known API key.
async fn ask(site: &Site, method: Method, path: &str, body: impl Into<reqwest::Body>) -> Response {
    let request = site.client.request(method, site.url(path)).bearer_auth("one").header("idempotency-key", "k");
    request.body(body).send().await.unwrap()
}

/// The names of the answers to who bears no key, and to another method.
async fn refusals(site: &Site, document: &Document, place: &str) -> Vec<String> {
    let mut given = Vec::new();
    for (path, method, url) in [
        ("/facturas/", Method::POST, "/facturas/"),
        ("/facturas", Method::POST, "/facturas"),
        ("/lotes/{id}", Method::GET, place),
        ("/clientes/{rut}", Method::GET, "/clientes/11111111-1"),
    ] {
        let name = method.as_str().to_lowercase();
        let keyless = site.client.request(method, site.url(url)).send().await.unwrap();
        given.push(document.check(&name, path, keyless).await);
        given.push(document.check(&name, path, ask(site, Method::DELETE, url, "").await).await);
    }
    given
}

/// The names of the answers to who looks at what is there, and is not.
async fn looks(site: &Site, document: &Document, place: &str) -> Vec<String> {
    let mut given = Vec::new();
    for (path, url) in [
        ("/lotes/{id}", place),
        ("/lotes/{id}", "/lotes/x"),
        ("/clientes/{rut}", "/clientes/11111111-1"),
        ("/clientes/{rut}", "/clientes/2-7"),
        ("/clientes/{rut}", "/clientes/2-7?limite=0"),
    ] {
        given.push(document.check("get", path, ask(site, Method::GET, url, "").await).await);
    }
    given
}

#[tokio::test]
async fn every_documented_answer_is_given_and_every_given_one_is_documented() {
    let (mut redis, postgres) = (Redis::start().await.unwrap(), Postgres::start().await.unwrap());
    let database = postgres.database().await.unwrap();
    ledger(&database).migrate().await.unwrap();
    ledger(&database).record(&[crate::clients::entry("A", "1.5", 1)]).await.unwrap();
    let (_folder, keys) = with_keys();
    let site = Site::start_with(&redis.url(), &database, keys.clone()).await;
    let full = Site::start_with(&redis.url(), NO_DATABASE, Options { max_backlog: 0, ..keys }).await;
    let document = Document::of(&site).await;
    let mut given = Vec::new();

    let body = |count| invoices(count).to_string();
    let mut send = async |site: &Site, body: Vec<u8>| {
        let answer = ask(site, Method::POST, "/facturas/", body).await;
        let place = header(&answer, "location").map(str::to_owned);
        given.push(document.check("post", "/facturas/", answer).await);
        place
    };
    let place = send(&site, body(1).into()).await.unwrap();
    assert_eq!(send(&site, body(1).into()).await.as_ref(), Some(&place), "409");
    for refused in [b"[{}]".to_vec(), b"\xff".to_vec(), body(10_001).into(), vec![b' '; 9 << 20]] {
        send(&site, refused).await;
    }
    let full_answer = full.client.post(full.url("/facturas/")).bearer_auth("one").header("idempotency-key", "other");
    given.push(document.check("post", "/facturas/", full_answer.body(body(1)).send().await.unwrap()).await);

    given.extend(refusals(&site, &document, &place).await);
    given.extend(looks(&site, &document, &place).await);
    given.push(document.check("get", "/clientes/{rut}", ask(&full, Method::GET, "/clientes/2-7", "").await).await);
    redis.stop().await.unwrap();
    given.push(document.check("get", "/lotes/{id}", ask(&site, Method::GET, &place, "").await).await);
    given.push(document.check("post", "/facturas/", ask(&site, Method::POST, "/facturas/", body(1)).await).await);

    given.sort();
    given.dedup();
    let mut documented = document.answers();
    documented.sort();
    assert_eq!(given, documented);
}

#[tokio::test]
async fn the_documents_are_where_they_were_and_open_to_everybody() {
    let redis = Redis::start().await.unwrap();
    let (_folder, keys) = with_keys();
    let site = Site::start_with(&redis.url(), NO_DATABASE, keys).await;
    let ask = async |method: Method, path: &str| site.client.request(method, site.url(path)).send().await.unwrap();
    for (path, kind) in [
        ("/openapi.json", "application/json"),
        ("/docs", "text/html; charset=utf-8"),
        ("/redoc", "text/html; charset=utf-8"),
        ("/docs/oauth2-redirect", "text/html; charset=utf-8"),
    ] {
        let answer = ask(Method::GET, &format!("{path}?a=b")).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "content-type")), (200, Some(kind)), "{path}");
        assert!(header(&answer, "content-security-policy").unwrap().starts_with("default-src 'none'"));
        let length = answer.text().await.unwrap().len();
        assert!(length > 10_000);

        let head = ask(Method::HEAD, path).await;
        assert_eq!((head.status().as_u16(), header(&head, "content-type")), (200, Some(kind)), "{path}");
        assert_eq!(header(&head, "content-length"), Some(&*length.to_string()));

        let other = ask(Method::POST, path).await;
        assert_eq!((other.status().as_u16(), header(&other, "allow")), (405, Some("GET, HEAD")), "{path}");
        assert_eq!(other.json::<Value>().await.unwrap(), json!({"detail": "Method Not Allowed"}));

        let redirect = ask(Method::GET, &format!("{path}/?a=b")).await;
        let place = site.url(&format!("{path}?a=b"));
        assert_eq!((redirect.status().as_u16(), header(&redirect, "location")), (307, Some(&*place)));
    }
    assert_eq!(ask(Method::GET, "/%64ocs").await.status(), 200);
}

#[tokio::test]
async fn without_api_keys_no_document_speaks_of_them() {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    let document = Document::of(&site).await;
    assert_eq!(document.0["paths"]["/clientes/{rut}"], Value::Null);
    let page = site.client.get(site.url("/docs")).send().await.unwrap().text().await.unwrap();
    assert!(!page.contains("Bearer") && !page.contains("/clientes/"));
}
