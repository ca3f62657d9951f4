//! What do the claims say, and do they hold? Our one validator (RFC 9068 section 4, RFC 8725); signatures are checked
//! elsewhere.

use serde_json::{Map, Value};

use super::dpop::Thumbprint;
use super::issuer::{ClaimNames, Issuer};
use super::principal::Identity;
use crate::order;
use crate::time::Timestamp;

/// The members of a token's payload.
pub(super) type Members = Map<String, Value>;

/// The most entries of a list that a rule may read (scopes, groups, roles, audiences). A longer list is refused, not cut:
/// a deny rule could name what was cut off.
pub const MAX_LIST: usize = 512;

const TOO_MANY: &str = "a claim lists too many entries";

/// The longest subject, client, organization or grant, in bytes.
pub const MAX_NAME_BYTES: usize = 1024;

/// The last `exp` that is believed (2106): a token that never expires is not accepted.
const MAX_SECONDS: u64 = u32::MAX as u64;

/// A number of seconds in a claim, and which way to round it so that rounding never lengthens a token's life.
pub(super) enum Round {
    Down,
    Up,
}

/// The identity that the claims describe, if they hold for `audience` at `now`. `iss` was compared by the caller.
///
/// # Errors
/// Our own words for the first claim that does not hold.
pub(super) fn validate(
    members: &Members,
    issuer: &Issuer,
    audience: &str,
    now: Timestamp,
) -> Result<Identity, &'static str> {
    let expires = hold_in_time(members, issuer, now)?;
    if !names_audience(members, audience)? {
        return Err("aud is not this resource");
    }
    // Rounded down: whoever was withdrawn within this second was so after it was issued.
    let issued = seconds(members, "iat", &Round::Down)?;
    Ok(Identity { issued, key: key(members)?, ..identity(members, issuer, expires)? })
}

/// `exp`, `nbf` and `iat` (RFC 7519 sections 4.1.4 to 4.1.6); gives `exp`.
fn hold_in_time(members: &Members, issuer: &Issuer, now: Timestamp) -> Result<Timestamp, &'static str> {
    let skew = issuer.skew.min(Issuer::MAX_SKEW);
    let expires = seconds(members, "exp", &Round::Down)?.ok_or("exp missing or not a number")?;
    if now >= expires.plus(skew) {
        return Err("expired");
    }
    if seconds(members, "nbf", &Round::Up)?.is_some_and(|nbf| nbf > now.plus(skew)) {
        return Err("nbf lies ahead");
    }
    if seconds(members, "iat", &Round::Up)?.is_some_and(|iat| iat > now.plus(skew)) {
        return Err("iat lies ahead");
    }
    Ok(expires)
}

/// A member that is a text.
#[inline(never)]
pub(super) fn text<'a>(members: &'a Members, name: &str) -> Option<&'a str> {
    members.get(name)?.as_str()
}

/// A NumericDate: a non-negative JSON number, fractions allowed (RFC 7519 section 2). A string is not one.
pub(super) fn seconds(
    members: &Members,
    name: &'static str,
    round: &Round,
) -> Result<Option<Timestamp>, &'static str> {
    let Some(value) = members.get(name) else { return Ok(None) };
    let whole = value.as_u64().or_else(|| {
        let number = value.as_f64().filter(|n| *n >= 0.0 && *n <= MAX_SECONDS as f64)?;
        let rounded = match round {
            Round::Down => number.floor(),
            Round::Up => number.ceil(),
        };
        Some(rounded as u64)
    });
    match whole {
        Some(whole) if whole <= MAX_SECONDS => Ok(Some(Timestamp::from_secs(whole))),
        _ => Err(match name {
            "exp" => "exp missing or not a number",
            "nbf" => "nbf is not a number",
            _ => "iat is not a number",
        }),
    }
}

/// Whether `aud`, a string or an array of strings, holds `audience` byte for byte (RFC 7519 section 4.1.3).
fn names_audience(members: &Members, audience: &str) -> Result<bool, &'static str> {
    match members.get("aud") {
        None => Err("aud missing"),
        Some(Value::String(one)) => Ok(one == audience),
        Some(Value::Array(many)) if many.len() <= MAX_LIST => {
            if !many.iter().all(Value::is_string) {
                return Err("aud is not a list of strings");
            }
            Ok(many.iter().any(|one| one.as_str() == Some(audience)))
        }
        Some(_) => Err("aud is not a list of strings"),
    }
}

/// The key that the token is bound to (RFC 7800 section 3.1, RFC 9449 section 6.1). What is bound in another way, or in two,
/// is refused: nobody here could see that it is shown by its holder.
fn key(members: &Members) -> Result<Option<Thumbprint>, &'static str> {
    let Some(confirmation) = members.get("cnf") else { return Ok(None) };
    let only = confirmation.as_object().filter(|members| members.len() == 1);
    let key = only.and_then(|members| Thumbprint::parse(text(members, "jkt")?));
    key.map(Some).ok_or("bound in a way that is not known here")
}

fn identity(members: &Members, issuer: &Issuer, expires: Timestamp) -> Result<Identity, &'static str> {
    let ClaimNames { client, scopes, groups, roles, organization } = &issuer.claims;
    Ok(Identity {
        issuer: issuer.issuer.clone(),
        subject: name(members.get("sub"), "sub is not a name")?.ok_or("sub missing")?,
        client: name(at(members, client), "client claim is not a name")?,
        scopes: lists(members, scopes, true, "scopes claim is not a list of strings")?,
        groups: lists(members, groups, false, "groups claim is not a list of strings")?,
        roles: lists(members, roles, false, "roles claim is not a list of strings")?,
        organization: name(at(members, organization), "organization claim is not a name")?,
        grant: name(members.get("grant_id"), "grant_id is not a name")?,
        grant_client: name(members.get("grant_client_id"), "grant_client_id is not a name")?,
        issued: None,
        certificate: None,
        key: None,
        expires,
    })
}

/// The claim at a dotted path. A claim whose whole name stands there wins over walking: names may hold dots themselves
/// (`https://example.com/roles`).
fn at<'a>(members: &'a Members, path: &str) -> Option<&'a Value> {
    if let Some(value) = members.get(path) {
        return Some(value);
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let inner = members.get(path.get(..dot)?)?.as_object()?;
        at(inner, path.get(dot + 1..)?)
    })
}

/// A non-empty bounded string, or absent.
fn name(value: Option<&Value>, fault: &'static str) -> Result<Option<String>, &'static str> {
    match value {
        None => Ok(None),
        Some(Value::String(s)) if !s.is_empty() && s.len() <= MAX_NAME_BYTES => Ok(Some(s.clone())),
        Some(_) => Err(fault),
    }
}

/// What stands at all of these paths, together.
fn lists(
    members: &Members,
    paths: &[String],
    spaced: bool,
    fault: &'static str,
) -> Result<Vec<String>, &'static str> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(list(at(members, path), spaced, fault)?);
    }
    order::each_once(&mut all);
    if all.len() > MAX_LIST {
        return Err(TOO_MANY);
    }
    Ok(all.into_iter().map(str::to_owned).collect())
}

/// An array of strings, or one string: split at spaces if `spaced` (RFC 6749 section 3.3), else one entry. Sorted, without
/// repeats and empty entries.
fn list<'v>(
    value: Option<&'v Value>,
    spaced: bool,
    fault: &'static str,
) -> Result<Vec<&'v str>, &'static str> {
    let mut entries: Vec<&str> = match value {
        None => Vec::new(),
        Some(Value::String(s)) if spaced => s.split(' ').collect(),
        Some(Value::String(s)) => vec![s],
        Some(Value::Array(items)) => items.iter().map(Value::as_str).collect::<Option<_>>().ok_or(fault)?,
        Some(_) => return Err(fault),
    };
    entries.retain(|entry| !entry.is_empty());
    order::each_once(&mut entries);
    if entries.len() > MAX_LIST { Err(TOO_MANY) } else { Ok(entries) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{MAX_LIST, at, list, lists};

    #[test]
    fn a_dotted_path_walks_and_a_literal_name_wins() {
        let value = json!({"realm_access": {"roles": ["a"]}, "https://example.com/roles": ["b"],
            "x.y": {"z": 1}, "p.q": 2, "p": {"q": 3}, "s": "text"});
        let members = value.as_object().unwrap();
        assert_eq!(at(members, "realm_access.roles"), Some(&json!(["a"])));
        assert_eq!(at(members, "https://example.com/roles"), Some(&json!(["b"])));
        assert_eq!(at(members, "x.y.z"), Some(&json!(1)));
        assert_eq!(at(members, "p.q"), Some(&json!(2)));
        assert_eq!(at(members, "s.t"), None);
        assert_eq!(at(members, ""), None);
    }

    #[test]
    fn what_identity_providers_put_in_several_places_counts_together() {
        let value = json!({
            "realm_access": {"roles": ["offline", "staff"]},
            "resource_access": {"my.client": {"roles": ["operator", "staff"]}, "other": {"roles": ["admin"]}},
            "https://example.com/roles": "auditor",
        });
        let members = value.as_object().unwrap();
        let read = |paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            lists(members, &paths, false, "fault").unwrap()
        };
        // Keycloak, whose clients may have dots in their names, and Auth0, whose claims are URLs.
        assert_eq!(read(&["resource_access.my.client.roles"]), ["operator", "staff"]);
        assert_eq!(read(&["https://example.com/roles"]), ["auditor"]);
        let all =
            ["realm_access.roles", "resource_access.my.client.roles", "https://example.com/roles", "absent"];
        assert_eq!(read(&all), ["auditor", "offline", "operator", "staff"]);
        let many = |from: usize| (from..from + MAX_LIST).map(|n| n.to_string()).collect::<Vec<_>>();
        let value = json!({"a": many(0), "b": many(1)});
        let both = [String::from("a"), String::from("b")];
        let together = lists(value.as_object().unwrap(), &both, false, "fault");
        assert_eq!(together, Err("a claim lists too many entries"), "one more than one list may have");
        let faulty = [String::from("absent"), String::from("realm_access")];
        assert_eq!(lists(members, &faulty, false, "fault"), Err("fault"), "nothing is guessed");
    }

    #[test]
    fn lists_are_exact_in_type_and_bounded() {
        let read = |v: Value, spaced| {
            list(Some(&v), spaced, "fault").map(|all| all.into_iter().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(read(json!("b a  b"), true), Ok(vec!["a".into(), "b".into()]));
        assert_eq!(read(json!("b a"), false), Ok(vec!["b a".into()]));
        assert_eq!(read(json!(["b", "a"]), false), Ok(vec!["a".into(), "b".into()]));
        for wrong in [json!(1), json!(null), json!({}), json!(["a", 1]), json!([["a"]])] {
            assert_eq!(read(wrong, true), Err("fault"));
        }
        let many: Vec<String> = (0..=MAX_LIST).map(|n| n.to_string()).collect();
        assert!(read(json!(many), false).is_err());
    }
}
