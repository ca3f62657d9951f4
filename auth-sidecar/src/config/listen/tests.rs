use std::path::Path;

use rcgen::{CertificateParams, KeyPair};

use super::super::tests::{GOOD, parse_under};
use super::super::{Config, ListenTls};

/// A folder with two pairs, and files that are none.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    for name in ["own", "other"] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["auth.internal".to_owned()]).unwrap();
        write(&format!("{name}.pem"), &params.self_signed(&key).unwrap().pem());
        write(&format!("{name}.key"), &key.serialize_pem());
    }
    let pem = |kind: &str, text: &str| format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n");
    write("empty", "");
    write("words.pem", &pem("CERTIFICATE", "aGVsbG8="));
    write("words.crl", &pem("X509 CRL", "aGVsbG8="));
    write("words.key", &pem("PRIVATE KEY", "aGVsbG8="));
    write("locked.key", &pem("ENCRYPTED PRIVATE KEY", "aGVsbG8="));
    write("long", &"-".repeat((1 << 20) + 1));
    folder
}

/// The good document with this in place of the public listener, files taken from `folder`.
fn with_public(folder: &Path, listener: &str) -> Result<Config, String> {
    with(folder, "public", listener)
}

fn with(folder: &Path, name: &str, listener: &str) -> Result<Config, String> {
    let from = format!("{name}: 127.0.0.1:0");
    assert!(GOOD.contains(&from));
    let listener = listener.replace("./", &format!("{}/", folder.display()));
    parse_under(&GOOD.replace(&from, &format!("{name}: {listener}")), std::iter::empty())
}

const CLIENTS: &str = "clients: {ca: ./other.pem, names: [envoy.internal, 'spiffe://example.org/envoy']}";

#[test]
fn a_listener_is_an_address_or_one_in_tls() {
    let folder = folder();
    let config = with_public(folder.path(), "{address: '[::]:9'}").unwrap();
    assert_eq!((config.listen.public.address.port(), config.listen.public.tls.is_some()), (9, false));
    let tls =
        format!("{{address: 0.0.0.0:8443, tls: {{certificate: ./own.pem, key: ./own.key, {CLIENTS}}}}}");
    let config = with_public(folder.path(), &tls).unwrap();
    let tls = config.listen.public.tls.as_ref().unwrap();
    assert!(tls.asks_clients() && config.listen.internal.tls.is_none());
    assert_eq!(
        config.listen.public.to_string(),
        "0.0.0.0:8443 (TLS, certificate until 4096-01-01T00:00Z, for envoy.internal spiffe://example.org/envoy)"
    );
    let both = format!("{:?}", config.listen);
    let key = std::fs::read_to_string(folder.path().join("own.key")).unwrap();
    assert!(key.lines().all(|line| !both.contains(line)) && both.contains("own.key"), "{both}");
}

#[test]
fn what_cannot_be_shown_or_asked_for_is_refused() {
    let folder = folder();
    for (listener, wanted) in [
        ("nowhere", "listen.public: `nowhere` is no address"),
        ("9000", "listen.public: "),
        ("{tls: {certificate: ./own.pem, key: ./own.key}}", "listen.public: missing field `address`"),
        ("{address: nowhere}", "listen.public.address: "),
        ("{address: '127.0.0.1:0', port: 1}", "listen.public.port: unknown field `port`"),
        ("TLS, keys: ./own.key}}", "listen.public.tls.keys: unknown field `keys`"),
        ("{address: '127.0.0.1:0', tls: {certificate: ./own.pem}}", "listen.public.tls: missing field `key`"),
        ("TLS, clients: {ca: ./own.pem}}}", "listen.public.tls.clients: missing field `names`"),
        ("TLS, clients: {ca: ./own.pem, name: x}}}", "listen.public.tls.clients.name: unknown field `name`"),
        ("TLS, clients: {ca: ./own.pem, names: []}}}", "listen.public.tls.clients.names: are exact names"),
        ("TLS, clients: {ca: ./own.pem, names: ['*.x']}}}", "listen.public.tls.clients.names: are exact"),
        ("TLS, clients: {ca: ./own.pem, names: ['']}}}", "listen.public.tls.clients.names: are exact"),
        ("TLS, clients: {ca: ./empty, names: [x]}}}", "listen.public.tls.clients.ca: holds no PEM"),
        ("TLS, clients: {ca: ./words.pem, names: [x]}}}", "listen.public.tls.clients.ca: holds what is no"),
        ("TLS, clients: {ca: ./none, names: [x]}}}", "listen.public.tls.clients.ca: cannot read "),
        (
            "TLS, clients: {ca: ./own.pem, names: [x], revoked: ./none}}}",
            "listen.public.tls.clients.revoked: cannot read ",
        ),
        (
            "TLS, clients: {ca: ./own.pem, names: [x], revoked: ./own.pem}}}",
            "listen.public.tls.clients.revoked: holds no PEM",
        ),
        (
            "TLS, clients: {ca: ./own.pem, names: [x], revoked: ./words.crl}}}",
            "listen.public.tls.clients.revoked: holds what is no",
        ),
        ("PAIR ./none ./own.key", "listen.public.tls.certificate: cannot read "),
        ("PAIR ./empty ./own.key", "listen.public.tls.certificate: holds no PEM"),
        ("PAIR ./own.key ./own.key", "listen.public.tls.certificate: holds no PEM"),
        ("PAIR ./words.pem ./own.key", "listen.public.tls.certificate: begins with what is no X.509"),
        ("PAIR ./long ./own.key", "listen.public.tls.certificate: cannot read "),
        ("PAIR ./own.pem ./none", "listen.public.tls.key: cannot read "),
        ("PAIR ./own.pem ./empty", "listen.public.tls.key: holds no private key"),
        ("PAIR ./own.pem ./own.pem", "listen.public.tls.key: holds no private key"),
        ("PAIR ./own.pem ./locked.key", "listen.public.tls.key: holds no private key"),
        ("PAIR ./own.pem ./words.key", "listen.public.tls.key: is none of"),
        ("PAIR ./own.pem ./other.key", "listen.public.tls.key: does not belong to the certificate"),
    ] {
        let mut written =
            listener.replace("TLS", "{address: '127.0.0.1:0', tls: {certificate: ./own.pem, key: ./own.key");
        if let Some((certificate, key)) = listener.strip_prefix("PAIR ").and_then(|pair| pair.split_once(' '))
        {
            written = format!("{{address: '127.0.0.1:0', tls: {{certificate: {certificate}, key: {key}}}}}");
        }
        let refused = with_public(folder.path(), &written).unwrap_err();
        assert!(refused.starts_with(wanted), "{written}: {refused}");
    }
}

#[test]
fn commands_and_probes_show_no_certificate() {
    let folder = folder();
    let tls = |more: &str| {
        format!("{{address: '127.0.0.1:0', tls: {{certificate: ./own.pem, key: ./own.key{more}}}}}")
    };
    assert!(with(folder.path(), "admin", &tls("")).is_ok());
    let refused = with(folder.path(), "admin", &tls(&format!(", {CLIENTS}"))).unwrap_err();
    assert!(refused.starts_with("listen.admin.tls.clients: is for the other listeners"), "{refused}");
    assert!(with(folder.path(), "metrics", &tls(&format!(", {CLIENTS}"))).is_ok());
}

#[test]
fn files_are_read_again_as_strictly() {
    let folder = folder();
    let tls = "{address: 127.0.0.1:0, tls: {certificate: ./own.pem, key: ./own.key}}";
    let config = with_public(folder.path(), tls).unwrap();
    let tls: &ListenTls = config.listen.public.tls.as_ref().unwrap();
    assert!(tls.read_again().unwrap().is_none());
    let file = |name: &str| folder.path().join(name);
    std::fs::copy(file("other.pem"), file("own.pem")).unwrap();
    let refused = tls.read_again().unwrap_err().to_string();
    assert!(refused.starts_with("listen.public.tls.key: does not belong"), "{refused}");
    std::fs::copy(file("other.key"), file("own.key")).unwrap();
    assert_ne!(tls.read_again().unwrap().unwrap().certificate, tls.certificate);
}

#[test]
fn certificates_may_change_while_the_server_runs_and_places_may_not() {
    let folder = folder();
    let place = |listener: &str| with_public(folder.path(), listener).unwrap().listen;
    let own = "{address: 127.0.0.1:0, tls: {certificate: ./own.pem, key: ./own.key}}";
    let other = "{address: 127.0.0.1:0, tls: {certificate: ./other.pem, key: ./other.key}}";
    assert!(place(own).is_same_place_as(&place(other)));
    assert!(!place(own).is_same_place_as(&place("127.0.0.1:0")));
    assert!(place("{address: 127.0.0.1:0}").is_same_place_as(&place("127.0.0.1:0")));
    assert!(!place("127.0.0.1:1").is_same_place_as(&place("127.0.0.1:0")));
}
