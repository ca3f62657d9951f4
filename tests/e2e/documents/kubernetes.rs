//! Does Istio take what `wicketgate render` writes? Its schemas are not part of the repository: `CRDS_DIR` says where
//! they are (a folder `istio` in it holds them as Istio publishes them, one file per kind).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use wicketgate_e2e::{layout, policy};

use super::block::Block;
use super::shell::Shell;

/// The README's line, with a policy that says `hold_headers: false`, as it demands.
pub(super) async fn wasm_plugin([command]: [Block; 1]) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let sample = fs::read_to_string(policy::sample()).unwrap();
    assert!(sample.contains("hold_headers: true"));
    fs::write(path.join("holding.yaml"), &sample).unwrap();
    fs::write(path.join("policy.yaml"), sample.replace("hold_headers: true", "hold_headers: false")).unwrap();
    let shell = Shell::at(path);
    shell.run(&command.commands()).await;
    let refused = shell.end_of(&command.commands().replace("policy.yaml", "holding.yaml")).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && said.contains("hold_headers"), "{said}");

    let Some(crd) = schema("wasmplugins.extensions.istio.io.yaml") else { return };
    demand(&crd, &path.join("wasmplugin.yaml"));
    // What must be noticed.
    shell.run(&command.commands().replace("wasmplugin.yaml", "wasmplugin.json")).await;
    let rendered: Value = serde_json::from_slice(&fs::read(path.join("wasmplugin.json")).unwrap()).unwrap();
    let mut unknown = rendered.clone();
    unknown["spec"]["failurePolicy"] = json!("FAIL_RELOAD");
    refuse(&crd, path, &unknown, "failurePolicy");
    let mut wrong = rendered.clone();
    wrong["spec"]["phase"] = json!("AUTHORIZATION");
    refuse(&crd, path, &wrong, "AUTHORIZATION");
    let mut missing = rendered;
    missing["spec"].as_object_mut().unwrap().remove("url");
    refuse(&crd, path, &missing, "url");
}

/// The chart's smallest values, rendered by a Helm of the tests.
pub(super) async fn smallest_values([commands]: [Block; 1]) {
    let directory = tempfile::tempdir().unwrap();
    let helm = layout::obtain("helm").unwrap();
    let path = format!("{}:{}", helm.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    let chart = layout::root().join("k8s/chart");
    let shell = Shell::at(directory.path()).export("PATH", path);
    let rendered = shell.run(&commands.with(&[("k8s/chart", chart.to_str().unwrap())])).await;
    for kind in ["Deployment", "NetworkPolicy", "ConfigMap"] {
        assert!(rendered.contains(&format!("\nkind: {kind}\n")), "{kind}: {rendered}");
    }
}

/// The entry that `--to envoy-filter` writes, as the value of a patch.
#[tokio::test]
async fn an_envoy_filter_takes_the_rendered_entry() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let sample = policy::sample();
    let render = format!(
        "wicketgate render '{}' --to envoy-filter --wasm /etc/envoy/wicketgate.wasm --out entry.json",
        sample.display()
    );
    Shell::at(path).run(&render).await;
    let entries: Value = serde_json::from_slice(&fs::read(path.join("entry.json")).unwrap()).unwrap();
    assert_eq!(entries.as_array().map(Vec::len), Some(1), "{entries}");
    let object = json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "wicketgate"},
        "spec": {"configPatches": [{
            "applyTo": "HTTP_FILTER",
            "match": {"context": "GATEWAY"},
            "patch": {"operation": "INSERT_BEFORE", "value": entries[0]},
        }]},
    });
    let Some(crd) = schema("envoyfilters.networking.istio.io.yaml") else { return };
    let file = path.join("envoy-filter.json");
    fs::write(&file, object.to_string()).unwrap();
    demand(&crd, &file);
    let mut whole = object;
    whole["spec"]["configPatches"][0]["patch"]["value"] = entries;
    refuse(&crd, path, &whole, "value");
}

/// Where `CRDS_DIR` has it; says so where it has not.
fn schema(name: &str) -> Option<PathBuf> {
    let directory = std::env::var_os("CRDS_DIR").unwrap_or_else(|| "../shared/crds".into());
    let file = layout::root().join(directory).join("istio").join(name);
    if !file.is_file() {
        super::say_skipped(&format!(
            "what is rendered for Istio was not validated: there is no {}; CRDS_DIR must name the folder above istio/",
            file.display()
        ));
        return None;
    }
    Some(file)
}

fn demand(crd: &Path, object: &Path) {
    let Output { status, stdout, stderr } = validate(crd, object);
    let (found, said) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{} is refused:\n{found}{said}", object.display());
}

fn refuse(crd: &Path, directory: &Path, object: &Value, word: &str) {
    let file = directory.join("wrong.json");
    fs::write(&file, object.to_string()).unwrap();
    let found = String::from_utf8(validate(crd, &file).stdout).unwrap();
    assert!(found.contains(word), "{word} is not noticed: {found:?}");
}

fn validate(crd: &Path, object: &Path) -> Output {
    let script = layout::root().join("tests/e2e/documents/crd.py");
    let python = layout::obtain("python-venv").unwrap();
    Command::new(python).arg(script).arg(crd).arg(object).output().unwrap()
}
