use std::sync::Arc;

use super::super::rule::{Actor, HistoryRule, Per, Slots, Sort, Things};
use super::*;
use crate::identity::principal::{Identity, Principal};
use crate::mcp::operation::{Operation, Target};
use crate::policy::pattern::Pattern;
use crate::policy::rule::RuleId;
use proptest::prelude::*;

const SALT: Salt = Salt::new([7; 16]);

fn rule(per: Per, sort: Sort) -> HistoryRule {
    HistoryRule { id: RuleId::new("r"), per, within: Duration::from_secs(60), sort }
}

fn tools(names: &[&str]) -> Vec<Pattern> {
    names.iter().map(|name| Pattern::parse(name).unwrap()).collect()
}

fn taint() -> Sort {
    Sort::Taint { after: tools(&["read_*"]), deny: tools(&["send"]) }
}

fn call(name: &str) -> Operation {
    Operation { method: "tools/call".into(), targets: vec![Target::Tool(name.into())] }
}

fn someone(subject: &str) -> Principal {
    Principal::Authenticated(Arc::new(Identity::named("https://as", subject)))
}

/// A past in one set, as the adapter keeps it, and who adds to it.
struct Past<'a> {
    set: Vec<u8>,
    who: &'a Principal,
    session: Option<&'a str>,
    now: u64,
}

// === impl Past ===

impl Past<'_> {
    /// Whether the rule lets it through; what it marks stays.
    fn lets(&mut self, rule: &HistoryRule, operation: &Operation) -> bool {
        let actor = Actor { server: "s", session: self.session, who: self.who, source: Some("10.0.0.1") };
        let asks = rule.before(operation, &actor, SALT);
        let outcome = self.ask(&asks);
        if outcome == Outcome::Admitted {
            let later: Vec<Ask> = rule.after(operation, &actor).into_iter().collect();
            assert_eq!(self.ask(&later), Outcome::Admitted);
        }
        outcome == Outcome::Admitted
    }

    fn ask(&mut self, asks: &[Ask]) -> Outcome {
        let noted = ask(Some(&self.set), asks, Timestamp::from_secs(self.now));
        self.set = noted.bytes.unwrap_or_else(|| self.set.clone());
        noted.outcome
    }
}

fn past<'a>(who: &'a Principal, session: Option<&'a str>) -> Past<'a> {
    Past { set: empty_set(), who, session, now: 1000 }
}

/// Two names that are marked alike count once: who could find such names outside would see more than he may.
#[test]
fn how_a_name_is_marked_is_known_to_one_envoy_alone() {
    let (rule, alice) =
        (rule(Per::Principal, Sort::Distinct { most: 2, of: Things::Tools }), someone("alice"));
    let actor = Actor { server: "s", session: None, who: &alice, source: None };
    let marks = |name, salt| rule.before(&call(name), &actor, Salt::new([salt; 16]));
    assert_eq!(marks("a", 1), marks("a", 1));
    assert_ne!(marks("a", 1), marks("b", 1));
    assert_ne!(marks("a", 1), marks("a", 2));
}

#[test]
fn after_what_taints_what_is_denied_is_refused_for_a_while() {
    let (rule, alice) = (rule(Per::Session, taint()), someone("alice"));
    let mut past = past(&alice, None);
    assert!(past.lets(&rule, &call("send")) && past.lets(&rule, &call("read_a")));
    assert!(!past.lets(&rule, &call("send")) && past.lets(&rule, &call("other")));
    past.now += 59;
    assert!(!past.lets(&rule, &call("send")));
    past.now += 1;
    assert!(past.lets(&rule, &call("send")), "it is over");
    assert!(past.lets(&rule, &Operation::bare("tools/list")));
}

#[test]
fn what_must_come_first_must_have_come() {
    let order = Sort::Order { require: tools(&["login"]), before: tools(&["pay"]) };
    let (rule, alice) = (rule(Per::Session, order), someone("alice"));
    let mut past = past(&alice, None);
    assert!(!past.lets(&rule, &call("pay")));
    assert!(
        past.lets(&rule, &call("login")) && past.lets(&rule, &call("pay")) && past.lets(&rule, &call("pay"))
    );
    past.now += 60;
    assert!(!past.lets(&rule, &call("pay")), "too long ago");
    assert!(past.lets(&rule, &call("login")));
    past.now -= 30;
    assert!(!past.lets(&rule, &call("pay")), "the clock was set back: nobody knows how long ago");
    assert!(past.lets(&rule, &call("login")) && past.lets(&rule, &call("pay")));
}

#[test]
fn no_more_different_ones_than_there_may_be() {
    let count = Sort::Distinct { most: 2, of: Things::Resources };
    let (rule, alice) = (rule(Per::Session, count), someone("alice"));
    let read = |uris: &[&str]| Operation {
        method: "subscriptions/listen".into(),
        targets: uris.iter().map(|uri| Target::Resource((*uri).into())).collect(),
    };
    let mut past = past(&alice, None);
    assert!(past.lets(&rule, &read(&["n://a"])) && past.lets(&rule, &read(&["n://a"])));
    assert!(!past.lets(&rule, &read(&["n://b", "n://c"])), "both at once are too many");
    assert!(past.lets(&rule, &read(&["n://b", "n://a"])), "nothing of that was marked");
    assert!(!past.lets(&rule, &read(&["n://c"])) && past.lets(&rule, &call("any")));
    past.now += 60;
    assert!(past.lets(&rule, &read(&["n://c"])));
}

#[test]
fn whose_past_it_is() {
    let (alice, bob) = (someone("alice"), someone("bob"));
    // Per, the first session, the other's subject and session, and whether what the first did counts for the other.
    for (per, first, (who, session), shared) in [
        (Per::Session, None, (&alice, None), true),
        (Per::Session, Some("one"), (&alice, Some("one")), true),
        (Per::Session, Some("one"), (&alice, Some("two")), false),
        (Per::Session, Some("one"), (&alice, None), false),
        (Per::Principal, Some("one"), (&alice, Some("two")), true),
        (Per::Principal, Some("one"), (&alice, None), true),
        (Per::Principal, None, (&bob, None), false),
        (Per::Session, Some("one"), (&bob, Some("one")), false),
    ] {
        let rule = rule(per, taint());
        let mut one = past(&alice, first);
        assert!(one.lets(&rule, &call("read_a")));
        let mut other = Past { set: one.set, who, session, now: 1000 };
        assert_eq!(!other.lets(&rule, &call("send")), shared, "{per:?} {first:?} {session:?}");
    }
}

#[test]
fn a_full_set_refuses_and_forgets_nothing() {
    let (rule, alice) = (rule(Per::Session, taint()), someone("alice"));
    let sessions: Vec<String> = (0..=WAYS).map(|at| at.to_string()).collect();
    let mut set = empty_set();
    for (at, session) in sessions.iter().enumerate() {
        let mut one = Past { set, who: &alice, session: Some(session), now: 1000 };
        assert_eq!(one.lets(&rule, &call("read_a")), at < WAYS, "{at}");
        set = one.set;
    }
    let mut first = Past { set, who: &alice, session: Some("0"), now: 1000 };
    assert!(!first.lets(&rule, &call("send")), "it stands");
    let mut last =
        Past { set: first.set, who: &alice, session: sessions.last().map(String::as_str), now: 1061 };
    assert!(last.lets(&rule, &call("read_a")), "what is over gives its room");
}

#[test]
fn a_principal_has_one_set_and_strangers_have_others() {
    let salt = Salt::new([7; 16]);
    let (alice, nobody) = (someone("alice"), Principal::Anonymous);
    fn slots(who: &Principal, session: Option<&str>, source: Option<&str>) -> Slots {
        Slots::of(&Actor { server: "s", session, who, source })
    }
    let key = |slots| set_key(slots, salt);
    assert_eq!(key(slots(&alice, Some("one"), None)), key(slots(&alice, Some("two"), Some("10.0.0.1"))));
    assert_eq!(slots(&nobody, None, Some("2001:db8::1")), slots(&nobody, None, Some("2001:db8::2")));
    let strangers: Vec<String> = all_keys().skip(usize::from(SETS)).collect();
    for at in 0..50 {
        let address = format!("10.0.0.{at}");
        assert!(strangers.contains(&key(slots(&nobody, None, Some(&address)))));
        assert!(!strangers.contains(&key(slots(&someone(&address), None, None))));
    }
}

proptest! {
    #[test]
    fn other_bytes_are_corrupt(bytes in proptest::collection::vec(any::<u8>(), 0..90)) {
        prop_assert_eq!(ask(Some(&bytes), &[], Timestamp::from_secs(1)).outcome, Outcome::Corrupt);
    }
}
