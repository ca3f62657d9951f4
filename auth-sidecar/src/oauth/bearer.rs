//! Which access token does a request present, and how does its refusal read? RFC 6750, and RFC 9449 section 7.1 for
//! tokens that are bound to a key.

use super::params::Params;

/// The authentication scheme that a token was presented under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Whoever has it may use it.
    Bearer,
    /// It comes with a proof.
    Dpop,
}

/// A token, unverified. It is a secret, so there is no `Debug`.
pub struct Presented {
    /// How it was presented.
    pub scheme: Scheme,
    /// The token.
    pub token: String,
}

/// Why a request for a protected resource is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no token at all: a challenge without an error code (RFC 6750 section 3.1).
    Missing,
    /// It is presented in no way, or in several, that are allowed.
    InvalidRequest(&'static str),
    /// It is dead, unknown, or not presented as it must be.
    InvalidToken,
    /// It does not have this scope.
    InsufficientScope(&'static str),
    /// The proof that goes with it is missing or wrong.
    InvalidProof,
    /// The proof needs a nonce.
    NonceNeeded,
}

// === impl Scheme ===

impl Scheme {
    /// The name in headers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

// === impl Refusal ===

impl Refusal {
    /// The error code and a sentence; none where no code may stand.
    #[must_use]
    pub fn error(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Missing => None,
            Self::InvalidRequest(why) => Some(("invalid_request", why)),
            Self::InvalidToken => Some(("invalid_token", "the access token is unknown, expired or revoked")),
            Self::InsufficientScope(_) => {
                Some(("insufficient_scope", "the access token was not issued for this"))
            }
            Self::InvalidProof => Some(("invalid_dpop_proof", "the DPoP proof is missing or wrong")),
            Self::NonceNeeded => Some(("use_dpop_nonce", "the DPoP proof needs the nonce of this answer")),
        }
    }
}

/// Reads the token of a request: in one `Authorization` header or in the form, never in the query and never in both.
///
/// # Errors
/// [`Refusal::Missing`] and [`Refusal::InvalidRequest`].
pub fn read(authorization: &[&[u8]], form: &Params, query: &Params) -> Result<Presented, Refusal> {
    if query.all("access_token").next().is_some() {
        return Err(Refusal::InvalidRequest("an access token must not stand in a query"));
    }
    let in_form: Vec<&str> = form.all("access_token").collect();
    match (authorization, in_form.as_slice()) {
        ([], []) => Err(Refusal::Missing),
        ([header], []) => from_header(header),
        ([], [token]) => Ok(Presented { scheme: Scheme::Bearer, token: (*token).to_owned() }),
        _ => Err(Refusal::InvalidRequest("the access token is presented more than once")),
    }
}

fn from_header(header: &[u8]) -> Result<Presented, Refusal> {
    let text = std::str::from_utf8(header).map_err(|_| Refusal::InvalidRequest("the header is malformed"))?;
    let (name, token) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let schemes = [Scheme::Bearer, Scheme::Dpop];
    // Another scheme is no token at all.
    let scheme = schemes.into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(name));
    let scheme = scheme.ok_or(Refusal::Missing)?;
    let token = token.trim_start();
    // RFC 6750 section 2.1: b64token.
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(allowed) {
        return Err(Refusal::InvalidRequest("the Authorization header holds no token"));
    }
    Ok(Presented { scheme, token: token.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(headers: &[&str], form: &str, query: &str) -> Result<(Scheme, String), Refusal> {
        let headers: Vec<&[u8]> = headers.iter().map(|header| header.as_bytes()).collect();
        read(&headers, &Params::parse(form.as_bytes()), &Params::parse(query.as_bytes()))
            .map(|presented| (presented.scheme, presented.token))
    }

    #[test]
    fn a_token_is_read_from_one_place() {
        assert_eq!(read_one(&["Bearer a.b-c_"], "", ""), Ok((Scheme::Bearer, "a.b-c_".into())));
        assert_eq!(read_one(&["bearer  x"], "", ""), Ok((Scheme::Bearer, "x".into())));
        assert_eq!(read_one(&["DPoP x"], "", ""), Ok((Scheme::Dpop, "x".into())));
        assert_eq!(read_one(&[], "access_token=x", ""), Ok((Scheme::Bearer, "x".into())));
        assert_eq!(read_one(&[], "", ""), Err(Refusal::Missing));
        assert_eq!(read_one(&["Basic eA=="], "", ""), Err(Refusal::Missing));
        for (headers, form, query) in [
            (vec!["Bearer"], "", ""),
            (vec!["Bearer "], "", ""),
            (vec!["Bearer a b"], "", ""),
            (vec!["Bearer a", "Bearer a"], "", ""),
            (vec!["Bearer a"], "access_token=a", ""),
            (vec![], "access_token=a&access_token=a", ""),
            (vec![], "", "access_token=a"),
            (vec!["Bearer a"], "", "access_token=a"),
        ] {
            let refused = read_one(&headers, form, query);
            assert!(matches!(refused, Err(Refusal::InvalidRequest(_))), "{headers:?} {form} {query}");
        }
    }
}
