//! Does Envoy accept `envoy/envoy.yaml`, as it stands and with other ports and paths put in?

use std::fs;
use std::path::Path;
use std::process::Command;

use wicketgate_e2e::envoy::{EnvoySettings, render};
use wicketgate_e2e::layout;
use wicketgate_e2e::upstream::Upstream;

/// Whether Envoy accepts it, and what it says.
fn judge(configuration: &Path, directory: &Path) -> (bool, String) {
    let envoy = layout::obtain("envoy").unwrap();
    let output = Command::new(envoy)
        .args(["--mode", "validate", "--log-level", "warning", "--config-path"])
        .arg(configuration)
        .current_dir(directory)
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn validate(configuration: &Path, directory: &Path) {
    let (accepted, said) = judge(configuration, directory);
    assert!(accepted, "{said}");
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

/// Servers are told apart by our own configuration, because Envoy takes none for a single route or host: whoever tries
/// is told so, instead of being protected less than they think.
#[test]
fn a_filter_of_a_route_of_its_own_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join(".run")).unwrap();
    fs::write(directory.path().join(".run/filter.yaml"), "resources: []\n").unwrap();
    let reference = fs::read_to_string(layout::root().join("envoy/envoy.yaml")).unwrap();
    let wasm = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
    let route = "                          match: {path_separated_prefix: /mcp}\n";
    let host = "                      domains: [\"*\"]   # the filter matches hosts by the policy\n";
    for place in [route, host] {
        let indent = place.len() - place.trim_start().len();
        let own = format!("{:indent$}typed_per_filter_config: {{wicketgate: {{\"@type\": {wasm}}}}}\n", "");
        assert_eq!(reference.matches(place).count(), 1, "{place}");
        let file = directory.path().join("changed.yaml");
        fs::write(&file, reference.replace(place, &format!("{place}{own}"))).unwrap();
        let (accepted, said) = judge(&file, directory.path());
        let told = said.contains("doesn't support virtual host or route specific configurations");
        assert!(!accepted && told, "{place}: {said}");
    }
}

/// What the filter does not look at is told without gaps: every path that goes to the authorization server stands in the README.
#[test]
fn the_readme_names_every_path_that_the_filter_leaves_alone() {
    let reference = fs::read_to_string(layout::root().join("envoy/envoy.yaml")).unwrap();
    let readme = fs::read_to_string(layout::root().join("envoy/README.md")).unwrap();
    let row =
        readme.lines().find(|line| line.ends_with("| the authorization server | off, per route |")).unwrap();
    let mut paths = Vec::new();
    for route in reference.split("- name: ").filter(|route| route.contains("cluster: auth_public")) {
        let (_, matched) = route.split_once("match: {").unwrap();
        let (kind, rest) = matched.split_once(": ").unwrap();
        let text = rest.split(['}', '\n']).next().unwrap();
        match kind {
            "safe_regex" => {
                let names = text.split_once('(').unwrap().1.split(')').next().unwrap();
                paths.extend(names.split('|').map(|name| format!("`/{name}`")));
            }
            "path" => paths.push(format!("`{text}`")),
            "prefix" | "path_separated_prefix" => paths.push(format!("`{text}…`")),
            other => panic!("{other}"),
        }
    }
    assert!(paths.len() > 12, "{paths:?}");
    let missing: Vec<_> = paths.iter().filter(|path| !row.contains(path.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
