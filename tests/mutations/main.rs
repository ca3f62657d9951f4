//! Would a test notice if one check of the core were gone? `table.yaml` lists checks, what each becomes when it is taken out,
//! and the test that must fail then. For the adapter, which only Envoy can run, `adapter` does the same.
//!
//! `make mutations` takes each out in a copy of the repository and runs the tests that are named; the copy and what is built of
//! it stay under `target/mutations`. With `NAME=…` only checks whose words hold this are tried. A check without tests by name is
//! tried with all tests of the core, and those that fail are told: so new lines are written.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail that way")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use wicketgate_e2e::layout;

mod adapter;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    check: String,
    #[serde(rename = "in")]
    file: String,
    has: String,
    becomes: String,
    /// Of the adapter alone: the way to hold requests in which the tests are run.
    #[serde(default)]
    host_mode: Option<String>,
    #[serde(default)]
    noticed_by: Vec<String>,
}

/// Where the files of the core are.
const CORE: &str = "filter/core/src";
/// The tests of the core, the quickest first.
const TARGETS: [&str; 21] = [
    "lib",
    "exchange",
    "answers",
    "refusals",
    "sessions",
    "tasks",
    "streams",
    "dispatch",
    "mcp_corpus",
    "opaque_tokens",
    "dpop",
    "revocations",
    "layers",
    "history",
    "contents",
    "detectors",
    "leases",
    "rego_exchange",
    "tools",
    "asks",
    "invariants",
];
/// Seconds for the tests without one check, and for everything the first time.
const PATIENCE: &str = "600";
const UNHURRIED: &str = "3600";

/// What became of a check that was taken out.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// These tests failed.
    Noticed(Vec<String>),
    /// None did, of those that should have.
    Survived,
    /// The table is wrong: it does not compile, or there is no such test.
    Unusable(String),
}

fn table() -> Vec<Check> {
    serde_saphyr::from_str(include_str!("table.yaml")).unwrap()
}

/// What takes no time, and is run with all other tests.
#[test]
fn every_check_still_stands_where_the_table_says() {
    let checks = table();
    assert!(checks.len() > 150, "{}", checks.len());
    let wrong: Vec<_> = checks.iter().filter_map(|check| check.fault(CORE)).collect();
    assert!(wrong.is_empty(), "{} of {} checks:\n{}", wrong.len(), checks.len(), wrong.join("\n"));
}

/// Three quarters of an hour: `make mutations`.
#[test]
#[ignore = "takes minutes; `make mutations` runs it"]
fn every_check_that_is_taken_out_is_noticed() {
    let checks = named(table());
    if checks.is_empty() {
        return;
    }
    let bench = Bench::set_up();
    bench.core_is_sound(&checks);
    try_all(&checks, |check| bench.try_without(CORE, check, || bench.tests(check)));
}

/// Those whose words hold `NAME`, which are all where it is not set.
fn named(mut checks: Vec<Check>) -> Vec<Check> {
    let words = std::env::var("NAME").unwrap_or_default();
    let holds = |check: &Check| check.check.contains(&words);
    assert!(table().iter().chain(&adapter::table()).any(holds), "no check holds the words of NAME={words}");
    checks.retain(holds);
    checks
}

/// Tells what becomes of each, and fails when one is not noticed.
fn try_all(checks: &[Check], without: impl Fn(&Check) -> Outcome) {
    let mut wrong = Vec::new();
    for (at, check) in checks.iter().enumerate() {
        let outcome = without(check);
        let line = format!("{}/{} {} ({}): {outcome:?}", at + 1, checks.len(), check.check, check.file);
        let _ = writeln!(std::io::stderr(), "{line}");
        if !matches!(outcome, Outcome::Noticed(_)) {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "{} of {} checks:\n{}", wrong.len(), checks.len(), wrong.join("\n"));
}

/// A copy of the repository in which checks are taken out.
struct Bench {
    tree: PathBuf,
    built: PathBuf,
}

// === impl Check ===

impl Check {
    /// Where its own tests stand.
    fn module(&self) -> String {
        let names: Vec<_> = self.file.trim_end_matches(".rs").split('/').take(2).collect();
        names.join("::")
    }

    /// Why the table is no longer true of it; its file is below `home`.
    fn fault(&self, home: &str) -> Option<String> {
        let text = fs::read_to_string(layout::root().join(home).join(&self.file)).unwrap();
        let found = text.matches(&self.has).count();
        if found != 1 {
            return Some(format!("{}: this stands {found} times in {}: {}", self.check, self.file, self.has));
        }
        self.noticed_by.is_empty().then(|| format!("{}: no test is named", self.check))
    }

    /// The tests by the target that holds them.
    fn by_target(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut targets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for test in &self.noticed_by {
            let (target, name) = test.split_once(' ').unwrap_or_else(|| panic!("{test}: of which target?"));
            targets.entry(target).or_default().push(name);
        }
        targets
    }
}

// === impl Bench ===

impl Bench {
    /// Copies what belongs to the repository; files that are as they were keep their times, so that little is built anew.
    fn set_up() -> Self {
        let home = layout::root().join("target/mutations");
        let bench = Self { tree: home.join("tree"), built: home.join("target") };
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(layout::root())
            .output()
            .unwrap();
        assert!(listed.status.success(), "git does not list the files of the repository");
        for name in String::from_utf8(listed.stdout).unwrap().split_terminator('\0') {
            // What was deleted and not yet committed is listed too.
            let Ok(bytes) = fs::read(layout::root().join(name)) else { continue };
            put(&bench.tree.join(name), &bytes);
        }
        bench
    }

    /// Whatever is not taken out must be sound, and what takes long to build is built: all targets that these checks are tried with.
    fn core_is_sound(&self, checks: &[Check]) {
        let any = checks.iter().any(|check| check.noticed_by.is_empty());
        let named = checks.iter().flat_map(|check| check.by_target().into_keys());
        let targets: BTreeSet<_> = TARGETS.into_iter().filter(|_| any).chain(named).collect();
        for target in targets {
            let failed = self.cargo(target, &["--"], UNHURRIED);
            assert_eq!(failed, Ok(Vec::new()), "{target}, before anything is taken out");
        }
    }

    /// What `tests` say without this check of a file below `home`.
    fn try_without(&self, home: &str, check: &Check, tests: impl FnOnce() -> Outcome) -> Outcome {
        let path = self.tree.join(home).join(&check.file);
        let whole = fs::read_to_string(&path).unwrap();
        put(&path, whole.replacen(&check.has, &check.becomes, 1).as_bytes());
        let outcome = tests();
        put(&path, whole.as_bytes());
        outcome
    }

    fn tests(&self, check: &Check) -> Outcome {
        if check.noticed_by.is_empty() {
            return self.all_tests(check);
        }
        let mut failed = Vec::new();
        for (target, names) in check.by_target() {
            match self.run(target, &names) {
                Ok(of_target) => failed.extend(of_target),
                Err(why) => return Outcome::Unusable(why),
            }
            if let Some(name) = names.iter().find(|name| !failed.iter().any(|failed| failed == *name)) {
                return Outcome::Unusable(format!("{name} does not fail; {failed:?} do"));
            }
        }
        if failed.is_empty() { Outcome::Survived } else { Outcome::Noticed(failed) }
    }

    /// Target by target until some fail; those of the check's own module first.
    fn all_tests(&self, check: &Check) -> Outcome {
        let module = check.module();
        let (own, all) = (["--", module.as_str()], ["--"]);
        let mut tries: Vec<(&str, &[&str])> =
            TARGETS.iter().map(|target| (*target, all.as_slice())).collect();
        if check.file.starts_with("exchange") {
            tries.rotate_left(1)
        } else {
            tries.insert(0, ("lib", &own))
        }
        for (target, arguments) in tries {
            match self.cargo(target, arguments, PATIENCE) {
                Ok(failed) if failed.is_empty() => {}
                Ok(failed) => {
                    return Outcome::Noticed(failed.iter().map(|name| format!("{target} {name}")).collect());
                }
                Err(why) => return Outcome::Unusable(why),
            }
        }
        Outcome::Survived
    }

    /// Runs these tests of a target of the core and says which failed.
    fn run(&self, target: &str, names: &[&str]) -> Result<Vec<String>, String> {
        self.cargo(target, &[&["--", "--exact"], names].concat(), PATIENCE)
    }

    fn cargo(&self, target: &str, arguments: &[&str], patience: &str) -> Result<Vec<String>, String> {
        let mut command = Command::new("timeout");
        command.args(["--kill-after", "5", patience]).arg(env!("CARGO"));
        command
            .args(["test", "--offline", "-p", "wicketgate-core", "--features", "regex", "--target-dir"])
            .arg(&self.built);
        if target == "lib" {
            command.arg("--lib")
        } else {
            command.args(["--test", target])
        };
        command.args(arguments).current_dir(&self.tree);
        let ran = command.env("RUST_BACKTRACE", "0").env("CARGO_PROFILE_DEV_DEBUG", "0").output().unwrap();
        let (told, built) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        failures(ran.status.code(), &told, &built, patience)
    }
}

/// The tests that failed, by what a run of cargo said.
fn failures(code: Option<i32>, told: &str, built: &str, patience: &str) -> Result<Vec<String>, String> {
    if built.contains("could not compile") {
        let error = built.lines().find(|line| line.starts_with("error")).unwrap_or_default();
        return Err(format!("it does not compile: {error}"));
    }
    if code == Some(124) {
        return Err(format!("not done within {patience} seconds"));
    }
    let failed = told.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
    Ok(failed.map(str::to_owned).collect())
}

/// Writes the file, unless it is like that.
fn put(path: &Path, bytes: &[u8]) {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return;
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}
