//! How does the authorization server compare with another one that keeps its records as safely? Refreshes, registrations and
//! questions about tokens, one server after the other in alternating rounds; on a file, and on one Redis.

pub(crate) mod lane;
mod pace;
pub(crate) mod servers;

use std::time::Duration;

use self::lane::{Lane, Measured};
use self::servers::{Server, Storage};
use crate::process::machine_load;
use crate::redis::Redis;
use crate::summary::{Summary, median, percentile, print};

/// How long one server is asked in one round.
const SPAN: Duration = Duration::from_secs(2);
/// Families of refresh tokens, each refreshed by a client of its own; as many registrations and questions at a time.
const FAMILIES: usize = 32;
/// Questions a second, whether or not the ones before have been answered.
const PACE: u32 = 1000;
/// What a question may take then, microseconds, of 99 in a hundred.
const QUESTION_BUDGET: u64 = 2000;

/// One thing that is measured of a server.
struct Series {
    server: usize,
    lanes: Vec<Lane>,
    rounds: Vec<Measured>,
}

/// A comparison: what, and how many times faster than the peer we want to be, where we want anything.
struct Contest {
    what: &'static str,
    target: Option<f64>,
    series: Vec<Series>,
}

pub(super) async fn run(rounds: usize, summary: &mut Summary) {
    beside(Storage::File, rounds, 5.0, summary).await;
    match Redis::of("single") {
        Ok(redis) => {
            let url = redis.servers.first().map(|server| server.url()).unwrap_or_default();
            beside(Storage::Redis(url), rounds, 3.0, summary).await;
        }
        Err(why) => summary.told("left out, no Redis", why),
    }
}

/// Both servers on one kind of storage.
async fn beside(storage: Storage, rounds: usize, target: f64, summary: &mut Summary) {
    summary.part(&format!("{storage}, median of {rounds} rounds"));
    let ours = Server::ours(&storage).await;
    let peer = Server::peer(&storage).await;
    let mut contests = contests(&ours, &peer, target).await;
    for round in 0..=rounds {
        for series in contests.iter_mut().flat_map(|contest| &mut contest.series) {
            let measured = lane::drive(&mut series.lanes, SPAN).await;
            // The first time is for warming up.
            series.rounds.extend((round > 0).then_some(measured));
        }
        print(&format!("  round {round} of {rounds}, load {}", machine_load()));
    }
    for contest in contests {
        contest.tell(summary);
    }
    let opaque = ("opaque", &ours.questions.opaque);
    for (kind, lane) in ours.questions.jwt.iter().map(|lane| ("JWT", lane)).chain([opaque]) {
        let latencies = pace::ask(lane, PACE, SPAN * 5).await;
        let slowest = percentile(&latencies, 0.99);
        let met = if slowest < QUESTION_BUDGET { "met" } else { "not met" };
        let text = format!("{}; p99 budget {}: {met}", tell(&latencies), millis(QUESTION_BUDGET));
        summary.told(&format!("/v1/validate, {kind}, {PACE} a second"), text);
    }
    ours.stop().await;
    peer.stop().await;
}

async fn contests(ours: &Server, peer: &Server, target: f64) -> Vec<Contest> {
    let series = |server, lanes| Series { server, lanes, rounds: Vec::new() };
    let both = |first, second| vec![series(0, first), series(1, second)];
    let many = |lane: Lane| vec![lane; FAMILIES];
    vec![
        Contest {
            what: "refresh",
            target: Some(target),
            series: both(ours.families(FAMILIES).await, peer.families(FAMILIES).await),
        },
        Contest {
            what: "registration",
            target: None,
            series: both(many(ours.registration()), many(peer.registration())),
        },
        Contest {
            what: "opaque token (/v1/validate beside introspection)",
            target: None,
            series: both(many(ours.questions.opaque.clone()), many(peer.questions.opaque.clone())),
        },
        Contest {
            what: "JWT (/v1/validate)",
            target: None,
            series: ours.questions.jwt.clone().map(|lane| series(0, many(lane))).into_iter().collect(),
        },
    ]
}

// === impl Contest ===

impl Contest {
    fn tell(self, summary: &mut Summary) {
        let rates: Vec<Vec<f64>> =
            self.series.iter().map(|series| series.rounds.iter().map(Measured::rate).collect()).collect();
        for series in &self.series {
            let mut latencies: Vec<u64> =
                series.rounds.iter().flat_map(|round| round.latencies.iter().copied()).collect();
            latencies.sort_unstable();
            let rate = median(rates.get(series.server).cloned().unwrap_or_default());
            let name = ["ours", "oidc-provider"][series.server];
            summary.told(&format!("{}, {name}", self.what), format!("{rate:.0}/s, {}", tell(&latencies)));
        }
        if let [ours, theirs] = rates.as_slice() {
            // Rounds are compared with each other, so that a busy minute counts for both.
            let ratio = median(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect());
            let met = self.target.map_or(String::new(), |target| {
                format!("; target x {target:.0}: {}", if ratio >= target { "met" } else { "not met" })
            });
            summary.told(&format!("{}, ratio", self.what), format!("x {ratio:.1}{met}"));
        }
    }
}

fn tell(sorted: &[u64]) -> String {
    format!("p50 {}, p99 {}", millis(percentile(sorted, 0.5)), millis(percentile(sorted, 0.99)))
}

fn millis(micros: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "microseconds")]
    let millis = micros as f64 / 1000.0;
    format!("{millis:.2} ms")
}
