//! Whose tokens may be accepted? Issuers, judged.

use super::destination::{self, Usual, Written, written};
use super::error::{Findings, Place, nearest};
use super::raw::{RawClaims, RawIssuer, RawJwks, RawPaths, RawRevocations, RawValidate};
use super::units::{format_duration, parse_duration};
use super::url::Url;
use crate::callout::Destination;
use crate::identity::issuer::{
    Algorithm, ClaimNames, Issuer, JwksSource, RevocationSource, TokenType, ValidateSource,
};
use std::ops::RangeInclusive;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86400);
/// More than any identity provider spreads one thing over.
const MOST_PATHS: usize = 16;

/// Compiles all issuers; one that is refused is left out and found.
pub(crate) fn compile(raw: &[RawIssuer], place: &Place, found: &mut Findings) -> Vec<Issuer> {
    let mut compiled: Vec<Issuer> = Vec::new();
    for (at, issuer) in raw.iter().enumerate() {
        let here = place.index(at);
        if compiled.iter().any(|i| i.issuer == issuer.issuer) {
            found.error(&here.key("issuer"), format!("`{}` stands twice", issuer.issuer));
        }
        compiled.extend(compile_one(issuer, &here, found));
    }
    compiled
}

fn compile_one(raw: &RawIssuer, place: &Place, found: &mut Findings) -> Option<Issuer> {
    let url = match Url::parse(&raw.issuer) {
        Ok(url) => url,
        Err(why) => {
            found.error(&place.key("issuer"), format!("an issuer {why}"));
            return None;
        }
    };
    if url.scheme == "http" && !url.is_loopback() {
        found.warn(
            &place.key("issuer"),
            "plain http beyond this machine: anyone on the way can take the tokens",
        );
    }
    let algorithms = algorithms(&raw.algorithms, &place.key("algorithms"), found);
    let skew = duration(
        raw.clock_skew.as_deref(),
        "30s",
        Duration::ZERO..=Issuer::MAX_SKEW,
        &place.key("clock_skew"),
        found,
    );
    let jwks = jwks(&raw.jwks, &url, &place.key("jwks"), found);
    let validate = raw.validate.as_ref().map(|v| validate(v, &url, &place.key("validate"), found));
    let feed = |raw| revocations(raw, &url, &place.key("revocations"), found);
    let revocations = raw.revocations.as_ref().map(feed);
    let claims = claims(raw.claims.as_ref(), &place.key("claims"), found);
    Some(Issuer {
        issuer: raw.issuer.clone(),
        algorithms,
        skew,
        jwks,
        validate,
        revocations,
        claims,
        token_type: token_type(raw.token_type.as_deref(), &place.key("token_type"), found),
    })
}

fn token_type(raw: Option<&str>, place: &Place, found: &mut Findings) -> TokenType {
    match raw {
        None | Some("at+jwt") => TokenType::AccessToken,
        Some("JWT") => TokenType::PlainJwt,
        Some(other) => {
            let near = nearest(other, ["at+jwt", "JWT"]);
            found.suggest(place, format!("`{other}` is neither `at+jwt` nor `JWT`"), near);
            TokenType::AccessToken
        }
    }
}

fn algorithms(raw: &[String], place: &Place, found: &mut Findings) -> Vec<Algorithm> {
    if raw.is_empty() {
        found.error(place, "name at least one of RS256, PS256, ES256, EdDSA");
    }
    let mut compiled = Vec::new();
    for (at, name) in raw.iter().enumerate() {
        match Algorithm::parse(name) {
            Some(algorithm) if compiled.contains(&algorithm) => {
                found.error(&place.index(at), format!("`{name}` stands twice"));
            }
            Some(algorithm) => compiled.push(algorithm),
            None => {
                let (why, suggestion) = refuse_algorithm(name);
                found.suggest(&place.index(at), why, suggestion);
            }
        }
    }
    compiled
}

fn refuse_algorithm(name: &str) -> (String, Option<String>) {
    let known = "accepted are RS256, PS256, ES256, EdDSA";
    if name.eq_ignore_ascii_case("none") {
        return (format!("`{name}` means tokens without a signature, which anyone can write; {known}"), None);
    }
    if name.get(..2).is_some_and(|n| n.eq_ignore_ascii_case("HS")) {
        let why = "is symmetric: whoever can check such a token can forge one";
        return (format!("`{name}` {why}; {known}"), None);
    }
    let suggestion = nearest(name, Algorithm::ALL.map(Algorithm::as_str));
    (format!("`{name}` is not supported; {known}"), suggestion)
}

fn jwks(raw: &RawJwks, issuer: &Url, place: &Place, found: &mut Findings) -> JwksSource {
    let before = found.errors.len();
    let at = asked(&written!(raw), issuer, place, found);
    let mut span = |key: &str, text: &Option<String>, default: &str, within: RangeInclusive<Duration>| {
        duration(text.as_deref(), default, within, &place.key(key), found)
    };
    let refresh = span("refresh", &raw.refresh, "5m", 10 * SECOND..=DAY);
    let max_stale = span("max_stale", &raw.max_stale, "24h", Duration::ZERO..=7 * DAY);
    if max_stale < refresh && found.errors.len() == before {
        found.error(
            &place.key("max_stale"),
            "is shorter than `refresh`: keys would be too old before they are fetched again",
        );
    }
    JwksSource { at, refresh, max_stale }
}

fn validate(raw: &RawValidate, issuer: &Url, place: &Place, found: &mut Findings) -> ValidateSource {
    let at = asked(&written!(raw), issuer, place, found);
    let remember = place.key("remember");
    ValidateSource {
        at,
        remember: duration(raw.remember.as_deref(), "30s", SECOND..=600 * SECOND, &remember, found),
    }
}

fn revocations(raw: &RawRevocations, issuer: &Url, place: &Place, found: &mut Findings) -> RevocationSource {
    let at = asked(&written!(raw), issuer, place, found);
    if raw.path.contains('?') {
        found.error(&place.key("path"), "a query is added to it, so it has none");
    }
    let max_age = place.key("max_age");
    RevocationSource {
        at,
        max_age: duration(raw.max_age.as_deref(), "5m", 5 * SECOND..=DAY, &max_age, found),
    }
}

/// Where an issuer is asked: unless it says otherwise, by its own name.
fn asked(raw: &Written<'_>, issuer: &Url, place: &Place, found: &mut Findings) -> Destination {
    let usual = Usual { authority: issuer.authority(), timeout: "5s", most: 30 * SECOND };
    destination::compile(raw, usual, place, found)
}

fn claims(raw: Option<&RawClaims>, place: &Place, found: &mut Findings) -> ClaimNames {
    let default = ClaimNames::default();
    let Some(raw) = raw else { return default };
    let mut judge = |path: &str, at: &Place| {
        if path.is_empty() || path.split('.').any(str::is_empty) {
            found.error(at, "is the name of a claim; dots stand between names only");
        }
    };
    let mut name = |key: &str, given: &Option<String>, default: String| {
        let Some(given) = given else { return default };
        judge(given, &place.key(key));
        given.clone()
    };
    let client = name("client", &raw.client, default.client);
    let organization = name("organization", &raw.organization, default.organization);
    let mut paths = |key: &str, given: &Option<RawPaths>, default: Vec<String>| {
        let Some(RawPaths(given)) = given else { return default };
        let here = place.key(key);
        if let [only] = given.as_slice() {
            judge(only, &here);
        } else {
            given.iter().enumerate().for_each(|(at, path)| judge(path, &here.index(at)));
        }
        given.clone()
    };
    let claims = ClaimNames {
        client,
        scopes: paths("scopes", &raw.scopes, default.scopes),
        groups: paths("groups", &raw.groups, default.groups),
        roles: paths("roles", &raw.roles, default.roles),
        organization,
    };
    for (key, paths) in [("scopes", &claims.scopes), ("groups", &claims.groups), ("roles", &claims.roles)] {
        if !(1..=MOST_PATHS).contains(&paths.len()) {
            found.error(&place.key(key), format!("1 to {MOST_PATHS} paths of claims"));
        }
    }
    claims
}

pub(super) fn duration(
    given: Option<&str>,
    default: &str,
    within: RangeInclusive<Duration>,
    place: &Place,
    found: &mut Findings,
) -> Duration {
    match parse_duration(given.unwrap_or(default)) {
        Ok(span) if within.contains(&span) => span,
        Ok(_) => {
            let (least, most) = (within.start(), within.end());
            found.error(
                place,
                format!("lies outside {} to {}", format_duration(*least), format_duration(*most)),
            );
            Duration::ZERO
        }
        Err(why) => {
            found.error(place, why);
            Duration::ZERO
        }
    }
}
