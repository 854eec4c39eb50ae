//! A collector that is away costs nothing: neither the requests' time nor the end's.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use caudal_testkit::{BlackHole, Signal, free_port};
use reqwest::StatusCode;

use crate::client::invoices;
use crate::stack::{Api, Stack};

const SOON: Duration = Duration::from_secs(20);
/// So long a process may take to end.
const END: Duration = Duration::from_secs(2);
/// Posts to each API; many more than the spans that may wait for the collector.
const POSTS: usize = 400;
/// How often is measured, if an API seems slow.
const ROUNDS: usize = 3;
const SPANS: &str = "64";

/// The standard variables for a collector at this address.
fn collector(address: &str, protocol: &str) -> Vec<(String, String)> {
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}")),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
        ("OTEL_BSP_MAX_QUEUE_SIZE", SPANS.to_owned()),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", SPANS.to_owned()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()),
    ];
    variables.map(|(name, value)| (name.to_owned(), value)).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_down_or_silent_slows_neither_requests_nor_the_end() {
    let (silent, unreachable) = (BlackHole::accepting().await.unwrap(), BlackHole::unreachable().await.unwrap());
    let refusing = format!("127.0.0.1:{}", free_port().unwrap());
    let mut stack = Stack::start().await;
    let mut apis = vec![("no collector".to_owned(), stack.api().await)];
    for (state, address) in [("down", &*refusing), ("silent", silent.address()), ("unreachable", unreachable.address())]
    {
        for protocol in ["grpc", "http/protobuf"] {
            stack.environment = collector(address, protocol);
            apis.push((format!("{state} over {protocol}"), stack.api().await));
        }
    }
    // The last one's collector: a worker exports as much.
    let worker = stack.worker().await;

    // What else the machine does slows another API each time; what is slow itself is so every time.
    let mut slow = slow_ones(&apis, 0).await;
    for round in 1..ROUNDS {
        if !slow.is_empty() {
            let again = slow_ones(&apis, round).await;
            slow.retain(|name, _| again.contains_key(name));
        }
    }
    assert!(slow.is_empty(), "{slow:?}");
    for (name, api) in apis {
        ends(&name, api).await;
    }
    let since = Instant::now();
    assert!(worker.stop(Signal::TERM, SOON).await.unwrap().success());
    assert!(since.elapsed() < END, "the worker took {:?}", since.elapsed());
}

/// The APIs that are slower than the first, by name, with their median and 95th percentile.
async fn slow_ones(apis: &[(String, Api)], round: usize) -> BTreeMap<&str, [Duration; 2]> {
    let mut taken = vec![Vec::with_capacity(POSTS); apis.len()];
    for post in 0..POSTS {
        // Turn by turn, so that what else the machine does hits all alike.
        for ((name, api), taken) in apis.iter().zip(&mut taken) {
            let key = format!("{name} {round} {post}");
            let since = Instant::now();
            assert_eq!(api.client.post(&key, &invoices(&key, 1)).await.status, StatusCode::ACCEPTED);
            taken.push(since.elapsed());
        }
    }
    taken.iter_mut().for_each(|taken| taken.sort());
    let (median, late) = (taken[0][POSTS / 2], taken[0][POSTS * 95 / 100]);
    let names = apis.iter().map(|(name, _)| name.as_str());
    names
        .zip(taken.iter().map(|taken| [taken[POSTS / 2], taken[POSTS * 95 / 100]]))
        .filter(|(_, [middle, end])| {
            *middle >= median * 2 + Duration::from_millis(2) || *end >= late * 3 + Duration::from_millis(10)
        })
        .collect()
}

async fn ends(name: &str, api: Api) {
    let since = Instant::now();
    assert!(api.process.stop(Signal::TERM, SOON).await.unwrap().success());
    let taken = since.elapsed();
    assert!(taken < END, "{name}: the end took {taken:?}");
}
