//! May they: from a verdict to a permit, or to the denial that the client will read.

use super::arguments::Arguments;
use super::caller::Caller;
use super::permit::Permit;
use super::rule::RuleId;
use super::rule_set::{RuleSet, Verdict};
use crate::denial::{Absent, Denial};
use crate::identity::principal::Principal;
use crate::mcp::operation::{Operation, Target};

/// Permits `operation` to `who`, or says why not and which rule decided (`None`: no rule allows it).
///
/// # Errors
/// - [`Denial::MissingCredential`] without a token, where rules exist that one could satisfy: whatever was asked,
///   so that the answer tells nothing of what exists
/// - [`Denial::InsufficientScope`] with every scope to ask for
/// - [`Denial::ArgumentRefused`] for one that may be called, with other arguments
/// - [`Denial::NotAllowed`] for a thing, in the words used for one that does not exist
/// - [`Denial::UnknownMethod`] for a method that names nothing
pub fn authorize<'c>(
    rules: &RuleSet,
    who: impl Into<Caller<'c>>,
    operation: &Operation,
    arguments: Arguments<'_>,
) -> Result<Permit, (Denial, Option<RuleId>)> {
    let who = who.into();
    match rules.judge(who, operation, arguments) {
        Verdict::Allow { rule } => Ok(Permit::new(rule)),
        Verdict::Challenge { rule, scopes } => Err((Denial::InsufficientScope(scopes), Some(rule))),
        Verdict::Refuse { rule, refusal } => Err((Denial::ArgumentRefused(refusal), Some(rule))),
        Verdict::Deny { rule } if misses_token(rules, who.principal) => {
            Err((Denial::MissingCredential, rule))
        }
        Verdict::Deny { rule } => Err((refusal(rules, &who, operation), rule)),
    }
}

/// Whether who asks has no token, and rules exist that one could satisfy.
fn misses_token(rules: &RuleSet, who: &Principal) -> bool {
    match who {
        Principal::Anonymous => rules.expects_credential(),
        Principal::Certified(_) => rules.expects_token(),
        Principal::Authenticated(_) => false,
    }
}

/// Names the first thing that is not allowed, as a server would name one that it does not have.
fn refusal(rules: &RuleSet, who: &Caller<'_>, operation: &Operation) -> Denial {
    let alone = |t: &&Target| {
        let one = Operation { method: operation.method.clone(), targets: vec![(*t).clone()] };
        matches!(rules.judge(*who, &one, Arguments::Any), Verdict::Deny { .. })
    };
    refusal_naming(operation.targets.iter().find(alone).or(operation.targets.first()), operation)
}

/// The words for an operation of which nothing more is known than that it may not be.
pub(super) fn refusal_of(operation: &Operation) -> Denial {
    refusal_naming(operation.targets.first(), operation)
}

fn refusal_naming(target: Option<&Target>, operation: &Operation) -> Denial {
    match target {
        Some(Target::Tool(name)) => Denial::NotAllowed(Absent::Tool(name.clone())),
        Some(Target::Prompt(name)) => Denial::NotAllowed(Absent::Prompt(name.clone())),
        Some(Target::Resource(uri) | Target::Template(uri)) => {
            Denial::NotAllowed(Absent::Resource(uri.clone()))
        }
        Some(Target::Task(id)) => Denial::NotAllowed(Absent::Task(id.clone())),
        None => Denial::UnknownMethod(operation.method.clone()),
    }
}

#[cfg(test)]
mod tests;
