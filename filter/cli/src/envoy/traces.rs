//! How do spans of Envoy get to a collector, and how does the filter learn where in a trace a request is?

use super::Drawing;
use super::template::{fill, scalar};
use crate::outcome::Unusable;
use wicketgate_core::head::trace::{ATTRIBUTES, FIELD};

/// `tracing` of the listener; nothing where no spans go anywhere.
pub(super) fn draw(drawing: &Drawing) -> Result<String, Unusable> {
    let Some(traces) = &drawing.edge.traces else { return Ok(String::new()) };
    // Proxies of one's own are believed, as their word for who the client is.
    let ours = drawing.edge.listen.trusted_hops > 0;
    let believed = if ours { "" } else { include_str!("parts/trace_unbelieved.yaml") };
    let scheme = if traces.tls.is_some() { "https" } else { "http" };
    let uri = format!("{scheme}://{}{}", traces.collector, traces.path);
    let decided = ATTRIBUTES.iter().fold(String::new(), |text, (state, name)| {
        text + &format!("- {{tag: {name}, value: \"%FILTER_STATE(wasm.{state}:PLAIN)%\"}}\n")
    });
    let sample = traces.sample.to_string();
    fill(
        include_str!("parts/tracing.yaml"),
        &[("believed", believed), ("sample", &sample), ("decided", &decided), ("uri", &scalar(&uri))],
    )
}

/// The filter before ours that says it.
pub(super) fn field(drawing: &Drawing) -> Result<String, Unusable> {
    if drawing.edge.traces.is_none() {
        return Ok(String::new());
    }
    fill(include_str!("parts/trace_field.yaml"), &[("field", FIELD)])
}
