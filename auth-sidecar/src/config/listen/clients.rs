//! Which clients does a listener meet? Those whose certificate leads to an authority and has a name that is listed, and no others.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

/// Mirrors the document.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClients {
    pub(super) ca: PathBuf,
    pub(super) names: Vec<String>,
}

/// Asks for a name besides what is asked of the chain.
#[derive(Debug)]
pub(super) struct Named {
    chains: Arc<dyn ClientCertVerifier>,
    names: Vec<String>,
}

// === impl RawClients ===

impl RawClients {
    /// The authorities, where there are some and the names can be those of a certificate; else what is wrong, and where.
    pub(super) fn roots(&self, ca: &[u8]) -> Result<RootCertStore, (&'static str, &'static str)> {
        let is_name = |name: &String| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()) && !name.contains('*')
        };
        if self.names.is_empty() || !self.names.iter().all(is_name) {
            return Err((
                "clients.names",
                "are exact names, one or more: DNS, or URI where there is `://`, without `*`",
            ));
        }
        let mut roots = RootCertStore::empty();
        for certificate in super::tls::certificates(ca) {
            roots
                .add(certificate)
                .map_err(|_| ("clients.ca", "holds what is no certificate of an authority"))?;
        }
        if roots.is_empty() { Err(("clients.ca", "holds no PEM certificate")) } else { Ok(roots) }
    }
}

// === impl Named ===

impl Named {
    /// Believes whom `chains` believes, with one of these names.
    pub(super) fn new(chains: Arc<dyn ClientCertVerifier>, names: &[String]) -> Self {
        Self { chains, names: names.to_owned() }
    }

    /// Whether a certificate has one of the names, as what it is: a host is no URI. What cannot be read has none.
    fn knows(&self, certificate: &[u8]) -> bool {
        let Ok((_, certificate)) = parse_x509_certificate(certificate) else { return false };
        let Ok(Some(names)) = certificate.subject_alternative_name() else { return false };
        let is_listed = |name: &GeneralName<'_>| match name {
            GeneralName::DNSName(name) => {
                self.names.iter().any(|listed| !listed.contains("://") && listed.eq_ignore_ascii_case(name))
            }
            GeneralName::URI(name) => {
                self.names.iter().any(|listed| listed.contains("://") && listed == name)
            }
            _ => false,
        };
        names.value.general_names.iter().any(is_listed)
    }
}

impl ClientCertVerifier for Named {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chains.verify_client_cert(end_entity, intermediates, now)?;
        match self.knows(end_entity) {
            true => Ok(verified),
            false => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}
