//! A certificate authority of its own, and the identities it vouches for.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::Error;

/// A certificate authority that lives in a folder: `ca.crt` there is what its clients trust.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its private key, as PEM files.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, signed by the authority.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Authority {
    /// Makes an authority in `folder`, which is made where it is missing.
    pub fn new(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(Error::io(folder.display().to_string()))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "caudal-testkit");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let issuer = CertifiedIssuer::self_signed(params, key()?).map_err(crypto)?;
        let authority = Self { folder: folder.to_owned(), issuer };
        write(&authority.certificate(), &authority.issuer.pem())?;
        Ok(authority)
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// A client named `user` that belongs to `groups`, as Kubernetes reads certificates, in the
    /// files `name.crt` and `name.key`.
    pub fn client(&self, name: &str, user: &str, groups: &[&str]) -> Result<Identity, Error> {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, user);
        for group in groups {
            params.distinguished_name.push(DnType::OrganizationName, *group);
        }
        self.sign(name, params)
    }

    /// A server reached under `hosts` (names and addresses), in the files `name.crt` and `name.key`.
    pub fn server(&self, name: &str, hosts: &[&str]) -> Result<Identity, Error> {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(hosts).map_err(crypto)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        self.sign(name, params)
    }

    /// A client's kubeconfig for the API server at `server`, in the file `name.kubeconfig`.
    pub fn kubeconfig(&self, name: &str, server: &str, client: &Identity) -> Result<PathBuf, Error> {
        let text = format!(
            include_str!("pki/kubeconfig.yaml"),
            server = server,
            authority = self.certificate().display(),
            certificate = client.certificate.display(),
            key = client.key.display(),
        );
        let path = self.folder.join(format!("{name}.kubeconfig"));
        write(&path, &text)?;
        Ok(path)
    }

    fn sign(&self, name: &str, mut params: CertificateParams) -> Result<Identity, Error> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        let key = key()?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(crypto)?;
        let identity = Identity {
            certificate: self.folder.join(format!("{name}.crt")),
            key: self.folder.join(format!("{name}.key")),
        };
        write(&identity.certificate, &certificate.pem())?;
        write(&identity.key, &key.serialize_pem())?;
        Ok(identity)
    }
}

/// A pair of keys without a certificate: `name.key` and, for those who verify, `name.pub`.
pub(crate) fn key_pair(folder: &Path, name: &str) -> Result<(PathBuf, PathBuf), Error> {
    let key = key()?;
    let (private, public) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.pub")));
    write(&private, &key.serialize_pem())?;
    write(&public, &key.public_key_pem())?;
    Ok((private, public))
}

fn key() -> Result<KeyPair, Error> {
    KeyPair::generate().map_err(crypto)
}

fn crypto(error: rcgen::Error) -> Error {
    Error::io("no certificate could be made")(io::Error::other(error))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::io(path.display().to_string()))
}
