//! End-to-end tests, one behaviour a file: each starts a world of its own.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail that way")]

mod alerts;
mod clients;
mod documents;
mod gateway;
mod kubernetes;
mod reference_configuration;
