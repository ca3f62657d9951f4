//! Which Envoys take what is drawn?

use crate::outcome::Unusable;

/// Minor versions that the product is tested with. All of them know whatever is drawn, but for what [`judge_traces`] says.
const SUPPORTED: [u32; 4] = [37, 38, 39, 40];

/// Whether `text`, such as `1.40` or `1.40.0`, is one of them.
///
/// # Errors
/// It is not, or no version.
pub(super) fn judge(text: &str) -> Result<(), Unusable> {
    let minor = text.strip_prefix("1.").map(|rest| rest.split('.').next().unwrap_or(rest));
    match minor.map(str::parse::<u32>) {
        Some(Ok(minor)) if SUPPORTED.contains(&minor) => return Ok(()),
        Some(Ok(minor)) if SUPPORTED.iter().all(|known| minor < *known) => {
            return Err(Unusable(format!(
                "--envoy-version {text}: lacks what the filter needs (a callout that is under way when a VM ends may end that \
                 Envoy); 1.37 is the oldest"
            )));
        }
        _ => {}
    }
    Err(unknown(text))
}

/// Whether it knows what `edge.traces` needs.
///
/// # Errors
/// It does not.
pub(super) fn judge_traces(text: &str) -> Result<(), Unusable> {
    let minor = text.strip_prefix("1.").map(|rest| rest.split('.').next().unwrap_or(rest));
    if minor == Some("37") {
        let why = "cannot tell the filter where in a trace a request is (`%SPAN_ID%`), which `edge.traces` needs: 1.38 can";
        return Err(Unusable(format!("--envoy-version {text}: {why}")));
    }
    Ok(())
}

fn unknown(text: &str) -> Unusable {
    let known = SUPPORTED.map(|minor| format!("1.{minor}")).join(", ");
    Unusable(format!("--envoy-version {text}: not tested with this; these are: {known}"))
}
