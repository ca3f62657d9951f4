//! Whom may a rule mean? Subjects, judged.

use super::error::{Findings, Place, nearest};
use super::raw::{RawAttributes, RawWho};
use crate::identity::certificate::CertificateName;
use crate::identity::network::Network;
use crate::identity::scope::is_scope;
use crate::policy::who::{Attributes, Who};

/// Whether the rule permits or refuses: the words mean the wider set for a refusal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Allow,
    Deny,
}

/// Compiles `raw` for a server that accepts `issuers`.
pub(crate) fn compile(
    raw: &RawWho,
    side: Side,
    issuers: &[&str],
    place: &Place,
    found: &mut Findings,
) -> Option<Who> {
    let who = match raw {
        RawWho::Word(word) => return compile_word(word, side, place, found),
        RawWho::Having(attributes) => attributes,
    };
    let before = found.errors.len();
    let compiled = Attributes {
        clients: values("clients", who.clients.as_ref(), place, found),
        subjects: values("subjects", who.subjects.as_ref(), place, found),
        groups: values("groups", who.groups.as_ref(), place, found),
        roles: values("roles", who.roles.as_ref(), place, found),
        organizations: values("organizations", who.organizations.as_ref(), place, found),
        scopes: values("scopes", who.scopes.as_ref(), place, found),
        issuers: values("issuers", who.issuers.as_ref(), place, found),
        addresses: networks(who.addresses.as_deref(), &place.key("addresses"), found),
        certificates: certificates(who.certificates.as_deref(), side, &place.key("certificates"), found),
    };
    let place_alone =
        compiled == Attributes { addresses: compiled.addresses.clone(), ..Attributes::default() };
    if side == Side::Deny && place_alone && !compiled.addresses.is_empty() {
        return Some(Who::From(compiled.addresses));
    }
    if found.errors.len() == before && compiled == Attributes::default() {
        found.error(place, "means nobody in particular; write `any` for every valid credential");
    }
    for (at, scope) in compiled.scopes.iter().enumerate() {
        if !is_scope(scope) {
            found.error(
                &place.key("scopes").index(at),
                "a scope is printable ASCII without spaces, `\"` and `\\`",
            );
        }
    }
    for (at, issuer) in compiled.issuers.iter().enumerate() {
        if !issuers.contains(&issuer.as_str()) {
            let message =
                format!("`{issuer}` is no issuer of this server; its issuers: {}", issuers.join(", "));
            found.suggest(&place.key("issuers").index(at), message, nearest(issuer, issuers.iter().copied()));
        }
    }
    name_the_issuer(who, issuers, place, found);
    Some(Who::Having(Box::new(compiled)))
}

fn compile_word(word: &str, side: Side, place: &Place, found: &mut Findings) -> Option<Who> {
    match (word, side) {
        // What needs no credential is not withheld from those who have one.
        ("anonymous", Side::Allow) | ("any", Side::Deny) => Some(Who::Everyone),
        ("any", Side::Allow) => Some(Who::Authenticated),
        ("anonymous", Side::Deny) => Some(Who::Anonymous),
        _ => {
            let message = format!(
                "`{word}` is nobody; accepted are `any`, `anonymous`, or a mapping of clients, subjects, groups, \
                 roles, organizations, scopes, issuers, addresses, certificates"
            );
            found.suggest(place, message, nearest(word, ["any", "anonymous"]));
            None
        }
    }
}

fn values(key: &str, given: Option<&Vec<String>>, place: &Place, found: &mut Findings) -> Vec<String> {
    let Some(given) = given else { return Vec::new() };
    let place = place.key(key);
    if given.is_empty() {
        found.error(&place, "an empty list means nobody; leave the key out, or name someone");
    }
    for (at, value) in given.iter().enumerate() {
        if value.is_empty() || value.trim() != value {
            found.error(&place.index(at), "is empty or has a space at an end");
        } else if value.contains('*') {
            found.error(&place.index(at), "who is compared exactly; `*` has no meaning here");
        }
    }
    given.clone()
}

/// Compiles a list of addresses; one that is given must not be empty.
pub(crate) fn networks(given: Option<&[String]>, place: &Place, found: &mut Findings) -> Vec<Network> {
    each(given, "address", Network::parse, place, found)
}

/// Parses each text of a list of such things; one that is given must not be empty.
fn each<T>(
    given: Option<&[String]>,
    what: &str,
    parse: impl Fn(&str) -> Result<T, (&'static str, Option<String>)>,
    place: &Place,
    found: &mut Findings,
) -> Vec<T> {
    let Some(given) = given else { return Vec::new() };
    if given.is_empty() {
        found.error(place, format!("an empty list means no {what}; leave the key out, or name some"));
    }
    let parsed = given.iter().enumerate().filter_map(|(at, text)| match parse(text) {
        Ok(one) => Some(one),
        Err((why, meant)) => {
            found.suggest(&place.index(at), format!("`{text}` {why}"), meant);
            None
        }
    });
    parsed.collect()
}

/// Of several names hosts tell the first alone, and where they fail none: a refusal would not hold.
fn certificates(
    given: Option<&[String]>,
    side: Side,
    place: &Place,
    found: &mut Findings,
) -> Vec<CertificateName> {
    if given.is_some() && side == Side::Deny {
        found.error(
            place,
            "a certificate may have more names than are known here: say whom an allow rule means",
        );
    }
    each(given, "certificate", CertificateName::parse, place, found)
}

/// A subject is somebody only together with the issuer that named it; two issuers may both know an `alice`.
fn name_the_issuer(who: &RawAttributes, issuers: &[&str], place: &Place, found: &mut Findings) {
    if issuers.len() < 2 || who.issuers.is_some() {
        return;
    }
    for (key, named) in [("subjects", &who.subjects), ("clients", &who.clients)] {
        if named.is_some() {
            let message =
                "the server accepts several issuers, and each may give these names to others; add `issuers`";
            found.error(&place.key(key), message);
        }
    }
    for (key, named) in
        [("groups", &who.groups), ("roles", &who.roles), ("organizations", &who.organizations)]
    {
        if named.is_some() {
            found.warn(
                &place.key(key),
                "any of the server's issuers can grant this; name `issuers` if only one should",
            );
        }
    }
}
