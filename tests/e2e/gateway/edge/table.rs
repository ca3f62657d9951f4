//! Does a test stand behind each row of "What fails, and what becomes of it" in `envoy/README.md`?

use wicketgate_e2e::{files, layout};

#[test]
fn every_row_of_what_fails_names_a_test() {
    let readme = files::read(&layout::root().join("envoy/README.md")).unwrap();
    let section = readme.split("## What fails").nth(1).unwrap().split("\n## ").next().unwrap();
    let folders = ["tests/e2e/gateway", "tests/e2e/gateway/edge"].map(|folder| layout::root().join(folder));
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let tests: String = paths.map(|path| files::read(&path).unwrap()).collect();
    let rows: Vec<&str> = section.lines().filter(|line| line.ends_with("` |")).collect();
    assert!(rows.len() > 10, "{rows:?}");
    for row in rows {
        let name = row.trim_end_matches("` |").rsplit('`').next().unwrap();
        assert!(tests.contains(&format!("async fn {name}()")), "no such test: {row}");
    }
}
