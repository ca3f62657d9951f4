//! `POST /v1/leases`: tokens of buckets that hold across all gateways, for a gateway to spend by itself.
//!
//! What is granted is the asker's for good and is spent or lost: none comes back, so no lost answer and no dead gateway can make
//! two of one token. How long a gateway keeps what it does not spend is its own affair (`lease::TERM` of its core).

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::super::body::Whole;
use super::super::{json, reply};
use crate::app::Context;
use crate::error::Failure;
use crate::metrics::Outcome;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::store::StoreError;
use crate::store::bucket::{Lent, MOST_SPAN, MOST_TOKENS, Shape};

/// Buckets of one question: as many as limits may hold for one request, and more.
const MOST_BUCKETS: usize = 16;
/// Hexadecimal digits of a bucket's name: the gateway's digest of whose it is.
const NAME_DIGITS: usize = 32;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    leases: Vec<Wanted>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    bucket: String,
    capacity: u32,
    tokens: u32,
    per: u32,
    wanted: u32,
}

#[derive(Serialize)]
struct Answer {
    leases: Vec<Lease>,
}

#[derive(Serialize)]
struct Lease {
    bucket: String,
    granted: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

pub(super) async fn post(State(context): State<Arc<Context>>, Whole(body): Whole) -> Response {
    let question = json::object::<Question>(&body).map_err(|why| ErrorCode::InvalidRequest.because(why));
    let wanted = match question.and_then(|question| admit(question.leases)) {
        Ok(wanted) => wanted,
        Err(error) => return reply::oauth_error(&error),
    };
    match lend(&context, wanted).await {
        Ok(leases) => reply::fresh_json(StatusCode::OK, &Answer { leases }),
        Err(error) => reply::failure(&Failure::from(error)),
    }
}

/// What is asked, if it is within bounds.
fn admit(leases: Vec<Wanted>) -> Result<Vec<Wanted>, OAuthError> {
    let refuse = |why: String| Err(ErrorCode::InvalidRequest.because(why));
    if leases.is_empty() || leases.len() > MOST_BUCKETS {
        return refuse(format!("leases holds 1 to {MOST_BUCKETS} buckets"));
    }
    for (at, lease) in leases.iter().enumerate() {
        let bounds = [
            ("capacity", lease.capacity, MOST_TOKENS),
            ("tokens", lease.tokens, MOST_TOKENS),
            ("per", lease.per, MOST_SPAN),
            ("wanted", lease.wanted, lease.capacity),
        ];
        if let Some((name, _, most)) =
            bounds.iter().find(|(_, value, most)| !(1..=(*most).max(1)).contains(value))
        {
            return refuse(format!("leases[{at}].{name} lies outside 1 to {most}"));
        }
        let digits = lease.bucket.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if lease.bucket.len() != NAME_DIGITS || !digits {
            return refuse(format!("leases[{at}].bucket is {NAME_DIGITS} hexadecimal digits, lower case"));
        }
    }
    let names: BTreeSet<&str> = leases.iter().map(|lease| lease.bucket.as_str()).collect();
    if names.len() < leases.len() {
        return refuse("a bucket stands twice".into());
    }
    Ok(leases)
}

/// All at once, answered in the order of the question. With one failure there is no answer, and what was granted is lost.
async fn lend(context: &Arc<Context>, wanted: Vec<Wanted>) -> Result<Vec<Lease>, StoreError> {
    let now = context.clock.millis();
    let mut asking = JoinSet::new();
    for (at, one) in wanted.into_iter().enumerate() {
        let context = Arc::clone(context);
        asking.spawn(async move {
            let shape = Shape { capacity: one.capacity, tokens: one.tokens, per: one.per };
            let lent = context.store.lend(&one.bucket, shape, one.wanted, now).await?;
            Ok::<_, StoreError>((at, counted(&context, one, lent)))
        });
    }
    let mut leases = Vec::new();
    while let Some(joined) = asking.join_next().await {
        leases.push(joined.map_err(|_| StoreError::Closed)??);
    }
    leases.sort_by_key(|(at, _)| *at);
    Ok(leases.into_iter().map(|(_, lease)| lease).collect())
}

fn counted(context: &Context, wanted: Wanted, lent: Lent) -> Lease {
    let outcome = match lent.granted {
        0 => "none",
        granted if granted < wanted.wanted => "fewer",
        _ => "all",
    };
    context.metrics.leases.get_or_create(&Outcome { outcome }).inc();
    context.metrics.tokens_lent.inc_by(lent.granted.into());
    let wait = lent.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    Lease { bucket: wanted.bucket, granted: lent.granted, retry_after_ms: wait }
}
