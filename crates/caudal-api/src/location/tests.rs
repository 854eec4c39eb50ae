//! Where redirects lead.

use axum::body::Body;
use axum::extract::Request;

use super::{Ends, of};

const ELSEWHERE: [&str; 2] = ["10.0.0.7", "10.0.0.1:8000"];
const PROXIED: [&str; 2] = ["127.0.0.1", "127.0.0.1:8000"];

/// The address of `/facturas/`, for a request from one end of a connection to the other.
fn location(uri: &str, headers: &[(&str, &[u8])], [client, server]: [&str; 2]) -> String {
    let ends = Ends { client: client.parse().ok(), server: server.parse().ok() };
    let request =
        headers.iter().fold(Request::builder().uri(uri), |request, (name, value)| request.header(*name, *value));
    let request = request.extension(ends).body(Body::empty()).unwrap();
    of("/facturas/", &request).to_str().unwrap().to_owned()
}

#[test]
fn host_and_query_stay() {
    let at = |host: &[u8], uri| location(uri, &[("host", host)], ELSEWHERE);
    assert_eq!(at(b"a.cl:1", "/facturas"), "http://a.cl:1/facturas/");
    assert_eq!(at(b"a.cl", "/facturas?"), "http://a.cl/facturas/");
    assert_eq!(at(b"[::1]:80", "/facturas?a=b%20c&d=e|f"), "http://[::1]:80/facturas/?a=b%20c&d=e%7Cf");
    assert_eq!(at(b"a.cl", "http://b.cl/facturas"), "http://a.cl/facturas/");
    assert_eq!(location("http://b.cl/facturas", &[], ELSEWHERE), "http://b.cl/facturas/");
}

#[test]
fn a_host_of_other_bytes_is_read_as_latin_1() {
    assert_eq!(location("/facturas", &[("host", b"a\xE9b")], ELSEWHERE), "http://a%C3%A9b/facturas/");
}

#[test]
fn without_a_host_it_leads_to_where_the_client_connected() {
    let at = |server| location("/facturas?x=1", &[], ["10.0.0.7", server]);
    assert_eq!(at("10.0.0.1:8000"), "http://10.0.0.1:8000/facturas/?x=1");
    assert_eq!(at("10.0.0.1:80"), "http://10.0.0.1/facturas/?x=1");
    assert_eq!(at("[::ffff:10.0.0.1]:8080"), "http://10.0.0.1:8080/facturas/?x=1");
    assert_eq!(at("unknown"), "/facturas/?x=1");
    let forwarded: &[(&str, &[u8])] = &[("x-forwarded-proto", b"https")];
    assert_eq!(location("/facturas", forwarded, ["127.0.0.1", "127.0.0.1:443"]), "https://127.0.0.1/facturas/");
}

#[test]
fn a_proxy_on_the_same_machine_tells_the_scheme_and_nobody_else() {
    let at = |ends| location("/facturas", &[("host", b"a.cl"), ("x-forwarded-proto", b"https")], ends);
    assert_eq!(at(PROXIED), "https://a.cl/facturas/");
    assert_eq!(at(["::ffff:127.0.0.1", "[::ffff:127.0.0.1]:8000"]), "https://a.cl/facturas/");
    for client in ["127.0.0.2", "::1", "10.0.0.7", "unknown"] {
        assert_eq!(at([client, "127.0.0.1:8000"]), "http://a.cl/facturas/", "{client}");
    }
    let twice: &[(&str, &[u8])] =
        &[("host", b"a.cl"), ("x-forwarded-proto", b"ftp"), ("x-forwarded-proto", b" https\xA0")];
    assert_eq!(location("/facturas", twice, PROXIED), "https://a.cl/facturas/");
}
