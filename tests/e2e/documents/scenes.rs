//! Who executes which block? Each scene is a test that is given the blocks it stands for; a block without a scene fails.

use std::collections::BTreeSet;
use std::path::Path;

use super::block::{self, Block};
use super::{by_hand, clients, command_line, conformance, kubernetes, product, sample, sidecar, two_servers};

/// Lines of shell blocks, and blocks by their first line, that nobody executes: document, beginning, why.
pub(crate) const NOT_EXECUTED: &[(&str, &str, &str)] = &[
    ("README.md", "make test ", "It is what runs this test."),
    ("README.md", "client ──► Envoy ──► filter", "It is a drawing."),
    ("envoy/two-servers/README.md", "client ──► Envoy :8080", "It is a drawing."),
];

/// Makes a test of each scene: its name, the function, and the blocks that this function gets, each by its document and
/// how it begins.
macro_rules! scenes {
    ($($test:ident: $play:path { $($document:literal: $begins:literal,)+ })+) => {
        const PLAYED: &[(&str, &str)] = &[$($(($document, $begins)),+),+];
        $(
            #[tokio::test]
            async fn $test() {
                $play([$(Block::find($document, $begins)),+]).await;
            }
        )+
    };
}

scenes! {
    the_product_runs_as_the_readme_says: product::first_minutes {
        "README.md": "make run ",
        "README.md": "npx -y",
        "README.md": "tail -n 4 .run/audit.jsonl",
        "README.md": "make run UPSTREAM=",
        "tests/node/README.md": "npx -y",
    }
    a_policy_is_checked_explained_and_rendered: command_line::policy {
        "README.md": "wicketgate check",
        "README.md": "version: 1",
    }
    a_mistake_is_named_as_shown: command_line::mistake {
        "filter/cli/README.md": "policy.yaml:",
        "README.md": "version: 1",
    }
    istio_takes_what_is_rendered: kubernetes::wasm_plugin {
        "k8s/README.md": "wicketgate render",
    }
    the_smallest_values_render: kubernetes::smallest_values {
        "k8s/chart/README.md": "cat >values.yaml",
    }
    the_sidecar_serves: sidecar::serves {
        "auth-sidecar/README.md": "$ wicketgate-auth generate-key",
        "auth-sidecar/README.md": "issuer:",
        "auth-sidecar/README.md": "$ wicketgate-auth key list",
        "auth-sidecar/README.md": ":root { --primary",
    }
    envoy_runs_by_hand: by_hand::envoy {
        "envoy/README.md": "make build",
        "tests/obtain/README.md": "tests/obtain/envoy.sh",
        "envoy/README.md": "wicketgate canary",
    }
    two_servers_run_behind_one_envoy: two_servers::both_answer {
        "envoy/two-servers/README.md": "make filter native",
        "envoy/two-servers/README.md": "npx -y",
    }
    the_clients_run_by_hand: clients::by_hand {
        "tests/browser/README.md": "../node/install.sh",
        "tests/node/README.md": "./install.sh                             # once; also",
        "tests/node/README.md": "./install.sh                             # once\n",
        "tests/python/README.md": "python=",
    }
    the_python_packages_are_pinned: clients::pins {
        "tests/python/README.md": "uv pip compile",
    }
    the_official_suite_runs_directly: conformance::directly {
        "tests/conformance/README.md": "export NODE22=",
    }
    the_official_suite_finds_the_same_behind_the_gateway: conformance::behind_the_gateway {
        "tests/conformance/README.md": "\"$python\" run.py --direct",
    }
    the_official_suite_finds_the_same_with_every_guard_on: conformance::guarded {
        "tests/conformance/README.md": "\"$python\" run.py --direct",
    }
    the_sample_test_passes: sample::passes {
        "tests/README.md": "let world",
    }
}

/// YAML is compiled, all of it, by another test.
#[test]
fn every_block_has_a_scene() {
    let played: BTreeSet<String> = PLAYED.iter().map(|(d, b)| Block::find(d, b).to_string()).collect();
    let mut shells = 0;
    for block in block::all().into_iter().filter(|block| block.language != "yaml") {
        let shell = ["sh", "bash", "console"].contains(&block.language.as_str());
        shells += usize::from(shell);
        // Of a shell block every line counts, of another one the first.
        let counted = if shell { usize::MAX } else { 1 };
        let excepted = block.text().lines().take(counted).all(|line| block.excepts(line));
        assert!(
            excepted || played.contains(&block.to_string()),
            "nobody executes {block}: add it to a scene in tests/e2e/documents/scenes.rs\n{}",
            block.text()
        );
    }
    assert!(shells > 10, "{shells}");
}

#[test]
fn every_exception_is_still_there() {
    for (document, begins, reason) in NOT_EXECUTED {
        let of_document = block::all().into_iter().filter(|block| block.document == Path::new(document));
        let lines = of_document.filter(|b| b.text().lines().any(|line| line.starts_with(begins))).count();
        assert_eq!(lines, 1, "{document}: {begins} ({reason})");
    }
}
