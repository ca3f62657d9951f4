//! Does this request come from the holder of a key? A good proof, seen for the first time (RFC 9449).

use std::net::IpAddr;
use std::time::Duration;

use super::proof_limit;
use crate::app::Context;
use crate::audit::Act;
use crate::clock::{SKEW, UnixTime};
use crate::error::Failure;
use crate::oauth::client::Client;
use crate::oauth::dpop;
pub(crate) use crate::oauth::dpop::Proof;
use crate::oauth::error::{ErrorCode, OAuthError};

/// What the sealed time of a nonce is for.
const NONCE: &str = "DPoP nonce";
/// How long a nonce is good.
const NONCE_LIFE: Duration = Duration::from_secs(300);

/// A request as a proof sees it.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    /// `htm`.
    pub(crate) method: &'a str,
    /// The endpoint's path below the issuer.
    pub(crate) path: &'a str,
}

/// The proof of a request, if it brought one; `headers` are all its `DPoP` headers. Where nothing but a client, at this network, answers
/// for the request, proofs of strangers are counted.
pub(crate) async fn proof(
    context: &Context,
    headers: &[&[u8]],
    target: Target<'_>,
    by: Option<(&Client, IpAddr)>,
    now: UnixTime,
) -> Result<Option<Proof>, Failure> {
    let text = match headers {
        [] => return Ok(None),
        [one] => std::str::from_utf8(one).unwrap_or_default(),
        _ => return Err(refuse("the DPoP header is repeated").into()),
    };
    let url = context.config.issuer.endpoint(target.path);
    let proof = dpop::read(text, target.method, &url, now)?;
    if context.config.dpop.require_nonce && !is_our_nonce(context, proof.nonce.as_deref(), now) {
        return Err(ErrorCode::UseDpopNonce.because("the DPoP proof needs the nonce of this answer").into());
    }
    if let Some((client, network)) = by {
        proof_limit::count(context, client, network, now).await?;
    }
    // As long as it could be presented again.
    let until = UnixTime(proof.iat.0.saturating_add(dpop::OLDEST).saturating_add(1));
    let name = format!("DPoP {} {} {}", proof.jkt, target.path, proof.jti);
    if context.store.count(&name, until, now).await? > 1 {
        context.audit.write(&Act::DpopProofReplayed.event());
        return Err(refuse("the DPoP proof was used before").into());
    }
    Ok(Some(proof))
}

/// The thumbprint of the key that the tokens of a token request at `path` are bound to.
pub(crate) async fn key(
    context: &Context,
    (client, network): (&Client, IpAddr),
    headers: &[&[u8]],
    path: &'static str,
    now: UnixTime,
) -> Result<Option<String>, Failure> {
    let target = Target { method: "POST", path };
    match proof(context, headers, target, Some((client, network)), now).await? {
        Some(proof) => Ok(Some(proof.jkt)),
        None if client.preferences.dpop_only => {
            Err(refuse("this client's tokens are bound to a key: a DPoP proof is needed").into())
        }
        None => Ok(None),
    }
}

/// A fresh nonce, where proofs need one: the time, sealed, so that every replica knows its own and nothing is kept.
pub(crate) fn nonce(context: &Context, now: UnixTime) -> Option<String> {
    let sealed = || context.config.data_key.seal(NONCE, &now.0.to_be_bytes()).ok();
    context.config.dpop.require_nonce.then(sealed)?
}

fn is_our_nonce(context: &Context, nonce: Option<&str>, now: UnixTime) -> bool {
    let opened = nonce.and_then(|nonce| context.config.data_key.open(NONCE, nonce).ok());
    let made = opened.and_then(|bytes| <[u8; 8]>::try_from(bytes.as_slice()).ok()).map(u64::from_be_bytes);
    // Another replica's clock may be ahead of ours.
    made.map(UnixTime).is_some_and(|made| made <= now.plus(SKEW) && now.since(made) < NONCE_LIFE)
}

fn refuse(why: &'static str) -> OAuthError {
    ErrorCode::InvalidDpopProof.because(why)
}
