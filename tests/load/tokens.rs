//! What is left of a million tokens? The authorization server in this process with a clock that is moved: what has expired is
//! removed, and neither memory nor the file keep growing.

mod cycle;

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use wicketgate_auth::app::{self, Running};
use wicketgate_auth::clock::{Clock, ManualClock, SystemClock, UnixTime};
use wicketgate_auth::config::Config;
use wicketgate_e2e::client::http::Http;
use wicketgate_e2e::client::oauth::browser::Browser;
use wicketgate_e2e::client::oauth::{Authorization, Discovery, REDIRECT_URI, Registration};
use wicketgate_e2e::files;

use self::cycle::{Cycle, ISSUED, RECORDS};
use crate::authorization::servers::{ASKS, Prepared, Storage, discover};
use crate::process::{Memory, mib};
use crate::redis::Redis;
use crate::stage::DEADLINE;
use crate::summary::Summary;

const CLIENTS: u8 = 64;
/// Each begins when all that the one before has left has expired.
const GENERATIONS: usize = 5;
/// Longer than anything of a generation lives, but for the client and the sign-in that they have in common.
const GENERATION: Duration = Duration::from_secs(2 * 24 * 60 * 60);
/// One sign-in is enough: each takes 19 MiB for its password, which the allocator keeps for a while.
const LONG_SESSION: &str =
    "lifetimes: {refresh_idle: 1h, consent: 365d, session_idle: 30d, session_absolute: 30d}\n";
/// How much more may be in memory after all than after two of them: the allocator takes room in large pieces.
const SLACK: u64 = 32 << 20;
/// As short as may be, so that Redis, whose clock nobody moves, can be waited for.
const SHORT: &str = "lifetimes: {access_token: 1s, code: 10s, refresh_idle: 30s, pending_authorization: 60s, \
                     pushed_request: 5s, device_code: 60s, unused_client: 60s}\n";
/// Until all that is gone: a minute for what lives longest, ten more in which a device is told that its code has expired, and some
/// for Redis, which looks for what has expired now and then.
const REDIS_PATIENCE: Duration = Duration::from_secs(900);
/// Below so many it is left at looking whether everything ends.
const WORTH_WAITING: usize = 50_000;

/// A server in this process.
struct Issuer {
    prepared: Prepared,
    running: Running,
    http: Http,
    discovery: Discovery,
    client: Registration,
}

pub(super) async fn run(things: usize, summary: &mut Summary) {
    summary.part(&format!("Tokens, codes, requests and clients: {things} of them, on a file"));
    on_a_file(things, summary).await;
    let things = things / 10;
    summary.part(&format!("The same on Redis: {things} of them"));
    match Redis::of("single") {
        Ok(redis) => on_redis(&redis, things, summary).await,
        Err(why) => summary.told("left out, no Redis", why),
    }
}

async fn on_a_file(things: usize, summary: &mut Summary) {
    let clock = Arc::new(ManualClock::at(UnixTime(1_800_000_000)));
    let issuer = Issuer::start(&Storage::File, LONG_SESSION, clock.clone()).await;
    let file = issuer.prepared.folder.path().join("auth.redb");
    let cycles = (things / ISSUED / GENERATIONS).max(CLIENTS.into());
    let cookies = issuer.sign_in().await;
    let (began, mut seen) = (Instant::now(), Vec::new());
    for generation in 1..=GENERATIONS {
        issuer.live(&cookies, cycles).await;
        let grown = size(&file);
        clock.advance(GENERATION);
        let swept = issuer.swept((generation * cycles * RECORDS) as u64).await;
        let memory = Memory::of(std::process::id());
        summary.told(
            &format!("generation {generation}"),
            format!("{memory}; file {}; {swept} records removed", mib(grown)),
        );
        seen.push((memory, grown, swept));
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = (cycles * ISSUED * GENERATIONS) as f64 / began.elapsed().as_secs_f64();
    summary.told("issued a second", format!("{rate:.0}"));
    let ((early, small, _), (late, large, swept)) = (seen[1], seen[GENERATIONS - 1]);
    let expected = (GENERATIONS * cycles * RECORDS) as u64;
    summary.holds(
        "what has expired is removed",
        swept >= expected,
        format!("{swept} records, at least {expected} were kept"),
    );
    let grown = late.grown(early);
    summary.holds("memory is bounded", grown <= SLACK, format!("{} more since generation 2", mib(grown)));
    let seen = format!("{}, {} in generation 2", mib(large), mib(small));
    summary.holds("the file is bounded", large <= small + small / 2 + (4 << 20), seen);
    issuer.running.stop().await;
}

async fn on_redis(redis: &Redis, things: usize, summary: &mut Summary) {
    let server = redis.servers.first().expect("a server");
    let storage = Storage::Redis(server.url());
    let issuer = Issuer::start(&storage, SHORT, Arc::new(SystemClock)).await;
    let mut connection = server.connection();
    let mut ask = |command: &mut ::redis::Cmd| command.query::<i64>(&mut connection).unwrap();
    let before = ask(&mut ::redis::cmd("DBSIZE"));
    let cookies = issuer.sign_in().await;
    issuer.live(&cookies, (things / ISSUED).max(CLIENTS.into())).await;
    summary.told("keys right after", ask(&mut ::redis::cmd("DBSIZE")));
    let lasting = "local n = 0 for _, key in ipairs(redis.call('KEYS', '*')) do \
                   if redis.call('PTTL', key) == -1 then n = n + 1 end end return n";
    let lasting = ask(::redis::cmd("EVAL").arg(lasting).arg(0));
    summary.holds("no more keys are for ever than before", lasting <= before, format!("{lasting}"));
    if things >= WORTH_WAITING {
        let deadline = Instant::now() + REDIS_PATIENCE;
        let left = loop {
            let left = ask(&mut ::redis::cmd("DBSIZE"));
            // What one sign-in leaves for longer: client, session, consent.
            if left <= before + 8 || Instant::now() > deadline {
                break left;
            }
            sleep(Duration::from_secs(1)).await;
        };
        summary.holds(
            "what has expired is gone",
            left <= before + 8,
            format!("{left} keys, {before} before"),
        );
    }
    issuer.running.stop().await;
}

/// A client that may do all that a cycle does.
async fn register(http: &Http, discovery: &Discovery) -> Registration {
    let metadata = json!({
        "client_name": "measured", "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
    });
    let url = discovery.endpoint("registration_endpoint").unwrap();
    let answer = http.post_json(url, &[], &metadata).await.unwrap().json().unwrap();
    Registration { client_id: answer["client_id"].as_str().expect("registered").to_owned(), answer }
}

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).unwrap().len()
}

// === impl Issuer ===

impl Issuer {
    async fn start(storage: &Storage, more: &str, clock: Arc<dyn Clock>) -> Self {
        let prepared = Prepared::new(storage).await;
        let text = files::read(&prepared.sidecar.configuration).unwrap() + more;
        let running = app::start(Config::parse(&text).unwrap(), clock).await.unwrap();
        let (http, discovery) = discover(&prepared.sidecar.issuer, ASKS).await;
        let client = register(&http, &discovery).await;
        Self { prepared, running, http, discovery, client }
    }

    /// The cookies of somebody who has signed in and let the client in.
    async fn sign_in(&self) -> String {
        let authorization = Authorization::new(&self.discovery, &self.client, None).unwrap();
        let mut browser = Browser::new(self.http.clone());
        let login = &self.prepared.login;
        browser.decide(&authorization.url, login, REDIRECT_URI, true).await.unwrap();
        browser.cookie_header().expect("signed in")
    }

    /// Lets so many cycles happen.
    async fn live(&self, cookies: &str, cycles: usize) {
        let port = self.running.addresses.public.port();
        let mut tasks = JoinSet::new();
        for lane in 0..CLIENTS {
            let cycle = Cycle::new(Ipv4Addr::new(127, 0, 0, 2 + lane), port, &self.client.client_id, cookies);
            let own = (usize::from(lane)..cycles).step_by(CLIENTS.into()).count();
            tasks.spawn(cycle.repeat(own));
        }
        tasks.join_all().await;
    }

    /// Records removed so far, once they are so many.
    async fn swept(&self, least: u64) -> u64 {
        let url = format!("http://{}/metrics", self.running.addresses.metrics);
        let deadline = Instant::now() + DEADLINE;
        loop {
            let text = self.http.get(&url, &[]).await.unwrap().text();
            let line = text.lines().find_map(|line| line.strip_prefix("wicketgate_auth_swept_total "));
            let swept = line.and_then(|number| number.parse().ok()).unwrap_or_default();
            if swept >= least || Instant::now() >= deadline {
                return swept;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}
