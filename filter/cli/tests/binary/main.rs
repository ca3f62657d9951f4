//! Does the binary do what its help says? Every command, flag and exit code, on files of its own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod canary;
mod certificates;
mod checking;
mod edge;
mod explaining;
mod pinning;
mod rego;
mod rendered;
mod rendering;
mod world;
