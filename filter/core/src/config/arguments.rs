//! Can what is demanded of arguments be met, and does it belong to the rule? Judged for one rule.

use super::error::{Findings, Place, nearest};
use super::raw::{RawArgument, RawScalar, RawTexts};
use super::read::Named;
use super::who::Side;
use crate::mcp::number::Number;
use crate::policy::arguments::Demands;
use crate::policy::arguments::constraint::{Constraint, Scalar, Type};
use crate::policy::arguments::file_path::Base;
use crate::policy::arguments::path::ArgumentPath;
use crate::policy::arguments::text_pattern::TextPattern;
use crate::policy::arguments::web_address::{Addresses, HostPattern};
use crate::policy::pattern::Pattern;
use crate::policy::rule::Targets;

/// What a rule says of arguments.
pub(crate) struct Demanded<'a> {
    pub(crate) named: Option<&'a Named<RawArgument>>,
    pub(crate) others: Option<&'a str>,
}

/// The most paths of one rule: each is followed through the arguments of each call.
const MAX_PATHS: usize = 64;

/// Compiles it for a rule that names these methods and things.
pub(crate) fn compile(
    raw: &Demanded<'_>,
    (methods, targets): (Option<&[Pattern]>, &Targets),
    side: Side,
    place: &Place,
    found: &mut Findings,
) -> Option<Demands> {
    if raw.named.is_none() && raw.others.is_none() {
        return None;
    }
    let closed = others(raw.others, &place.key("other_arguments"), found);
    let here = place.key(if raw.named.is_some() { "arguments" } else { "other_arguments" });
    judge_rule(methods, targets, &here, found);
    let mut named = Vec::new();
    for (path, raw) in raw.named.into_iter().flat_map(|named| &named.0) {
        let here = here.key(path);
        let before = found.errors.len();
        let constraint = constraint(raw, side, &here, found);
        if constraint == Constraint::default() && !closed && found.errors.len() == before {
            found.error(&here, "demands nothing; leave the path out, or say what the argument must be");
        }
        match ArgumentPath::parse(path) {
            Ok(path) => named.push((path, constraint)),
            Err(why) => found.error(&here, why),
        }
    }
    if named.len() > MAX_PATHS {
        found.error(&here, format!("at most {MAX_PATHS} paths, found {}", named.len()));
    }
    if raw.named.is_some_and(|named| named.0.is_empty()) {
        found.error(&here, "an empty mapping demands nothing; leave the key out");
    }
    Some(Demands { named, closed })
}

/// Only calls of tools and prompts have arguments of this kind.
fn judge_rule(methods: Option<&[Pattern]>, targets: &Targets, place: &Place, found: &mut Findings) {
    if !targets.resources.is_empty() || (targets.tools.is_empty() && targets.prompts.is_empty()) {
        found.error(
            place,
            "belongs to a rule that names tools or prompts, and no resources: nothing else has arguments",
        );
    }
    let calls = ["tools/call", "prompts/get"];
    if methods.is_some_and(|m| !calls.iter().any(|call| m.iter().any(|p| p.matches(call)))) {
        found.error(place, "none of the rule's methods has arguments: only tools/call and prompts/get do");
    }
}

fn others(raw: Option<&str>, place: &Place, found: &mut Findings) -> bool {
    word(raw, [("allow", false), ("deny", true)], false, place, found)
}

fn word<T: Copy>(
    raw: Option<&str>,
    words: [(&str, T); 2],
    default: T,
    place: &Place,
    found: &mut Findings,
) -> T {
    let Some(given) = raw else { return default };
    if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == given) {
        return *meaning;
    }
    let [one, other] = words.map(|(word, _)| word);
    found.suggest(place, format!("`{given}` is neither `{one}` nor `{other}`"), nearest(given, [one, other]));
    default
}

fn constraint(raw: &RawArgument, side: Side, place: &Place, found: &mut Findings) -> Constraint {
    if side == Side::Deny {
        for (key, given) in
            [("required", raw.required), ("nullable", raw.nullable), ("pin", raw.pin.is_some())]
        {
            if given {
                found
                    .error(&place.key(key), "belongs to allow rules: a deny rule says which values it means");
            }
        }
    }
    if raw.pin.is_some() && (raw.one_of.is_some() || raw.nullable) {
        found.error(&place.key("pin"), "leaves nothing to say to `one_of` or `nullable`");
    }
    let pinned = raw.pin.is_some();
    let one_of = raw.pin.as_ref().map(std::slice::from_ref).or(raw.one_of.as_deref());
    if one_of.is_some_and(<[_]>::is_empty) {
        found.error(&place.key("one_of"), "an empty list can never match; leave the key out");
    }
    range(raw.min.as_ref().map(number), raw.max.as_ref().map(number), "min", "max", place, found);
    range(raw.min_length, raw.max_length, "min_length", "max_length", place, found);
    range(raw.min_items, raw.max_items, "min_items", "max_items", place, found);
    let size = |size: Option<u32>| size.and_then(|n| usize::try_from(n).ok());
    Constraint {
        required: raw.required || pinned,
        nullable: raw.nullable,
        types: types(raw.r#type.as_ref(), &place.key("type"), found),
        one_of: one_of.map(|values| values.iter().map(scalar).collect()),
        pinned,
        min: raw.min.as_ref().map(number),
        max: raw.max.as_ref().map(number),
        min_length: size(raw.min_length),
        max_length: size(raw.max_length),
        min_items: size(raw.min_items),
        max_items: size(raw.max_items),
        pattern: raw.pattern.as_deref().and_then(|text| pattern(text, &place.key("pattern"), found)),
        within: within(raw.within.as_ref(), &place.key("within"), found),
        address: address(raw, side, place, found),
    }
}

fn range<T: PartialOrd>(
    min: Option<T>,
    max: Option<T>,
    low: &str,
    high: &str,
    place: &Place,
    found: &mut Findings,
) {
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        found.error(&place.key(low), format!("is greater than `{high}`: nothing could meet both"));
    }
}

fn number(raw: &serde_json::Number) -> Number {
    Number::read(&raw.to_string())
}

fn scalar(raw: &RawScalar) -> Scalar {
    match raw {
        RawScalar::Text(text) => Scalar::Text(text.clone()),
        RawScalar::Number(raw) => Scalar::Number(number(raw)),
        RawScalar::Boolean(flag) => Scalar::Boolean(*flag),
    }
}

fn types(raw: Option<&RawTexts>, place: &Place, found: &mut Findings) -> Vec<Type> {
    let Some(RawTexts(words)) = raw else { return Vec::new() };
    if words.is_empty() {
        found.error(place, "an empty list can never match; leave the key out");
    }
    let mut types = Vec::new();
    for given in words {
        match Type::WORDS.iter().find(|(word, _)| word == given) {
            Some((_, known)) => types.push(*known),
            None => {
                let known = Type::WORDS.map(|(word, _)| word);
                let message = format!("`{given}` is none of {}", known.join(", "));
                found.suggest(place, message, nearest(given, known));
            }
        }
    }
    types
}

fn pattern(text: &str, place: &Place, found: &mut Findings) -> Option<TextPattern> {
    TextPattern::parse(text).map_err(|why| found.error(place, why)).ok()
}

fn within(raw: Option<&RawTexts>, place: &Place, found: &mut Findings) -> Option<Vec<Base>> {
    let RawTexts(folders) = raw?;
    if folders.is_empty() {
        found.error(place, "an empty list can never match; leave the key out");
    }
    let mut bases = Vec::new();
    for folder in folders {
        match Base::parse(folder) {
            Ok(base) => bases.push(base),
            Err(why) => found.error(place, format!("`{folder}` {why}")),
        }
    }
    Some(bases)
}

fn address(raw: &RawArgument, side: Side, place: &Place, found: &mut Findings) -> Option<Addresses> {
    let others = [
        ("private", raw.private.is_some()),
        ("punycode", raw.punycode.is_some()),
        ("schemes", raw.schemes.is_some()),
    ];
    for (key, _) in others.iter().filter(|(_, given)| *given) {
        if raw.hosts.is_none() {
            found.error(&place.key(key), "says something of `hosts`, which are missing");
        } else if side == Side::Deny {
            found.error(&place.key(key), "belongs to allow rules: a deny rule says which hosts it means");
        }
    }
    let given = raw.hosts.as_ref()?;
    let here = place.key("hosts");
    if given.is_empty() {
        found.error(&here, "an empty list can never match; leave the key out");
    }
    let deny = side == Side::Deny;
    let allowed = [("allow", true), ("deny", false)];
    let private = word(raw.private.as_deref(), allowed, deny, &place.key("private"), found);
    let punycode = word(raw.punycode.as_deref(), allowed, deny, &place.key("punycode"), found);
    let mut hosts = Vec::new();
    for (at, text) in given.iter().enumerate() {
        match HostPattern::parse(text) {
            Ok(host) if host.is_private() && !private => {
                found.error(
                    &here.index(at),
                    "is not public, so `private: deny` refuses it; say `private: allow`",
                );
            }
            Ok(host) if host.is_punycode() && !punycode => {
                found.error(&here.index(at), "is an international name: say `punycode: allow`");
            }
            Ok(host) => hosts.push(host),
            Err(why) => found.error(&here.index(at), why),
        }
    }
    let schemes =
        if deny { Vec::new() } else { schemes(raw.schemes.as_deref(), &place.key("schemes"), found) };
    Some(Addresses { schemes, hosts, private, punycode, any_port: deny })
}

fn schemes(raw: Option<&[String]>, place: &Place, found: &mut Findings) -> Vec<String> {
    let Some(given) = raw else { return vec!["https".to_owned()] };
    if given.is_empty() {
        found.error(place, "an empty list can never match; leave the key out");
    }
    for (at, scheme) in given.iter().enumerate() {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.');
        if !scheme.bytes().all(plain) || !scheme.starts_with(|c: char| c.is_ascii_lowercase()) {
            found.error(&place.index(at), "is a scheme in lower case, without `:`");
        }
    }
    given.to_vec()
}
