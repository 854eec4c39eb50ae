//! The spellings of the intake's path, and where the redirect leads.

use super::{intake_at, plain_intake};

#[test]
fn only_the_intakes_path_is_written_plainly() {
    let plain = |uri: &str| plain_intake(&uri.parse().unwrap()).map(|uri| uri.to_string());
    assert_eq!(plain("/factura%73/?a=%20").as_deref(), Some("/facturas/?a=%20"));
    assert_eq!(plain("/facturas%2F").as_deref(), Some("/facturas/"));
    assert_eq!(plain("http://host/f%61cturas").as_deref(), Some("http://host/facturas"));
    for other in ["/facturas/", "/lotes/%20", "/facturas/%ff", "/facturas%3Fa", "/x%2Ffacturas/"] {
        assert_eq!(plain(other), None, "{other}");
    }
}

#[test]
fn the_redirect_keeps_host_and_query() {
    assert_eq!(intake_at(Some("a.cl:1"), None), "http://a.cl:1/facturas/");
    assert_eq!(intake_at(Some("a.cl"), Some("")), "http://a.cl/facturas/");
    assert_eq!(intake_at(Some("[::1]:80"), Some("a=b%20c&d=e|f\"")), "http://[::1]:80/facturas/?a=b%20c&d=e%7Cf%22");
    assert_eq!(intake_at(None, Some("x=1")), "/facturas/?x=1");
}
