//! Does Envoy accept `envoy/envoy.yaml`, as it stands and with other ports and paths put in?

use std::fs;
use std::path::Path;
use std::process::Command;

use wicketgate_e2e::envoy::{EnvoySettings, render};
use wicketgate_e2e::layout;
use wicketgate_e2e::upstream::Upstream;

fn validate(configuration: &Path, directory: &Path) {
    let envoy = layout::obtain("envoy").unwrap();
    let output = Command::new(envoy)
        .args(["--mode", "validate", "--log-level", "warning", "--config-path"])
        .arg(configuration)
        .current_dir(directory)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    for warning in said.lines() {
        assert!(!warning.to_lowercase().contains("deprecated"), "{warning}");
    }
}

#[test]
fn the_reference_is_valid_as_it_stands() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join(".run")).unwrap();
    fs::write(directory.path().join(".run/filter.yaml"), "resources: []\n").unwrap();
    validate(&layout::root().join("envoy/envoy.yaml"), directory.path());
}

#[test]
fn the_reference_is_valid_with_other_settings() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("a state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("filter.yaml"), "resources: []\n").unwrap();
    let settings = EnvoySettings {
        port: 18_080,
        admin_port: 18_081,
        state: state.clone(),
        upstream: Upstream::parse("http://localhost:18082/other").unwrap(),
        auth_public: "127.0.0.1:18083".parse().unwrap(),
        auth_internal: "[::1]:18084".parse().unwrap(),
        workers: None,
    };
    let reference = fs::read_to_string(layout::root().join("envoy/envoy.yaml")).unwrap();
    fs::write(state.join("envoy.yaml"), render(&reference, &settings).unwrap()).unwrap();
    validate(&state.join("envoy.yaml"), directory.path());
}
