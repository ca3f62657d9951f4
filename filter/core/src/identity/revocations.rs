//! Which tokens were withdrawn before their time? What the signed feeds of issuers have said so far.
//!
//! A feed is a JWS in compact form (RFC 7515 section 3.1) of type `revocations+jwt`, signed by a key of the issuer's set, with
//! these claims:
//!
//! ```text
//! iss    the issuer                    iat    when it was made
//! epoch  whose numbers `seq` are       seq    how far it goes      since  after which number it begins; 0: it is all there is
//! revocations: [{kind: grant | subject | client, id, before, until}]
//! ```
//!
//! `id` stands for a `grant_id`, `sub` or `client_id` (or `grant_client_id`: who withdraws a client means what others got for
//! what it was granted): base64url of the first 16 bytes of SHA-256 over the kind, a zero byte
//! and the name. Tokens issued (`iat`) before `before` do not count; all of a grant's, whatever it says. After `until` no such
//! token can be alive.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::claims::Members;
use super::digest::sha256;
use super::issuer::Issuer;
use super::principal::Identity;
use crate::time::Timestamp;

/// The `typ` of a feed: no token passes for one.
pub const TYPE: &str = "revocations+jwt";
/// The most that is kept of one issuer; one with more must be asked about each token.
pub const MAX_ROWS: usize = 65_536;
const MAX_EPOCH: usize = 64;

/// What is known of each issuer, by its index in the configuration.
#[derive(Debug)]
pub struct Revocations(Vec<Slot>);

/// How a token stands by its issuer's feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was not withdrawn, or its issuer has no feed.
    Good,
    /// It was.
    Revoked,
    /// Nothing was heard for too long.
    Unheard,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    /// How old what was heard may become; `None` for an issuer without a feed.
    max_age: Option<Duration>,
    place: Option<Place>,
    heard: Option<Timestamp>,
    rows: HashMap<Mark, Row>,
}

/// Up to where a feed was read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    epoch: String,
    seq: u64,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    /// `None`: whenever it was issued.
    before: Option<Timestamp>,
    until: Timestamp,
}

/// What stands for a grant, a subject or a client.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Mark([u8; 16]);

// === impl Revocations ===

impl Revocations {
    /// Nothing heard yet.
    pub fn new(issuers: &[Issuer]) -> Self {
        let slot = |issuer: &Issuer| Slot {
            max_age: issuer.revocations.as_ref().map(|source| source.max_age),
            ..Slot::default()
        };
        Self(issuers.iter().map(slot).collect())
    }

    /// How a token of this issuer stands at `now`.
    pub fn standing(&self, issuer: usize, identity: &Identity, now: Timestamp) -> Standing {
        let Some(slot) = self.0.get(issuer) else { return Standing::Unheard };
        let Some(max_age) = slot.max_age else { return Standing::Good };
        if !slot.rows.is_empty() && slot.withdraws(identity) {
            return Standing::Revoked;
        }
        // What was heard at a moment far ahead (the clock was set back) would never grow old.
        let heard = slot.heard.is_some_and(|heard| heard <= now.plus(max_age) && now.since(heard) <= max_age);
        if heard { Standing::Good } else { Standing::Unheard }
    }

    /// What the feed is to be asked for: the query of its URL.
    pub fn query(&self, issuer: usize) -> String {
        match self.0.get(issuer).and_then(|slot| slot.place.as_ref()) {
            Some(Place { epoch, seq }) => format!("since={seq}&epoch={epoch}"),
            None => "since=0".to_owned(),
        }
    }

    /// When something was last heard; `None` before that, and where there is no feed.
    pub fn heard(&self, issuer: usize) -> Option<Timestamp> {
        self.0.get(issuer)?.heard
    }

    /// Takes over what the same issuer said under another configuration; exchanges under way go on with that one.
    pub fn take_over(&mut self, at: usize, old: &Self, old_at: usize) {
        if let (Some(slot), Some(before)) = (self.0.get_mut(at), old.0.get(old_at)) {
            slot.clone_from(before);
        }
    }

    /// What a feed says whose signature and type hold. Nothing is changed by one that is refused.
    ///
    /// # Errors
    /// Our own words for why it is not believed. Then all is asked for anew, which is not an outage: what was heard counts on.
    pub fn hear(
        &mut self,
        index: usize,
        issuer: &Issuer,
        said: &Members,
        now: Timestamp,
    ) -> Result<(), &'static str> {
        let slot = self.0.get_mut(index).ok_or("no such issuer")?;
        let max_age = slot.max_age.ok_or("no feed is configured")?;
        let heard = slot.read(issuer, said, max_age, now);
        if heard.is_err() {
            slot.place = None;
        }
        heard
    }
}

// === impl Slot ===

impl Slot {
    fn withdraws(&self, identity: &Identity) -> bool {
        let named = [
            identity.grant.as_deref().map(|grant| Mark::of("grant", grant)),
            Some(Mark::of("subject", &identity.subject)),
            identity.client.as_deref().map(|client| Mark::of("client", client)),
            identity.grant_client.as_deref().map(|client| Mark::of("client", client)),
        ];
        let issued = |before: Timestamp| identity.issued.is_none_or(|issued| issued < before);
        let mut rows = named.into_iter().flatten().filter_map(|mark| self.rows.get(&mark));
        rows.any(|row| row.before.is_none_or(issued))
    }

    fn read(
        &mut self,
        issuer: &Issuer,
        said: &Members,
        max_age: Duration,
        now: Timestamp,
    ) -> Result<(), &'static str> {
        let number = |name: &str| said.get(name).and_then(Value::as_u64);
        if said.get("iss").and_then(Value::as_str) != Some(issuer.issuer.as_str()) {
            return Err("iss is another");
        }
        let made = Timestamp::from_secs(number("iat").ok_or("iat missing")?);
        if made > now.plus(issuer.skew) || now.since(made) > max_age.saturating_add(issuer.skew) {
            return Err("iat is not of now");
        }
        let epoch = said.get("epoch").and_then(Value::as_str).filter(|epoch| is_plain(epoch));
        let epoch = epoch.ok_or("epoch missing or not plain")?;
        let (seq, since) = number("seq").zip(number("since")).ok_or("seq or since missing")?;
        let continues = self.place.as_ref().is_some_and(|at| at.epoch == epoch && at.seq == since);
        if seq < since || (since > 0 && !continues) {
            return Err("it does not follow what was heard before");
        }
        let entries = said.get("revocations").and_then(Value::as_array).ok_or("revocations missing")?;
        let mut rows = HashMap::with_capacity(entries.len().min(MAX_ROWS));
        for entry in entries {
            let (mark, row) = row(entry).ok_or("an entry that cannot be read")?;
            widen(&mut rows, mark, row);
        }
        if since > 0 {
            self.rows.retain(|_, row| row.until > now);
            let more = rows.iter().filter(|(mark, _)| !self.rows.contains_key(*mark)).count();
            if self.rows.len() + more > MAX_ROWS {
                return self.too_many();
            }
            rows.into_iter().for_each(|(mark, row)| widen(&mut self.rows, mark, row));
        } else {
            if rows.len() > MAX_ROWS {
                return self.too_many();
            }
            self.rows = rows;
        }
        self.place = Some(Place { epoch: epoch.to_owned(), seq });
        self.heard = Some(now);
        Ok(())
    }

    /// Forgetting one would let its tokens in again.
    fn too_many(&mut self) -> Result<(), &'static str> {
        self.heard = None;
        Err("there are more than can be kept")
    }
}

// === impl Mark ===

impl Mark {
    fn of(kind: &str, name: &str) -> Self {
        let digest = sha256(&[kind.as_bytes(), &[0], name.as_bytes()]);
        let mut mark = [0; 16];
        mark.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(mark)
    }
}

impl std::fmt::Debug for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mark")
    }
}

/// What was withdrawn twice is withdrawn until the later moment, and for the longer time: clocks of those who say so may differ.
fn widen(rows: &mut HashMap<Mark, Row>, mark: Mark, row: Row) {
    let known = rows.entry(mark).or_insert(row);
    let before = known.before.zip(row.before).map(|(known, new)| known.max(new));
    *known = Row { before, until: known.until.max(row.until) };
}

/// It goes into a URL.
fn is_plain(epoch: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    !epoch.is_empty() && epoch.len() <= MAX_EPOCH && epoch.bytes().all(plain)
}

fn row(entry: &Value) -> Option<(Mark, Row)> {
    let time = |name: &str| entry.get(name)?.as_u64().map(Timestamp::from_secs);
    let before = match entry.get("kind")?.as_str()? {
        "grant" => None,
        "subject" | "client" => Some(time("before")?),
        _ => return None,
    };
    let mark = URL_SAFE_NO_PAD.decode(entry.get("id")?.as_str()?).ok()?.try_into().ok()?;
    Some((Mark(mark), Row { before, until: time("until")? }))
}

#[cfg(test)]
mod tests;
