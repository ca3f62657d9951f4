//! An authority of our own, and what it vouches for: servers that speak TLS alone, and one client.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use redis::{ClientTlsConfig, TlsCertificates};

/// Files that servers and clients read. They go with the value.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
}

// === impl Authority ===

impl Authority {
    /// Its servers have these names.
    pub(crate) fn of(names: &[&str]) -> Self {
        let authority = Self { folder: tempfile::tempdir().unwrap() };
        let key = KeyPair::generate().unwrap();
        let mut own = CertificateParams::default();
        // Who has the name of an authority is taken for that: each is called as its folder.
        own.distinguished_name.push(DnType::CommonName, authority.file(""));
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.write("ca.pem", &own.self_signed(&key).unwrap().pem());
        let issuer = Issuer::new(own, key);
        for (who, names) in [("server", names), ("client", &["wicketgate"])] {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
            authority.write(&format!("{who}.pem"), &certificate.pem());
            authority.write(&format!("{who}.key"), &key.serialize_pem());
        }
        authority
    }

    /// One of `ca.pem`, and `pem` and `key` of `server` and `client`.
    pub(crate) fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// What a server, or a sentinel, is started with: it speaks TLS alone, to its like as well, and with those alone whom the
    /// authority vouches for.
    pub(super) fn options(&self, port: u16) -> Vec<String> {
        let (ca, certificate, key) = (self.file("ca.pem"), self.file("server.pem"), self.file("server.key"));
        let port = port.to_string();
        let options = [
            ["--port", "0"],
            ["--tls-port", &port],
            ["--tls-ca-cert-file", &ca],
            ["--tls-cert-file", &certificate],
            ["--tls-key-file", &key],
            ["--tls-auth-clients", "yes"],
            ["--tls-replication", "yes"],
            ["--tls-cluster", "yes"],
        ];
        options.concat().into_iter().map(str::to_owned).collect()
    }

    /// The same for `redis-cli`.
    pub(super) fn options_of_client(&self) -> Vec<String> {
        let (ca, certificate, key) = (self.file("ca.pem"), self.file("client.pem"), self.file("client.key"));
        let options = ["--tls", "--cacert", &ca, "--cert", &certificate, "--key", &key];
        options.map(str::to_owned).to_vec()
    }

    /// What the tests themselves connect with.
    pub(super) fn certificates(&self) -> TlsCertificates {
        let read = |name: &str| std::fs::read(self.path(name)).unwrap();
        let client = ClientTlsConfig { client_cert: read("client.pem"), client_key: read("client.key") };
        TlsCertificates { client_tls: Some(client), root_cert: Some(read("ca.pem")) }
    }

    /// The key `tls` of the configuration.
    pub(crate) fn trusted(&self) -> String {
        let (ca, certificate, key) = (self.file("ca.pem"), self.file("client.pem"), self.file("client.key"));
        format!(", tls: {{ca: {ca}, certificate: {certificate}, key: {key}}}")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, pem: &str) {
        std::fs::write::<&Path, _>(&self.path(name), pem).unwrap();
    }
}
