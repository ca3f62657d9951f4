//! What is checked on a server, and which arguments are filled in? Compiled.

use super::defaults::Defaults;

/// What becomes of the schemas of a server's tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallPolicy {
    /// Whether arguments are held against input schemas.
    pub input: Input,
    /// Whether structured content is held against output schemas.
    pub output: Output,
    /// Arguments that are filled in where they are absent.
    pub defaults: Vec<Defaults>,
}

/// Whether arguments are held against the input schema of their tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// Not at all.
    #[default]
    Off,
    /// Refused is what surely does not meet it; what cannot be told passes.
    Check,
    /// Refused is what does not surely meet it, calls of tools whose schema was not seen included.
    Strict,
}

/// Whether structured content is held against the output schema of its tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// Not at all.
    #[default]
    Off,
    /// What surely does not meet it is recorded and counted.
    Flag,
    /// And withheld.
    Block,
}

// === impl CallPolicy ===

impl CallPolicy {
    /// Whether schemas are to be remembered.
    pub fn learns(&self) -> bool {
        self.input != Input::Off || self.output != Output::Off
    }

    /// Whether the arguments of calls are looked at.
    pub fn reads_arguments(&self) -> bool {
        self.input != Input::Off || !self.defaults.is_empty()
    }
}
