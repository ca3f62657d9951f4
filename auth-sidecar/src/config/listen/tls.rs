//! What is shown to clients of a listener in TLS? A certificate with its key, from files that may be replaced while the server runs.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{self, CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::NoServerSessionStorage;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{Error, InconsistentKeys, ServerConfig};
use x509_parser::parse_x509_certificate;
use zeroize::Zeroizing;

use super::super::ConfigError;
use super::clients::{Judge, RawClients};
use crate::clock::UnixTime;

/// Of one file, in bytes.
const LARGEST: u64 = 1 << 20;

/// How a listener is met in TLS. `Debug` and `Display` show no key.
pub struct ListenTls {
    /// `listen.public.tls`: what errors begin with.
    place: String,
    files: RawTls,
    /// Of all that the files held: tells whether they hold something else now.
    read: [u8; 32],
    /// When the certificate ends.
    pub expires: UnixTime,
    /// The certificate itself, without those that lead to its root.
    pub(crate) certificate: CertificateDer<'static>,
    /// What handshakes go by, but for the clock.
    pub(crate) server: ServerConfig,
    /// Who judges the certificates of clients, where they must show one.
    clients: Option<Judge>,
}

/// Mirrors the document.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    certificate: PathBuf,
    key: PathBuf,
    clients: Option<RawClients>,
}

/// What the files hold.
struct Contents {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    ca: Option<Vec<u8>>,
    revoked: Option<Vec<u8>>,
}

// === impl ListenTls ===

impl ListenTls {
    /// Reads the files.
    pub(super) fn read(place: String, files: RawTls) -> Result<Self, ConfigError> {
        let contents = Contents::of(&place, &files)?;
        Self::compile(place, files, &contents)
    }

    /// What the same files hold now; none where that is what they held.
    ///
    /// # Errors
    /// [`ConfigError`], as at the start.
    pub fn read_again(&self) -> Result<Option<Self>, ConfigError> {
        let contents = Contents::of(&self.place, &self.files)?;
        if contents.digest() == self.read {
            return Ok(None);
        }
        Self::compile(self.place.clone(), self.files.clone(), &contents).map(Some)
    }

    /// Whether clients must show a certificate.
    #[must_use]
    pub fn asks_clients(&self) -> bool {
        self.files.clients.is_some()
    }

    /// Whether a client may come that shows this chain. Where none is asked for, everybody may.
    pub(crate) fn admits(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> bool {
        let Some(Judge { verifier, .. }) = &self.clients else { return true };
        let Some((first, others)) = chain.split_first() else { return false };
        let now = pki_types::UnixTime::since_unix_epoch(Duration::from_secs(now.0));
        verifier.verify_client_cert(first, others, now).is_ok()
    }

    /// When the first of the lists of revoked certificates ends, where there are some.
    pub(crate) fn lists_end(&self) -> Option<UnixTime> {
        self.clients.as_ref().and_then(|judge| judge.lists_end)
    }

    fn compile(place: String, files: RawTls, contents: &Contents) -> Result<Self, ConfigError> {
        let refuse = |key: &str, why: &str| ConfigError::new(format!("{place}.{key}"), why);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let chain = certificates(&contents.certificate);
        let Some(certificate) = chain.first().cloned() else {
            return Err(refuse("certificate", "holds no PEM certificate"));
        };
        let Some(expires) = expiry(&certificate) else {
            return Err(refuse("certificate", "begins with what is no X.509 certificate"));
        };
        let pair = pair(chain, &contents.key, &provider).map_err(|(key, why)| refuse(key, why))?;
        let versions = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| ConfigError::new(&place, error.to_string()))?;
        let shown = Arc::new(SingleCertAndKey::from(pair));
        let judge = |(clients, ca): (&RawClients, &Vec<u8>)| {
            let judge = clients.judge(ca, contents.revoked.as_deref(), provider);
            judge.map_err(|(key, why)| refuse(key, &why))
        };
        let clients = files.clients.as_ref().zip(contents.ca.as_ref()).map(judge).transpose()?;
        let mut server = match &clients {
            Some(judge) => versions.with_client_cert_verifier(Arc::clone(&judge.verifier)),
            None => versions.with_no_client_auth(),
        }
        .with_cert_resolver(shown);
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        if clients.is_some() {
            // A session that is taken up again is not asked for its certificate, which may have ended since.
            server.session_storage = Arc::new(NoServerSessionStorage {});
            server.send_tls13_tickets = 0;
        }
        Ok(Self { read: contents.digest(), place, files, expires, certificate, server, clients })
    }
}

impl std::fmt::Debug for ListenTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListenTls")
            .field("files", &self.files)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Display for ListenTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TLS, certificate until {}", self.expires.to_utc())?;
        match &self.files.clients {
            None => Ok(()),
            Some(clients) => write!(f, ", for {}", clients.names.join(" ")),
        }
    }
}

// === impl Contents ===

impl Contents {
    fn of(place: &str, files: &RawTls) -> Result<Self, ConfigError> {
        let read = |key: &str, path: &Path| {
            read(path).map_err(|why| ConfigError::unreadable(format!("{place}.{key}"), path, why))
        };
        let public = |key: &str, path: Option<&PathBuf>| {
            path.map(|path| read(key, path).map(|pem| pem.to_vec())).transpose()
        };
        let clients = files.clients.as_ref();
        Ok(Self {
            certificate: read("certificate", &files.certificate)?.to_vec(),
            key: read("key", &files.key)?,
            ca: public("clients.ca", clients.map(|clients| &clients.ca))?,
            revoked: public("clients.revoked", clients.and_then(|clients| clients.revoked.as_ref()))?,
        })
    }

    fn digest(&self) -> [u8; 32] {
        let mut all = Sha256::new();
        let none = Vec::new();
        let [ca, revoked] = [&self.ca, &self.revoked].map(|part| part.as_ref().unwrap_or(&none));
        for part in [&self.certificate, &*self.key, ca, revoked] {
            all.update(part.len().to_le_bytes());
            all.update(part);
        }
        all.finalize().into()
    }
}

/// When a certificate ends; nothing where that cannot be read.
pub(crate) fn expiry(certificate: &CertificateDer<'_>) -> Option<UnixTime> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    // One that ended before 1970 has ended.
    Some(UnixTime(u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or_default()))
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut bytes = Zeroizing::new(Vec::new());
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST { Err(format!("it is longer than {LARGEST} bytes")) } else { Ok(bytes) }
}

/// All certificates of a PEM text, in their order; none where one cannot be read.
pub(super) fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().unwrap_or_default()
}

/// The two, if they belong together; else which of them is wrong, and why. What is said of a key is said in our words.
fn pair(
    chain: Vec<CertificateDer<'static>>,
    key: &[u8],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, (&'static str, &'static str)> {
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| ("key", "holds no private key (PEM, not encrypted)"))?;
    let key = provider.key_provider.load_private_key(key);
    let key = key.map_err(|_| ("key", "is none of RSA with 2048 bits or more, ECDSA or Ed25519"))?;
    let pair = CertifiedKey::new(chain, key);
    match pair.keys_match() {
        Ok(()) => Ok(pair),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(("key", "does not belong to the certificate"))
        }
        Err(_) => Err(("certificate", "begins with what is no certificate that can be shown")),
    }
}
