//! Can every rule about contents find something, and do with it what it says? Content rules, judged.

use std::sync::Arc;

use super::error::{Findings, Place, nearest};
use super::raw::{RawApplies, RawCaps, RawContentRule, RawRegex};
use super::rules::{name, patterns, uri_patterns};
use super::units::parse_size;
use super::who::{self, Side};
use crate::policy::rule::RuleId;
use crate::sanitize::content::names::{MemberName, MemberPath};
use crate::sanitize::content::{Action, Applies, Caps, Characters, Content, ContentRule};
use crate::sanitize::detect::Detector;
use crate::sanitize::detect::regexes::Regex;

/// The most rules of one server: each text is judged by all.
const MOST_RULES: usize = 64;
/// The most patterns of one rule.
const MOST_REGEXES: usize = 32;
/// A text shorter than this would be its mark.
const LEAST_TEXT: u64 = 64;
/// Stands for the detectors that are no opt-in.
const PERSONAL: &str = "personal";

/// Compiles the content rules of a server that accepts `issuers`.
pub(crate) fn compile(
    raw: &[RawContentRule],
    issuers: &[&str],
    place: &Place,
    found: &mut Findings,
) -> Content {
    if raw.len() > MOST_RULES {
        found.error(place, format!("at most {MOST_RULES} rules, found {}", raw.len()));
    }
    let mut rules = Vec::new();
    for (at, rule) in raw.iter().enumerate() {
        let here = place.index(at);
        name(&rule.id, &here.key("id"), found);
        if raw.iter().take(at).any(|r| r.id == rule.id) {
            found.error(&here.key("id"), format!("the id `{}` stands twice on this server", rule.id));
        }
        rules.extend(compile_one(rule, issuers, &here, found).map(Arc::new));
    }
    Content(rules)
}

fn compile_one(
    raw: &RawContentRule,
    issuers: &[&str],
    place: &Place,
    found: &mut Findings,
) -> Option<ContentRule> {
    let before = found.errors.len();
    let (requests, responses) = directions(raw.r#in.as_deref(), &place.key("in"), found);
    let looks = raw.detect.is_some() || raw.keys.is_some() || raw.regexes.is_some();
    let does = raw.fields.is_some() || raw.characters.is_some() || raw.caps.is_some();
    if !looks && !does {
        found.error(place, "does nothing: add detect, keys, regexes, fields, characters or caps");
    }
    let action = action(raw.action.as_deref(), looks, &place.key("action"), found);
    let rule = ContentRule {
        id: RuleId::new(&raw.id),
        applies: applies(raw.applies.as_ref(), issuers, &place.key("applies"), found),
        requests,
        responses,
        detect: detectors(raw.detect.as_deref(), &place.key("detect"), found),
        regexes: regexes(raw.regexes.as_deref(), &place.key("regexes"), found),
        keys: keys(raw.keys.as_deref(), &place.key("keys"), found),
        action,
        fields: fields(raw.fields.as_deref(), &place.key("fields"), found),
        characters: characters(raw.characters.as_deref(), &place.key("characters"), found),
        caps: raw.caps.as_ref().map(|raw| caps(raw, &place.key("caps"), found)),
    };
    if requests && rule.applies.obliged {
        let message = "the policy obliges answers; requests are read before it is asked (`in: [responses]`)";
        found.error(&place.key("applies").key("obliged"), message);
    }
    if requests {
        judge_requests(&rule, place, found);
    }
    (found.errors.len() == before).then_some(rule)
}

/// The bytes that are authorized are the bytes that are forwarded: nothing of a request changes.
fn judge_requests(rule: &ContentRule, place: &Place, found: &mut Findings) {
    const ONLY: &str = "requests are never changed: give answers a rule of their own (`in: [responses]`)";
    if matches!(rule.action, Action::Mask | Action::Hash | Action::Drop) {
        found.error(&place.key("action"), format!("{}; here `block` or `flag`", ONLY));
    }
    if !rule.fields.is_empty() {
        found.error(&place.key("fields"), ONLY);
    }
    if rule.characters == Some(Characters::Strip) {
        found.error(&place.key("characters"), format!("{}; here `refuse`", ONLY));
    }
    if rule.caps.is_some_and(|caps| !caps.block) {
        found.error(&place.key("caps").key("beyond"), format!("{}; here `block`", ONLY));
    }
}

fn directions(raw: Option<&[String]>, place: &Place, found: &mut Findings) -> (bool, bool) {
    let Some(raw) = raw else { return (false, true) };
    if raw.is_empty() {
        found.error(place, "an empty list reads nothing; leave the key out for responses");
    }
    for (at, word) in raw.iter().enumerate() {
        if !["requests", "responses"].contains(&word.as_str()) {
            let message = format!("`{word}` is neither `requests` nor `responses`");
            found.suggest(&place.index(at), message, nearest(word, ["requests", "responses"]));
        }
    }
    let has = |word: &str| raw.iter().any(|other| other == word);
    (has("requests"), has("responses"))
}

fn action(raw: Option<&str>, looks: bool, place: &Place, found: &mut Findings) -> Action {
    let names = Action::ALL.map(Action::name);
    match (raw.map(|word| (word, Action::parse(word))), looks) {
        (Some((_, Some(action))), true) => return action,
        (Some((_, Some(_))), false) => {
            found.error(place, "is about what `detect`, `keys` and `regexes` find, and none is here");
        }
        (Some((word, None)), _) => {
            let message = format!("`{word}` is no action; there are {}", names.join(", "));
            found.suggest(place, message, nearest(word, names));
        }
        (None, true) => {
            found.error(place, format!("say what becomes of what is found: {}", names.join(", ")))
        }
        (None, false) => {}
    }
    Action::Flag
}

fn applies(raw: Option<&RawApplies>, issuers: &[&str], place: &Place, found: &mut Findings) -> Applies {
    let Some(raw) = raw else { return Applies::ALL };
    let named_in_sessions = match raw.sessions.as_deref() {
        None | Some("every") => false,
        Some("named") => true,
        Some(other) => {
            let message = format!("`{other}` is neither `every` nor `named`");
            found.suggest(&place.key("sessions"), message, nearest(other, ["every", "named"]));
            false
        }
    };
    let who =
        raw.who.as_ref().and_then(|raw| who::compile(raw, Side::Deny, issuers, &place.key("who"), found));
    let names = raw.tools.is_some() || raw.prompts.is_some() || raw.resources.is_some();
    if raw.obliged && names {
        found.error(
            &place.key("obliged"),
            "the policy says to what it applies: leave out tools, prompts and resources",
        );
    }
    Applies {
        who,
        obliged: raw.obliged,
        tools: patterns(raw.tools.as_ref(), &place.key("tools"), found),
        prompts: patterns(raw.prompts.as_ref(), &place.key("prompts"), found),
        resources: uri_patterns(raw.resources.as_ref(), &place.key("resources"), found),
        named_in_sessions,
    }
}

fn detectors(raw: Option<&[String]>, place: &Place, found: &mut Findings) -> Vec<Detector> {
    let Some(raw) = raw else { return Vec::new() };
    if raw.is_empty() {
        found.error(place, "an empty list finds nothing; leave the key out");
    }
    let mut detectors = Vec::new();
    for (at, name) in raw.iter().enumerate() {
        let named = match Detector::parse(name) {
            _ if name == PERSONAL => vec![Detector::Email, Detector::Phone, Detector::Card, Detector::Iban],
            Some(detector) => vec![detector],
            None => {
                let names = Detector::ALL.map(Detector::name);
                let message = format!("`{name}` is no detector; there are {PERSONAL}, {}", names.join(", "));
                found.suggest(&place.index(at), message, nearest(name, names));
                continue;
            }
        };
        if named.iter().any(|detector| detectors.contains(detector)) {
            found.error(&place.index(at), format!("`{name}` stands twice"));
        }
        detectors.extend(named);
    }
    detectors
}

fn regexes(raw: Option<&[RawRegex]>, place: &Place, found: &mut Findings) -> Vec<Arc<Regex>> {
    let Some(raw) = raw else { return Vec::new() };
    if raw.is_empty() || raw.len() > MOST_REGEXES {
        found.error(place, format!("1 to {MOST_REGEXES} patterns, found {}", raw.len()));
    }
    let mut regexes = Vec::new();
    for (at, regex) in raw.iter().take(MOST_REGEXES).enumerate() {
        let here = place.index(at);
        name(&regex.name, &here.key("name"), found);
        if raw.iter().take(at).any(|other| other.name == regex.name) {
            found.error(&here.key("name"), format!("the name `{}` stands twice", regex.name));
        }
        match Regex::compile(&regex.name, &regex.pattern) {
            Ok(compiled) => regexes.push(Arc::new(compiled)),
            Err(why) => found.error(&here.key("pattern"), why),
        }
    }
    regexes
}

fn keys(raw: Option<&[String]>, place: &Place, found: &mut Findings) -> Vec<MemberName> {
    let Some(raw) = raw else { return Vec::new() };
    if raw.is_empty() {
        found.error(place, "an empty list means no member; leave the key out");
    }
    let parsed = raw.iter().enumerate().filter_map(|(at, text)| {
        let name = MemberName::parse(text);
        if name.is_none() {
            found.error(&place.index(at), "is the name of a member, `*` at either end for anything");
        }
        name
    });
    parsed.collect()
}

fn fields(raw: Option<&[String]>, place: &Place, found: &mut Findings) -> Vec<MemberPath> {
    let Some(raw) = raw else { return Vec::new() };
    if raw.is_empty() {
        found.error(place, "an empty list lets no member pass; leave the key out, or deny the tool");
    }
    let parsed = raw.iter().enumerate().filter_map(|(at, text)| {
        let path = MemberPath::parse(text);
        if path.is_none() {
            found.error(&place.index(at), "is a path of members such as `items.name`, `*` for any member");
        }
        path
    });
    parsed.collect()
}

fn characters(raw: Option<&str>, place: &Place, found: &mut Findings) -> Option<Characters> {
    match raw? {
        "strip" => return Some(Characters::Strip),
        "refuse" => return Some(Characters::Refuse),
        other => {
            let message = format!("`{other}` is neither `strip` nor `refuse`");
            found.suggest(place, message, nearest(other, ["strip", "refuse"]));
        }
    }
    None
}

fn caps(raw: &RawCaps, place: &Place, found: &mut Findings) -> Caps {
    let text_bytes = raw.text_bytes.as_ref().and_then(|size| match parse_size(&size.0) {
        Ok(bytes) if bytes < LEAST_TEXT => {
            found.error(&place.key("text_bytes"), format!("at least {LEAST_TEXT} bytes, found {bytes}"));
            None
        }
        Ok(bytes) => usize::try_from(bytes).ok(),
        Err(why) => {
            found.error(&place.key("text_bytes"), why);
            None
        }
    });
    if raw.items == Some(0) {
        found.error(&place.key("items"), "zero would empty every list; use `fields`, or deny the tool");
    }
    if raw.text_bytes.is_none() && raw.items.is_none() {
        found.error(place, "caps nothing: add text_bytes or items");
    }
    let block = match raw.beyond.as_deref() {
        None | Some("cut") => false,
        Some("block") => true,
        Some(other) => {
            let message = format!("`{other}` is neither `cut` nor `block`");
            found.suggest(&place.key("beyond"), message, nearest(other, ["cut", "block"]));
            false
        }
    };
    Caps { text_bytes, items: raw.items.and_then(|items| usize::try_from(items).ok()), block }
}
