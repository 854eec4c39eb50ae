//! Reading a collector's notes.

use serde_json::json;

use super::*;

fn export(process_links_to: &str, record_links_to: &str, scale_links_to: &str) -> String {
    let span = |trace: &str, id: &str, parent: &str, name: &str, link: &[(&str, &str)]| {
        let links: Vec<_> = link.iter().map(|(trace, id)| json!({"traceId": trace, "spanId": id})).collect();
        json!({"traceId": trace, "spanId": id, "parentSpanId": parent, "name": name, "links": links})
    };
    let spans = [
        span("t1", "post", "", "POST /facturas/", &[]),
        span("t1", "send", "post", "send facturas", &[]),
        span("t1", "process", "send", "process facturas", &[("t2", process_links_to)]),
        span("t2", "record", "", "record", &[("t1", record_links_to)]),
        span("t3", "scale", "", "scale", &[(scale_links_to, "send")]),
    ];
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": "caudal-api"}}]});
    let line = json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]});
    format!("starting\n{line}\nGET /\n")
}

#[test]
fn a_process_span_linked_both_ways_in_a_trace_that_woke_the_controller_is_found() {
    assert_eq!(from_post_to_scale_and_commit(&spans(&export("record", "process", "t1"))), Ok(()));
}

#[test]
fn a_link_that_leads_elsewhere_does_not_reach_the_commit() {
    assert!(from_post_to_scale_and_commit(&spans(&export("other", "process", "t1"))).is_err());
    assert!(from_post_to_scale_and_commit(&spans(&export("record", "send", "t1"))).is_err());
    assert!(from_post_to_scale_and_commit(&spans(&export("record", "process", "t4"))).is_err());
}

#[test]
fn a_miss_names_what_was_seen() {
    let seen = from_post_to_scale_and_commit(&spans(&export("other", "process", "t1"))).unwrap_err();
    assert!(seen.contains("5 spans") && seen.contains("caudal-api: POST /facturas/"), "{seen}");
}
