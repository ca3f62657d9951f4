//! Does the same file with the same input mean here what it means in OPA? Policies as operators write them
//! (`corpus/rego/parity.json`), here, in the interpreter that the compiler comes from, and in OPA where it is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

mod rego;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rego::{Compiled, compile_with, load, policy};
use serde_json::{Map, Value, json};

fn corpus() -> Vec<Value> {
    serde_json::from_str(include_str!("corpus/rego/parity.json")).unwrap()
}

fn rules(entry: &Value) -> String {
    entry["policy"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The data documents, which are one here.
fn data(entry: &Value) -> Map<String, Value> {
    entry.get("data").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// `allow` as a verdict: of an object its member.
fn verdict(value: &Value) -> &'static str {
    if value == &json!(true) || value["allow"] == json!(true) { "allow" } else { "deny" }
}

#[test]
fn policies_mean_here_what_the_corpus_says() {
    let mut cases = 0;
    for entry in corpus() {
        let note = entry["note"].as_str().unwrap();
        let compiled = compile_with(&[policy(&rules(&entry))], &data(&entry));
        let expected_refusal = entry.get("refused").and_then(Value::as_str);
        let packed = match (compiled, expected_refusal) {
            (Compiled::Yes(packed), None) => packed,
            (Compiled::No(messages), Some(word)) if messages.iter().any(|m| m.contains(word)) => continue,
            (Compiled::No(messages), _) => panic!("{note}: refused: {messages:?}"),
            (Compiled::Yes(_), Some(word)) => panic!("{note}: not refused: {word}"),
        };
        let rego = load(*packed);
        for case in entry["cases"].as_array().unwrap() {
            let answer = rego.answer(false, &case["input"].to_string());
            let said = match &answer {
                Ok(value) => verdict(value),
                Err("undefined") => "deny",
                Err(_) => "failed",
            };
            // An error may be met before what decides, or not: either way nothing is allowed.
            let agrees = match case["verdict"].as_str().unwrap() {
                "allow" => said == "allow",
                _ => said != "allow",
            };
            assert!(agrees, "{note}: {answer:?} for {case}");
            cases += 1;
        }
    }
    assert!(cases > 50, "{cases}");
}

/// OPA, where `tests/obtain/opa.sh` has built it.
fn opa() -> Option<PathBuf> {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache");
    let binary = std::env::var_os("WICKETGATE_CACHE").map_or_else(own, PathBuf::from).join("opa-1.22.3/opa");
    binary.is_file().then_some(binary)
}

#[test]
fn opa_says_the_same() {
    let Some(opa) = opa() else {
        eprintln!("left out: no OPA here; tests/obtain/opa.sh builds it where Go is");
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("opa-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("authz.rego");
    for entry in corpus() {
        let documents = folder.join("data.json");
        std::fs::write(&documents, Value::Object(data(&entry)).to_string()).unwrap();
        std::fs::write(&file, format!("package mcp.authz\n\n{}\n", rules(&entry))).unwrap();
        for case in entry["cases"].as_array().unwrap() {
            let said = ask(&opa, [&file, &documents], &case["input"]);
            assert_eq!(said, case["verdict"].as_str().unwrap(), "{}: {case}", entry["note"]);
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

fn ask(opa: &Path, [file, documents]: [&PathBuf; 2], input: &Value) -> &'static str {
    let mut child = Command::new(opa)
        .args(["eval", "--strict-builtin-errors", "--stdin-input", "--format", "json", "-d"])
        .arg(file)
        .arg("-d")
        .arg(documents)
        .arg("data.mcp.authz.allow")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    if said.get("errors").is_some() {
        return "failed";
    }
    verdict(&said["result"][0]["expressions"][0]["value"])
}
