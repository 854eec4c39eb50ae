//! The spellings of the original's paths.

use super::plainly;

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
