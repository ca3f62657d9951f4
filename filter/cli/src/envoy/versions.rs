//! Which Envoys take what is drawn?

use crate::outcome::Unusable;
use wicketgate_core::config::edge::Edge;

/// Minor versions that the product is tested with. All of them know whatever is drawn, but for what [`judge_needs`] says.
const SUPPORTED: [u32; 4] = [37, 38, 39, 40];

/// Whether `text`, such as `1.40` or `1.40.0`, is one of them.
///
/// # Errors
/// It is not, or no version.
pub(super) fn judge(text: &str) -> Result<(), Unusable> {
    match minor(text) {
        Some(minor) if SUPPORTED.contains(&minor) => return Ok(()),
        Some(minor) if SUPPORTED.iter().all(|known| minor < *known) => {
            return Err(Unusable(format!(
                "--envoy-version {text}: lacks what the filter needs (a callout that is under way when a VM ends may end that \
                 Envoy); 1.37 is the oldest"
            )));
        }
        _ => {}
    }
    Err(unknown(text))
}

/// Whether it knows what `edge` needs.
///
/// # Errors
/// It does not.
pub(super) fn judge_needs(text: &str, edge: &Edge) -> Result<(), Unusable> {
    let tls = edge.listen.tls.as_ref();
    let needs = [
        (
            edge.traces.is_some(),
            38,
            "tell the filter where in a trace a request is (`%SPAN_ID%`), which `edge.traces` needs",
        ),
        (
            tls.is_some_and(|tls| tls.http3 && tls.clients.is_some()),
            40,
            "ask for certificates over HTTP/3, as `edge.listen.tls` has it with `http3` and `clients`",
        ),
    ];
    for (needed, known_by, what) in needs {
        if needed && minor(text).is_none_or(|minor| minor < known_by) {
            return Err(Unusable(format!("--envoy-version {text}: cannot {what}: 1.{known_by} can")));
        }
    }
    Ok(())
}

/// The second number of `1.40` or `1.40.0`.
fn minor(text: &str) -> Option<u32> {
    let rest = text.strip_prefix("1.")?;
    rest.split('.').next().unwrap_or(rest).parse().ok()
}

fn unknown(text: &str) -> Unusable {
    let known = SUPPORTED.map(|minor| format!("1.{minor}")).join(", ");
    Unusable(format!("--envoy-version {text}: not tested with this; these are: {known}"))
}
