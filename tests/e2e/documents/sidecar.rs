//! Does the authorization server serve with the configuration of its README?

use std::fs;
use std::path::Path;

use serde_json::Value;
use wicketgate_e2e::client::http::Http;

use super::block::Block;
use super::shell::Shell;

/// The README's own configuration, on ports of its own.
pub(super) async fn serves([commands, configuration, keys]: [Block; 3]) {
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
    fs::write(path.join("auth.yaml"), text).unwrap();

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

/// The files that the README's configuration refers to.
pub(super) fn lay_out_secrets(directory: &Path) {
    for name in ["data.key", "alice.password", "rs.secret", "corp.secret", "github.secret", "admin.token"] {
        // 32 bytes in base64, which is also a long password.
        fs::write(directory.join(name), "c2l4dGVlbiBwbHVzIHNpeHRlZW4gYnl0ZXMgaXMgMzI=\n").unwrap();
    }
}
