//! Rules first, then Rego, which only narrows: from a permit to a permit, or to what the client will read.

use super::ruling::{Outcome, Ruling};
use super::{Picked, Rego};
use crate::denial::Denial;
use crate::identity::principal::Principal;
use crate::mcp::operation::Operation;
use crate::policy::authorize::refusal_of;
use crate::policy::permit::Permit;
use crate::policy::rule::RuleId;
use crate::policy::rule_set::RuleSet;
use crate::time::Timestamp;

/// What records name where the policy decided, and what permits where a server has no other rules.
pub const RULE: &str = "rego";

/// What a policy may ask of a request besides who and what.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The arguments that it reads, as they came.
    pub picked: &'a Picked,
    /// The headers that it reads; `None` where they cannot be read in one way.
    pub headers: Option<&'a [(String, String)]>,
    /// The peer's address.
    pub source: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
}

/// Asks `rego` whether what the rules permit may go on.
///
/// # Errors
/// - [`Denial::InsufficientScope`] where the policy wants a step-up; without a token [`Denial::MissingCredential`]
/// - as for what no rule allows, where the policy denies
/// - [`Denial::PolicyFailed`] with the same words for the client, where it could not be answered
pub fn narrow(
    permit: Permit,
    rego: &Rego,
    rules: &RuleSet,
    who: &Principal,
    operation: &Operation,
    around: &Circumstances<'_>,
) -> (Ruling, Result<Permit, Denial>) {
    let ruling = rego.judge(who, operation, around);
    let result = admitted(&ruling, rules, who, operation).map(|()| permit);
    (ruling, result)
}

/// Whether what a policy said lets what the rules permit go on.
///
/// # Errors
/// As [`narrow`].
pub fn admitted(
    ruling: &Ruling,
    rules: &RuleSet,
    who: &Principal,
    operation: &Operation,
) -> Result<(), Denial> {
    match &ruling.outcome {
        Outcome::Allow => Ok(()),
        Outcome::Challenge(_) if who.identity().is_none() => Err(Denial::MissingCredential),
        Outcome::Challenge(scopes) => {
            let granted = who.identity().map_or(&[][..], |identity| &identity.scopes);
            Err(Denial::InsufficientScope(rules.step_up(granted, scopes)))
        }
        Outcome::Deny => Err(refusal_of(operation)),
        Outcome::Failed => Err(Denial::PolicyFailed(Box::new(refusal_of(operation)), ruling.why)),
    }
}

/// The name of the rule that stands for the policy.
pub fn rule() -> RuleId {
    RuleId::new(RULE)
}
