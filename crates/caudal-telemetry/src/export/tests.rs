//! What the environment asks for.

use std::time::Duration;

use super::{Protocol, Trust, endpoint, protocol, timeout, trust};

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
    assert_eq!(told, r#"OTEL_EXPORTER_OTLP_PROTOCOL: given "http/json", allowed grpc or http/protobuf"#);
}

#[test]
fn the_time_limit_is_read_in_milliseconds() {
    assert_eq!(timeout(environment(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "1500")])).unwrap(), Duration::from_millis(1_500));
    assert_eq!(timeout(environment(&[])).unwrap(), Duration::from_secs(10));
    assert!(timeout(environment(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "1.5s")])).is_err());
}

#[test]
fn an_address_is_that_of_a_server_and_its_password_is_not_told() {
    let named = |value| endpoint(environment(&[("OTEL_EXPORTER_OTLP_ENDPOINT", value)]));
    for good in ["http://collector:4317", "https://collector", "http://[::1]:4318/v1/traces", "HTTP://a.cl"] {
        assert!(named(good).is_ok(), "{good}");
    }
    for wrong in
        ["collector:4317", "collector", "ftp://collector", "http://", "http:///v1", "http://a b", "http://a:70000"]
    {
        assert!(named(wrong).is_err(), "{wrong}");
    }
    let told = named("ftp://user:secret@collector").unwrap_err().to_string();
    assert_eq!(
        told,
        r#"OTEL_EXPORTER_OTLP_ENDPOINT: given "***@collector", allowed http://HOST:PORT or https://HOST:PORT"#
    );
}

#[test]
fn a_collector_is_checked_only_over_tls_and_then_against_the_named_file_or_the_systems() {
    let (endpoint, certificate) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_CERTIFICATE");
    let trusted = |variables: &[(&str, &str)]| trust(environment(variables));
    assert_eq!(trusted(&[(endpoint, "http://collector:4317"), (certificate, "/missing")]).unwrap(), Trust::Plain);
    assert_eq!(trusted(&[(endpoint, "https://collector:4317")]).unwrap(), Trust::System);
    for wrong in ["/missing", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")] {
        let told = trusted(&[(endpoint, "https://collector:4317"), (certificate, wrong)]).unwrap_err().to_string();
        assert_eq!(told, format!("{certificate}: given {wrong:?}, allowed a file of certificates in PEM"));
    }
}
