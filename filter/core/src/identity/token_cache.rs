//! Have we verified this very token before? A bounded memory of one VM, which never holds a token.

use std::collections::HashMap;
use std::fmt;

use super::digest::sha256;
use super::jwks::KeySet;
use super::jwt::Verified;
use super::principal::Identity;
use crate::time::Timestamp;

/// Verified tokens, by digest. Clear it with every new configuration: issuers and servers are known by index.
///
/// An entry lives until `exp` (or the time at which its issuer is asked again) to the second, without the leeway of verification: inside the leeway a token is verified
/// each time. Capacity and entry size are bounded; the oldest that was not used lately goes first (second chance).
pub struct TokenCache {
    index: HashMap<Digested, usize>,
    entries: Vec<Entry>,
    hand: usize,
    capacity: usize,
}

/// What stands for a token: SHA-256 over the server's index and the token, so that a token good for one server is not
/// good for another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digested([u8; 32]);

struct Entry {
    digest: Digested,
    verified: Verified,
    used: bool,
}

// === impl TokenCache ===

impl TokenCache {
    /// The largest identity that is kept, in bytes of text: a few holders of huge tokens cannot fill the memory.
    pub const MAX_IDENTITY_BYTES: usize = 8 * 1024;

    /// The most entries that one insertion looks at for a victim.
    const MAX_STEPS: usize = 16;

    /// A cache of at most `capacity` tokens (at least one).
    pub fn new(capacity: usize) -> Self {
        Self { index: HashMap::new(), entries: Vec::new(), hand: 0, capacity: capacity.max(1) }
    }

    /// What a token proves that was verified and may be remembered at `now`.
    pub fn get(&mut self, digest: &Digested, now: Timestamp) -> Option<&Verified> {
        let slot = *self.index.get(digest)?;
        if !self.entries.get(slot)?.verified.holds(now) {
            self.remove(slot);
            return None;
        }
        let entry = self.entries.get_mut(slot)?;
        entry.used = true;
        Some(&entry.verified)
    }

    /// Remembers a token that [`verify`](super::jwt::verify) has just accepted. One past `exp` or with a huge identity is not
    /// kept.
    pub fn insert(&mut self, digest: Digested, verified: Verified, now: Timestamp) {
        if verified.until <= now || text_bytes(&verified.identity) > Self::MAX_IDENTITY_BYTES {
            return;
        }
        let entry = Entry { digest, verified, used: false };
        let slot = match self.index.get(&digest) {
            Some(slot) => *slot,
            None if self.entries.len() < self.capacity => self.entries.len(),
            None => self.victim(now),
        };
        match self.entries.get_mut(slot) {
            Some(old) => {
                self.index.remove(&old.digest);
                *old = entry;
            }
            None => self.entries.push(entry),
        }
        self.index.insert(digest, slot);
    }

    /// The keys of an issuer were fetched: tokens signed by a key that is no longer published are forgotten.
    pub fn keys_changed(&mut self, issuer: usize, keys: &KeySet) {
        self.retain(|v| v.issuer != issuer || v.key.is_none_or(|key| keys.has(key)));
    }

    /// Forgets the tokens that `keep` does not want, for example those of a revoked grant.
    pub fn retain(&mut self, keep: impl Fn(&Verified) -> bool) {
        self.entries.retain(|e| keep(&e.verified));
        self.index = self.entries.iter().enumerate().map(|(slot, e)| (e.digest, slot)).collect();
        self.hand = 0;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.retain(|_| false);
    }

    /// How many tokens are remembered, expired ones included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry to overwrite: the hand goes round, sparing once what was used since it last came by, but looks at a few
    /// entries only, so that the cost of an insertion does not grow with the capacity.
    fn victim(&mut self, now: Timestamp) -> usize {
        for _ in 0..Self::MAX_STEPS {
            let slot = self.step();
            match self.entries.get_mut(slot) {
                Some(e) if e.used && e.verified.holds(now) => e.used = false,
                _ => return slot,
            }
        }
        self.step()
    }

    fn step(&mut self) -> usize {
        let slot = if self.hand < self.entries.len() { self.hand } else { 0 };
        self.hand = slot + 1;
        slot
    }

    fn remove(&mut self, slot: usize) {
        if slot >= self.entries.len() {
            return;
        }
        let gone = self.entries.swap_remove(slot);
        self.index.remove(&gone.digest);
        if let Some(moved) = self.entries.get(slot) {
            self.index.insert(moved.digest, slot);
        }
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenCache({} of {})", self.entries.len(), self.capacity)
    }
}

// === impl Digested ===

impl Digested {
    /// The digest of a token presented to the server of that index.
    pub fn of(server: usize, token: &str) -> Self {
        Self(sha256(&[&(server as u64).to_be_bytes(), token.as_bytes()]))
    }
}

impl fmt::Debug for Digested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digested")
    }
}

fn text_bytes(identity: &Identity) -> usize {
    let lists = [&identity.scopes, &identity.groups, &identity.roles];
    let listed: usize = lists.into_iter().flatten().map(|s| s.len() + size_of::<String>()).sum();
    let Identity { client, organization, grant, grant_client, .. } = identity;
    let names = [client, organization, grant, grant_client];
    let named: usize = names.into_iter().flatten().map(String::len).sum();
    listed + named + identity.issuer.len() + identity.subject.len()
}

#[cfg(test)]
mod tests;
