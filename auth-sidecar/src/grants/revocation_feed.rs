//! What is a gateway told of tokens that it must not honour any more? A signed feed (`openapi/internal-v1.yaml`,
//! `GET /v1/feed`), in which names stand as digests: who reads along learns nobody's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::app::Context;
use crate::audit::Origin;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::metrics::Outcome;
use crate::store::feed::{News, Place, Revocation};

/// The `typ` of the feed: no token of ours passes for one.
const TYPE: &str = "revocations+jwt";

/// What the feed says besides `iss` and `iat`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct FeedClaims {
    epoch: String,
    seq: u64,
    since: u64,
    revocations: Vec<Entry>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    kind: String,
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<UnixTime>,
    until: UnixTime,
}

/// The signed feed of what came after `after`, or of everything where that is no place of ours.
pub(crate) async fn since(context: &Context, after: Option<Place>, now: UnixTime) -> Result<String, Failure> {
    let news = context.store.news(after, now).await?;
    let outcome = if news.since == 0 { "everything" } else { "news" };
    context.metrics.feed_polls.get_or_create(&Outcome { outcome }).inc();
    context.sightings.feed_told(Origin::current().address, &news.place, now);
    let claims = FeedClaims::of(news);
    Ok(context.keys.sign_statement(TYPE, context.config.issuer.as_str(), claims, now)?)
}

/// Up to where the feed goes now; `None` where the store does not say.
pub(crate) async fn position(context: &Context, now: UnixTime) -> Option<Place> {
    // From where it was last told, so that little has to be read.
    context.store.news(context.sightings.feed(), now).await.ok().map(|news| news.place)
}

// === impl FeedClaims ===

impl FeedClaims {
    fn of(news: News) -> Self {
        let Place { epoch, seq } = news.place;
        let revocations = news.revocations.iter().map(Entry::of).collect();
        Self { epoch, seq, since: news.since, revocations }
    }
}

// === impl Entry ===

impl Entry {
    fn of(revocation: &Revocation) -> Self {
        let Revocation { kind, name, before, until } = revocation;
        Self {
            kind: kind.as_str().to_owned(),
            id: id_of(kind.as_str(), name),
            before: *before,
            until: *until,
        }
    }
}

/// What stands for a name: the first 16 bytes of SHA-256 over the kind, a zero byte and the name, base64url.
fn id_of(kind: &str, name: &str) -> String {
    let digest: [u8; 32] =
        Sha256::new().chain_update(kind).chain_update([0]).chain_update(name).finalize().into();
    URL_SAFE_NO_PAD.encode(digest.first_chunk::<16>().unwrap_or(&[0; 16]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_by_its_digest() {
        // printf 'grant\0g1' | sha256sum | head -c 32 | xxd -r -p | base64
        assert_eq!(id_of("grant", "g1"), "qHiJ3t4sHSEGO1lsDx1Ccg");
        assert_ne!(id_of("grant", "g1"), id_of("client", "g1"));
    }
}
