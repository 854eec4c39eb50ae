//! What is taken in at the door, what is not, and what the client is told.

use std::collections::BTreeMap;

use caudal_api::Options;
use caudal_testkit::Redis;
use futures_util::future::join_all;
use reqwest::Client;
use reqwest::redirect::Policy;
use serde_json::json;
use uuid::Uuid;

use crate::site::{NO_DATABASE, Site, header, invoices, options, queue, told};

#[tokio::test]
async fn an_accepted_batch_can_be_followed_from_the_first_answer_and_from_the_repeated_one() {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;

    let first = site.post("k", &invoices(3)).await;
    assert_eq!(first.status(), 202);
    let place = header(&first, "location").unwrap().to_owned();
    let repeated = site.post("k", &invoices(1)).await;
    assert_eq!((repeated.status().as_u16(), header(&repeated, "location")), (409, Some(&*place)));

    let (status, lote) = site.get(&place).await;
    assert_eq!(status, 200);
    assert_eq!((&lote["estado"], &lote["recibidas"], &lote["registradas"]), (&json!("encolado"), &json!(3), &json!(0)));
    assert_eq!(place, format!("/lotes/{}", lote["id"].as_str().unwrap()));
    assert_eq!(lote["terminado_en"], json!(null));
}

#[tokio::test]
async fn an_empty_batch_is_done_at_once() {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    let answer = site.post("k", &json!([])).await;
    let (_, lote) = site.get(header(&answer, "location").unwrap()).await;
    assert_eq!(lote["estado"], json!("procesado"));
    assert_eq!(queue(&redis.url()).backlog().await.unwrap().invoices, 0);
}

#[tokio::test]
async fn an_unknown_batch_is_not_found() {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    for id in [&Uuid::nil().to_string(), "x", "%ff"] {
        let (status, body) = site.get(&format!("/lotes/{id}")).await;
        assert_eq!((status, body["detail"].is_string()), (404, true), "{id}");
    }
}

#[tokio::test]
async fn of_fifty_concurrent_requests_with_one_key_one_is_accepted() {
    let redis = Redis::start().await.unwrap();
    let sites = [Site::start(&redis.url()).await, Site::start(&redis.url()).await];
    let rounds = 20;
    for round in 0..rounds {
        let (key, body) = (format!("round-{round}"), invoices(2));
        let requests = (0..50).map(|request| sites[request % 2].post(&key, &body));
        let mut statuses = BTreeMap::<u16, usize>::new();
        let mut places = Vec::new();
        for answer in join_all(requests).await {
            *statuses.entry(answer.status().as_u16()).or_default() += 1;
            places.push(header(&answer, "location").unwrap().to_owned());
        }
        assert_eq!(statuses, BTreeMap::from([(202, 1), (409, 49)]));
        assert!(places.iter().all(|place| *place == places[0]));
    }
    assert_eq!(queue(&redis.url()).backlog().await.unwrap().invoices, 2 * rounds);
}

#[tokio::test]
async fn a_batch_that_would_overfill_the_queue_is_turned_away_and_leaves_its_key_free() {
    let redis = Redis::start().await.unwrap();
    let narrow = Site::start_with(&redis.url(), NO_DATABASE, Options { max_backlog: 2, ..options() }).await;
    assert_eq!(narrow.post("first", &invoices(2)).await.status(), 202);

    let refused = narrow.post("second", &invoices(1)).await;
    assert_eq!(refused.status(), 429);
    assert!(header(&refused, "retry-after").unwrap().parse::<u32>().unwrap() > 0);
    assert_eq!(narrow.post("first", &invoices(2)).await.status(), 409);

    let wide = Site::start(&redis.url()).await;
    assert_eq!(wide.post("second", &invoices(1)).await.status(), 202);
}

#[tokio::test]
async fn a_batch_of_more_than_ten_thousand_invoices_is_too_large() {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    assert_eq!(site.post("k", &invoices(10_001)).await.status(), 413);
    assert_eq!(site.post("k", &invoices(10_000)).await.status(), 202);
    let backlog = queue(&redis.url()).backlog().await.unwrap();
    assert_eq!((backlog.invoices, backlog.waiting_chunks), (10_000, 40));
}

#[tokio::test]
async fn a_body_of_more_than_eight_mebibytes_is_too_large() {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    let padded = |size: usize| format!("[]{}", " ".repeat(size - 2));
    let post = |body| site.client.post(site.url("/facturas/")).header("idempotency-key", "k").body(body).send();
    let (status, body) = told(post(padded(8 * 1024 * 1024 + 1)).await.unwrap()).await;
    assert_eq!((status, body["detail"].is_string()), (413, true));
    assert_eq!(post(padded(8 * 1024 * 1024)).await.unwrap().status(), 202);
}

#[tokio::test]
async fn the_redirect_names_the_host_the_client_named() {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    let request = site.client.get(site.url("/facturas?a=b%20c")).header("host", "facturas.example.cl:8443");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 307);
    assert_eq!(header(&answer, "location"), Some("http://facturas.example.cl:8443/facturas/?a=b%20c"));
}

#[tokio::test]
async fn the_redirect_has_the_scheme_that_a_proxy_on_this_machine_names() {
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&redis.url()).await;
    let http2 = Client::builder().http2_prior_knowledge().redirect(Policy::none()).no_proxy().build().unwrap();
    for client in [&site.client, &http2] {
        let answer = client.get(site.url("/facturas")).header("x-forwarded-proto", "https").send().await.unwrap();
        assert_eq!(header(&answer, "location"), Some(&*format!("https://{}/facturas/", site.address)));
    }
}
