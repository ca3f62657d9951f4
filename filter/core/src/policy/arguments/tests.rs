//! Cases are data: what a rule demands, arguments, and what is not met (`null`: all is) or means a deny rule.

use super::super::rule::Rule;
use super::*;
use crate::config::compile;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The first rule of a configuration with it.
fn rule(kind: &str, demanded: &Value) -> Rule {
    let mut body = json!({"who": "any", "tools": ["t"]});
    for (key, value) in demanded.as_object().unwrap() {
        body[key] = value.clone();
    }
    let document = json!({
        "version": 1,
        "issuers": [{"issuer": "https://as.example", "algorithms": ["ES256"], "jwks": {"cluster": "c", "path": "/k"}}],
        "servers": [{"name": "s", "url": "https://s.example/mcp", "rules": [{"id": "r", (kind): body}]}],
    });
    let compiled = compile(document.to_string().as_bytes());
    compiled.unwrap_or_else(|e| panic!("{demanded}: {e:?}")).guard.servers[0].rules.rules()[0].clone()
}

fn allow(demanded: &Value) -> Demands {
    rule("allow", demanded).arguments.unwrap()
}

fn unmet(demands: &Demands, arguments: &str) -> Value {
    demands.unmet(arguments.as_bytes()).map_or(Value::Null, |r| json!([r.path, r.constraint]))
}

#[derive(serde::Deserialize)]
struct Group {
    rule: Value,
    note: String,
    /// Arguments and what is not met: path and key.
    allow: Vec<(String, Value)>,
    /// Arguments that a deny rule with the same demands means, and such that it does not; left out where there is no such rule.
    #[serde(default)]
    denies: Vec<String>,
    #[serde(default)]
    passes: Vec<String>,
}

#[test]
fn arguments_are_as_demanded_or_not() {
    let groups: Vec<Group> = serde_json::from_str(include_str!("cases.json")).unwrap();
    assert!(groups.len() > 15);
    for group in groups {
        let demands = allow(&group.rule);
        for (arguments, expected) in &group.allow {
            assert_eq!(unmet(&demands, arguments), *expected, "{}: {arguments}", group.note);
        }
        if group.denies.is_empty() && group.passes.is_empty() {
            continue;
        }
        let deny = rule("deny", &group.rule).arguments.unwrap();
        for (list, meant) in [(&group.denies, true), (&group.passes, false)] {
            for arguments in list {
                assert_eq!(deny.meant(arguments.as_bytes()).is_some(), meant, "{}: {arguments}", group.note);
            }
        }
    }
}

#[test]
fn what_is_too_much_to_look_at_is_not_met() {
    let demands = allow(&json!({"arguments": {"items[].n": {"max": 5}, "o.a": {"max": 5}}}));
    let list = |count: usize| format!("{{\"items\":[{}]}}", vec!["{\"n\":1}"; count].join(","));
    assert_eq!(unmet(&demands, &list(Demands::MAX_VALUES)), Value::Null);
    assert_eq!(unmet(&demands, &list(Demands::MAX_VALUES + 1)), json!(["items[].n", "too many items"]));
    let members = |count: usize| {
        let members: Vec<String> = (0..count).map(|at| format!("\"k{at}\":1")).collect();
        format!("{{\"o\":{{{}}}}}", members.join(","))
    };
    assert_eq!(unmet(&demands, &members(Demands::MAX_VALUES)), Value::Null);
    assert_eq!(unmet(&demands, &members(Demands::MAX_VALUES + 1)), json!(["o.a", "too many members"]));
    let elsewhere = format!("{{\"free\":[{}]}}", vec!["0"; 3 * Demands::MAX_VALUES].join(","));
    assert_eq!(unmet(&demands, &elsewhere), Value::Null, "what no path leads through is not counted");
    let nested = allow(&json!({"arguments": {"a[][]": {"max": 1}}}));
    let wide = format!("{{\"a\":[{}]}}", vec!["[1,1]"; Demands::MAX_VALUES / 2 + 1].join(","));
    assert_eq!(unmet(&nested, &wide), json!(["a[][]", "too many values"]));
}

#[cfg(feature = "regex")]
#[test]
fn a_pattern_is_met_as_a_whole_and_found_anywhere() {
    let demanded = json!({"arguments": {"q": {"pattern": "a+|b"}}});
    let (allow, deny) = (allow(&demanded), rule("deny", &demanded).arguments.unwrap());
    for (text, whole, anywhere) in [
        ("aaa", true, true),
        ("b", true, true),
        ("ba", false, true),
        ("a\\nb", false, true),
        ("c", false, false),
        ("", false, false),
    ] {
        let arguments = format!("{{\"q\":\"{text}\"}}");
        assert_eq!(allow.unmet(arguments.as_bytes()).is_none(), whole, "{text}");
        assert_eq!(deny.meant(arguments.as_bytes()).is_some(), anywhere, "{text}");
    }
    let long = format!("{{\"q\":\"{}\"}}", "a".repeat(text_pattern::MAX_TEXT + 1));
    assert_eq!(unmet(&allow, &long), json!(["q", "pattern"]));
    assert!(deny.meant(long.as_bytes()).is_some(), "what is too long to compare is denied");
    assert!(text_pattern::TextPattern::parse("a)(b").is_err(), "a pattern is one by itself");
}

/// As ECMA-262 means them, and the same in the command line and in the module, whichever tables of Unicode these have.
#[cfg(feature = "regex")]
#[test]
fn classes_and_edges_of_words_are_those_of_ascii() {
    for (pattern, text, anywhere) in [
        (r"\bcat\b", "a cat.", true),
        (r"\bcat\b", "concat", false),
        (r"\bcat\b", "écaté", true),
        (r"\bcat\b", "é cat é", true),
        (r"\Bcat", "concat", true),
        (r"\Bcat", "a cat", false),
        (r"\Bat\B", "écaté", false),
        (r"^\w+$", "naïve", false),
        (r"^[\w-]+$", "a-b_1", true),
        (r"^\d$", "\u{663}", false),
        (r"^[^\s]$", "\u{a0}", true),
        (r"(?i)^ok$", "OK", true),
        (r"(?i)^ä$", "Ä", true),
        (r"^\u0041$", "A", true),
    ] {
        let compiled = text_pattern::TextPattern::parse(pattern);
        let compiled = compiled.unwrap_or_else(|fault| panic!("{pattern}: {fault}"));
        assert_eq!(compiled.matches(text, true), Ok(anywhere), "{pattern} in {text}");
    }
    for refused in
        [r"\p{L}", r"\PL", r"[\p{Greek}]", r"\<a", r"a\>", r"\b{start}a", r"(?=a)", r"(a)\1", r"[\b]"]
    {
        assert!(text_pattern::TextPattern::parse(refused).is_err(), "{refused}");
    }
}

proptest! {
    /// Whatever the arguments: an allow rule that is met is not one of which something is clearly unmet, and nothing panics.
    #[test]
    fn no_arguments_break_a_rule(text in "[\\[\\]{}\":,a-c0-9.%/\\\\ -]{0,60}", key in "[a-cA]{1,2}") {
        let demands = allow(&json!({
            "arguments": {"a": {"max": 5}, "b[].c": {"within": "."}, "c": {"hosts": ["*"]}}, "other_arguments": "deny"
        }));
        let quoted = Value::from(text.as_str());
        let whole = format!("{{\"a\":3,\"b\":[{{\"c\":{quoted}}}],\"c\":\"https://a.example/\"}}");
        let parts = [format!("{{\"{key}\":{quoted}}}"), format!("{{\"{key}\":[{{\"c\":{quoted}}}]}}")];
        for arguments in parts.iter().chain([&text, &whole]) {
            let met = demands.unmet(arguments.as_bytes()).is_none();
            // A deny rule with the same demands means all that an allow rule permits, and more.
            let named = Demands { closed: false, ..demands.clone() };
            let some = *arguments == whole;
            prop_assert!(!met || !some || named.meant(arguments.as_bytes()).is_some());
        }
    }

    /// Nothing that is spelled around lies within a folder: what passes has neither dots nor encodings left to resolve.
    #[test]
    fn a_path_that_passes_is_below_its_folder(path in "(/srv/|srv/|/)?[a.%/\\\\~ :\u{ff0e}\u{200b}]{0,12}") {
        let bases = [file_path::Base::parse("/srv").unwrap()];
        if file_path::Base::any_holds(&bases, &path) == Ok(true) {
            prop_assert!(path == "/srv" || path.starts_with("/srv/"));
            let clean = std::path::Path::new(&path).components().all(|c| !matches!(c, std::path::Component::ParentDir));
            let treacherous = ['%', '\\', '\u{ff0e}', '\u{200b}'];
            prop_assert!(clean && !path.contains(treacherous));
        }
    }

    /// What reads as a public address here is one to the standard library, too.
    #[test]
    fn no_private_address_is_let_through(address in any::<u32>(), form in 0usize..3) {
        let v4 = std::net::Ipv4Addr::from(address);
        let host = match form {
            0 => v4.to_string(),
            1 => format!("[{}]", v4.to_ipv6_mapped()),
            _ => format!("[{}]", v4.to_ipv6_compatible()),
        };
        let demands = allow(&json!({"arguments": {"u": {"hosts": ["*"]}}}));
        let met = demands.unmet(format!("{{\"u\":\"https://{host}/\"}}").as_bytes()).is_none();
        let private = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified()
            || v4.is_broadcast() || v4.is_documentation() || v4.is_multicast();
        prop_assert!(!(met && (private || form != 0)), "{host}");
    }
}
