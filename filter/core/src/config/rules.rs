//! Can every rule mean something, and only one thing? Rules, judged.

use super::error::{Findings, Place, nearest};
use super::raw::{RawAllow, RawDelegable, RawDeny, RawRule};
use super::who::{self, Side};
use super::{arguments, methods};
use crate::policy::methods::Kind;
use crate::policy::pattern::Pattern;
use crate::policy::resource_uri::ResourceUri;
use crate::policy::rule::{Effect, Rule, RuleId, Targets};
use crate::policy::who::Who;

/// The lists of a rule, whichever side it is on.
struct Lists<'a> {
    methods: Option<&'a Vec<String>>,
    tools: Option<&'a Vec<String>>,
    prompts: Option<&'a Vec<String>>,
    resources: Option<&'a Vec<String>>,
    tasks: Option<&'a Vec<String>>,
}

/// Compiles rules that stand together, of a server that accepts `issuers`. `ids` are those that stand elsewhere on it, and
/// get these besides.
pub(crate) fn compile(
    raw: &[RawRule],
    issuers: &[&str],
    ids: &mut Vec<String>,
    place: &Place,
    found: &mut Findings,
) -> Vec<Rule> {
    let mut rules: Vec<(Rule, Place)> = Vec::new();
    for (at, rule) in raw.iter().enumerate() {
        let here = place.index(at);
        name(&rule.id, &here.key("id"), found);
        if ids.contains(&rule.id) {
            found.error(&here.key("id"), format!("the id `{}` stands twice on this server", rule.id));
        }
        ids.push(rule.id.clone());
        rules.extend(compile_one(rule, issuers, &here, found).map(|r| (r, here)));
    }
    refuse_shadowed(&rules, found);
    rules.into_iter().map(|(r, _)| r).collect()
}

fn compile_one(raw: &RawRule, issuers: &[&str], place: &Place, found: &mut Findings) -> Option<Rule> {
    let rule = match (&raw.allow, &raw.deny, &raw.delegable) {
        (Some(allow), None, None) => compile_allow(&raw.id, allow, issuers, &place.key("allow"), found),
        (None, Some(deny), None) => compile_deny(&raw.id, deny, issuers, &place.key("deny"), found),
        (None, None, Some(open)) => compile_delegable(&raw.id, open, issuers, &place.key("delegable"), found),
        _ => {
            found.error(place, "a rule has one of `allow`, `deny` and `delegable`");
            None
        }
    };
    let shadow = shadow(raw, &place.key("mode"), found);
    rule.map(|rule| Rule { shadow, ..rule })
}

fn shadow(raw: &RawRule, place: &Place, found: &mut Findings) -> bool {
    match raw.mode.as_deref() {
        None | Some("enforce") => return false,
        Some("shadow") if raw.delegable.is_some() => {
            found.error(place, "what is delegable decides nothing anyway: leave `mode` out");
        }
        Some("shadow") => return true,
        Some(other) => {
            let message = format!("`{other}` is neither `enforce` nor `shadow`");
            found.suggest(place, message, nearest(other, ["enforce", "shadow"]));
        }
    }
    false
}

fn compile_allow(
    id: &str,
    raw: &RawAllow,
    issuers: &[&str],
    place: &Place,
    found: &mut Findings,
) -> Option<Rule> {
    let who = who::compile(&raw.who, Side::Allow, issuers, &place.key("who"), found);
    // `tasks: []` is how a rule that names tools keeps its tasks out.
    let no_tasks = raw.tasks.as_ref().is_some_and(Vec::is_empty);
    let lists = Lists {
        methods: raw.methods.as_ref(),
        tools: raw.tools.as_ref(),
        prompts: raw.prompts.as_ref(),
        resources: raw.resources.as_ref(),
        tasks: raw.tasks.as_ref().filter(|_| !no_tasks),
    };
    let (methods, mut targets) = compile_lists(&lists, Side::Allow, place, found);
    if raw.tasks.is_none() && methods.is_none() && !targets.tools.is_empty() {
        targets.tasks = vec![Pattern::any()];
    }
    let who = who?;
    if raw.hide && who.scopes().is_empty() {
        found.warn(
            &place.key("hide"),
            "has no effect: only a rule that asks for scopes shows what a step-up would allow",
        );
    }
    let demanded =
        arguments::Demanded { named: raw.arguments.as_ref(), others: raw.other_arguments.as_deref() };
    let arguments = arguments::compile(&demanded, (methods.as_deref(), &targets), Side::Allow, place, found);
    let rule = enforced(id, Effect::Allow { hide: raw.hide }, who, methods, targets);
    Some(Rule { arguments, ..rule })
}

fn compile_deny(
    id: &str,
    raw: &RawDeny,
    issuers: &[&str],
    place: &Place,
    found: &mut Findings,
) -> Option<Rule> {
    let who = who::compile(&raw.who, Side::Deny, issuers, &place.key("who"), found);
    let lists = Lists {
        methods: raw.methods.as_ref(),
        tools: raw.tools.as_ref(),
        prompts: raw.prompts.as_ref(),
        resources: raw.resources.as_ref(),
        tasks: raw.tasks.as_ref(),
    };
    let (methods, targets) = compile_lists(&lists, Side::Deny, place, found);
    let demanded = arguments::Demanded { named: raw.arguments.as_ref(), others: None };
    let arguments = arguments::compile(&demanded, (methods.as_deref(), &targets), Side::Deny, place, found);
    Some(Rule { arguments, ..enforced(id, Effect::Deny, who?, methods, targets) })
}

fn compile_delegable(
    id: &str,
    raw: &RawDelegable,
    issuers: &[&str],
    place: &Place,
    found: &mut Findings,
) -> Option<Rule> {
    let RawDelegable { who, methods, tools, prompts, resources, tasks } = raw.clone();
    let (arguments, other_arguments) = (None, None);
    let as_allow =
        RawAllow { who, methods, tools, prompts, resources, tasks, hide: false, arguments, other_arguments };
    let rule = compile_allow(id, &as_allow, issuers, place, found)?;
    Some(Rule { effect: Effect::Delegate, ..rule })
}

/// A rule that decides.
pub(crate) fn enforced(
    id: &str,
    effect: Effect,
    who: Who,
    methods: Option<Vec<Pattern>>,
    targets: Targets,
) -> Rule {
    Rule {
        id: RuleId::new(id),
        effect,
        who,
        methods,
        targets,
        arguments: None,
        shadow: false,
        unless_read_only: false,
    }
}

fn compile_lists(
    lists: &Lists<'_>,
    side: Side,
    place: &Place,
    found: &mut Findings,
) -> (Option<Vec<Pattern>>, Targets) {
    let before = found.errors.len();
    let methods = lists.methods.map(|m| patterns(Some(m), &place.key("methods"), found));
    let targets = Targets {
        tools: patterns(lists.tools, &place.key("tools"), found),
        prompts: patterns(lists.prompts, &place.key("prompts"), found),
        resources: uri_patterns(lists.resources, &place.key("resources"), found),
        tasks: patterns(lists.tasks, &place.key("tasks"), found),
    };
    if found.errors.len() > before {
        return (methods, targets);
    }
    match &methods {
        Some(methods) => methods::judge(methods, &targets, side, place, found),
        None if targets.is_empty() => {
            found.error(place, "names nothing: add methods, tools, prompts, resources or tasks");
        }
        None => {}
    }
    (methods, targets)
}

/// Compiles a list of patterns; one that is given must not be empty.
pub(crate) fn patterns(given: Option<&Vec<String>>, place: &Place, found: &mut Findings) -> Vec<Pattern> {
    let Some(given) = given else { return Vec::new() };
    if given.is_empty() {
        found.error(place, "an empty list can never match; leave the key out");
    }
    let parsed = given.iter().enumerate().filter_map(|(at, text)| match Pattern::parse(text) {
        Ok(pattern) => Some(pattern),
        Err(fault) => {
            found.error(&place.index(at), fault.explain());
            None
        }
    });
    parsed.collect()
}

/// The same for resource URIs, whose literal parts must be in normal form, since that is what they are compared with.
pub(crate) fn uri_patterns(given: Option<&Vec<String>>, place: &Place, found: &mut Findings) -> Vec<Pattern> {
    let compiled = patterns(given, place, found);
    for (at, text) in given.into_iter().flatten().enumerate() {
        if text == "*" || Pattern::parse(text).is_err() {
            continue;
        }
        let here = place.index(at);
        match normal_pattern(text) {
            Ok(normal) if normal == *text => {}
            Ok(normal) => {
                found.suggest(&here, "is not in normal form, so no URI could ever match it", Some(normal));
            }
            Err(why) => found.error(&here, format!("no URI could ever match it: {why}")),
        }
        if let Some(safe) = open_host(text) {
            found.suggest(&here, "the `*` would also match longer host names, of anybody", Some(safe));
        }
    }
    compiled
}

fn normal_pattern(text: &str) -> Result<String, &'static str> {
    const STAND_IN: &str = "zzstandinzz";
    let uri = ResourceUri::parse(&text.replace('*', STAND_IN)).map_err(|fault| fault.explain())?;
    let normal = uri.as_str().replace(STAND_IN, "*");
    // A path that normalization adds after `*` is not part of what was meant.
    Ok(if text.ends_with('*') {
        normal.strip_suffix('/').map_or(normal.clone(), str::to_owned)
    } else {
        normal
    })
}

/// For `https://example.com*`, which also matches `https://example.com.evil.example/`: what was probably meant.
fn open_host(text: &str) -> Option<String> {
    let prefix = text.strip_suffix('*')?;
    let host = prefix.strip_prefix("https://").or_else(|| prefix.strip_prefix("http://"))?;
    (!host.is_empty() && !host.contains('/')).then(|| format!("{}/*", prefix.trim_end_matches([':', '.'])))
}

/// Refuses allow rules of which a rule that denies everybody leaves nothing.
fn refuse_shadowed(rules: &[(Rule, Place)], found: &mut Findings) {
    let denies_all =
        |r: &&Rule| r.effect == Effect::Deny && r.who == Who::Everyone && !r.shadow && r.arguments.is_none();
    let all_denied: Vec<&Rule> = rules.iter().map(|(r, _)| r).filter(denies_all).collect();
    for (rule, place) in rules.iter().filter(|(r, _)| r.effect != Effect::Deny) {
        let shadow = |kind: Kind, pattern: &Pattern| {
            all_denied
                .iter()
                .find(|d| d.methods.is_none() && d.targets.of(kind).iter().any(|p| p.covers(pattern)))
        };
        let mut named = Kind::ALL
            .into_iter()
            .filter(|k| *k != Kind::Task || rule.targets.tools.is_empty())
            .flat_map(|k| rule.targets.of(k).iter().map(move |p| (k, p)))
            .peekable();
        let Some(first) = named.peek().and_then(|(k, p)| shadow(*k, p)) else { continue };
        if named.all(|(k, p)| shadow(k, p).is_some()) {
            found.error(
                place,
                format!("can never match: the rule `{}` denies all that it names to everybody", first.id),
            );
        }
    }
}

/// Judges a name that appears in metrics and audit records.
pub(crate) fn name(text: &str, place: &Place, found: &mut Findings) {
    let sound = (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if !sound {
        found.error(place, "a name is 1 to 64 letters, digits, `_`, `-` or `.`");
    }
}
