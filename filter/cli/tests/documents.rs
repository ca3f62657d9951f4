//! Do the committed schema and the reference say what the code says?
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

fn filter() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn schema() -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_wicketgate")).arg("schema").output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_committed_schema_is_the_one_that_is_printed() {
    let committed: Value =
        serde_json::from_str(&std::fs::read_to_string(filter().join("config.schema.json")).unwrap()).unwrap();
    assert!(committed == schema(), "run: wicketgate schema > filter/config.schema.json");
}

/// Every key of the schema has a row in the section of its mapping, with the schema's own words; and no row is left over.
#[test]
fn the_reference_describes_every_key() {
    let text = std::fs::read_to_string(filter().join("CONFIGURATION.md")).unwrap();
    let schema = schema();
    let mut mappings: Vec<(String, Value)> = vec![("Config".to_owned(), schema.clone())];
    mappings.extend(schema["$defs"].as_object().unwrap().clone());
    let mut rows = 0;
    for (name, mapping) in mappings {
        let Some(properties) = mapping["properties"].as_object() else { continue };
        let section =
            text.split(&format!("\n### {name}\n")).nth(1).unwrap_or_else(|| panic!("no section {name}"));
        let section = section.split("\n### ").next().unwrap();
        let required = mapping["required"].as_array().cloned().unwrap_or_default();
        for (key, property) in properties {
            let row = section.lines().find(|l| l.starts_with(&format!("| `{key}` |")));
            let row = row.unwrap_or_else(|| panic!("no row for {name}.{key}"));
            let words =
                property["description"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(row.ends_with(&format!("| {words} |")), "{name}.{key}: {words}\n{row}");
            assert_eq!(
                row.contains(", required |"),
                required.contains(&Value::from(key.as_str())),
                "{name}.{key}"
            );
            rows += 1;
        }
        assert_eq!(section.lines().filter(|l| l.starts_with("| `")).count(), properties.len(), "{name}");
    }
    assert!(rows > 50, "{rows}");
}

#[test]
fn the_policies_in_the_documents_are_sound() {
    let mut blocks = 0;
    for name in ["CONFIGURATION.md", "cli/README.md", "core/README.md"] {
        let text = std::fs::read_to_string(filter().join(name)).unwrap();
        for block in text.split("\n```yaml\n").skip(1) {
            let policy = block.split("\n```").next().unwrap();
            let file =
                Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("document-{}.yaml", std::process::id()));
            std::fs::write(&file, policy).unwrap();
            let output =
                Command::new(env!("CARGO_BIN_EXE_wicketgate")).arg("check").arg(&file).output().unwrap();
            std::fs::remove_file(&file).unwrap();
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            blocks += 1;
        }
    }
    assert!(blocks >= 1);
}
