//! What the environment asks for.

use std::time::Duration;

use super::{Protocol, protocol, timeout};

fn environment<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    |name| variables.iter().find(|(found, _)| *found == name).map(|(_, value)| (*value).to_owned())
}

#[test]
fn the_protocol_for_traces_comes_first_then_the_one_for_all_then_what_the_port_suggests() {
    let (all, traces, endpoint) =
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_ENDPOINT");
    let cases: [(&[(&str, &str)], Protocol); 7] = [
        (&[], Protocol::Grpc),
        (&[(all, "http/protobuf")], Protocol::Http),
        (&[(all, "http/protobuf"), (traces, "grpc")], Protocol::Grpc),
        (&[(all, "grpc"), (endpoint, "http://collector:4318")], Protocol::Grpc),
        (&[(endpoint, "http://collector:4318/")], Protocol::Http),
        (&[(endpoint, "http://collector:4317")], Protocol::Grpc),
        (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4318/v1/traces")], Protocol::Http),
    ];
    for (variables, expected) in cases {
        assert_eq!(protocol(environment(variables)).unwrap(), expected, "{variables:?}");
    }
}

#[test]
fn an_unknown_protocol_is_told_with_its_variable_and_what_is_allowed() {
    let told = protocol(environment(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")])).unwrap_err().to_string();
    assert_eq!(told, "OTEL_EXPORTER_OTLP_PROTOCOL: http/json is not spoken here, only grpc and http/protobuf are");
}

#[test]
fn the_time_limit_is_read_in_milliseconds() {
    assert_eq!(timeout(environment(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "1500")])), Duration::from_millis(1_500));
    assert_eq!(timeout(environment(&[])), Duration::from_secs(10));
}
