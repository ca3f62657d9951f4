//! May this person in, and what do tokens say of them? The operator's rules, applied to a provider's claims.

use serde_json::{Map, Value};

use super::Account;
use super::upstream::Identity;
use crate::config::{Claim, Mapping, Rules};

/// Tokens must fit into headers.
const MOST_VALUES: usize = 100;
const LONGEST_VALUE: usize = 256;

/// Why somebody whom the provider signed in gets no account.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAccount {
    /// None of the conditions of `allow` holds.
    #[error("not allowed")]
    NotAllowed,
    /// A claim that the rules read is not what it should be; half an account could be more than the whole.
    #[error("{0}")]
    Unreadable(&'static str),
}

/// The subject of our tokens: issuer and subject, as one text. An issuer has no fragment, so no two pairs share one, and
/// no local user has such a name.
pub(crate) fn subject(issuer: &str, theirs: &str) -> String {
    format!("{issuer}#{theirs}")
}

/// The account of an identity.
pub(crate) fn account(rules: &Rules, issuer: &str, identity: &Identity) -> Result<Account, NoAccount> {
    let whole = Value::Object(identity.claims.clone());
    judge_overage(rules, &identity.claims)?;
    if !is_allowed(rules, identity, &whole)? {
        return Err(NoAccount::NotAllowed);
    }
    let mut orgs = mapped(rules.org.as_ref(), &whole)?;
    // Several organizations are none: to choose one would be a guess.
    let org = if orgs.len() == 1 { orgs.pop() } else { None };
    Ok(Account {
        subject: subject(issuer, &identity.subject),
        username: None,
        groups: mapped(rules.groups.as_ref(), &whole)?,
        roles: mapped(rules.roles.as_ref(), &whole)?,
        org,
    })
}

fn is_allowed(rules: &Rules, identity: &Identity, whole: &Value) -> Result<bool, NoAccount> {
    let allow = &rules.allow;
    if allow.everyone || allow.subjects.contains(&identity.subject) {
        return Ok(true);
    }
    for (claim, wanted) in &allow.claims {
        if texts(claim, whole)?.iter().any(|value| wanted.iter().any(|one| one == value)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Entra leaves groups out of the token when there are many, and says so: that is not the same as having none.
fn judge_overage(rules: &Rules, claims: &Map<String, Value>) -> Result<(), NoAccount> {
    let Some(elsewhere) = claims.get("_claim_names") else { return Ok(()) };
    let mut read = rules.mapped().chain(rules.allow.claims.iter().map(|(claim, _)| claim));
    match read.any(|claim| elsewhere.get(claim.first()).is_some()) {
        true => Err(NoAccount::Unreadable("a claim is too long for the token (groups overage)")),
        false => Ok(()),
    }
}

fn mapped(mapping: Option<&Mapping>, whole: &Value) -> Result<Vec<String>, NoAccount> {
    let Some(mapping) = mapping else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for value in texts(&mapping.from, whole)? {
        let name = match mapping.names.is_empty() {
            true => Some(value),
            false => mapping.names.get(value).map(String::as_str),
        };
        let Some(name) = name.map(|name| format!("{}{name}", mapping.prefix)) else { continue };
        if name.len() > LONGEST_VALUE || name.chars().any(char::is_control) {
            return Err(NoAccount::Unreadable("a value is too long or not printable"));
        }
        if !names.contains(&name) {
            names.push(name);
        }
        if names.len() > MOST_VALUES {
            return Err(NoAccount::Unreadable("there are too many values: choose with `only` or `names`"));
        }
    }
    Ok(names)
}

/// The texts that a claim is or has; a claim that is not there has none.
fn texts<'a>(claim: &Claim, whole: &'a Value) -> Result<Vec<&'a str>, NoAccount> {
    match whole.pointer(claim.pointer()) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(many)) => {
            let texts: Option<Vec<&str>> = many.iter().map(Value::as_str).collect();
            texts.ok_or(NoAccount::Unreadable("a claim has elements that are no text"))
        }
        Some(_) => Err(NoAccount::Unreadable("a claim is neither a text nor a list of texts")),
    }
}
