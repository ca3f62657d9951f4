//! `check` and `healthcheck`: where a server listens, and whether it answers there.

use std::path::Path;

use rcgen::{CertificateParams, KeyPair};

use super::{Server, configure, poll, run, serve_until_listening, terminate, text};

/// A certificate that nobody else vouches for, in `NAME.pem` and `NAME.key`: what names the two in a document, and the key.
fn vouch_for_itself(folder: &Path, name: &str, params: CertificateParams) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let place = |kind: &str| folder.join(format!("{name}.{kind}"));
    std::fs::write(place("pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(place("key"), key.serialize_pem()).unwrap();
    let pair = format!("certificate: {}, key: {}", place("pem").display(), place("key").display());
    (pair, key.serialize_pem())
}

#[test]
fn a_probe_tells_a_ready_server_from_none() {
    let server = Server::start("admin: {token: {file: FOLDER/admin.token}}\n");
    assert_eq!(server.shown(&["healthcheck"], ""), "ready\n");
    assert_eq!(server.json(&["healthcheck"], "")["status"], "ready");
    let admin = server.address("admin");
    assert_eq!(run(&["healthcheck", "--address", &admin], "").status.code(), Some(0), "it has no token");
    drop(server);
    let nobody = run(&["healthcheck", "--address", &admin], "");
    assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
    assert!(text(&nobody.stderr).contains("wicketgate-auth serve"), "{nobody:?}");
    assert_eq!(run(&["healthcheck"], "").status.code(), Some(2));
}

#[test]
fn an_admin_listener_in_tls_is_asked_by_its_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = configure(folder.path());
    let file = |name: &str| folder.path().join(name);
    let (pair, _) = vouch_for_itself(folder.path(), "own", CertificateParams::default());
    let tls = format!("admin: {{address: 127.0.0.1:0, tls: {{{pair}}}}}");
    let document = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, document.replace("admin: 127.0.0.1:0", &tls)).unwrap();
    let path_text = path.to_str().unwrap();

    let checked = run(&["check", "--config", path_text], "");
    let shown = text(&checked.stdout);
    assert!(shown.contains("admin     127.0.0.1:0 (TLS, certificate until 4096-01-01T00:00Z)"), "{shown}");
    let checked = run(&["check", "--config", path_text, "--json"], "");
    let checked: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(checked["tls"], serde_json::json!(["admin"]));
    assert_eq!(checked["listen"]["admin"], "127.0.0.1:0");

    let mut served = serve_until_listening(folder.path(), &path);
    let ready = || run(&["healthcheck", "--config", path_text], "");
    poll("it is ready", || ready().status.success().then_some(()));
    let listed = run(&["key", "list", "--config", path_text], "");
    assert!(listed.status.success(), "{listed:?}");
    // Another one, of which the server has not read the key yet.
    vouch_for_itself(folder.path(), "elsewhere", CertificateParams::default());
    let elsewhere = std::fs::read_to_string(&path).unwrap().replace("/own.", "/elsewhere.");
    std::fs::write(file("elsewhere.yaml"), elsewhere).unwrap();
    let refused = run(&["healthcheck", "--config", file("elsewhere.yaml").to_str().unwrap()], "");
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("shows another certificate than listen.admin.tls"), "{refused:?}");

    // What is wrong with a file is said with its place, and never what it holds.
    std::fs::copy(file("elsewhere.key"), file("own.key")).unwrap();
    let refused = run(&["check", "--config", path_text], "");
    let place = "auth.yaml: listen.admin.tls.key: does not belong to the certificate\n";
    assert!(text(&refused.stderr).ends_with(place), "{refused:?}");
    terminate(&mut served);
}

#[test]
fn a_listener_in_tls_is_asked_as_a_gateway_asks_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = configure(folder.path());
    let of = |name: &str| CertificateParams::new(vec![name.to_owned()]).unwrap();
    let (pair, _) = vouch_for_itself(folder.path(), "own", of("auth.internal"));
    vouch_for_itself(folder.path(), "elsewhere", of("auth.internal"));
    let public = format!("public: {{address: 127.0.0.1:0, tls: {{{pair}}}}}");
    let document = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, document.replace("public: 127.0.0.1:0", &public)).unwrap();
    let mut served = serve_until_listening(folder.path(), &path);
    let addresses = std::fs::read(folder.path().join("run/addresses.json")).unwrap();
    let addresses: serde_json::Value = serde_json::from_slice(&addresses).unwrap();
    let at = addresses["public"].as_str().unwrap();
    let document = format!("https://{at}/.well-known/oauth-authorization-server");
    let jwks = format!("https://{at}/jwks");
    let ask = |ca: &str, more: &[&str]| {
        let ca = folder.path().join(ca);
        run(&[&["healthcheck", "--ca", ca.to_str().unwrap()], more].concat(), "")
    };

    let all = ["--name", "auth.internal", "--url", &document, "--url", &jwks];
    let ready = ask("own.pem", &all);
    assert_eq!((ready.status.code(), text(&ready.stdout).as_str()), (Some(0), "ready\n"), "{ready:?}");
    let nowhere = format!("https://{at}/nowhere");
    let plain = document.replace("https", "http");
    let refused: [(&str, &[&str], &str); 6] = [
        ("elsewhere.pem", &all, "certificate"),
        ("own.key", &all, "holds no PEM certificate"),
        ("own.pem", &["--name", "auth.elsewhere", "--url", &document], "auth.elsewhere"),
        ("own.pem", &["--url", &document], "certificate"),
        ("own.pem", &["--name", "auth.internal", "--url", &jwks, "--url", &nowhere], "404, not 200"),
        ("own.pem", &["--name", "auth.internal", "--url", &plain], "not a URL of https"),
    ];
    for (ca, more, says) in refused {
        let refused = ask(ca, more);
        assert_eq!(refused.status.code(), Some(1), "{more:?}: {refused:?}");
        assert!(text(&refused.stderr).contains(says), "{more:?}: {refused:?}");
    }
    assert_eq!(run(&["healthcheck", "--url", &jwks], "").status.code(), Some(2), "by which authority?");
    terminate(&mut served);
}

#[test]
fn the_log_says_who_is_refused_and_what_has_ended_and_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = configure(folder.path());
    let file = |name: &str| folder.path().join(name);
    let mut params = CertificateParams::default();
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let (pair, secret) = vouch_for_itself(folder.path(), "own", params);
    let clients = format!("clients: {{ca: {}, names: [envoy.internal]}}", file("own.pem").display());
    let document = std::fs::read_to_string(&path).unwrap();
    let internal = format!("internal: {{address: 127.0.0.1:0, tls: {{{pair}, {clients}}}}}");
    std::fs::write(&path, document.replace("internal: 127.0.0.1:0", &internal)).unwrap();
    let mut served = serve_until_listening(folder.path(), &path);

    // A command that takes this listener for the admin listener shows no certificate.
    let addresses = std::fs::read(file("run/addresses.json")).unwrap();
    let addresses: serde_json::Value = serde_json::from_slice(&addresses).unwrap();
    let at = addresses["internal"].as_str().unwrap();
    let admin = format!("admin: {{address: '{at}', tls: {{{pair}}}}}");
    std::fs::write(file("mistaken.yaml"), document.replace("admin: 127.0.0.1:0", &admin)).unwrap();
    let refused = run(&["healthcheck", "--config", file("mistaken.yaml").to_str().unwrap()], "");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let logged = || std::fs::read_to_string(file("log")).unwrap();
    let line = poll("the refusal is logged", || {
        let log = logged();
        log.lines().find(|line| line.contains("\"event\":\"client_refused\"")).map(str::to_owned)
    });
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["listener"], "internal");
    assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    let log = logged();
    let ended = log.lines().find(|line| line.contains("\"event\":\"certificate_expired\"")).unwrap();
    assert!(ended.contains("2021-01-01T00:00Z"), "{ended}");
    assert!(secret.lines().filter(|line| !line.starts_with("--")).all(|line| !log.contains(line)), "{log}");
    terminate(&mut served);
}
