//! Where in the repository is what was built, and what was obtained?

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Context as _;
use crate::{Failure, Result};

/// The repository's root directory.
#[must_use]
pub fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// A native binary of this workspace, of the same profile as the program that asks.
///
/// # Errors
/// It was not built.
pub fn binary(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context(|| "cannot tell where this program lies".to_owned())?;
    // Test binaries lie one level deeper, in `deps`.
    let built =
        own.ancestors().skip(1).take(2).map(|directory| directory.join(name)).find(|path| path.is_file());
    built.ok_or_else(|| {
        Failure::new(format!(
            "{name} was not built beside {}: run `make build` (or `make run`).",
            own.display()
        ))
    })
}

/// The variable that names another module, for a test of the tests.
pub const MODULE_VARIABLE: &str = "WICKETGATE_MODULE";

/// The filter as WebAssembly, as `make filter` leaves it, or where [`MODULE_VARIABLE`] says.
///
/// # Errors
/// It was not built.
pub fn filter_module() -> Result<PathBuf> {
    let built = || root().join("target/wicketgate.wasm");
    let module = std::env::var_os(MODULE_VARIABLE).map_or_else(built, PathBuf::from);
    if module.is_file() {
        Ok(module)
    } else {
        Err(Failure::new(format!("{} is missing: run `make filter`.", module.display())))
    }
}

/// The filter with Rego and regular expressions, as `make filter-rego` leaves it, or where [`MODULE_VARIABLE`] says.
///
/// # Errors
/// It was not built.
pub fn rego_module() -> Result<PathBuf> {
    let built = || root().join("target/wicketgate-rego-regex.wasm");
    let module = std::env::var_os(MODULE_VARIABLE).map_or_else(built, PathBuf::from);
    if module.is_file() {
        Ok(module)
    } else {
        Err(Failure::new(format!("{} is missing: run `make filter-rego`.", module.display())))
    }
}

/// The filter that traps when a request asks for it, as `make e2e` leaves it. For tests of what becomes of the others.
///
/// # Errors
/// It was not built.
pub fn drill_module() -> Result<PathBuf> {
    let module = root().join("target/wicketgate-drill.wasm");
    if module.is_file() {
        Ok(module)
    } else {
        Err(Failure::new("target/wicketgate-drill.wasm is missing: run `make e2e` (or `make drill`)."))
    }
}

/// Runs `tests/obtain/NAME.sh` and returns the path that it prints. Its progress goes to our stderr.
///
/// # Errors
/// The script failed; its own sentence stands on stderr above ours.
pub fn obtain(name: &str) -> Result<PathBuf> {
    let script = root().join("tests/obtain").join(format!("{name}.sh"));
    let output = Command::new(&script)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context(|| format!("cannot run {}", script.display()))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    match printed.lines().last() {
        Some(path) if output.status.success() => Ok(PathBuf::from(path)),
        _ => Err(Failure::new(format!("{name} could not be obtained; the reason stands above."))),
    }
}
