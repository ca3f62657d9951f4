//! The module without Rego: no policy can be loaded, so none is ever asked.

use std::convert::Infallible;
use std::ops::Range;

use super::packed::Packed;
use super::ruling::Ruling;
use super::setting::Setting;
use crate::identity::principal::Principal;
use crate::mcp::operation::{Operation, Target};
use crate::policy::rego::narrow::Circumstances;

/// A policy, of which there is none here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rego(Infallible);

/// What was kept of a request for a policy: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picked(());

impl Picked {
    /// Nothing.
    pub const fn size(&self) -> usize {
        0
    }
}

impl Rego {
    /// Never loads.
    ///
    /// # Errors
    /// Always: which module has it.
    pub fn load(packed: Packed, _: Setting) -> Result<Self, String> {
        Err(format!("this module has no Rego; load {}", packed.module.file()))
    }

    /// Never called.
    pub fn digest(&self) -> &str {
        match self.0 {}
    }

    /// Never called.
    pub fn pick(&self, _: &[u8], _: Option<Range<usize>>) -> Picked {
        match self.0 {}
    }

    /// Never called.
    pub fn header_names(&self) -> &[String] {
        match self.0 {}
    }

    /// Never called.
    pub fn judge(&self, _: &Principal, _: &Operation, _: &Circumstances<'_>) -> Ruling {
        match self.0 {}
    }

    /// Never called.
    pub fn visible(&self, _: &Principal, _: &Target) -> bool {
        match self.0 {}
    }
}
