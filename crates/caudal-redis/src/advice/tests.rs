//! Which errors come with advice.

use std::io::{Error, ErrorKind};

use redis::RedisError;
use rustls::CertificateError;

use super::advice;

fn advice_on(error: CertificateError) -> String {
    let error = rustls::Error::InvalidCertificate(error);
    advice(&RedisError::from(Error::new(ErrorKind::InvalidData, error)))
}

#[test]
fn a_certificate_that_is_refused_comes_with_what_to_do() {
    for error in [CertificateError::UnknownIssuer, CertificateError::BadSignature] {
        assert!(advice_on(error).ends_with(": let SSL_CERT_FILE name the PEM file of that authority"));
    }
    assert!(advice_on(CertificateError::Expired).ends_with(": renew it"));
    assert!(advice_on(CertificateError::NotValidForName).ends_with(": name a host that it is for"));
    // As of an authority's own certificate, given to a server.
    assert!(advice_on(CertificateError::InvalidPurpose).ends_with(", not the authority's own"));
}

#[test]
fn a_name_that_is_none_is_told() {
    let error = RedisError::from(rustls::pki_types::ServerName::try_from("no name").unwrap_err());
    assert!(advice(&error).starts_with(": "), "{}", advice(&error));
}

#[test]
fn a_redis_that_is_away_or_refuses_comes_with_no_advice() {
    assert_eq!(advice(&RedisError::from(Error::from(ErrorKind::ConnectionRefused))), "");
    assert_eq!(advice(&RedisError::from(Error::other("away"))), "");
    assert_eq!(advice(&RedisError::from((redis::ErrorKind::AuthenticationFailed, "refused"))), "");
}
