//! `check`, `schema`, help, and what cannot be read.

use crate::world::{POLICY, Ran, World};
use serde_json::json;
use std::path::Path;

#[test]
fn every_command_helps_with_an_example() {
    let world = World::new("help");
    for command in ["check", "explain", "render", "test", "schema"] {
        let ran = world.run(&[command, "--help"]);
        assert_eq!(ran.code, Some(0));
        assert!(
            ran.out.contains(&format!("wicketgate {command}")) && ran.out.contains("Example"),
            "{}",
            ran.out
        );
    }
    let ran = world.run(&["--help"]);
    assert!(ran.out.contains("Exit codes:") && ran.out.contains("${NAME:-default}"), "{}", ran.out);
    assert_eq!(world.run(&["--version"]).code, Some(0));
    for wrong in
        [&["nothing"][..], &[], &["check"], &["render", "policy.yaml"], &["check", "policy.yaml", "--what"]]
    {
        assert_eq!(world.run(wrong).code, Some(2), "{wrong:?}");
    }
}

#[test]
fn check_says_what_a_sound_policy_protects() {
    let world = World::new("check");
    let ran = world.run(&["check", "policy.yaml"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(ran.out.contains("sample: http://127.0.0.1:8080/mcp, 2 rules"), "{}", ran.out);
    let ran = world.run(&["check", "policy.yaml", "--json"]);
    let said = ran.json();
    assert_eq!(said["ok"], json!(true));
    assert_eq!(said["servers"][0]["issuers"], json!(["http://127.0.0.1:8080"]));
    assert_eq!(said["digest"].as_str().unwrap().len(), 64);
}

#[test]
fn warnings_are_told_and_do_not_refuse() {
    let world = World::new("warnings");
    world.write("w.yaml", &POLICY.replace("http://127.0.0.1:8080}/mcp", "http://mcp.example.com}/mcp"));
    let ran = world.run(&["check", "w.yaml"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.err.starts_with("w.yaml:9:10: warning: servers[0].url: plain http beyond"), "{}", ran.err);
    let said = world.run(&["check", "w.yaml", "--json"]).json();
    assert_eq!(
        (&said["warnings"][0]["line"], &said["warnings"][0]["path"]),
        (&json!(9), &json!("servers[0].url"))
    );
}

#[test]
fn the_environment_fills_references() {
    let world = World::new("environment");
    let mut command = world.command(&["check", "policy.yaml", "--json"]);
    let ran: Ran = command.env("WICKETGATE_URL", "http://localhost:1").output().unwrap().into();
    assert_eq!(ran.json()["servers"][0]["url"], json!("http://localhost:1/mcp"));
    world.write(
        "unset.yaml",
        &POLICY.replace("${WICKETGATE_URL:-http://127.0.0.1:8080}", "${WICKETGATE_NOT_SET}"),
    );
    let ran = world.run(&["check", "unset.yaml"]);
    assert_eq!(ran.code, Some(1));
    let expected = "unset.yaml:4:13: issuers[0].issuer: the environment variable WICKETGATE_NOT_SET is not set, and has \
                    no default here\n";
    assert!(ran.err.starts_with(expected), "{}", ran.err);
}

/// `tests/refusals/*.yaml`: a policy, with what must be said of it in its first comments (`# error: …`).
#[test]
fn refusals_name_line_and_column() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refusals");
    let mut cases = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let expected: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("# error: ")).collect();
        assert!(!expected.is_empty(), "{}", path.display());
        let world = World::new(path.file_stem().unwrap().to_str().unwrap());
        let ran = world.write("policy.yaml", &text).run(&["check", "policy.yaml"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{}", path.display());
        let said: Vec<&str> = ran.err.lines().filter_map(|l| l.strip_prefix("policy.yaml:")).collect();
        let (last, errors) = said.split_last().unwrap();
        assert_eq!(errors, expected, "{}", path.display());
        assert!(last.starts_with(" refused, "), "{last}");
        let errors =
            world.run(&["check", "policy.yaml", "--json"]).json()["errors"].as_array().unwrap().len();
        assert_eq!(errors, expected.len());
        cases += 1;
    }
    assert!(cases >= 8, "{cases}");
}

#[test]
fn files_that_cannot_be_read_or_written_are_code_2() {
    let world = World::new("files");
    world.write("binary.yaml", "").write("request.json", "{");
    std::fs::write(world.0.join("binary.yaml"), [0xff, 0xfe, 0xfd]).unwrap();
    for arguments in [
        &["check", "absent.yaml"][..],
        &["check", "."],
        &["check", "binary.yaml"],
        &["explain", "policy.yaml", "--request", "absent.json", "--as", "anonymous"],
        &["explain", "policy.yaml", "--request", "request.json", "--as", "anonymous"],
        &["render", "policy.yaml", "--to", "ecds"],
        &["render", "policy.yaml", "--to", "json", "--out", "no/such/folder.json"],
        &["render", "policy.yaml", "--to", "json", "--watch"],
        &["render", "absent.yaml", "--to", "json"],
    ] {
        let ran = world.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(!ran.err.is_empty(), "{arguments:?}");
    }
    let said = world.run(&["check", "absent.yaml", "--json"]);
    assert_eq!((said.code, &said.json()["ok"]), (Some(2), &json!(false)));
}
