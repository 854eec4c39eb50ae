//! The text a Prometheus reads.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Counter, Counters, Histograms, Kind, LABEL_SETS, OTHER, Registry, SHORT};

const GAUGES: [(&str, &str); 2] = [("redis_up", "Whether Redis answered"), ("queue_chunks", "Chunks")];

#[tokio::test]
async fn what_is_counted_is_read_with_its_name_type_and_labels() {
    let mut registry = Registry::new("api");
    let (admitted, refused): (Counter, _) = (Counter::default(), Counters::new(["reason"]));
    let duration = Histograms::new(["route"], &SHORT);
    registry.register("api_admitted", "Invoices admitted", &admitted);
    registry.register("api_refused", "Requests refused", &refused);
    registry.register("api_duration_seconds", "Durations", &duration);
    admitted.inc_by(3);
    refused.add(["full".into()], 2);
    duration.observe(["/facturas/".into()], 0.003);

    let text = registry.render().await;
    for line in [
        "# HELP caudal_api_admitted Invoices admitted.",
        "# TYPE caudal_api_admitted counter",
        "caudal_api_admitted_total 3",
        "caudal_api_refused_total{reason=\"full\"} 2",
        "caudal_api_duration_seconds_bucket{le=\"0.0025\",route=\"/facturas/\"} 0",
        "caudal_api_duration_seconds_bucket{le=\"0.005\",route=\"/facturas/\"} 1",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "«{line}» is not in\n{text}");
    }
    let build = format!("caudal_build_info{{version=\"{}\",role=\"api\"}} 1", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&build), "{text}");

    let described: Vec<_> = registry.descriptions().iter().map(|one| (one.name.as_str(), one.kind)).collect();
    let expected = [
        ("caudal_build_info", Kind::Gauge),
        ("caudal_api_admitted_total", Kind::Counter),
        ("caudal_api_refused_total", Kind::Counter),
        ("caudal_api_duration_seconds", Kind::Histogram),
    ];
    assert_eq!(described, expected);
}

#[tokio::test]
async fn a_gauge_is_asked_for_at_each_reading_and_absent_while_unknown() {
    let mut registry = Registry::new("api");
    let asked: Counter = Counter::default();
    let count = asked.clone();
    registry.ask(GAUGES, [Some(0.0), None], move || {
        let turn = count.inc();
        async move { (turn != 1).then_some([Some(1.0), Some(turn as f64)]) }
    });
    assert!(registry.render().await.contains("\ncaudal_queue_chunks 0.0\n"));
    let away = registry.render().await;
    assert!(away.contains("\ncaudal_redis_up 0.0\n") && !away.contains("queue_chunks"), "{away}");
    assert!(registry.render().await.contains("\ncaudal_queue_chunks 2.0\n"));
}

#[tokio::test]
async fn there_is_a_row_for_each_thing_that_is_there_and_none_for_one_that_is_gone() {
    let mut registry = Registry::new("controller");
    let things = Arc::new(Mutex::new(vec![
        (["a".to_owned()], [Some(1.0), None]),
        (["b".to_owned()], [Some(2.0), Some(f64::INFINITY)]),
    ]));
    let kept = Arc::clone(&things);
    registry.rows(["thing"], [("size", "Its size"), ("time", "Its time")], move || kept.lock().unwrap().clone());
    let text = registry.render().await;
    for line in ["caudal_size{thing=\"a\"} 1.0", "caudal_size{thing=\"b\"} 2.0", "caudal_time{thing=\"b\"} inf"] {
        assert!(text.lines().any(|found| found == line), "«{line}» is not in\n{text}");
    }
    assert!(!text.contains("caudal_time{thing=\"a\"}"), "{text}");
    things.lock().unwrap().remove(0);
    let text = registry.render().await;
    assert!(!text.contains("thing=\"a\"") && text.contains("caudal_size{thing=\"b\"} 2.0"), "{text}");
    assert_eq!(registry.descriptions()[1].labels, ["thing"]);
}

#[tokio::test]
async fn a_reading_does_not_wait_for_who_never_answers() {
    let mut registry = Registry::new("api");
    registry.ask(GAUGES, [Some(0.0), None], pending);
    let since = Instant::now();
    assert!(registry.render().await.contains("\ncaudal_redis_up 0.0\n"));
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
}

#[tokio::test]
async fn labels_from_outside_do_not_grow_without_bound() {
    let buried = Counters::new(["code"]);
    for code in 0..10 * LABEL_SETS {
        buried.add([format!("code-{code}").into()], 1);
    }
    assert_eq!(buried.get(["code-0".into()]), 1);
    assert_eq!(buried.get([OTHER.into()]), 9 * LABEL_SETS as u64);
}
