//! What can be asked over HTTP? One folder per listener, one file per endpoint; each extracts, calls, and renders.

pub(crate) mod admin;
mod bearer;
mod body;
mod caller;
mod cookies;
mod dpop;
mod form;
pub(crate) mod internal;
mod json;
mod layers;
mod media_type;
pub(crate) mod metrics;
mod patience;
pub(crate) mod public;
mod reply;
