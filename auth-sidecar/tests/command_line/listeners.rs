//! `check` and `healthcheck`: where a server listens, and whether it answers there.

use rcgen::{CertificateParams, KeyPair};

use super::{Server, configure, poll, run, serve_until_listening, terminate, text};

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
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap().pem();
    std::fs::write(file("own.pem"), &certificate).unwrap();
    std::fs::write(file("own.key"), key.serialize_pem()).unwrap();
    let (own, own_key) = (file("own.pem").display().to_string(), file("own.key").display().to_string());
    let tls = format!("admin: {{address: 127.0.0.1:0, tls: {{certificate: {own}, key: {own_key}}}}}");
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
    let (other, other_key) = (KeyPair::generate().unwrap(), file("own.key"));
    let other_certificate = CertificateParams::default().self_signed(&other).unwrap().pem();
    std::fs::write(file("elsewhere.pem"), other_certificate).unwrap();
    std::fs::write(file("elsewhere.key"), other.serialize_pem()).unwrap();
    let elsewhere = std::fs::read_to_string(&path).unwrap().replace("/own.", "/elsewhere.");
    std::fs::write(file("elsewhere.yaml"), elsewhere).unwrap();
    let refused = run(&["healthcheck", "--config", file("elsewhere.yaml").to_str().unwrap()], "");
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("shows another certificate than listen.admin.tls"), "{refused:?}");

    // What is wrong with a file is said with its place, and never what it holds.
    std::fs::write(other_key, std::fs::read(file("elsewhere.key")).unwrap()).unwrap();
    let refused = run(&["check", "--config", path_text], "");
    let place = "auth.yaml: listen.admin.tls.key: does not belong to the certificate\n";
    assert!(text(&refused.stderr).ends_with(place), "{refused:?}");
    terminate(&mut served);
}
