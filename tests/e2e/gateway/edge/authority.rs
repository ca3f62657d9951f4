//! An authority of the test's own: certificates as files, good ones and bad ones, and what of them is revoked.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use wicketgate_e2e::files;

/// Who vouches; its files lie in the folder of the test.
pub(super) struct Authority {
    folder: PathBuf,
    name: &'static str,
    issuer: Issuer<'static, KeyPair>,
}

/// What a certificate says.
#[derive(Clone, Copy)]
pub(super) struct Said {
    pub(super) names: &'static [&'static str],
    pub(super) serial: u64,
    pub(super) expired: bool,
}

/// A certificate with its key, as files.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
}

/// A sound certificate for these names.
pub(super) fn of(names: &'static [&'static str]) -> Said {
    Said { names, serial: 7, expired: false }
}

// === impl Authority ===

impl Authority {
    pub(super) fn new(folder: PathBuf, name: &'static str) -> Self {
        files::create_directory(&folder).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut own = CertificateParams::default();
        own.distinguished_name.push(DnType::CommonName, name);
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        own.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = own.self_signed(&key).unwrap().pem();
        let authority = Self { folder, name, issuer: Issuer::new(own, key) };
        files::write_private(&authority.roots(), &pem).unwrap();
        authority
    }

    /// The file of its own certificate.
    pub(super) fn roots(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }

    /// The file of what it has revoked.
    pub(super) fn revoked(&self) -> PathBuf {
        self.folder.join(format!("{}.crl", self.name))
    }

    /// Vouches for what is said, in files that are moved into place: first the certificate, then its key.
    pub(super) fn vouch(&self, file: &str, said: Said) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        for name in said.names {
            params.subject_alt_names.push(match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) if name.contains("://") => SanType::URI((*name).try_into().unwrap()),
                Err(_) => SanType::DnsName((*name).try_into().unwrap()),
            });
        }
        params.serial_number = Some(SerialNumber::from(said.serial));
        if said.expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let pair = Pair {
            chain: self.folder.join(format!("{file}.crt")),
            key: self.folder.join(format!("{file}.key")),
        };
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        files::write_private(&pair.chain, &certificate.pem()).unwrap();
        files::write_private(&pair.key, &key.serialize_pem()).unwrap();
        pair
    }

    /// Writes which serial numbers are revoked.
    pub(super) fn revoke(&self, serials: &[u64]) {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2099, 1, 1),
            crl_number: SerialNumber::from(serials.len() as u64 + 1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        files::write_private(&self.revoked(), &list.signed_by(&self.issuer).unwrap().pem().unwrap()).unwrap();
    }

    /// A client that believes this authority, speaks one of `versions`, and shows `own`.
    pub(super) fn client(
        &self,
        own: Option<&Pair>,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
    ) -> Arc<ClientConfig> {
        let builder =
            ClientConfig::builder_with_protocol_versions(versions).with_root_certificates(self.store());
        let mut config = match own {
            Some(pair) => builder.with_client_auth_cert(pair.certificates(), pair.private()).unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// A server that shows `own`, and asks for a certificate of this authority where `mutual`.
    pub(super) fn server(&self, own: &Pair, mutual: bool) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder();
        let builder = if mutual {
            builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder(self.store().into()).build().unwrap(),
            )
        } else {
            builder.with_no_client_auth()
        };
        Arc::new(builder.with_single_cert(own.certificates(), own.private()).unwrap())
    }

    fn store(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        store.add(CertificateDer::from_pem_file(self.roots()).unwrap()).unwrap();
        store
    }
}

// === impl Pair ===

impl Pair {
    pub(super) fn certificates(&self) -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from_pem_file(&self.chain).unwrap()]
    }

    fn private(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_file(&self.key).unwrap()
    }

    /// As the policy names it.
    pub(super) fn yaml(&self) -> String {
        format!("chain: \"{}\", key: \"{}\"", self.chain.display(), self.key.display())
    }
}
