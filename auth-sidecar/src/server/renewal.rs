//! Do the files of a certificate hold another one? They are read again and again: whoever renews certificates need not know us.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::handshake::Handshakes;
use crate::app::Served;
use crate::clock::{Clock, UnixTime};
use crate::config::{ConfigError, Listen};
use crate::metrics::Metrics;

/// How often the files are read, by the server's clock.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often that clock is looked at.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(1);

/// Those of all listeners.
pub(crate) struct AllHandshakes {
    pub(crate) public: Arc<Handshakes>,
    pub(crate) internal: Arc<Handshakes>,
    pub(crate) admin: Arc<Handshakes>,
    pub(crate) metrics: Arc<Handshakes>,
}

/// What is wrong with the files of one listener, as far as it is known.
#[derive(Default)]
struct Trouble {
    seen: Option<String>,
    told: bool,
}

// === impl AllHandshakes ===

impl AllHandshakes {
    pub(crate) fn new(listen: &Listen, clock: &Arc<dyn Clock>, metrics: &Arc<Metrics>) -> Self {
        let [public, internal, admin, metrics] =
            listen.all().map(|(name, config)| Arc::new(Handshakes::new(name, config, clock, metrics)));
        Self { public, internal, admin, metrics }
    }

    /// Has all of them meet clients as another configuration says.
    pub(crate) fn show(&self, listen: &Listen) {
        self.public.show(&listen.public);
        self.internal.show(&listen.internal);
        self.admin.show(&listen.admin);
        self.metrics.show(&listen.metrics);
    }

    fn each(&self) -> [Arc<Handshakes>; 4] {
        [&self.public, &self.internal, &self.admin, &self.metrics].map(Arc::clone)
    }
}

// === impl Trouble ===

impl Trouble {
    /// Whether it is to be told now: at the second look, since a certificate and its key are replaced one after the other, and once.
    fn is_news(&mut self, error: &ConfigError) -> bool {
        let error = error.to_string();
        if self.seen.as_ref() != Some(&error) {
            *self = Self { seen: Some(error), told: false };
            return false;
        }
        !std::mem::replace(&mut self.told, true)
    }
}

/// Takes over what the files of certificates hold, until `stopped`.
pub(crate) async fn watch(
    all: Arc<AllHandshakes>,
    serving: watch::Receiver<Arc<Served>>,
    mut stopped: watch::Receiver<bool>,
) {
    // Whether a listener is met in TLS does not change.
    if all.each().iter().all(|handshakes| handshakes.shows().is_none()) {
        return;
    }
    let mut tick = tokio::time::interval(LOOK_AT_CLOCK);
    let mut troubles: [Trouble; 4] = Default::default();
    let mut looked_at: Option<UnixTime> = None;
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        let now = serving.borrow().context.clock.now();
        // A clock that was set back is no reason to wait.
        if looked_at.is_some_and(|last| last <= now && now.since(last) < LOOK_EVERY) {
            continue;
        }
        looked_at = Some(now);
        for (handshakes, trouble) in all.each().iter().zip(&mut troubles) {
            look(handshakes, trouble).await;
        }
    }
}

async fn look(handshakes: &Handshakes, trouble: &mut Trouble) {
    let Some(before) = handshakes.shows() else { return };
    let asked = Arc::clone(&before);
    // A disk may be slow.
    let Ok(read) = tokio::task::spawn_blocking(move || asked.read_again()).await else { return };
    let (listener, metrics) = (handshakes.listener, &handshakes.metrics);
    match read {
        Ok(now) => {
            *trouble = Trouble::default();
            if now.is_some_and(|now| handshakes.renew(&before, now)) {
                metrics.certificate_renewed(listener, "renewed");
            }
        }
        Err(error) if trouble.is_news(&error) => {
            tracing::error!(event = "certificate_refused", listener, %error, "the one before is shown on");
            metrics.certificate_renewed(listener, "refused");
        }
        Err(_) => {}
    }
}
