//! What a person can do about a Redis that looks away but will not come back by itself.

use std::{error::Error, io, sync::Arc};

use rustls::CertificateError::{
    BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
    UnknownIssuer,
};

/// What the driver keeps of an error that is not its own.
type Cause = Arc<dyn Error + Send + Sync>;

/// What to do about an error of the driver where no waiting helps: a clause that begins with `: ` and is always the same for the same
/// cause. Empty for all else.
pub fn advice(error: &(dyn Error + 'static)) -> String {
    let Some(cause) = error.source().and_then(|cause| cause.downcast_ref::<Cause>()) else { return String::new() };
    let Some(io) = cause.downcast_ref::<io::Error>() else {
        // The file of the authorities cannot be read, or the host's name is none.
        return format!(": {cause}");
    };
    match io.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature)) => {
            ": its certificate is of an authority that is not trusted: let SSL_CERT_FILE name the PEM file of that authority"
        }
        Some(rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. })) => {
            ": its certificate is not valid at this time: renew it"
        }
        Some(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
            ": its certificate is not for this host: name a host that it is for"
        }
        Some(rustls::Error::InvalidCertificate(_)) => {
            ": its certificate is not accepted: use one that an authority issued for this host, not the authority's own"
        }
        _ => "",
    }
    .to_owned()
}

#[cfg(test)]
mod tests;
