//! Which clients does a listener meet? Those whose certificate leads to an authority and has a name that is listed, and no others.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};
use x509_parser::extensions::GeneralName;
use x509_parser::{parse_x509_certificate, parse_x509_crl};

use crate::clock;

/// What is wrong with the document, and at which key.
type Refusal = (&'static str, String);

/// Mirrors the document.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClients {
    pub(super) ca: PathBuf,
    pub(super) names: Vec<String>,
    pub(super) revoked: Option<PathBuf>,
}

/// Who judges the certificates of clients.
pub(super) struct Judge {
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    /// When the first of the lists of revoked certificates ends, where there are some: nobody is believed from then on.
    pub(super) lists_end: Option<clock::UnixTime>,
}

/// The lists of revoked certificates, and when the first of them ends.
type Lists = (Vec<CertificateRevocationListDer<'static>>, clock::UnixTime);

/// Asks for a name besides what is asked of the chain.
#[derive(Debug)]
pub(super) struct Named {
    chains: Arc<dyn ClientCertVerifier>,
    names: Vec<String>,
}

// === impl RawClients ===

impl RawClients {
    /// Believes a chain that leads to one of the authorities, of which each certificate is in no list of its issuer (and is in the reach
    /// of one, where there are lists), with one of the names.
    pub(super) fn judge(
        &self,
        ca: &[u8],
        revoked: Option<&[u8]>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Judge, Refusal> {
        self.check_names()?;
        let lists = revoked.map(lists).transpose()?;
        let lists_end = lists.as_ref().map(|(_, end)| *end);
        let roots = Arc::new(roots(ca)?);
        let mut chains = WebPkiClientVerifier::builder_with_provider(roots, provider);
        if let Some((lists, _)) = lists {
            chains = chains.with_crls(lists).enforce_revocation_expiration();
        }
        let chains = chains.build().map_err(|error| ("clients.ca", error.to_string()))?;
        Ok(Judge { verifier: Arc::new(Named { chains, names: self.names.clone() }), lists_end })
    }

    fn check_names(&self) -> Result<(), Refusal> {
        let is_name = |name: &String| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()) && !name.contains('*')
        };
        if !self.names.is_empty() && self.names.iter().all(is_name) {
            return Ok(());
        }
        let why = "are exact names, one or more: DNS, or URI where there is `://`, without `*`";
        Err(("clients.names", why.to_owned()))
    }
}

fn roots(ca: &[u8]) -> Result<RootCertStore, Refusal> {
    let mut roots = RootCertStore::empty();
    for certificate in super::tls::certificates(ca) {
        let added = roots.add(certificate);
        added.map_err(|_| ("clients.ca", "holds what is no certificate of an authority".to_owned()))?;
    }
    match roots.is_empty() {
        true => Err(("clients.ca", "holds no PEM certificate".to_owned())),
        false => Ok(roots),
    }
}

/// All lists of a PEM text.
fn lists(pem: &[u8]) -> Result<Lists, Refusal> {
    let refuse = |why: &str| ("clients.revoked", why.to_owned());
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(pem).collect();
    let lists = lists.unwrap_or_default();
    let ends: Option<Vec<_>> = lists.iter().map(end).collect();
    let ends = ends.ok_or_else(|| refuse("holds what is no X.509 CRL that says when the next one comes"))?;
    let first = ends.into_iter().min().ok_or_else(|| refuse("holds no PEM X.509 CRL"))?;
    Ok((lists, first))
}

/// When the next one is due at the latest (RFC 5280 section 5.1.2.5).
fn end(list: &CertificateRevocationListDer<'_>) -> Option<clock::UnixTime> {
    let (_, parsed) = parse_x509_crl(list).ok()?;
    Some(clock::UnixTime(u64::try_from(parsed.next_update()?.timestamp()).unwrap_or_default()))
}

// === impl Named ===

impl Named {
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
