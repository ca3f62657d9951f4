//! Does any way to hide one request in another get past? The table of them, `tests/corpus/bypass/`, is tried on a real
//! Envoy: every technique at every position, in both eras, over both versions of HTTP, in both ways to hold a request.
//!
//! What may not pass is refused as the table says, by status and by decision record, and costs the upstream no
//! connection and not one byte. What may pass does, byte for byte: refusing everything fails.
//!
//! | module | question |
//! |---|---|
//! | [`table`] | what stands in the table? |
//! | [`text`] | what does a text of it stand for? |
//! | [`message`] | what is sent? |
//! | [`send`] | how, and what comes back? |

mod message;
mod send;
mod table;
mod text;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wicketgate_e2e::world::{HostMode, World};

pub(super) use self::message::Message;
use self::message::{MARK, Shared};
use self::send::Came;
pub(super) use self::send::plain;
use self::table::{Asked, Case, Gets, Place, Technique};
use super::recorder::{Recorder, Seen};
use super::stage;

const RULES: &str = r#"      - {id: some, allow: {who: {scopes: [mcp:read]}, prompts: ["sum_*"], resources: ["notes://note/*"]}}
      - id: called
        allow:
          who: {scopes: [mcp:read]}
          tools: [get_note]
          arguments: {path: {within: /srv/notes}, url: {hosts: ["*.example.com"], schemes: [https, http]}, limit: {max: 100}}
      - {id: never, deny: {who: any, prompts: [sum_secret], resources: ["notes://note/secret/*"]}}
"#;
/// How many requests are under way at a time.
const AT_ONCE: usize = 24;

/// A case at one place, and what must become of it.
#[derive(Clone, Debug)]
struct Trial {
    name: String,
    case: Case,
    place: Place,
    gets: Gets,
}

/// One Envoy in one mode before an upstream that keeps every byte.
struct Arena {
    world: World,
    recorder: Recorder,
    token: String,
    asked: Asked,
}

/// What is allowed here.
pub(super) fn policy() -> String {
    let limits = "{request_bytes: 64KiB, flood: {rate: 100000/s, burst: 100000}}";
    // Sessions and tasks are whoever's names them first: others prove whose they are.
    let more = "scopes: [mcp:read]\n    origins: [\"https://app.example\"]\n    sessions: {unknown: adopt}\n";
    let unbounded = "hold_headers: true\nunknown_tokens: {rate: 100000/s, burst: 100000}\n";
    stage::policy(limits, RULES)
        .replace("hold_headers: true\n", unbounded)
        .replace("scopes: [mcp:read]\n", more)
}

/// Everything in the table, spelled out: what may pass, and what may not.
pub(super) fn every_message(token: &str, host: &str) -> [Vec<Message>; 2] {
    let asked = table::asked();
    let trials = trials(&asked, HostMode::Hold).into_iter().filter(|trial| trial.place.http == 1);
    let (may, may_not): (Vec<_>, Vec<_>) = trials.partition(|trial| trial.gets == Gets::Passes);
    let shared = Shared { token, host };
    [may, may_not].map(|trials| {
        trials.iter().map(|trial| Message::of(&trial.case, &trial.place, &asked, shared, "0")).collect()
    })
}

/// Everything in the table, for one mode.
fn trials(asked: &Asked, mode: HostMode) -> Vec<Trial> {
    let mut trials = Vec::new();
    let as_it_stands = Technique::as_it_stands(asked);
    for technique in std::iter::once(as_it_stands).chain(table::techniques()) {
        for case in &technique.cases {
            for place in case.places(asked) {
                let Ok(gets) = case.gets(&place, mode, technique.gets.as_ref()) else { continue };
                let name = format!("{} / {}{place}", technique.technique, case.case);
                trials.push(Trial { name, case: case.clone(), place, gets });
            }
        }
    }
    trials
}

// === impl Arena ===

impl Arena {
    async fn start(mode: HostMode) -> Arc<Self> {
        let recorder = Recorder::echo().await;
        let upstream = recorder.upstream.clone();
        let world = stage::world("bypass", |plan| {
            plan.upstream = Some(upstream);
            plan.host_mode = mode;
            plan.set_policy(&policy()).unwrap();
        })
        .await;
        let token = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
        Arc::new(Self { world, recorder, token, asked: table::asked() })
    }

    async fn send(&self, trial: &Trial, mark: &str) -> Result<(Message, Came), String> {
        let host = self.world.origin.trim_start_matches("http://");
        let shared = Shared { token: &self.token, host };
        let message = Message::of(&trial.case, &trial.place, &self.asked, shared, mark);
        let came = match trial.place.http {
            1 => send::plainly(&self.world, &message).await,
            _ => send::in_frames(&self.world, &message).await?,
        };
        Ok((message, came))
    }

    /// Sends all of them, some at a time; marks are their numbers.
    async fn send_all(self: &Arc<Self>, trials: &[Trial]) -> Vec<Result<(Message, Came), String>> {
        let (gate, mut under_way) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
        for (number, trial) in trials.iter().cloned().enumerate() {
            let (arena, gate) = (Arc::clone(self), Arc::clone(&gate));
            under_way.spawn(async move {
                let _turn = gate.acquire().await;
                (number, arena.send(&trial, &number.to_string()).await)
            });
        }
        let mut came = under_way.join_all().await;
        came.sort_by_key(|(number, _)| *number);
        came.into_iter().map(|(_, came)| came).collect()
    }

    /// The decision records by request id, once there is one for each of these.
    async fn decisions(&self, ids: &[&String]) -> BTreeMap<String, Value> {
        let read = || -> BTreeMap<String, Value> {
            let lines = self.world.records("audit.jsonl").unwrap_or_default();
            let records = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let decisions = records.filter(|record| record["record"] == "decision");
            decisions
                .map(|record| (record["request_id"].as_str().unwrap_or_default().to_owned(), record))
                .collect()
        };
        let missing =
            |read: &BTreeMap<String, Value>| ids.iter().filter(|id| !read.contains_key(**id)).count();
        // Those that are missing in the end are named by what they were to get.
        let deadline = tokio::time::Instant::now() + stage::DEADLINE;
        while missing(&read()) > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        read()
    }

    /// What may not pass: refused as the table says, and the upstream has seen nothing of it.
    async fn refuses(self: &Arc<Self>, trials: &[Trial], wrong: &mut Vec<String>) {
        self.recorder.take();
        let connections = self.recorder.connections();
        let came = self.send_all(trials).await;
        let connected = self.recorder.connections() - connections;
        // What would come late comes before the answer to this.
        let probe = Technique::as_it_stands(&self.asked).cases.remove(0);
        let place = probe.places(&self.asked).remove(0);
        let probe = Trial { name: "probe".into(), case: probe, place, gets: Gets::Passes };
        let probed = self.send(&probe, "probe").await.unwrap();
        assert_eq!(probed.1.status, 200, "the probe: {probed:?}");
        let raw = self.recorder.raw();
        let seen = self.recorder.take();
        if connected > 0 || seen.len() != 1 || !raw.starts_with(&seen[0].head) {
            wrong.push(format!("{connected} connections for what may not pass; the upstream saw {raw}"));
        }
        let marks =
            raw.lines().filter_map(|line| line.strip_prefix(MARK)?.strip_prefix(": ")?.parse::<usize>().ok());
        wrong.extend(marks.map(|number| format!("{}: REACHED THE UPSTREAM", trials[number].name)));
        self.compare(trials, &came, wrong).await;
    }

    async fn compare(
        &self,
        trials: &[Trial],
        came: &[Result<(Message, Came), String>],
        wrong: &mut Vec<String>,
    ) {
        let recorded = |trial: &Trial| matches!(&trial.gets, Gets::Refused(any) if any.iter().all(|one| one.1.is_some()));
        let ids = trials.iter().zip(came).filter(|(trial, _)| recorded(trial));
        let ids: Vec<_> = ids.filter_map(|(_, came)| came.as_ref().ok()?.1.request_id.as_ref()).collect();
        let decisions = self.decisions(&ids).await;
        for (trial, came) in trials.iter().zip(came) {
            let Gets::Refused(any) = &trial.gets else { continue };
            let (_, came) = match came {
                Ok(came) => came,
                Err(error) => {
                    wrong.push(format!("{}: {error}", trial.name));
                    continue;
                }
            };
            let decision = came.request_id.as_ref().and_then(|id| decisions.get(id));
            let decided = decision.and_then(|decision| decision["reason"].as_str());
            let denied = decision.is_none_or(|decision| decision["verdict"] != "allow");
            let as_told =
                any.iter().any(|(status, reason)| *status == came.status && reason.as_deref() == decided);
            if !as_told || !denied {
                let (status, decided) = (came.status, decided.unwrap_or("envoy"));
                let detail = decision.and_then(|decision| decision["detail"].as_str()).unwrap_or_default();
                wrong
                    .push(format!("{}: {:?}, but got {status} {decided} ({detail})", trial.name, trial.gets));
            }
        }
    }

    /// What may pass: it does, once, with the very bytes that were sent, without the token.
    async fn lets_pass(self: &Arc<Self>, trials: &[Trial], wrong: &mut Vec<String>) {
        self.recorder.take();
        let came = self.send_all(trials).await;
        let mut seen: BTreeMap<usize, Vec<Seen>> = BTreeMap::new();
        for one in self.recorder.take() {
            let mark = one.field(MARK).and_then(|mark| mark.parse().ok()).unwrap_or(usize::MAX);
            seen.entry(mark).or_default().push(one);
        }
        for (number, (trial, came)) in trials.iter().zip(&came).enumerate() {
            let own = seen.remove(&number).unwrap_or_default();
            let kept = |one: &Seen| trial.case.stays_here.iter().all(|name| one.field(name).is_none());
            let passed = match (came, own.as_slice()) {
                (Ok((message, came)), [one]) => {
                    let whole = (200..300).contains(&came.status) && one.body == message.body;
                    whole && kept(one) && !one.head.contains(&self.token)
                }
                _ => false,
            };
            if !passed {
                let came = came.as_ref().map(|(_, came)| came);
                wrong.push(format!("{}: must pass, but got {came:?}; the upstream saw {own:?}", trial.name));
            }
        }
        if !seen.is_empty() {
            wrong.push(format!("nobody sent {seen:?}"));
        }
    }
}

// === impl Technique ===

impl Technique {
    /// Every request that the techniques are tried on, as it stands.
    fn as_it_stands(asked: &Asked) -> Self {
        let asks = asked.requests.keys().cloned().collect();
        let case = Case { case: "unchanged".into(), asks, ..Case::default() };
        Self {
            technique: "as it stands".into(),
            gets: Some(Gets::Passes),
            cases: vec![case],
            ..Self::default()
        }
    }
}

async fn nothing_gets_past(mode: HostMode) {
    let arena = Arena::start(mode).await;
    let (may, may_not): (Vec<_>, Vec<_>) =
        trials(&arena.asked, mode).into_iter().partition(|trial| trial.gets == Gets::Passes);
    let mut wrong = Vec::new();
    arena.lets_pass(&may, &mut wrong).await;
    arena.refuses(&may_not, &mut wrong).await;
    let (count, of) = (wrong.len(), may.len() + may_not.len());
    let told = wrong.iter().fold(String::new(), |mut told, line| {
        let _ = write!(told, "\n{line}");
        told
    });
    assert!(wrong.is_empty(), "{count} of {of} cases ({mode:?}):{told}");
    Arc::into_inner(arena).unwrap().world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_gets_past_where_headers_are_held() {
    nothing_gets_past(HostMode::Hold).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_gets_past_where_a_buffer_filter_stands_behind() {
    nothing_gets_past(HostMode::Buffer).await;
}

/// Where heads leave before the verdict, most of a hundred cases are ahead of theirs: that is told, by name.
#[tokio::test(flavor = "multi_thread")]
async fn a_leak_is_noticed() {
    let arena = Arena::start(HostMode::Bare).await;
    let of_batches = |trial: &Trial| trial.name.starts_with("batches / an array /");
    let trials: Vec<_> = trials(&arena.asked, HostMode::Bare).into_iter().filter(of_batches).collect();
    let mut wrong = Vec::new();
    arena.refuses(&trials, &mut wrong).await;
    assert!(trials.len() > 100, "{}", trials.len());
    assert!(wrong.iter().any(|line| line.contains("connections for what may not pass")), "{wrong:?}");
    assert!(wrong.iter().any(|line| line.ends_with("REACHED THE UPSTREAM")), "{wrong:?}");
    Arc::into_inner(arena).unwrap().world.discard().await;
}

/// The table has what it is for: hundreds of cases each way, a reason for everything left out, and no name twice.
#[test]
fn the_table_is_whole() {
    let asked = table::asked();
    let trials = trials(&asked, HostMode::Hold);
    let passing = trials.iter().filter(|trial| trial.gets == Gets::Passes).count();
    let mut names: Vec<_> = trials.iter().map(|trial| &trial.name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), trials.len(), "a name stands twice");
    assert!(passing > 400 && trials.len() - passing > 7000, "{passing} of {}", trials.len());
    for technique in table::techniques() {
        assert!(technique.because.ends_with('.'), "{}: because of what?", technique.technique);
        let reads = |case: &Case| !case.places(&asked).is_empty();
        assert!(technique.cases.iter().all(reads), "{}: a case is tried nowhere", technique.technique);
    }
}
