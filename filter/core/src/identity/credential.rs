//! What was presented? The access token of a request, still unverified, with its proof where it is to be shown with one, or a
//! clear refusal to guess.

use std::fmt;

use super::dpop::{MAX_PROOF_BYTES, Proof};
use crate::denial::Denial;
use crate::head::{HeaderFault, RequestHead};

/// An access token as presented, unverified. Its `Debug` shows the length only.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(String);

/// What a request brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The token.
    pub credential: Credential,
    /// The proof that goes with it: there with the scheme `DPoP`, and only with that.
    pub proof: Option<Proof>,
}

/// The longest token that is looked at. Longer ones cost memory and hashing before anyone is known.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The credential of a request; `None` when it brings none (RFC 6750 section 2.1: `Authorization: Bearer b64token`; RFC 9449
/// section 7.1: `Authorization: DPoP b64token` and one `DPoP` header).
///
/// # Errors
/// [`Denial::InvalidCredential`] for a repeated or unreadable header, another scheme, a token that is not a
/// `b64token` or is longer than [`MAX_TOKEN_BYTES`], and for a token in the query (RFC 6750 section 2.3, forbidden
/// by MCP): it may already stand in logs. [`Denial::InvalidProof`] for anything but one proof with the scheme `DPoP`.
pub fn present(head: &RequestHead) -> Result<Option<Presented>, Denial> {
    if query_has_token(&head.path) {
        return Err(Denial::InvalidCredential("token in the query string"));
    }
    let value = head.headers.one("authorization").map_err(|fault| {
        Denial::InvalidCredential(match fault {
            HeaderFault::Repeated => "authorization header repeated",
            HeaderFault::NotText => "authorization header not readable",
        })
    })?;
    let Some(value) = value else { return Ok(None) };
    let Some((scheme, rest)) = value.split_once(' ') else {
        return Err(Denial::InvalidCredential("authorization header without a bearer token"));
    };
    let with_proof = scheme.eq_ignore_ascii_case("dpop");
    if !with_proof && !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Denial::InvalidCredential("authorization scheme is neither Bearer nor DPoP"));
    }
    let token = rest.trim_start_matches(' ');
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Denial::InvalidCredential("token too long"));
    }
    if !is_b64token(token) {
        return Err(Denial::InvalidCredential("token syntax"));
    }
    let proof = if with_proof { Some(proof(head)?) } else { None };
    Ok(Some(Presented { credential: Credential(token.to_owned()), proof }))
}

/// The only proof (RFC 9449 section 4.3, check 1).
fn proof(head: &RequestHead) -> Result<Proof, Denial> {
    let value = head.headers.one("dpop").map_err(|fault| {
        Denial::InvalidProof(match fault {
            HeaderFault::Repeated => "DPoP header repeated",
            HeaderFault::NotText => "DPoP header not readable",
        })
    })?;
    match value {
        Some(proof) if proof.len() <= MAX_PROOF_BYTES => Ok(Proof::new(proof)),
        Some(_) => Err(Denial::InvalidProof("proof too long")),
        None => Err(Denial::InvalidProof("no DPoP header")),
    }
}

// === impl Credential ===

impl Credential {
    /// The token itself: for verification only, never for a log, an error or a stored value.
    pub fn token(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({} bytes)", self.0.len())
    }
}

/// `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 6750 section 2.1).
pub(super) fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
    !body.is_empty() && body.bytes().all(allowed)
}

/// Whether any parameter of the query is named `access_token`, percent-encoded or not.
fn query_has_token(path: &str) -> bool {
    let Some((_, query)) = path.split_once('?') else { return false };
    let query = query.split('#').next().unwrap_or_default();
    query.split(['&', ';']).any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        percent_decoded(name.as_bytes()).eq_ignore_ascii_case(b"access_token")
    })
}

/// `%xx` undone where it is well-formed; everything else as it stands.
fn percent_decoded(mut rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rest.len());
    loop {
        match rest {
            [] => return out,
            [b'%', hi, lo, tail @ ..] if hi.is_ascii_hexdigit() && lo.is_ascii_hexdigit() => {
                out.push((hex(*hi) << 4) | hex(*lo));
                rest = tail;
            }
            [byte, tail @ ..] => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit.to_ascii_lowercase() - b'a') + 10,
    }
}

#[cfg(test)]
mod tests;
