//! Does the one who redeems the code come from where the request came? PKCE (RFC 7636), S256 only.

use super::error::{ErrorCode, OAuthError};
use super::params::Params;
use crate::secret::Digest;

/// Reads the challenge of an authorization request. Every client must send one, confidential ones too (OAuth 2.1).
///
/// # Errors
/// `invalid_request` when it is missing, malformed, or its method is not S256. A missing method means `plain`
/// (RFC 7636 section 4.3), which is refused.
pub fn challenge(params: &Params) -> Result<Digest, OAuthError> {
    let challenge = params.require("code_challenge")?;
    if params.get("code_challenge_method") != Some("S256") {
        return Err(ErrorCode::InvalidRequest.because("code_challenge_method must be S256"));
    }
    // An S256 challenge is BASE64URL(SHA256(verifier)): the digest of the verifier, so it is kept as one.
    Digest::try_from(challenge.to_owned())
        .map_err(|_| ErrorCode::InvalidRequest.because("code_challenge must be 43 base64url characters"))
}

/// Whether `verifier` is what `challenge` was made of (RFC 7636 section 4.6).
///
/// # Errors
/// `invalid_request` for a verifier outside the grammar of section 4.1, `invalid_grant` for a wrong one.
pub fn verify(challenge: &Digest, verifier: &str) -> Result<(), OAuthError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(allowed) {
        return Err(
            ErrorCode::InvalidRequest.because("code_verifier must be 43 to 128 unreserved characters")
        );
    }
    if Digest::of(verifier).matches(challenge) {
        Ok(())
    } else {
        Err(ErrorCode::InvalidGrant.because("code_verifier does not match the code_challenge"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn read(query: &str) -> Result<Digest, OAuthError> {
        challenge(&Params::parse(query.as_bytes()))
    }

    #[test]
    fn the_example_of_the_rfc_holds() {
        let digest = read(&format!("code_challenge={CHALLENGE}&code_challenge_method=S256")).unwrap();
        assert_eq!(verify(&digest, VERIFIER), Ok(()));
        assert_eq!(verify(&digest, &VERIFIER.replace('d', "e")).unwrap_err().code, ErrorCode::InvalidGrant);
        assert_eq!(verify(&digest, "short").unwrap_err().code, ErrorCode::InvalidRequest);
        assert_eq!(verify(&digest, &"é".repeat(30)).unwrap_err().code, ErrorCode::InvalidRequest);
    }

    #[test]
    fn only_s256_is_accepted() {
        for query in [
            String::new(),
            format!("code_challenge={CHALLENGE}"),
            format!("code_challenge={CHALLENGE}&code_challenge_method=plain"),
            format!("code_challenge={CHALLENGE}&code_challenge_method=s256"),
            "code_challenge=abc&code_challenge_method=S256".into(),
            format!("code_challenge={CHALLENGE}%3D&code_challenge_method=S256"),
        ] {
            assert_eq!(read(&query).unwrap_err().code, ErrorCode::InvalidRequest, "{query}");
        }
    }
}
