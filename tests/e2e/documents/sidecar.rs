//! Does the authorization server serve with the configuration of its README?

use std::fs;
use std::path::Path;

use rcgen::{
    CertificateParams, CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, SerialNumber,
    date_time_ymd,
};
use serde_json::Value;
use wicketgate_e2e::client::http::Http;

use super::block::{self, Block};
use super::shell::Shell;

/// The README's own configuration, on ports of its own.
pub(super) async fn serves([commands, configuration, keys, style]: [Block; 4]) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    lay_out_secrets(path);
    // The first command makes it.
    fs::remove_file(path.join("data.key")).unwrap();
    let mut text = configuration.text().to_owned();
    for port in ["9000", "9001", "9002", "9003"] {
        assert!(text.contains(&format!(" 127.0.0.1:{port}")), "{configuration}: {port}");
        text = text.replace(&format!(" 127.0.0.1:{port}"), " 127.0.0.1:0");
    }
    fs::write(path.join("pages.css"), style.text()).unwrap();
    assert!(text.contains("\npages: {}"), "{configuration}: pages");
    fs::write(path.join("auth.yaml"), text.replace("\npages: {}", "\npages: {style: pages.css}")).unwrap();

    let mut running = Shell::at(path).start(&commands.commands(), path.join("log"));
    let addresses = path.join("addresses.json");
    let read = async || serde_json::from_str::<Value>(&fs::read_to_string(&addresses).ok()?).ok();
    let addresses = running.until("it listens", read).await;
    let admin = addresses.get("admin").and_then(Value::as_str).unwrap();
    let ready = format!("http://{}/readyz", admin.trim_start_matches("http://"));
    let http = Http::new().unwrap();
    running
        .until("it is ready", async || http.get(&ready, &[]).await.ok().filter(|answer| answer.status == 200))
        .await;
    let public = addresses.get("public").and_then(Value::as_str).unwrap().trim_start_matches("http://");
    let served = http.get(&format!("http://{public}/assets/style.css"), &[]).await.unwrap();
    assert!(String::from_utf8_lossy(&served.body).ends_with(style.text()), "{}", served.status);
    // With a port of its own choice, the server says where it is to be asked.
    let configured = fs::read_to_string(path.join("auth.yaml")).unwrap();
    let at = format!("admin: {}", admin.trim_start_matches("http://"));
    fs::write(path.join("auth.yaml"), configured.replace("admin: 127.0.0.1:0", &at)).unwrap();
    let said = Shell::at(path).run(&keys.commands()).await;
    assert!(said.matches("retired").count() >= 2 && said.contains("active"), "{said}");
    running.interrupt().await;
    assert!(http.get(&ready, &[]).await.is_err(), "Ctrl-C ends it");
    assert!(fs::metadata(path.join("auth.redb")).is_ok_and(|store| store.len() > 0));
}

/// A whole configuration: what a block that is only a part of one says, and for the rest what the README's own says.
pub(super) fn whole(part: &str) -> String {
    let is_key = |line: &str| line.starts_with(|first: char| first.is_ascii_alphabetic());
    let key = |line: &str| line.split_once(':').map(|(key, _)| key.to_owned());
    let said: Vec<_> = part.lines().filter(|line| is_key(line)).filter_map(key).collect();
    if said.iter().any(|key| key == "issuer") {
        return part.to_owned();
    }
    let blocks = block::all();
    let mut text = part.to_owned();
    let mut is_said = false;
    for line in blocks.iter().map(Block::text).find(|text| text.starts_with("issuer:")).unwrap().lines() {
        if is_key(line) {
            is_said = key(line).is_some_and(|key| said.contains(&key));
        }
        if !is_said {
            text.push_str(&format!("{line}\n"));
        }
    }
    text
}

/// The files that the README's configurations refer to.
pub(super) fn lay_out_secrets(directory: &Path) {
    fs::write(directory.join("redis.url"), "redis://127.0.0.1:6379\n").unwrap();
    for name in [
        "data.key",
        "alice.password",
        "rs.secret",
        "corp.secret",
        "github.secret",
        "admin.token",
        "otlp.header",
    ] {
        // 32 bytes in base64, which is also a long password.
        fs::write(directory.join(name), "c2l4dGVlbiBwbHVzIHNpeHRlZW4gYnl0ZXMgaXMgMzI=\n").unwrap();
    }
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::default();
    let certificate = params.self_signed(&key).unwrap().pem();
    let pem_of_key = key.serialize_pem();
    let nothing_revoked = CertificateRevocationListParams {
        this_update: date_time_ymd(2024, 1, 1),
        next_update: date_time_ymd(2099, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let revoked = nothing_revoked.signed_by(&Issuer::new(params, key)).unwrap().pem().unwrap();
    for (name, text) in [
        ("auth.crt", &certificate),
        ("ca.pem", &certificate),
        ("auth.key", &pem_of_key),
        ("revoked.pem", &revoked),
    ] {
        fs::write(directory.join(name), text).unwrap();
    }
}
