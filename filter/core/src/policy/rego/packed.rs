//! What does a configuration carry of a Rego policy? A compiled program, and what it was found to read.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::reads::Reads;

/// The package whose rules are asked.
pub const PACKAGE: &str = "mcp.authz";
/// The rule that is asked about a call.
pub const ALLOW: &str = "data.mcp.authz.allow";
/// The rule that is asked whether a list shows something, and before each call.
pub const VISIBLE: &str = "data.mcp.authz.visible";

/// How what is read was found. Another way makes other digests, so that what was found in an earlier one is not believed: there a key by
/// which something is looked up was no part of it.
const FOUND_BY: &[u8] = b"2";

/// The most bytes of data documents: each worker holds them, many times as large.
pub const MOST_DATA: usize = 256 << 10;

/// What this build can run.
#[cfg(feature = "rego")]
pub(super) const BUILT: Module = if cfg!(feature = "rego-regex") { Module::RegoRegex } else { Module::Rego };

/// Which module can run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Module {
    /// `wicketgate-rego.wasm`.
    Rego,
    /// `wicketgate-rego-regex.wasm`.
    RegoRegex,
}

/// A compiled policy as the configuration holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The program's bytes, in the machine's own form.
    pub program: Vec<u8>,
    /// What it reads.
    pub reads: Reads,
    /// Which module it needs.
    pub module: Module,
    /// Whether it has a rule `visible`.
    pub visible: bool,
    /// The data documents as one, JSON; `None` where there are none.
    pub data: Option<String>,
    /// SHA-256 of all the above, lower-case hexadecimal.
    pub digest: String,
}

// === impl Module ===

impl Module {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rego => "rego",
            Self::RegoRegex => "rego-regex",
        }
    }

    /// The file that has it.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Rego => "wicketgate-rego.wasm",
            Self::RegoRegex => "wicketgate-rego-regex.wasm",
        }
    }

    /// The module of that name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Rego, Self::RegoRegex].into_iter().find(|module| module.as_str() == text)
    }
}

// === impl Packed ===

impl Packed {
    /// What [`Packed::digest`] must be. Every part is preceded by its length, so that no two policies are one text.
    pub fn computed_digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        add(FOUND_BY);
        add(&self.program);
        add(self.data.as_deref().unwrap_or_default().as_bytes());
        add(self.module.as_str().as_bytes());
        add(&[u8::from(self.visible), u8::from(self.reads.source), u8::from(self.reads.time)]);
        add(&(self.reads.arguments.len() as u64).to_be_bytes());
        for path in &self.reads.arguments {
            add(&(path.len() as u64).to_be_bytes());
            path.iter().for_each(|step| add(step.as_bytes()));
        }
        self.reads.headers.iter().for_each(|name| add(name.as_bytes()));
        hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}
