//! May this person in, and what do tokens say of them? The operator's rules, applied to a provider's claims.

use serde_json::{Map, Value};

use super::Account;
use super::upstream::Identity;
use crate::config::{Claim, Mapping, Rules};
use crate::oauth::scope::ScopeSet;

/// Tokens must fit into headers.
const MOST_VALUES: usize = 100;
const LONGEST_VALUE: usize = 256;

/// Why somebody whom the provider signed in gets no account.
/// OpenID Connect Core section 2.
const LONGEST_SUBJECT: usize = 255;

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
    let subject = subject(issuer, &identity.subject);
    if subject.len() > LONGEST_SUBJECT || !subject.is_ascii() {
        return Err(NoAccount::Unreadable("the subject is too long, or not ASCII"));
    }
    let mut orgs = mapped(rules.org.as_ref(), &whole)?;
    // Several organizations are none: to choose one would be a guess.
    let org = if orgs.len() == 1 { orgs.pop() } else { None };
    Ok(Account {
        subject,
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
    for condition in &allow.claims {
        if holds(condition, whole)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Entra leaves groups out of the token when there are many, and says so: that is not the same as having none.
fn judge_overage(rules: &Rules, claims: &Map<String, Value>) -> Result<(), NoAccount> {
    let elsewhere = match claims.get("_claim_names") {
        None => None,
        Some(Value::Object(names)) => Some(names),
        Some(_) => return Err(NoAccount::Unreadable("_claim_names is no object")),
    };
    let groups_left_out = claims.get("hasgroups").is_some_and(|says| says != &Value::Bool(false));
    let is_left_out = |name: &str| {
        elsewhere.is_some_and(|names| names.contains_key(name)) || groups_left_out && name == "groups"
    };
    let mut read = rules.mapped().chain(rules.allow.claims.iter().map(|(claim, _)| claim));
    match read.any(|claim| is_left_out(&claim.first())) {
        true => Err(NoAccount::Unreadable("a claim is too long for the token (groups overage)")),
        false => Ok(()),
    }
}

/// Whether all of these conditions hold.
pub(crate) fn hold(conditions: &[(Claim, Vec<String>)], whole: &Value) -> Result<bool, NoAccount> {
    for condition in conditions {
        if !holds(condition, whole)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Scopes: a text with spaces between them (RFC 6749 section 3.3), or a list.
pub(crate) fn scope(mapping: &Mapping, whole: &Value) -> Result<ScopeSet, NoAccount> {
    let texts = texts(&mapping.from, whole)?;
    let is_text = whole.pointer(mapping.from.pointer()).is_some_and(Value::is_string);
    let tokens = texts.into_iter().flat_map(|text| match is_text {
        true => text.split(' ').filter(|token| !token.is_empty()).collect(),
        false => vec![text],
    });
    let named = named(mapping, tokens)?;
    ScopeSet::from_list(&named)
        .map_err(|_| NoAccount::Unreadable("a scope has a character that none may have"))
}

fn mapped(mapping: Option<&Mapping>, whole: &Value) -> Result<Vec<String>, NoAccount> {
    match mapping {
        Some(mapping) => named(mapping, texts(&mapping.from, whole)?.into_iter()),
        None => Ok(Vec::new()),
    }
}

/// What we call these values.
fn named<'v>(mapping: &Mapping, values: impl Iterator<Item = &'v str>) -> Result<Vec<String>, NoAccount> {
    let mut names = Vec::new();
    for value in values {
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

/// Whether the claim is, or has among its elements, one of the texts.
fn holds((claim, wanted): &(Claim, Vec<String>), whole: &Value) -> Result<bool, NoAccount> {
    Ok(texts(claim, whole)?.iter().any(|value| wanted.iter().any(|one| one == value)))
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
