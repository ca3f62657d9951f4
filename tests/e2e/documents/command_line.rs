//! Does the `wicketgate` command do and say what is shown?

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};
use wicketgate_e2e::layout;

use super::block::Block;
use super::shell::Shell;

/// The README's own policy, in a directory where the product was built and has run.
pub(super) async fn policy([commands, policy]: [Block; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::write(path.join("policy.yaml"), policy.text()).unwrap();
    let request = json!({
        "principal": {"subject": "alice", "client_id": "c1", "scopes": ["mcp:read"], "roles": ["operator"]},
        "method": "tools/call", "tool": "delete_note",
    });
    fs::write(path.join("req.json"), request.to_string()).unwrap();
    fs::create_dir(path.join(".run")).unwrap();
    fs::create_dir(path.join("target")).unwrap();
    symlink(layout::filter_module().unwrap(), path.join("target/wicketgate.wasm")).unwrap();

    let said = Shell::at(path).run(&commands.commands()).await;

    // The verdict, the rule that decided, and every rule.
    for word in ["deny", "readers", "writers", "never"] {
        assert!(said.contains(word), "{said}");
    }
    let rendered = fs::read_to_string(path.join(".run/filter.yaml")).unwrap();
    assert!(rendered.contains("envoy.extensions.filters.http.wasm.v3.Wasm"), "{rendered}");
}

/// The README's policy with a key misspelt: the words that are shown, and no others.
pub(super) async fn mistake([shown, policy]: [Block; 2]) {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(policy.text().matches("    rules:\n").count(), 1, "{policy}");
    let misspelt = policy.text().replace("    rules:\n", "    ruels:\n");
    fs::write(directory.path().join("policy.yaml"), misspelt).unwrap();
    let output = Shell::at(directory.path()).end_of("wicketgate check policy.yaml").await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), shown.text(), "{shown}");
    // The same for programs.
    let output = Shell::at(directory.path()).end_of("wicketgate check policy.yaml --json").await;
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value.get("ok"), Some(&json!(false)), "{value}");
}
