//! Who asks meanwhile? Good clients that call, good clients that listen, and nobody's friends, whose requests are mutated.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};
use wicketgate_e2e::Failure;
use wicketgate_e2e::client::mcp::McpClient;
use wicketgate_e2e::client::oauth;

use super::super::super::bypass::Message;
use super::super::super::soak::{self, Random};
use super::account::{Account, Act};
use super::place::Known;

/// Between two calls of one client.
const PACE: Duration = Duration::from_millis(20);
/// The end of a token's life is a second, and two clocks tell it.
const ABOUT: Duration = Duration::from_secs(2);

/// What all clients share.
pub(super) struct Load {
    pub(super) known: Known,
    pub(super) account: Arc<Account>,
    pub(super) over: AtomicBool,
    /// Whether one of the callers is to begin with another token.
    pub(super) renew: AtomicBool,
    pub(super) seed: u64,
    /// What is mutated; begun anew before its token ends.
    pub(super) messages: Mutex<Arc<[Vec<Message>; 2]>>,
    pub(super) sent: AtomicU64,
    /// Of mutated requests, how many got an answer.
    pub(super) answered: AtomicU64,
}

// === impl Load ===

impl Load {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// A token, and since when it may have lived; `None` while nobody gives one.
    async fn token(&self, why: &'static str) -> Option<(Instant, String)> {
        let began = Instant::now();
        match oauth::log_in(&self.known.http, &self.known.notes, &self.known.login, None).await {
            Ok(session) => {
                self.account.done(why);
                Some((began, session.tokens.access_token))
            }
            Err(failure) => {
                self.account.failed("sign-in", began, failure.0, &[Act::Authorization]);
                sleep(PACE).await;
                None
            }
        }
    }

    /// Whether a token that was asked for then has ended by now.
    fn has_ended(&self, asked: Instant) -> bool {
        asked.elapsed() + ABOUT >= self.known.lifetime
    }

    /// Calls until it is over, with one token after the other.
    pub(super) async fn calls(self: Arc<Self>) {
        let mut session: Option<(Instant, McpClient)> = None;
        while !self.is_over() {
            if self.renew.swap(false, Ordering::SeqCst) {
                session = None;
            }
            let Some((asked, client)) = &mut session else {
                let token = self.token("sign-in to call").await;
                session = token.map(|(asked, token)| {
                    (asked, McpClient::modern(self.known.http.clone(), &self.known.notes, Some(&token)))
                });
                continue;
            };
            let began = Instant::now();
            let call = json!({"name": "search_notes", "arguments": {"query": "report"}});
            match client.send("tools/call", call).await {
                Ok(answer) if answer.status == 200 && answer.text().contains("incident") => {
                    self.account.done("call");
                }
                Ok(answer) if answer.status == 401 && self.has_ended(*asked) => {
                    self.account.done("end of a token");
                    session = None;
                }
                // One whose answer is a stream is cut off when its token ends meanwhile.
                Err(_) if self.has_ended(*asked) => self.account.done("end of a call with its token"),
                other => self.account.failed("call", began, said(other), &[Act::Server]),
            }
            sleep(PACE).await;
        }
    }

    /// Listens until it is over, in one session after the other.
    pub(super) async fn listens(self: Arc<Self>) {
        while !self.is_over() {
            let Some((asked, token)) = self.token("sign-in to listen").await else { continue };
            let began = Instant::now();
            let client = McpClient::legacy(self.known.http.clone(), &self.known.notes, Some(&token)).await;
            let stream = match client {
                Ok(client) => client.listen().await,
                Err(failure) => Err(failure),
            };
            let mut stream = match stream {
                Ok(stream) if stream.status() == 200 => stream,
                other => {
                    let words = other.map_or_else(|failure| failure.0, |stream| stream.status().to_string());
                    self.account.failed("stream", began, words, &[Act::Server]);
                    sleep(PACE).await;
                    continue;
                }
            };
            self.account.done("stream");
            while !self.is_over() && stream.is_open().await {
                sleep(PACE).await;
            }
            if !stream.is_open().await && self.has_ended(asked) {
                self.account.done("end of a stream with its token");
            } else if !stream.is_open().await {
                let seen = Instant::now().checked_sub(PACE * 50).unwrap_or(began);
                self.account.failed("stream that ended", seen, "before its token".into(), &[Act::Server]);
            }
        }
    }

    /// Sends what is mutated until it is over.
    pub(super) async fn mutates(self: Arc<Self>) {
        while !self.is_over() {
            let number = self.sent.fetch_add(1, Ordering::SeqCst);
            let messages = Arc::clone(&self.messages.lock().unwrap());
            let random = Random::of(self.seed, number);
            if soak::send(self.known.port, &messages, random).await != 0 {
                self.answered.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

fn said(outcome: Result<wicketgate_e2e::client::http::Answer, Failure>) -> String {
    outcome.map_or_else(|failure| failure.0, |answer| format!("{}: {}", answer.status, answer.text()))
}
