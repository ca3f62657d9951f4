//! May they: rules, the verdict, and the permit that forwarding demands.
//!
//! One function answers for calls and for lists ([`rule_set::RuleSet::judge`]); it has three answers: allow, challenge
//! (a step-up of scopes would do) and deny. Deny rules win, and what no rule allows is denied.

pub mod arguments;
mod asking;
pub mod authorize;
pub mod caller;
pub mod explain;
pub mod for_caller;
pub mod layer;
pub mod methods;
pub mod pattern;
pub mod permit;
mod question;
pub mod rego;
pub mod resource_uri;
pub mod rule;
pub mod rule_set;
mod standing;
pub mod template;
pub mod who;

pub use authorize::authorize;
pub use caller::Caller;
pub use permit::Permit;
pub use rule::RuleId;
pub use rule_set::{RuleSet, Verdict};
