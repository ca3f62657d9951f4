//! The same for the adapter (`filter/src`): `adapter.yaml` names end-to-end tests, which are run in Envoy with a module that was
//! built without the check. A check takes half a minute, because the module is linked and an Envoy started for each.

use std::path::PathBuf;
use std::process::Command;

use wicketgate_e2e::layout;
use wicketgate_e2e::world::HostMode;

use super::{Bench, Check, Outcome, UNHURRIED, failures, named, try_all};

/// Where the files of the adapter are.
const ADAPTER: &str = "filter/src";
/// Seconds for the tests without one check: some only fail when their own patience ends.
const PATIENCE: &str = "400";

pub(super) fn table() -> Vec<Check> {
    serde_saphyr::from_str(include_str!("adapter.yaml")).unwrap()
}

/// What takes no time, and is run with all other tests.
#[test]
fn every_check_of_the_adapter_still_stands_where_the_table_says() {
    let checks = table();
    assert!(checks.len() > 20, "{}", checks.len());
    let wrong: Vec<_> = checks.iter().filter_map(|check| check.fault(ADAPTER)).collect();
    assert!(wrong.is_empty(), "{} of {} checks:\n{}", wrong.len(), checks.len(), wrong.join("\n"));
}

/// Some fifteen minutes: `make mutations`.
#[test]
#[ignore = "takes minutes; `make mutations` runs it"]
fn every_check_of_the_adapter_that_is_taken_out_is_noticed() {
    let checks = named(table());
    if checks.is_empty() {
        return;
    }
    let bench = Bench::set_up();
    let _ = layout::obtain("wasm-target").unwrap();
    // Whatever is not taken out must be sound.
    let module = bench.module().unwrap();
    for mode in [None, Some("buffer")] {
        let named = checks.iter().filter(|check| check.host_mode.as_deref() == mode);
        let mut names: Vec<_> = named.flat_map(|check| &check.noticed_by).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        if !names.is_empty() {
            let failed = in_envoy(&module, mode, &names, UNHURRIED);
            assert_eq!(failed, Ok(Vec::new()), "before anything is taken out");
        }
    }
    try_all(&checks, |check| {
        bench.try_without(ADAPTER, check, || {
            bench.module().and_then(|module| noticed(check, &module)).unwrap_or_else(Outcome::Unusable)
        })
    });
}

fn noticed(check: &Check, module: &PathBuf) -> Result<Outcome, String> {
    let names: Vec<_> = check.noticed_by.iter().map(String::as_str).collect();
    let failed = in_envoy(module, check.host_mode.as_deref(), &names, PATIENCE)?;
    Ok(if failed.len() == names.len() { Outcome::Noticed(failed) } else { Outcome::Survived })
}

/// Runs these end-to-end tests with this module, and says which failed: once more where somebody else took a port.
fn in_envoy(
    module: &PathBuf,
    mode: Option<&str>,
    names: &[&str],
    patience: &str,
) -> Result<Vec<String>, String> {
    let first = run(module, mode, names, patience);
    let taken = |failed: &String| failed.contains("in use");
    if first.as_ref().is_err_and(taken) { run(module, mode, names, patience) } else { first }
}

fn run(module: &PathBuf, mode: Option<&str>, names: &[&str], patience: &str) -> Result<Vec<String>, String> {
    let mut command = Command::new("timeout");
    command.args(["--kill-after", "5", patience]).arg(env!("CARGO"));
    command.args(["test", "--offline", "--workspace", "--exclude", "wicketgate-filter", "--test", "e2e"]);
    command.args(["--", "--test-threads", "4", "--exact"]).args(names).current_dir(layout::root());
    command.env(layout::MODULE_VARIABLE, module).env(HostMode::VARIABLE, mode.unwrap_or_default());
    let ran = command.env("RUST_BACKTRACE", "0").output().unwrap();
    let (told, built) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let failed = failures(ran.status.code(), &told, &built, patience)?;
    if told.contains("Address already in use") {
        return Err("a port was in use".into());
    }
    let all = format!("running {} test", names.len());
    if told.contains(&all) { Ok(failed) } else { Err(format!("there are not all of {names:?}")) }
}

// === impl Bench ===

impl Bench {
    /// The filter as it stands there now. Quickly built rather than small or fast: the checks are the same.
    fn module(&self) -> Result<PathBuf, String> {
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--offline", "--profile", "wasm", "--target", "wasm32-wasip1"]);
        command.args(["-p", "wicketgate-filter", "--target-dir"]).arg(&self.built).current_dir(&self.tree);
        command.env("CARGO_PROFILE_WASM_LTO", "off").env("CARGO_PROFILE_WASM_CODEGEN_UNITS", "16");
        let ran = command.output().unwrap();
        if ran.status.success() {
            return Ok(self.built.join("wasm32-wasip1/wasm/wicketgate_filter.wasm"));
        }
        let said = String::from_utf8_lossy(&ran.stderr);
        let error = said.lines().find(|line| line.starts_with("error")).unwrap_or_default();
        Err(format!("it does not compile: {error}"))
    }
}
