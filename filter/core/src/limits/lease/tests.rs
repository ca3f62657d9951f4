use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use proptest::prelude::*;

use super::{
    Ask, Grant, Need, Outcome, SETS, STRANGERS_SETS, TERM, Tag, WAYS, all_keys, body, empty_set, give_back,
    keep, read, set_key, share, spend, want,
};
use crate::limits::rate::Rate;
use crate::limits::token_bucket::Bucket;
use crate::salt::Salt;
use crate::time::Timestamp;

const START: u64 = 1_790_000_000_000_000_000;
const RATE: Rate = Rate { burst: 80, tokens: 10, per: Duration::from_secs(1) };
const PATIENCE: Duration = Duration::from_secs(1);

fn tag(n: u8) -> Tag {
    let mut bytes = [0; 16];
    bytes[14] = n;
    Tag(bytes)
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_nanos(START).plus(Duration::from_millis(millis))
}

fn granted(n: u8, tokens: u32, asked: Timestamp) -> Grant {
    Grant { tag: tag(n), tokens, until: asked.plus(TERM), retry_after: None, batch: true }
}

/// One set of one Envoy, as the adapter uses it.
struct OneSet(Vec<u8>);

impl OneSet {
    fn new() -> Self {
        Self(empty_set())
    }

    fn spend(&mut self, n: u8, grant: Option<&Grant>, now: Timestamp) -> (Outcome, Timestamp, bool) {
        let spent = spend(Some(&self.0), tag(n), RATE, grant, now);
        self.0 = spent.bytes.unwrap_or(std::mem::take(&mut self.0));
        (spent.outcome, spent.until, spent.low)
    }

    fn admits(&mut self, n: u8, now: Timestamp) -> bool {
        matches!(self.spend(n, None, now).0, Outcome::Admitted { .. })
    }

    fn keep(&mut self, grant: &Grant, now: Timestamp) {
        self.0 = keep(Some(&self.0), grant.tag, RATE, grant, now).unwrap();
    }

    fn give_back(&mut self, n: u8, until: Timestamp, now: Timestamp) {
        self.0 = give_back(Some(&self.0), tag(n), until, now).unwrap_or(std::mem::take(&mut self.0));
    }

    fn want(&mut self, n: u8, need: Need, now: Timestamp) -> Option<Ask> {
        let (ask, bytes) = want(Some(&self.0), (tag(n), RATE), need, PATIENCE, now);
        self.0 = bytes.unwrap_or(std::mem::take(&mut self.0));
        ask
    }

    /// How many are held.
    fn count(&mut self, n: u8, now: Timestamp) -> usize {
        let mut copy = Self(self.0.clone());
        (0..10_000).take_while(|_| copy.admits(n, now)).count()
    }
}

#[test]
fn keys_are_of_a_fixed_number_and_carry_the_layout() {
    let keys: HashSet<String> = all_keys().collect();
    assert_eq!(keys.len(), usize::from(SETS) + usize::from(STRANGERS_SETS));
    for n in 0..=255 {
        let key = set_key(Tag([n; 16]), Salt::new([1; 16]));
        let table = if n % 2 == 1 { "wicketgate.stranger-leases.v1." } else { "wicketgate.leases.v1." };
        assert!(keys.contains(&key) && key.starts_with(table), "{key}");
    }
}

#[test]
fn nothing_is_admitted_that_was_not_granted() {
    let mut set = OneSet::new();
    assert_eq!(set.spend(1, None, at(0)).0, Outcome::Unleased);
    assert_eq!(set.spend(1, Some(&granted(1, 2, at(0))), at(1)).0, Outcome::Admitted { remaining: 1 });
    assert_eq!(set.spend(1, None, at(2)).0, Outcome::Admitted { remaining: 0 });
    assert_eq!(set.spend(1, None, at(3)).0, Outcome::Unleased);
    assert_eq!(spend(Some(b"other"), tag(1), RATE, None, at(3)).outcome, Outcome::Corrupt);
}

#[test]
fn tokens_count_for_a_term_from_the_question_on() {
    let mut set = OneSet::new();
    set.keep(&granted(1, 9, at(0)), at(900));
    assert_eq!((set.count(1, at(4_999)), set.count(1, at(5_000))), (9, 0));
    set.keep(&granted(1, 9, at(5_000)), at(10_000));
    assert_eq!(set.count(1, at(10_000)), 0, "an answer that comes too late grants nothing");
}

#[test]
fn the_oldest_are_spent_first_and_none_counts_longer_than_it_was_granted_for() {
    let mut set = OneSet::new();
    set.keep(&granted(1, 3, at(0)), at(0));
    set.keep(&granted(1, 3, at(2_000)), at(2_000));
    set.keep(&granted(1, 3, at(4_000)), at(4_000));
    assert_eq!(set.count(1, at(4_999)), 9);
    assert!(set.admits(1, at(4_999)));
    assert_eq!(set.count(1, at(5_000)), 6, "what is left of the first is lost");
    assert_eq!(set.count(1, at(7_000)), 0, "the last has gone with the second, with which it was kept");
}

#[test]
fn a_token_that_was_not_needed_is_there_again_but_not_for_longer() {
    let mut set = OneSet::new();
    set.keep(&granted(1, 1, at(0)), at(0));
    let (_, until, _) = set.spend(1, None, at(1));
    assert_eq!(until, at(5_000));
    set.give_back(1, until, at(2));
    assert_eq!((set.count(1, at(4_999)), set.count(1, at(5_000))), (1, 0));
    let (_, until, _) = set.spend(1, None, at(3));
    set.keep(&granted(1, 2, at(4)), at(4));
    set.keep(&granted(1, 2, at(5)), at(5));
    set.give_back(1, until, at(6));
    assert_eq!(set.count(1, at(6)), 4, "where its batch is gone it is lost");
}

#[test]
fn a_bucket_that_has_no_more_is_not_asked_until_it_has() {
    let mut set = OneSet::new();
    let dry = |wait| Grant { retry_after: Some(Duration::from_millis(wait)), ..granted(1, 0, at(0)) };
    assert_eq!(
        set.spend(1, Some(&dry(60)), at(0)).0,
        Outcome::Refused { retry_after: Duration::from_millis(60) }
    );
    assert_eq!(set.spend(1, None, at(50)).0, Outcome::Refused { retry_after: Duration::from_millis(10) });
    assert_eq!(set.want(1, Need::Ahead, at(50)), None);
    assert_eq!(set.spend(1, None, at(60)).0, Outcome::Unleased);
    set.keep(&dry(3_600_000), at(100));
    let longest = Outcome::Refused { retry_after: Duration::from_millis(101) };
    assert_eq!(set.spend(1, None, at(100)).0, longest, "no longer than one token takes, whatever was said");
    set.keep(&granted(1, 1, at(110)), at(110));
    assert!(set.admits(1, at(110)), "what is held counts all the same");
}

#[test]
fn who_comes_now_and_then_asks_for_one() {
    let mut set = OneSet::new();
    for second in 0..20 {
        let now = at(second * 3_000);
        let ask = set.want(1, Need::Now, now).unwrap();
        assert_eq!((ask.tokens, ask.batch), (1, false));
        let (outcome, _, low) = set.spend(1, Some(&granted(1, 1, now)), now);
        assert_eq!((outcome, low), (Outcome::Admitted { remaining: 0 }, false));
    }
}

#[test]
fn use_of_late_says_how_many_are_asked_for_up_to_a_share() {
    let mut set = OneSet::new();
    assert_eq!(share(RATE), 10);
    set.keep(&granted(1, 60, at(0)), at(0));
    let mut low = Vec::new();
    for n in 0..60 {
        low.push(set.spend(1, None, at(n)).2);
    }
    assert!(!low[53] && low[54] && low[59], "asked for when half of it is left: {low:?}");
    let ask = set.want(1, Need::Ahead, at(100)).unwrap();
    assert_eq!((ask.tokens, ask.batch), (10, true));
    assert_eq!(set.want(1, Need::Ahead, at(101)), None, "one question at a time");
    let ask = set.want(1, Need::Now, at(102)).unwrap();
    assert_eq!((ask.tokens, ask.batch), (1, false), "who waits asks for himself alone");
    assert_eq!(set.want(1, Need::Ahead, at(1_100)).map(|ask| ask.tokens), Some(10), "an answer was lost");
    set.keep(&granted(1, 10, at(1_100)), at(1_150));
    assert_eq!(set.want(1, Need::Ahead, at(1_200)), None, "as many are held as are called for");
    assert_eq!(set.want(1, Need::Ahead, at(9_000)), None, "nobody has come of late");
}

#[test]
fn a_full_set_loses_what_is_least() {
    let mut set = OneSet::new();
    let ways = u8::try_from(WAYS).unwrap();
    for n in 0..ways {
        set.keep(&granted(n, u32::from(n) + 1, at(0)), at(0));
    }
    set.keep(&granted(100, 5, at(0)), at(0));
    assert_eq!(set.count(100, at(0)), 5);
    assert_eq!((set.count(0, at(0)), set.count(1, at(0)), set.count(ways - 1, at(0))), (0, 2, WAYS));
}

#[test]
fn a_clock_that_was_set_back_admits_nothing_it_does_not_know() {
    let mut set = OneSet::new();
    set.keep(&granted(1, 9, at(3_600_000)), at(3_600_000));
    assert_eq!(set.count(1, at(0)), 0);
    let dry = Grant { retry_after: Some(Duration::from_millis(90)), ..granted(2, 0, at(3_600_000)) };
    set.keep(&dry, at(3_600_000));
    assert_eq!(set.spend(2, None, at(0)).0, Outcome::Unleased, "nor does it refuse for an hour");
}

#[test]
fn the_question_names_nobody() {
    let ask = |n, tokens| Ask { tag: tag(n), rate: RATE, tokens, batch: false };
    let text = String::from_utf8(body(&[ask(1, 2), ask(255, 3)])).unwrap();
    assert_eq!(
        text,
        r#"{"leases":[{"bucket":"00000000000000000000000000000100","capacity":80,"tokens":10,"per":1,"wanted":2},"#
            .to_owned()
            + r#"{"bucket":"0000000000000000000000000000ff00","capacity":80,"tokens":10,"per":1,"wanted":3}]}"#
    );
}

#[test]
fn what_is_no_answer_grants_nothing() {
    let asks = [Ask { tag: tag(1), rate: RATE, tokens: 2, batch: true }];
    let one = r#"{"bucket":"00000000000000000000000000000100","granted":1,"retry_after_ms":7}"#;
    let all = format!(r#"{{"leases":[{one}]}}"#);
    let expected = Grant {
        tag: tag(1),
        tokens: 1,
        until: at(5_000),
        retry_after: Some(Duration::from_millis(7)),
        batch: true,
    };
    assert_eq!(read(all.as_bytes(), &asks, at(0)), Some(vec![expected]));
    let cases = [
        ("", "nothing"),
        ("[]", "a list"),
        (r#"{"leases":[]}"#, "fewer than were asked for"),
        (&all.replace(one, &format!("{one},{one}")), "more than were asked for"),
        (&all.replace("100\"", "200\""), "another bucket"),
        (&all.replace("0000100", "100"), "a name that is too short"),
        (&all.replace(":1,", ":3,"), "more than was wanted"),
        (&all.replace(":1,", ":-1,"), "less than nothing"),
        (&all.replace(":1,", ":1.5,"), "no whole number"),
        (&all.replace(":7", ":\"7\""), "a text"),
        (&all.replace(",\"retry_after_ms\":7", ""), "fewer, and not until when"),
        (&all.replace("\"granted\":1", "\"granted\":1,\"granted\":2"), "a repeated member"),
        (&format!("{all}x"), "something behind it"),
    ];
    for (bytes, why) in cases {
        assert_eq!(read(bytes.as_bytes(), &asks, at(0)), None, "{why}");
    }
}

/// The bucket that all ask, and what became of it.
struct Server(Bucket);

impl Server {
    fn grant(&mut self, ask: &Ask, asked: Timestamp, now: Timestamp) -> Grant {
        let mut tokens = 0;
        while let Some((next, _)) = (tokens < ask.tokens).then(|| self.0.take(RATE, 1, now).ok()).flatten() {
            (self.0, tokens) = (next, tokens + 1);
        }
        let retry_after = self.0.take(RATE, 1, now).err().filter(|_| tokens < ask.tokens);
        Grant { tag: ask.tag, tokens, until: asked.plus(TERM), retry_after, batch: ask.batch }
    }
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Granted when asked, heard later.
    HeardLate,
    /// Granted when heard.
    GrantedLate,
    /// Granted, and heard by nobody.
    Lost,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![3 => Just(Fate::HeardLate), 3 => Just(Fate::GrantedLate), 1 => Just(Fate::Lost)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// In any window T all gateways together admit at most capacity + refill * (T + TERM), whatever answers are lost or late.
    #[test]
    fn a_fleet_admits_what_its_bucket_grants(
        steps in prop::collection::vec((0..3_usize, 0..400_u64, 1..40_usize, any::<bool>(), fate()), 1..60),
    ) {
        let mut gateways: Vec<OneSet> = (0..3).map(|_| OneSet::new()).collect();
        let mut waiting: VecDeque<(usize, Ask, Timestamp, Fate, Option<Grant>, bool)> = VecDeque::new();
        let mut server = Server(Bucket::full(at(0)));
        let (mut now, mut admitted) = (0, Vec::<u64>::new());
        for (which, later, requests, ahead, fate) in steps {
            now += later;
            // Answers in the order of the questions, none later than the host waits.
            while let Some((gate, ask, asked, fate, grant, waits)) = waiting.pop_front() {
                let late = at(now) > asked.plus(PATIENCE);
                let grant = grant.unwrap_or_else(|| server.grant(&ask, asked, at(now)));
                if late || matches!(fate, Fate::Lost) {
                    continue;
                }
                if !waits {
                    gateways[gate].keep(&grant, at(now));
                } else if matches!(gateways[gate].spend(1, Some(&grant), at(now)).0, Outcome::Admitted { .. }) {
                    admitted.push(now);
                }
            }
            let mut ask = |gateway: &mut OneSet, need| {
                let Some(ask) = gateway.want(1, need, at(now)) else { return };
                let grant = matches!(fate, Fate::HeardLate | Fate::Lost).then(|| server.grant(&ask, at(now), at(now)));
                waiting.push_back((which, ask, at(now), fate, grant, need == Need::Now));
            };
            for _ in 0..requests {
                match gateways[which].spend(1, None, at(now)).0 {
                    Outcome::Admitted { .. } => admitted.push(now),
                    Outcome::Unleased => ask(&mut gateways[which], Need::Now),
                    _ => {}
                }
            }
            if ahead {
                ask(&mut gateways[which], Need::Ahead);
            }
        }
        for (first, from) in admitted.iter().enumerate() {
            for (last, to) in admitted.iter().enumerate().skip(first) {
                let count = u64::try_from(last - first).unwrap() + 1;
                let most = 80 + (to - from + 5_000) * 10 / 1_000;
                prop_assert!(count <= most, "{count} from {from} to {to}");
                if first == 0 {
                    // Nothing was leased before: then it is the bucket's own bound.
                    prop_assert!(count <= 80 + to * 10 / 1_000);
                }
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), now: u64) {
        let _ = spend(Some(&bytes), tag(1), RATE, None, Timestamp::from_nanos(now));
        let _ = read(&bytes, &[], Timestamp::from_nanos(now));
    }
}
