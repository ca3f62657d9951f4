//! In whatever order a host tells what happens, to two exchanges at once: each ends once, nothing goes upstream but what was
//! allowed, byte for byte, and nothing is left behind.
#![no_main]
#[path = "../host/mod.rs"]
mod host;
#[path = "../host/script.rs"]
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use host::{Asked, Driven, Vm};
use script::{ANSWERS, BODIES, GOOD, Next, SESSIONS, Script, TOKENS};
use serde_json::{Value, json};
use wicketgate_core::bindings::table::Finding;
use wicketgate_core::exchange::step::{Event, NoLease, ResponseMode};
use wicketgate_core::guard::Guard;
use wicketgate_core::head::{Headers, RequestHead, ResponseHead};
use wicketgate_core::limits::{lease, store, streams};

/// One for each way to hold a request.
static GUARDS: LazyLock<[Guard; 2]> = LazyLock::new(|| [true, false].map(guard));

fn guard(holds: bool) -> Guard {
    host::guard(
        &json!({"version": 1, "hold_headers": holds, "issuers": [{"issuer": host::ISSUER, "algorithms": ["ES256"],
        "jwks": {"cluster": "c", "path": "/"}, "validate": {"cluster": "c", "path": "/"}}],
        "leases": {"cluster": "c", "path": "/", "when_away": if holds { "refuse" } else { "local" }},
        "servers": [{"name": "s", "url": host::RESOURCE, "rules": [{"id": "r", "allow": {"who": "any", "tools": ["t*"]}}],
        "limits": {"streams": 2, "request_bytes": 300, "response_bytes": 200, "principal": {"rate": "3/m"},
            "tools": [{"names": ["t1"], "rate": "2/m", "across": "fleet"}]}}]}),
    )
}

/// An exchange as its host sees it.
struct Seen {
    driven: Driven,
    arrived: bool,
    token: Option<&'static str>,
    session: Option<&'static str>,
    /// Whether the host has ended the request, or the answer.
    ended: [bool; 2],
    body_fed: bool,
    answer_began: bool,
    /// What the host holds of an answer.
    held: Vec<u8>,
}

/// What somebody who watches knows of all exchanges.
#[derive(Default)]
struct Watcher {
    good: BTreeSet<&'static str>,
    /// Whose a session is; `None` where that cannot be told from outside: the answer that made it was withheld, or it ended.
    owners: BTreeMap<&'static str, Option<Value>>,
    out_of_order: bool,
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut script = Script(input);
    let guard = &GUARDS[usize::from(script.byte() & 1)];
    let mut vm = Vm::new(guard);
    let mut watcher = Watcher::default();
    let mut seen = [Seen::new(&vm), Seen::new(&vm)];
    while let Some((which, next)) = script.next() {
        let forwarded = seen[which].driven.forwarded.is_some();
        if seen[which].happens(next, &mut script, &mut vm, &mut watcher) {
            let over = std::mem::replace(&mut seen[which], Seen::new(&vm));
            over.driven.finish(&mut vm);
        } else if !forwarded {
            seen[which].was_allowed(&watcher);
        }
    }
    for exchange in seen {
        exchange.driven.finish(&mut vm);
    }
    host::all_is_given_back(&vm);
});

// === impl Seen ===

impl Seen {
    fn new(vm: &Vm<'_>) -> Self {
        Self {
            driven: Driven::new(vm.now),
            arrived: false,
            token: None,
            session: None,
            ended: [false; 2],
            body_fed: false,
            answer_began: false,
            held: Vec::new(),
        }
    }

    /// What the adapter does then; whether it was the end of the exchange.
    fn happens(
        &mut self,
        next: Next,
        script: &mut Script<'_>,
        vm: &mut Vm<'_>,
        watcher: &mut Watcher,
    ) -> bool {
        match next {
            Next::RequestHead if !self.arrived => self.request_head(script, vm),
            Next::RequestBody if self.arrived && !self.ended[0] => self.request_body(script, vm),
            Next::RequestTrailers if self.arrived && !self.ended[0] => self.request_ends(vm),
            Next::Answered => self.answered(script, vm, watcher),
            // Of Envoy's own too, and to a request of which nothing was seen.
            Next::ResponseHead if !self.answer_began => self.response_head(script, vm, watcher),
            Next::ResponseBody if self.answer_began && !self.ended[1] => self.response_body(script, vm),
            Next::ResponseTrailers if self.answer_began && !self.ended[1] => {
                self.ended[1] = true;
                if self.driven.exchange.response_mode() == ResponseMode::Whole {
                    self.response_chunk(&[], vm);
                }
            }
            Next::Tick => {
                vm.now = vm.now.plus(Duration::from_secs(u64::from(script.byte())));
                let due = self.driven.exchange.deadline(vm.guard).is_some_and(|deadline| vm.now >= deadline);
                if due && self.driven.replied.is_none() {
                    self.driven.feed(vm, Event::Expired);
                    assert!(self.driven.reset, "its time has come");
                }
                return due;
            }
            Next::Stores => vm.broken = !vm.broken,
            Next::Gone => return self.arrived,
            Next::OutOfOrder => {
                watcher.out_of_order = true;
                self.out_of_order(script, vm);
            }
            _ => {}
        }
        false
    }

    fn request_head(&mut self, script: &mut Script<'_>, vm: &mut Vm<'_>) {
        let (flags, which) = (script.byte(), usize::from(script.byte()) % BODIES.len());
        let mut pairs =
            vec![("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        self.token = (flags & 1 == 0).then(|| script.of(&TOKENS));
        self.session = (flags & 2 != 0).then(|| script.of(&SESSIONS));
        let bearer = self.token.map(|token| format!("Bearer {token}")).unwrap_or_default();
        pairs.extend(self.token.map(|_| ("authorization", bearer.as_str())));
        pairs.extend(self.session.map(|id| ("mcp-session-id", id)));
        let version = ["", "2025-11-25", "2026-07-28", "2026-07-28"][usize::from(flags >> 2 & 3)];
        pairs.extend((!version.is_empty()).then_some(("mcp-protocol-version", version)));
        if flags & 16 == 0 {
            let (_, method, name) = BODIES[which];
            pairs.extend(
                [("mcp-method", method), ("mcp-name", name)]
                    .into_iter()
                    .filter(|(_, value)| !value.is_empty()),
            );
        }
        pairs.extend((flags & 32 != 0).then_some(("content-length", "80")));
        let method = if flags & 192 == 192 { script.of(&["GET", "DELETE", "GET", "PUT"]) } else { "POST" };
        let head = RequestHead {
            method: method.into(),
            authority: "b.example".into(),
            path: "/mcp".into(),
            headers: headers(&pairs),
            ..RequestHead::default()
        };
        let end = method != "POST" && script.byte() & 1 == 0;
        (self.arrived, self.ended[0]) = (true, end);
        self.driven.feed(vm, Event::RequestHead { head, end });
    }

    fn request_body(&mut self, script: &mut Script<'_>, vm: &mut Vm<'_>) {
        let how = script.byte();
        let chunk = if how & 1 == 0 { script.of(&BODIES).0.as_bytes() } else { script.bytes() };
        self.driven.body.extend(if how & 2 == 0 { chunk } else { &chunk[chunk.len() / 2..] });
        if how & 4 == 0 {
            return self.request_ends(vm);
        }
        if !self.driven.is_over() {
            let most = self.driven.exchange.limits(vm.guard).map_or(0, |limits| limits.request_bytes);
            let over = self.driven.body.len() as u64 > most;
            self.driven.feed(vm, if over { Event::RequestTooLarge } else { Event::BodyBegins });
        }
    }

    fn request_ends(&mut self, vm: &mut Vm<'_>) {
        self.ended[0] = true;
        if !self.driven.is_over() && !self.body_fed {
            self.body_fed = true;
            let body = self.driven.body.clone();
            self.driven.feed(vm, Event::RequestBody(&body));
        }
    }

    /// What was asked of the issuer is answered; a second answer to it does not reach the exchange.
    fn answered(&mut self, script: &mut Script<'_>, vm: &mut Vm<'_>, watcher: &mut Watcher) {
        let how = script.byte();
        match self.driven.asked.take() {
            None => {}
            Some(Asked::Keys(issuer)) => {
                vm.memory.borrow_mut().keys.failed(issuer, vm.now);
                self.driven.feed(vm, Event::KeysFetched);
            }
            Some(Asked::Leases) => {
                let grants = self.driven.leases.iter().map(|ask| lease::Grant {
                    tag: ask.tag,
                    tokens: u32::from(how & 1),
                    until: vm.now.plus(lease::TERM),
                    retry_after: (how & 1 == 0).then_some(Duration::from_secs(1)),
                    batch: ask.batch,
                });
                let answer = match how % 8 {
                    0..6 => Ok(grants.collect()),
                    6 => Err(NoLease::Away),
                    _ => Err(NoLease::Busy),
                };
                self.driven.feed(vm, Event::Leased(answer));
            }
            Some(Asked::Policy) => {
                let answer = match how % 4 {
                    0 | 1 => Some(&br#"{"result":true}"#[..]),
                    2 => Some(script.bytes()),
                    _ => None,
                };
                self.driven.feed(vm, Event::PolicyAnswered(answer));
            }
            Some(Asked::Credential) => {
                let answer = Some(script.bytes()).filter(|_| how & 1 == 0);
                self.driven.feed(vm, Event::CredentialGiven(answer));
            }
            Some(Asked::Token) => {
                let token = self.token.expect("somebody's");
                let good = GOOD.contains(&token);
                let text = match how % 4 {
                    0 | 1 => json!({"active": good, "iss": host::ISSUER, "sub": token, "aud": host::RESOURCE,
                        "exp": vm.now.as_secs() + 60, "iat": 1, "jti": "j", "client_id": "c", "scope": "x", "grant_id": "g"})
                    .to_string(),
                    2 => String::from_utf8_lossy(script.bytes()).into_owned(),
                    _ => String::new(),
                };
                let answer = (how % 4 != 3).then_some(text.as_bytes());
                if good && how % 4 < 2 {
                    watcher.good.insert(token);
                }
                self.driven.feed(vm, Event::Validated(answer));
            }
        }
    }

    fn response_head(&mut self, script: &mut Script<'_>, vm: &mut Vm<'_>, watcher: &mut Watcher) {
        let flags = script.byte();
        let status = script.of(&[200, 200, 202, 404, 413, 503]);
        let media =
            ["application/json", "text/event-stream", "text/plain", "application/json; charset=utf-7"];
        let mut pairs = vec![("content-type", media[usize::from(flags & 3)])];
        let given = (flags & 4 != 0).then(|| script.of(&SESSIONS));
        pairs.extend(given.map(|id| ("mcp-session-id", id)));
        pairs.extend((flags & 8 != 0).then_some(("content-encoding", "gzip")));
        pairs.extend((flags & 16 != 0).then_some(("content-length", "201")));
        let end = flags & 32 != 0;
        (self.answer_began, self.ended[1]) = (true, end);
        // What no upstream was asked for is an answer of the host's own.
        let by_host = status >= 400 && self.driven.forwarded.is_none();
        let head = ResponseHead { status, headers: headers(&pairs), by_host };
        self.driven.feed(vm, Event::ResponseHead { head, end });
        if self.driven.forwarded.is_some() {
            watcher.session_given(&self.driven, self.session, given);
        }
    }

    fn response_body(&mut self, script: &mut Script<'_>, vm: &mut Vm<'_>) {
        let how = script.byte();
        let chunk = if how & 1 == 0 { script.of(&ANSWERS).as_bytes() } else { script.bytes() };
        self.ended[1] = how & 2 != 0;
        self.response_chunk(chunk, vm);
    }

    fn response_chunk(&mut self, chunk: &[u8], vm: &mut Vm<'_>) {
        let end = self.ended[1];
        self.held.extend(chunk);
        let most = self.driven.exchange.limits(vm.guard).map_or(0, |limits| limits.response_bytes);
        let event = match self.driven.exchange.response_mode() {
            ResponseMode::Pass => Event::ResponseBody { bytes: &[], size: chunk.len(), end },
            ResponseMode::Stream => Event::ResponseBody { bytes: chunk, size: chunk.len(), end },
            ResponseMode::Whole if end => {
                Event::ResponseBody { bytes: &self.held.clone(), size: self.held.len(), end }
            }
            ResponseMode::Whole if self.held.len() as u64 > most => Event::ResponseTooLarge,
            ResponseMode::Whole => return,
        };
        self.driven.feed(vm, event);
    }

    fn out_of_order(&mut self, script: &mut Script<'_>, vm: &mut Vm<'_>) {
        let bytes = script.of(&BODIES).0.as_bytes();
        let event = match script.byte() % 14 {
            0 => Event::RequestHead { head: RequestHead::default(), end: false },
            1 => Event::BodyBegins,
            2 => {
                self.driven.body = bytes.to_vec();
                Event::RequestBody(bytes)
            }
            3 => Event::RequestTooLarge,
            4 => Event::KeysFetched,
            5 => Event::Validated(Some(bytes)),
            6 => {
                Event::Taken(script.of(&[None, Some(store::Outcome::Full), Some(store::Outcome::Corrupt)]), 0)
            }
            7 => Event::Consulted(script.of(&[
                None,
                Some(Finding::Foreign),
                Some(Finding::Unknown),
                Some(Finding::Corrupt),
            ])),
            8 => Event::StreamCounted(script.of(&[
                None,
                Some(streams::Outcome::Refused),
                Some(streams::Outcome::Full),
            ])),
            9 => Event::Withdrawn,
            11 => Event::PolicyAnswered(Some(bytes)),
            12 => Event::CredentialGiven(Some(bytes)),
            10 => Event::Leased(Err(script.of(&[NoLease::Away, NoLease::Busy]))),
            _ => Event::ResponseTooLarge,
        };
        self.driven.feed(vm, event);
    }

    /// What goes upstream is what the watcher would let go: a tool that the rules allow, for somebody whose token is good, in
    /// a session of his own, and the bytes that were read.
    fn was_allowed(&self, watcher: &Watcher) {
        let Some(forwarded) = &self.driven.forwarded else { return };
        assert!(self.token.is_some_and(|token| watcher.good.contains(token)), "without a good token");
        let decision = &self.driven.decisions[0];
        assert_eq!(decision["principal"]["subject"].as_str(), self.token);
        assert_eq!(decision["request_bytes"], forwarded.len());
        if !forwarded.is_empty() {
            let theirs: Value = serde_json::from_slice(forwarded).expect("JSON went upstream");
            if theirs["method"] == "tools/call" {
                assert!(
                    theirs["params"]["name"].as_str().is_some_and(|name| name.starts_with('t')),
                    "{theirs}"
                );
            }
            assert!(theirs["method"] != "resources/read", "{theirs}");
        }
        let modern = decision["revision"] == "2026-07-28";
        if let Some(id) = self.session.filter(|_| !modern) {
            watcher.is_own(id, &decision["principal"]);
        }
    }
}

// === impl Watcher ===

impl Watcher {
    /// An answer has begun, to a request in session `own`, that gives session `given`.
    fn session_given(&mut self, driven: &Driven, own: Option<&'static str>, given: Option<&'static str>) {
        if let Some(id) = own.filter(|_| driven.forgot) {
            self.owners.insert(id, None);
        }
        let Some(id) = given else { return };
        let principal = &driven.decisions[0]["principal"];
        let made = driven.decisions[0]["operation"]["method"] == "initialize";
        if driven.is_over() {
            if made {
                self.owners.entry(id).or_insert(None);
            }
        } else if driven.removed_from_answer.contains(&"mcp-session-id") {
            // The client does not see it.
        } else if own != Some(id) {
            assert!(made, "{id} from another answer");
            self.owners.insert(id, Some(principal.clone()));
        } else if !self.out_of_order {
            self.is_own(id, principal);
        }
    }

    fn is_own(&self, id: &str, principal: &Value) {
        let owner = self.owners.get(id);
        assert!(
            owner.is_some_and(|owner| owner.as_ref().is_none_or(|owner| owner == principal)),
            "{id} is of {owner:?}"
        );
    }
}

fn headers(pairs: &[(&str, &str)]) -> Headers {
    Headers::new(pairs.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect())
}
