//! End-to-end tests, one behaviour a file: each starts a world of its own.

#![expect(clippy::unwrap_used, reason = "a test may fail that way")]

mod gateway;
mod reference_configuration;
mod suites;
