//! How does a configuration reach this VM? Compiled whole or refused whole; exchanges in flight keep theirs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use wicketgate_core::config;
use wicketgate_core::guard::Guard;
use wicketgate_core::identity::host_signature::HostSignatures;
use wicketgate_core::identity::memory::Memory;
use wicketgate_core::limits::held::Held;
use wicketgate_core::limits::roll::IssuerTag;
use wicketgate_core::limits::tag::Tag;
use wicketgate_core::time::Timestamp;
use wicketgate_core::tools::schemas::SchemaMemory;

use crate::host::{self, Buffer, Level};
use crate::http::Http;
use crate::metrics::Metrics;
use crate::places::Questions;
use crate::{deadlines, feed, leases, roll, shared, sidecar, signature, streams};

/// Soon after configure the keys of every issuer are fetched; then due dates are looked at once a second.
const TICK: Duration = Duration::from_millis(1000);
/// The largest configuration that is read, bytes.
const MAX_CONFIGURATION: usize = 8 << 20;

/// One accepted configuration with what this VM remembers under it.
pub(crate) struct Active {
    /// The id of the root context.
    pub(crate) root: u32,
    /// The compiled configuration.
    pub(crate) guard: Guard,
    /// Keys and verified tokens.
    pub(crate) memory: RefCell<Memory>,
    /// The schemas of tools that this VM has seen.
    pub(crate) schemas: RefCell<SchemaMemory>,
    /// What this VM holds of unfinished events.
    pub(crate) held: Held,
    /// Callouts for the keys of each issuer that exchanges have under way, or have abandoned.
    pub(crate) fetches: Vec<Questions>,
    /// The issuers of those of them that were abandoned, and on whose behalf they were begun; the root context fetches in their stead.
    pub(crate) abandoned: RefCell<Vec<(usize, Option<Tag>)>>,
    /// Callouts to each issuer about tokens that are under way.
    pub(crate) questions: Vec<Questions>,
    /// Questions to the policy of each server that lies elsewhere.
    pub(crate) policies: Vec<Questions>,
    /// Questions for what each server gets in place of tokens.
    pub(crate) credentials: Vec<Questions>,
    /// Leases that are asked for.
    pub(crate) leases: leases::Book,
    /// Ids of the metrics.
    pub(crate) metrics: Metrics,
}

/// The root context of one configuration.
pub(crate) struct Root {
    id: u32,
    active: Option<Rc<Active>>,
    fetching: sidecar::Fetching,
    polls: feed::Polls,
    ahead: leases::Ahead,
}

thread_local! {
    /// The configuration accepted last in this VM: the next one takes over its keys, so that an update does not
    /// begin with a time in which no token can be verified.
    static LAST: RefCell<Option<Rc<Active>>> = const { RefCell::new(None) };
    static MOMENT: Cell<Option<Timestamp>> = const { Cell::new(None) };
}

/// Now, as the host's clock has it, or had it when the present [`Moment`] began; `None` when the host cannot say, and then
/// everything is denied.
pub(crate) fn now() -> Option<Timestamp> {
    MOMENT.get().or_else(clock)
}

/// What the host's clock says at this very moment.
pub(crate) fn clock() -> Option<Timestamp> {
    host::now().ok().map(Timestamp::from_nanos)
}

/// A callback, for which the clock is read once: each reading is a call of the host.
pub(crate) struct Moment(());

// === impl Moment ===

impl Moment {
    pub(crate) fn begin() -> Self {
        MOMENT.set(clock());
        Self(())
    }
}

impl Drop for Moment {
    fn drop(&mut self) {
        MOMENT.set(None);
    }
}

// === impl Active ===

impl Active {
    /// Says what this VM has, unless a later configuration does.
    fn answer_roll_call(self: &Rc<Self>, now: Timestamp) {
        if !LAST.with_borrow(|last| last.as_ref().is_some_and(|last| Rc::ptr_eq(last, self))) {
            return;
        }
        let Ok(memory) = self.memory.try_borrow() else { return };
        let keys = self
            .guard
            .issuers
            .iter()
            .enumerate()
            .map(|(index, issuer)| (IssuerTag::of(&issuer.issuer), memory.keys.keys_since(index, now)));
        let feeds = self.guard.issuers.iter().enumerate().filter(|(_, issuer)| issuer.revocations.is_some());
        let heard = feeds
            .map(|(index, issuer)| (IssuerTag::of_feed(&issuer.issuer), memory.revocations.heard(index)));
        roll::call(self.held.bytes(), keys.chain(heard).collect(), &self.metrics, now);
    }

    /// What is known of the schemas of tools under a configuration that comes after this one: of servers that are the same in it.
    fn schemas_for(&self, guard: &Guard) -> SchemaMemory {
        let same = |name: &str| {
            let (old, new) = (self.guard.server(name), guard.server(name));
            old.zip(new).is_some_and(|(old, new)| old.resource == new.resource && new.calls.learns())
        };
        self.schemas.try_borrow().map(|schemas| schemas.of_servers(same)).unwrap_or_default()
    }

    /// A fetch of an issuer's keys has ended, whoever began it: what was abandoned counts no longer.
    pub(crate) fn fetched_for_the_abandoned(&self, issuer: usize) {
        let Ok(mut abandoned) = self.abandoned.try_borrow_mut() else { return };
        abandoned.retain(|(of, asker)| {
            let ended = *of == issuer;
            if ended {
                self.fetched(issuer, *asker);
            }
            !ended
        });
    }

    /// A fetch of this issuer's keys that `asker` began counts no longer.
    pub(crate) fn fetched(&self, issuer: usize, asker: Option<Tag>) {
        if let Some(fetches) = self.fetches.get(issuer) {
            fetches.give_back(asker);
        }
    }

    /// Questions that nobody waits for count until they would have timed out.
    fn let_unanswered_go(&self, now: Timestamp) {
        let each = [&self.questions, &self.policies, &self.credentials].into_iter().flatten();
        each.chain([&self.leases.questions]).for_each(|questions| questions.let_unanswered_go(now));
    }
}

// === impl Root ===

impl Root {
    pub(crate) fn new(id: u32) -> Self {
        roll::root_begins();
        #[cfg(feature = "rego")]
        wicketgate_core::policy::rego::keep_time_by(|| host::now().ok().map(Duration::from_nanos));
        Self {
            id,
            active: None,
            fetching: sidecar::Fetching::default(),
            polls: feed::Polls::default(),
            ahead: leases::Ahead::default(),
        }
    }

    fn configure(&self) -> Result<Active, String> {
        let bytes = host::get_buffer(Buffer::PluginConfiguration, 0, MAX_CONFIGURATION)
            .map_err(|fault| format!("the configuration cannot be read (host status {})", fault.0))?;
        let compiled = config::compile(&bytes)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        for warning in &compiled.warnings {
            host::log(Level::Warn, &format!("configuration: {warning}"));
        }
        let metrics = Metrics::define(&compiled.guard)
            .map_err(|f| format!("metrics cannot be defined (host status {})", f.0))?;
        let guard = compiled.guard;
        shared::prepare(&guard).map_err(|f| format!("shared data cannot be used (host status {})", f.0))?;
        let schemas =
            LAST.with_borrow(|last| last.as_ref().map(|old| old.schemas_for(&guard))).unwrap_or_default();
        let (mut memory, held) = LAST.with_borrow(|last| match last {
            Some(old) => (
                Memory::inherit(&old.memory.borrow(), &old.guard.issuers, &guard.issuers),
                old.held.limited(guard.held_bytes),
            ),
            None => (Memory::new(&guard.issuers), Held::new(guard.held_bytes)),
        });
        memory.host = HostSignatures::tried(signature::ask);
        LAST.with_borrow(|last| {
            metrics.configured(last.as_ref().map(|old| &old.metrics), &guard, memory.host.count());
        });
        let (issuers, servers) = (guard.issuers.len(), guard.servers.len());
        Ok(Active {
            root: self.id,
            guard,
            memory: RefCell::new(memory),
            schemas: RefCell::new(schemas),
            held,
            fetches: (0..issuers).map(|_| Questions::at_most(sidecar::MAX_FIRST)).collect(),
            abandoned: RefCell::default(),
            questions: Questions::for_each(issuers),
            policies: Questions::for_each(servers),
            credentials: Questions::for_each(servers),
            leases: leases::Book::default(),
            metrics,
        })
    }
}

impl Context for Root {
    fn on_http_call_response(
        &mut self,
        token_id: u32,
        num_headers: usize,
        body_size: usize,
        _trailers: usize,
    ) {
        let (Some(active), Some(now)) = (&self.active, now()) else { return };
        if let Some(heard) = self.polls.answered(active, token_id, num_headers, body_size, now) {
            if heard {
                // What it has withdrawn ends now, not a tick later.
                deadlines::close_due(self.id, now);
            }
            return;
        }
        self.fetching.answered(active, token_id, num_headers, body_size, now);
        // Where these were the first keys, a feed can be believed now.
        self.polls.begin_first(active, now);
        self.fetching.answered_about_token(token_id, num_headers, body_size, now);
        self.ahead.answered(token_id, num_headers, body_size, now);
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        match self.configure() {
            Ok(active) => {
                let digest = active.guard.digest.get(..16).unwrap_or_default();
                host::log(
                    Level::Info,
                    &format!(
                        "configuration {digest} accepted: {} server(s), {} issuer(s)",
                        active.guard.servers.len(),
                        active.guard.issuers.len()
                    ),
                );
                let active = Rc::new(active);
                // Streams that go on under it need its keys, and nobody its tokens any more.
                if let Some(Ok(mut memory)) =
                    LAST.replace(Some(Rc::clone(&active))).as_ref().map(|old| old.memory.try_borrow_mut())
                {
                    memory.forget_tokens();
                }
                self.fetching = sidecar::Fetching::default();
                self.polls = feed::Polls::default();
                self.ahead = leases::Ahead::default();
                self.active = Some(active);
                self.set_tick_period(Duration::from_millis(50));
                true
            }
            Err(why) => {
                host::log(Level::Error, &format!("configuration refused, the last good one stays: {why}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let (Some(active), Some(now)) = (&self.active, now()) else { return };
        self.fetching.fetch_due(active, now);
        self.polls.begin(active, now);
        active.let_unanswered_go(now);
        self.ahead.ask(active, now);
        self.fetching.ask_due(now);
        self.set_tick_period(TICK);
        if shared::agree_on_salt().is_err() {
            host::log(Level::Error, "shared data cannot be read: nothing is admitted");
        }
        streams::renew(now);
        active.answer_roll_call(now);
        // Last, because the host looks at other contexts meanwhile.
        deadlines::close_due(self.id, now);
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Http::new(self.active.clone(), context_id)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        roll::root_ends();
    }
}
