//! How do records leave the VM? As filter state, which Envoy's access loggers print: nothing of ours does I/O.
//!
//! `%FILTER_STATE(wasm.wicketgate_decision:PLAIN)%` and `%FILTER_STATE(wasm.wicketgate_completion:PLAIN)%`; a record
//! set when the verdict falls survives a trap of the VM, because it then belongs to Envoy.

use crate::host::{self, Level};

/// Sets the decision record. From now on it is there, whatever becomes of the VM.
pub(crate) fn decision(line: &str) {
    set("wicketgate_decision", line);
}

/// Sets the completion record.
pub(crate) fn completion(line: &str) {
    set("wicketgate_completion", line);
}

/// Has Envoy's span of the request say this word of it, by the filter state of this name.
pub(crate) fn span(name: &str, word: &str) {
    set(name, word);
}

fn set(name: &str, line: &str) {
    if let Err(fault) = host::set_property(name, line) {
        host::log(Level::Error, &format!("{name} could not be set (host status {}): {line}", fault.0));
    }
}
