//! Reading a collector's notes.

use serde_json::json;

use super::*;

fn export(process_links_to: &str, record_links_to: &str) -> String {
    let span = |trace: &str, id: &str, parent: &str, name: &str, link: &[(&str, &str)]| {
        let links: Vec<_> = link.iter().map(|(trace, id)| json!({"traceId": trace, "spanId": id})).collect();
        json!({"traceId": trace, "spanId": id, "parentSpanId": parent, "name": name, "links": links})
    };
    let spans = [
        span("t1", "post", "", "POST /facturas/", &[]),
        span("t1", "send", "post", "send facturas", &[]),
        span("t1", "process", "send", "process facturas", &[("t2", process_links_to)]),
        span("t2", "record", "", "record", &[("t1", record_links_to)]),
    ];
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": "caudal-api"}}]});
    let line = json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]});
    format!("starting\n{line}\nGET /\n")
}

#[test]
fn a_process_span_linked_both_ways_reaches_the_commit() {
    assert_eq!(from_post_to_commit(&spans(&export("record", "process"))), Ok(()));
}

#[test]
fn a_link_that_leads_elsewhere_does_not_reach_the_commit() {
    assert!(from_post_to_commit(&spans(&export("other", "process"))).is_err());
    assert!(from_post_to_commit(&spans(&export("record", "send"))).is_err());
}

#[test]
fn a_miss_names_what_was_seen() {
    let seen = from_post_to_commit(&spans(&export("other", "process"))).unwrap_err();
    assert!(seen.contains("4 spans") && seen.contains("caudal-api: POST /facturas/"), "{seen}");
}
