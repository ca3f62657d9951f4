//! What happened that somebody may have to answer for? One record for each [`Act`], to standard error (target `audit`) and,
//! where the configuration names one, to a file.
//!
//! A record is made of names (who, which client, which grant) and of reasons that we wrote ourselves. There is no field for what
//! a request presented, so no credential can get into one.

mod act;
mod file;
mod origin;

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

pub use self::act::{Act, Outcome};
use self::file::AuditFile;
pub(crate) use self::origin::Origin;
use crate::clock::{Clock, UnixTime};
use crate::config::AuditConfig;
use crate::error::ServeError;
use crate::metrics::{AuditLabel, Metrics};
use crate::secret::random_text;
use crate::store::grant::Grant;

/// The `target` of records among the lines on standard error; `telemetry` lets all of them through.
pub(crate) const TARGET: &str = "audit";

/// Writes records.
pub(crate) struct Audit {
    /// Names this run of the server in the ids of its records.
    run: String,
    written: AtomicU64,
    file: Option<AuditFile>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

/// An act and whom it concerns.
#[must_use]
#[derive(Debug)]
pub(crate) struct Event<'a> {
    act: Act,
    subject: Option<&'a str>,
    client_id: Option<&'a str>,
    grant_id: Option<&'a str>,
    provider: Option<&'a str>,
    reason: Option<Cow<'a, str>>,
}

/// A line of the file.
#[derive(Serialize)]
struct Record<'a> {
    event: &'static str,
    /// Unique; those of one run count up from 1, so that a lost one leaves a gap.
    event_id: String,
    time: UnixTime,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

// === impl Audit ===

impl Audit {
    /// Opens the file, if there is to be one.
    ///
    /// # Errors
    /// [`ServeError`].
    pub(crate) fn open(
        config: &AuditConfig,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ServeError> {
        let opened = |path: &PathBuf| {
            AuditFile::open(path.clone())
                .map_err(|source| ServeError::AuditFile { path: path.clone(), source })
        };
        let file = config.file.as_ref().map(opened).transpose()?;
        Ok(Self { run: random_text::<9>()?, written: AtomicU64::new(0), file, clock, metrics })
    }

    /// Goes on in the file that now has the name of the one that was opened.
    pub(crate) fn reopen(&self) {
        if let Some(Err(error)) = self.file.as_ref().map(AuditFile::reopen) {
            tracing::error!(event = "audit_not_reopened", %error);
        }
    }

    /// Writes one record. What happened has happened: a file that takes no more is an alarm, not a reason to answer otherwise.
    pub(crate) fn write(&self, event: &Event<'_>) {
        let origin = Origin::current();
        let number = self.written.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let record = event.record(format!("{}-{number}", self.run), self.clock.now(), &origin);
        record.log();
        self.metrics.audit_events.get_or_create(&AuditLabel { event: record.event }).inc();
        let Some(file) = &self.file else { return };
        let line = serde_json::to_vec(&record).map_err(std::io::Error::from);
        if let Err(error) = line.and_then(|line| file.append(line)) {
            self.metrics.audit_failures.inc();
            tracing::error!(event = "audit_not_written", event_id = record.event_id, %error);
        }
    }
}

// === impl Act ===

impl Act {
    /// This act, by nobody yet.
    pub(crate) fn event<'a>(self) -> Event<'a> {
        Event { act: self, subject: None, client_id: None, grant_id: None, provider: None, reason: None }
    }

    /// This act, because of a client.
    pub(crate) fn by_client(self, id: &str) -> Event<'_> {
        Event { client_id: Some(id), ..self.event() }
    }

    /// This act, concerning a grant: its client and its user.
    pub(crate) fn about(self, grant: &Grant) -> Event<'_> {
        self.by_client(&grant.client_id).subject(grant.subject.as_str()).grant(&grant.id)
    }
}

// === impl Event ===

impl<'a> Event<'a> {
    /// Names the client.
    pub(crate) fn client(self, id: impl Into<Option<&'a str>>) -> Self {
        Self { client_id: id.into(), ..self }
    }

    /// Names the user.
    pub(crate) fn subject(self, subject: impl Into<Option<&'a str>>) -> Self {
        Self { subject: subject.into(), ..self }
    }

    /// Names the grant.
    pub(crate) fn grant(self, id: &'a str) -> Self {
        Self { grant_id: Some(id), ..self }
    }

    /// Names the provider of identity, or the issuer of an assertion.
    pub(crate) fn provider(self, id: &'a str) -> Self {
        Self { provider: Some(id), ..self }
    }

    /// Says why, in words of ours.
    pub(crate) fn because(self, reason: impl Into<Cow<'a, str>>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    fn record(&'a self, event_id: String, time: UnixTime, origin: &'a Origin) -> Record<'a> {
        Record {
            event: self.act.name(),
            event_id,
            time,
            outcome: self.act.outcome().as_str(),
            subject: self.subject,
            client_id: self.client_id,
            grant_id: self.grant_id,
            provider: self.provider,
            reason: self.reason.as_deref(),
            address: origin.address.map(|address| address.to_string()),
            request_id: origin.request_id.as_deref(),
        }
    }
}

// === impl Record ===

impl Record<'_> {
    fn log(&self) {
        tracing::info!(
            target: TARGET,
            event = self.event,
            event_id = self.event_id,
            time = self.time.0,
            outcome = self.outcome,
            subject = self.subject,
            client_id = self.client_id,
            grant_id = self.grant_id,
            provider = self.provider,
            reason = self.reason,
            address = self.address,
            request_id = self.request_id,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_what_is_known_and_nothing_else() {
        let event = Act::ConsentGiven.by_client("c_1").subject("alice");
        let origin = Origin { address: "192.0.2.1".parse().ok(), request_id: None };
        let record = event.record("run-1".into(), UnixTime(7), &origin);
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            r#"{"event":"consent_given","event_id":"run-1","time":7,"outcome":"success","subject":"alice","client_id":"c_1","address":"192.0.2.1"}"#
        );
    }

    #[test]
    fn no_two_acts_share_a_name() {
        let mut names: Vec<_> = Act::ALL.iter().map(|act| act.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Act::ALL.len());
    }
}
