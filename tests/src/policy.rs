//! Which policy does the filter run, and how do edits of it take effect? `wicketgate render` compiles the YAML into the
//! file that Envoy watches; with `--watch` it does so again after every edit, and a bad edit changes nothing.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::process::Service;
use crate::{Failure, Result, envoy, files, layout};

/// The policy of the sample server.
#[must_use]
pub fn sample() -> PathBuf {
    layout::root().join("envoy/policies/sample.yaml")
}

/// Writes the policy that lets any authenticated principal do everything, as a file of the user's to see and edit. One
/// that is there already is kept: it may have been edited.
///
/// # Errors
/// It cannot be written.
pub fn write_everything(state: &Path) -> Result<PathBuf> {
    let template = files::read(&layout::root().join("envoy/policies/everything.yaml.in"))?;
    let path = state.join("policy.yaml");
    files::keep_or_create(&path, || Ok(template.trim_end().to_owned()))?;
    Ok(path)
}

/// Compiles the policy once into the file that Envoy takes the filter from.
///
/// # Errors
/// The compiler refuses it, in its own words, or cannot run.
pub async fn render(policy: &Path, module: &Path, state: &Path, public_url: &str) -> Result<()> {
    let output = command(policy, module, state, public_url)?
        .output()
        .await
        .map_err(|error| Failure::new(format!("cannot run wicketgate: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("the policy {} is refused:\n{}", policy.display(), words.trim_end())))
}

/// Keeps compiling it after every edit; what happens stands in `render.log`.
///
/// # Errors
/// The compiler cannot run.
pub fn watch(policy: &Path, module: &Path, state: &Path, public_url: &str) -> Result<Service> {
    let mut command = command(policy, module, state, public_url)?;
    command.arg("--watch");
    Service::spawn("render", command, &state.join("render.log"))
}

fn command(policy: &Path, module: &Path, state: &Path, public_url: &str) -> Result<Command> {
    let mut command = Command::new(layout::binary("wicketgate")?);
    command
        .arg("render")
        .arg(policy)
        .args(["--to", "ecds"])
        .arg("--out")
        .arg(envoy::filter_configuration(state))
        .arg("--wasm")
        .arg(module)
        .env("WICKETGATE_URL", public_url);
    Ok(command)
}
