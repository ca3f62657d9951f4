//! An authority of a test's own, and what it vouches for, as files.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

pub(crate) const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// Who vouches. Its files lie in the folder of the world.
pub(crate) struct Authority {
    folder: PathBuf,
    name: &'static str,
    issuer: Issuer<'static, KeyPair>,
}

// === impl Authority ===

impl Authority {
    pub(crate) fn new(folder: &Path, name: &'static str) -> Self {
        let key = KeyPair::generate().unwrap();
        let own = Self::own(name);
        let pem = own.self_signed(&key).unwrap().pem();
        let authority = Self { folder: folder.to_owned(), name, issuer: Issuer::new(own, key) };
        std::fs::write(authority.path(name, "pem"), pem).unwrap();
        authority
    }

    fn own(name: &str) -> CertificateParams {
        let mut own = CertificateParams::default();
        own.distinguished_name.push(DnType::CommonName, name);
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        own.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        own
    }

    /// Vouches for these names until the end of that year, in `FILE.pem` and `FILE.key`; gives the certificate.
    pub(crate) fn vouch(&self, file: &str, names: &[&str], until: i32) -> CertificateDer<'static> {
        let (certificate, key) = self.made(names, until);
        std::fs::write(self.path(file, "pem"), certificate).unwrap();
        std::fs::write(self.path(file, "key"), key).unwrap();
        self.shown(file).remove(0)
    }

    /// The same as PEM texts.
    pub(crate) fn made(&self, names: &[&str], until: i32) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        for name in names {
            params.subject_alt_names.push(match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) if name.contains("://") => SanType::URI((*name).try_into().unwrap()),
                Err(_) => SanType::DnsName((*name).try_into().unwrap()),
            });
        }
        params.not_after = date_time_ymd(until, 12, 31);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// An authority below this one, vouched for in `NAME.pem`.
    pub(crate) fn below(&self, name: &'static str) -> Self {
        let key = KeyPair::generate().unwrap();
        let own = Self::own(name);
        let pem = own.signed_by(&key, &self.issuer).unwrap().pem();
        let authority = Self { folder: self.folder.clone(), name, issuer: Issuer::new(own, key) };
        std::fs::write(authority.path(name, "pem"), pem).unwrap();
        authority
    }

    /// Says until the end of 2027 that the certificates of these files are revoked, in `revoked.pem`.
    pub(crate) fn revoke(&self, files: &[&str]) {
        std::fs::write(self.path("revoked", "pem"), self.revocations(files, 2027)).unwrap();
    }

    /// The list as PEM text, until the end of that year.
    pub(crate) fn revocations(&self, files: &[&str], until: i32) -> String {
        let revoked = files.iter().map(|file| {
            let shown = self.shown(file);
            let (_, certificate) = x509_parser::parse_x509_certificate(&shown[0]).unwrap();
            RevokedCertParams {
                serial_number: SerialNumber::from_slice(certificate.raw_serial()),
                revocation_time: date_time_ymd(2024, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(until, 12, 31),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// A client that believes this authority and shows the pair of that file.
    pub(crate) fn client(
        &self,
        own: Option<&str>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.shown(self.name).remove(0)).unwrap();
        let builder = ClientConfig::builder_with_protocol_versions(versions).with_root_certificates(roots);
        let Some(own) = own else { return builder.with_no_client_auth() };
        let key = PrivateKeyDer::from_pem_file(self.path(own, "key")).unwrap();
        builder.with_client_auth_cert(self.shown(own), key).unwrap()
    }

    fn shown(&self, file: &str) -> Vec<CertificateDer<'static>> {
        let all = CertificateDer::pem_file_iter(self.path(file, "pem")).unwrap();
        all.collect::<Result<_, _>>().unwrap()
    }

    fn path(&self, name: &str, kind: &str) -> PathBuf {
        self.folder.join(format!("{name}.{kind}"))
    }
}
