//! The spellings of the original's paths, and where the redirects lead.

use super::{INTAKE, address, plainly};

#[test]
fn only_a_path_of_the_originals_is_written_plainly() {
    let plain = |uri: &str| plainly(&uri.parse().unwrap()).map(|uri| uri.to_string());
    assert_eq!(plain("/factura%73/?a=%20").as_deref(), Some("/facturas/?a=%20"));
    assert_eq!(plain("/facturas%2F").as_deref(), Some("/facturas/"));
    assert_eq!(plain("http://host/f%61cturas").as_deref(), Some("http://host/facturas"));
    assert_eq!(plain("/%64ocs").as_deref(), Some("/docs"));
    assert_eq!(plain("/facturas/%0A?a").as_deref(), Some("/facturas/?a"));
    assert_eq!(plain("/docs%0a").as_deref(), Some("/docs"));
    for other in [
        "/facturas/",
        "/lotes/%20",
        "/facturas/%ff",
        "/facturas%3Fa",
        "/x%2Ffacturas/",
        "/facturas%0A",
        "/docs/%0A",
        "/docs%0A%0A",
    ] {
        assert_eq!(plain(other), None, "{other}");
    }
}

#[test]
fn a_redirect_keeps_host_and_query() {
    let intake_at = |authority, query| address(authority, INTAKE, query);
    assert_eq!(intake_at(Some("a.cl:1"), None), "http://a.cl:1/facturas/");
    assert_eq!(intake_at(Some("a.cl"), Some("")), "http://a.cl/facturas/");
    assert_eq!(intake_at(Some("[::1]:80"), Some("a=b%20c&d=e|f\"")), "http://[::1]:80/facturas/?a=b%20c&d=e%7Cf%22");
    assert_eq!(intake_at(None, Some("x=1")), "/facturas/?x=1");
}
