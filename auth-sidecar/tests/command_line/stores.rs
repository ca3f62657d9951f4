//! `store` and `api-key`.

use std::path::Path;

use serde_json::Value;
use wicketgate_auth::clock::UnixTime;
use wicketgate_auth::store::Store;
use wicketgate_auth::store::embedded::EmbeddedStore;

use super::{configure, run, serve_until_listening, terminate, text};

/// The items of a file, in any order.
fn sorted(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines: Vec<_> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap().to_string()).collect();
    lines.sort();
    lines
}

#[test]
fn a_store_is_exported_while_it_runs_and_imported_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = configure(folder.path());
    let config = path.to_str().unwrap();
    let backup = folder.path().join("backup.jsonl");
    let export =
        |to: &Path| run(&["store", "export", "--config", config, "--output", to.to_str().unwrap()], "");
    let mut served = serve_until_listening(folder.path(), &path);
    let made = run(
        &[
            "api-key",
            "create",
            "--config",
            config,
            "--name",
            "x",
            "--service-account",
            "robot",
            "--resource",
            "http://127.0.0.1:8080/mcp",
            "--json",
        ],
        "",
    );
    assert!(made.status.success(), "{made:?}");
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let id = made["id"].as_str().unwrap();
    let running = export(&backup);
    assert!(running.status.success() && text(&running.stdout).contains(" items"), "{running:?}");
    assert!(export(&backup).status.code() == Some(2), "a backup is never written over");
    let import = |from: &str| run(&["store", "import", "--config", config, from], "");
    assert!(text(&import(backup.to_str().unwrap()).stderr).contains("stop the server first"));
    terminate(&mut served);
    assert!(text(&import(backup.to_str().unwrap()).stderr).contains("not empty"));

    // Elsewhere it is the same server: its keys, its API keys.
    std::fs::remove_file(folder.path().join("run/auth.redb")).unwrap();
    let broken = run(&["store", "import", "--config", config, "-"], "{\"record\":{}}\n");
    assert!(text(&broken.stderr).contains("line 1"), "{broken:?}");
    another_schema_is_refused(config, &std::fs::read_to_string(&backup).unwrap());
    let imported = import(backup.to_str().unwrap());
    assert!(imported.status.success(), "{imported:?}");
    let again = folder.path().join("again.jsonl");
    assert!(export(&again).status.success());
    assert_eq!(sorted(&again), sorted(&backup));
    let migrated = run(&["store", "migrate", "--config", config], "");
    assert!(text(&migrated.stdout).contains("nothing is to be done"), "{migrated:?}");
    std::fs::remove_file(folder.path().join("run/addresses.json")).unwrap();
    let mut served = serve_until_listening(folder.path(), &path);
    let listed = run(&["api-key", "list", "--config", config], "");
    assert!(text(&listed.stdout).contains(id), "{listed:?}");
    for (command, wanted) in [("rotate", "mk_"), ("revoke", "has ended")] {
        let done = run(&["api-key", command, "--config", config, id], "");
        assert!(text(&done.stdout).contains(wanted), "{command}: {done:?}");
    }
    terminate(&mut served);
}

/// What an import leaves that broke off, and what becomes of it: nobody uses it, and everybody says what is to be done.
#[tokio::test]
async fn an_import_that_was_not_finished_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = configure(folder.path());
    let (config, file) = (path.to_str().unwrap(), folder.path().join("run/auth.redb"));
    std::fs::create_dir(folder.path().join("run")).unwrap();
    let store = Store::new(EmbeddedStore::open(&file).unwrap());
    let begun = format!("{{\"record\":{{\"key\":\"schema\",\"value\":0,\"until\":{}}}}}", u64::MAX);
    store.import(serde_json::from_str(&begun).unwrap(), UnixTime(0)).await.unwrap();
    drop(store);
    let whole = format!("{}\n{{\"end\":1}}\n", begun.replace("\"value\":0", "\"value\":1"));
    let import = || run(&["store", "import", "--config", config, "-"], &whole);
    let commands = [
        import(),
        run(&["store", "migrate", "--config", config], ""),
        run(&["serve", "--config", config], ""),
    ];
    for refused in commands {
        assert!(!refused.status.success(), "{refused:?}");
        assert!(text(&refused.stderr).contains("not finished: remove it and import again"), "{refused:?}");
    }
    std::fs::remove_file(&file).unwrap();
    assert!(import().status.success());
    assert!(run(&["store", "migrate", "--config", config], "").status.success());
}

/// Before anything is written, wherever the version stands, and although the rest cannot be read then. Afterwards the store is as empty
/// as before, or the import that follows would say so.
fn another_schema_is_refused(config: &str, backup: &str) {
    let (schema, others): (Vec<&str>, Vec<&str>) =
        backup.lines().partition(|line| line.starts_with("{\"record\":{\"key\":\"schema\""));
    assert_eq!(schema.len(), 1, "one line says the version: {schema:?}");
    let schema = schema.first().unwrap();
    let newer = schema.replace("\"value\":1", "\"value\":2");
    assert_ne!(newer, *schema, "{schema}");
    let unknown = "{\"passkey\":{\"key\":\"x\"}}";
    let whole = others.join("\n");
    let (end, items) = others.split_last().unwrap();
    assert_eq!(*end, format!("{{\"end\":{}}}", items.len() + 1), "the last line counts the others");
    let uncounted = format!("{schema}\n{}\n", items.join("\n"));
    let one_less = format!("{schema}\n{}\n{end}\n", items.get(1..).unwrap().join("\n"));
    for (case, lines, said) in [
        ("first", format!("{newer}\n{whole}"), "schema 2 and this program has 1"),
        ("last", format!("{whole}\n{newer}\n"), "schema 2 and this program has 1"),
        ("of two", format!("{schema}\n{whole}\n{newer}"), "schema 2 and this program has 1"),
        ("behind what it brings", format!("{unknown}\n{whole}\n{newer}"), "schema 2 and this program has 1"),
        (
            "in a form of its own",
            format!("{whole}\n{}", schema.replace("\"value\":1", "\"value\":\"two\"")),
            "schema \"two\"",
        ),
        ("nowhere", whole.clone(), "which schema"),
        ("cut off", format!("{schema}\n{{\"record\":{{\"key\":\"x\""), "line 2"),
        ("cut off between two lines", uncounted, "its last line says nothing"),
        ("without one of its lines", one_less, &format!("items and its last line says {}", items.len() + 1)),
        ("empty", String::new(), "has 0 items"),
        ("what nobody knows", format!("{schema}\n{unknown}"), "line 2"),
    ] {
        let refused = run(&["store", "import", "--config", config, "-"], &lines);
        assert_eq!(refused.status.code(), Some(2), "{case}: {refused:?}");
        assert!(text(&refused.stderr).contains(said), "{case}: {refused:?}");
    }
}
