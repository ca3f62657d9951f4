//! Do the documents say what is so? The README's configuration compiles, its files exist, and the source keeps to its
//! arrows.
#![expect(clippy::unwrap_used, reason = "what these tests stand on fails by panicking")]

use std::path::{Path, PathBuf};

use wicketgate_auth::audit::Act;
use wicketgate_auth::config::{CimdPolicy, Config, RegistrationPolicy};
use wicketgate_auth::sealing::SealingKey;

const README: &str = include_str!("../README.md");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_configuration_of_the_readme_compiles_and_shows_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["data.key", "alice.password", "rs.secret", "corp.secret", "github.secret", "admin.token"] {
        std::fs::write(folder.path().join(name), SealingKey::generate_base64().unwrap()).unwrap();
    }
    let block = README.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let with_files = block.replace("{file: ", &format!("{{file: {}/", folder.path().to_str().unwrap()));
    let full = Config::parse(&with_files).unwrap();
    let without = |text: &str, keys: &[&str]| {
        let mut kept = String::new();
        let mut skipping = false;
        for line in text.lines() {
            if !line.starts_with(' ') {
                skipping = keys.iter().any(|key| line.starts_with(&format!("{key}:")));
            }
            if !skipping {
                kept.push_str(line);
                kept.push('\n');
            }
        }
        kept
    };
    let keys = [
        "registration",
        "cimd",
        "fetch",
        "login",
        "grants",
        "forwarded",
        "pages",
        "lifetimes",
        "signing",
        "dpop",
        "require_pushed_authorization_requests",
    ];
    let defaults = Config::parse(&without(&with_files, &keys)).unwrap();
    assert_eq!(format!("{:?}", full.lifetimes), format!("{:?}", defaults.lifetimes));
    assert_eq!(format!("{:?}", full.login), format!("{:?}", defaults.login));
    assert_eq!(format!("{:?}", full.grants), format!("{:?}", defaults.grants));
    assert_eq!(format!("{:?}", full.signing), format!("{:?}", defaults.signing));
    assert_eq!(format!("{:?}", full.dpop), format!("{:?}", defaults.dpop));
    assert_eq!(full.pages, defaults.pages);
    assert_eq!(full.require_pushed, defaults.require_pushed);
    assert_eq!(full.trusted_hops, defaults.trusted_hops);
    assert!(!defaults.registration.open);
    assert!(!defaults.cimd.enabled);
    let but_for_open = RegistrationPolicy { open: false, ..full.registration };
    assert_eq!(format!("{but_for_open:?}"), format!("{:?}", defaults.registration));
    let but_for_enabled = CimdPolicy { enabled: false, ..full.cimd };
    assert_eq!(format!("{but_for_enabled:?}"), format!("{:?}", defaults.cimd));
    assert_eq!(format!("{:?}", full.fetch), format!("{:?}", defaults.fetch));
}

#[test]
fn every_file_that_the_readme_names_exists() {
    let named: Vec<&str> = README
        .split('`')
        .filter(|word| ["src/", "tests/", "openapi/"].iter().any(|dir| word.starts_with(dir)))
        .collect();
    assert!(named.len() >= 8, "{named:?}");
    for path in named {
        assert!(root().join(path).exists(), "{path}");
    }
}

/// Which rooms of the crate a room may use (house.md, section 3): `oauth` is pure, only `grants` joins protocol and
/// store, `endpoints` is used by nobody but `app`.
#[test]
fn the_source_keeps_to_its_arrows() {
    for (room, forbidden) in [
        (
            "oauth",
            [
                "app",
                "endpoints",
                "fetch",
                "grants",
                "idp",
                "keys",
                "metrics",
                "pages",
                "sealing",
                "server",
                "store",
            ]
            .as_slice(),
        ),
        ("store", &["app", "endpoints", "fetch", "grants", "idp", "keys", "metrics", "pages", "server"]),
        // It is an OAuth client of other providers, so it fetches, and knows keys.
        ("idp", &["app", "endpoints", "grants", "keys", "pages", "server"]),
        ("config", &["app", "endpoints", "fetch", "grants", "keys", "metrics", "pages", "server", "store"]),
        ("grants", &["endpoints", "pages", "server"]),
        (
            "fetch",
            &["app", "endpoints", "grants", "idp", "keys", "metrics", "oauth", "pages", "server", "store"],
        ),
        ("pages", &["endpoints", "fetch", "grants", "idp", "keys", "oauth", "store"]),
        ("endpoints", &["fetch", "server"]),
    ] {
        let mut files = Vec::new();
        sources(&root().join("src").join(room), &mut files);
        assert!(!files.is_empty());
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            for other in forbidden {
                assert!(!text.contains(&format!("crate::{other}")), "{} uses {other}", file.display());
            }
        }
    }
}

/// The hard cap on a file (house.md, section 8).
#[test]
fn no_file_is_too_long() {
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        sources(&root().join(folder), &mut files);
    }
    for file in files {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 400, "{}: {lines} lines", file.display());
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The rows of a table of the README: its cells without ticks.
fn table(heading: &str) -> Vec<Vec<String>> {
    let (_, rest) = README.split_once(&format!("\n{heading}\n")).unwrap();
    let rows = rest.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let cells =
        |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
    rows.take_while(|line| line.starts_with('|')).map(cells).collect()
}

#[test]
fn the_readme_lists_every_act() {
    let listed: Vec<Vec<String>> =
        table("## Audit").into_iter().map(|row| row.into_iter().take(2).collect::<Vec<_>>()).collect();
    let acts: Vec<Vec<String>> =
        Act::ALL.iter().map(|act| vec![act.to_string(), act.outcome().as_str().to_owned()]).collect();
    assert_eq!(listed, acts);
}
