//! Does every module of the core import only what the plan of the house allows? Reads the `use crate::` lines.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may import whom; a room may always import itself. `exchange` sequences everything but `config`;
/// `config` compiles into everything but `exchange`.
const ARROWS: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("head", &["denial"]),
    ("denial", &[]),
    ("characters", &[]),
    ("rows", &[]),
    ("order", &[]),
    ("json", &[]),
    ("salt", &[]),
    ("callout", &[]),
    ("mcp", &["time", "head", "denial", "order"]),
    ("identity", &["callout", "time", "head", "denial", "json", "order"]),
    ("policy", &["callout", "time", "head", "denial", "json", "order", "mcp", "identity"]),
    ("bindings", &["time", "rows", "salt", "identity"]),
    ("history", &["time", "rows", "order", "salt", "mcp", "identity", "policy"]),
    ("limits", &["time", "head", "denial", "rows", "json", "salt", "mcp", "identity", "policy"]),
    ("tools", &["time", "denial", "rows", "order", "salt", "characters", "mcp", "policy"]),
    (
        "sanitize",
        &["time", "head", "denial", "order", "salt", "characters", "mcp", "identity", "policy", "tools"],
    ),
    (
        "server",
        &["time", "head", "denial", "mcp", "identity", "policy", "history", "limits", "sanitize", "tools"],
    ),
    (
        "guard",
        &["callout", "time", "head", "denial", "mcp", "identity", "policy", "limits", "sanitize", "server"],
    ),
    ("audit", &["time", "head", "denial", "mcp", "identity", "policy", "sanitize"]),
    ("reply", &["time", "head", "denial", "mcp", "identity", "sanitize"]),
    (
        "exchange",
        &[
            "time", "head", "denial", "order", "salt", "mcp", "identity", "policy", "bindings", "history",
            "limits", "sanitize", "tools", "server", "guard", "audit", "reply",
        ],
    ),
    (
        "config",
        &[
            "callout", "time", "head", "denial", "json", "order", "mcp", "identity", "policy", "history",
            "limits", "sanitize", "tools", "server", "guard",
        ],
    ),
];

/// What belongs to one of the packages that are shipped; the tests are free.
const OWNED: &[(&str, &str)] = &[
    ("proxy-wasm", "wicketgate-filter"),
    ("axum", "wicketgate-auth"),
    ("hyper", "wicketgate-auth"),
    ("hyper-util", "wicketgate-auth"),
    ("redb", "wicketgate-auth"),
    ("tokio", "wicketgate-auth"),
];

const SHIPPED: &[&str] = &["wicketgate-core", "wicketgate-filter", "wicketgate", "wicketgate-auth"];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The top-level module that a file belongs to.
fn room(path: &Path, src: &Path) -> String {
    let first = path.strip_prefix(src).unwrap().components().next().unwrap();
    first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// The rooms named by `crate::room` in code lines outside tests.
fn imports(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap();
    let lines = code.lines().filter(|l| !l.trim_start().starts_with("//"));
    let mut rooms = Vec::new();
    for line in lines {
        for part in line.split("crate::").skip(1) {
            let names: Vec<&str> = match part.strip_prefix('{') {
                Some(group) => group.split([',', '}']).collect(),
                None => vec![part],
            };
            for name in names {
                let end = name.find(|c: char| !(c.is_ascii_lowercase() || c == '_')).unwrap_or(name.len());
                rooms.extend((end > 0).then(|| name[..end].trim().to_owned()));
            }
        }
    }
    rooms.retain(|r| !r.is_empty());
    rooms
}

#[test]
fn imports_follow_the_plan() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in files.iter().filter(|f| !f.ends_with("lib.rs") && !f.ends_with("tests.rs")) {
        let room = room(file, &src);
        let may = allowed.get(room.as_str()).unwrap_or_else(|| panic!("{room} is not in the plan"));
        for import in imports(&fs::read_to_string(file).unwrap()) {
            seen += 1;
            if import != room && !may.contains(&import.as_str()) {
                wrong.push(format!("{}: {room} -> {import}", file.display()));
            }
        }
    }
    assert!(seen > 20, "the test reads imports at all");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn shipped_packages_depend_on_what_is_theirs_alone() {
    let described = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let described: serde_json::Value = serde_json::from_slice(&described.stdout).unwrap();
    let (mut wrong, mut owned) = (Vec::new(), 0);
    for package in described["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let needed = package["dependencies"].as_array().unwrap().iter().filter(|d| d["kind"].is_null());
        for needed in needed.filter_map(|d| d["name"].as_str()).filter(|_| SHIPPED.contains(&name)) {
            let owner = OWNED.iter().find(|(what, _)| *what == needed).map(|(_, owner)| *owner);
            owned += usize::from(owner == Some(name));
            if owner.is_some_and(|owner| owner != name)
                || (name == "wicketgate-core" && SHIPPED.contains(&needed))
            {
                wrong.push(format!("{name} -> {needed}"));
            }
        }
    }
    assert_eq!(owned, OWNED.len(), "every owner depends on what it owns");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
