//! Does the one who redeems the code come from where the request came? PKCE (RFC 7636), S256 only.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, URL_SAFE_NO_PAD};

use super::error::{ErrorCode, OAuthError};
use super::params::Params;
use crate::secret::Digest;

/// Base64url whose last character may be any that the alphabet has.
const AS_WRITTEN: GeneralPurpose =
    GeneralPurpose::new(&URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

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
    // An S256 challenge is BASE64URL(SHA256(verifier)): the digest of the verifier, so it is kept as one. The grammar (section 4.2)
    // leaves open what the two bits at the end are that mean nothing.
    let digest = AS_WRITTEN.decode(challenge).ok().and_then(|bytes| {
        let canonical = URL_SAFE_NO_PAD.encode(bytes);
        Digest::try_from(canonical).ok()
    });
    digest.ok_or_else(|| ErrorCode::InvalidRequest.because("code_challenge must be 43 base64url characters"))
}

/// Whether `verifier` is what `challenge` was made of (RFC 7636 section 4.6).
///
/// # Errors
/// `invalid_grant` for a wrong one, also one outside the grammar of section 4.1: it is there, and cannot be the right one.
pub fn verify(challenge: &Digest, verifier: &str) -> Result<(), OAuthError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(allowed) {
        return Err(ErrorCode::InvalidGrant.because("code_verifier must be 43 to 128 unreserved characters"));
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
        assert_eq!(verify(&digest, "short").unwrap_err().code, ErrorCode::InvalidGrant);
        assert_eq!(verify(&digest, &"é".repeat(30)).unwrap_err().code, ErrorCode::InvalidGrant);
    }

    #[test]
    fn a_challenge_is_43_characters_of_the_alphabet() {
        let canonical = read(&format!("code_challenge={CHALLENGE}&code_challenge_method=S256")).unwrap();
        let other = CHALLENGE.replace("-cM", "-cP");
        let digest = read(&format!("code_challenge={other}&code_challenge_method=S256")).unwrap();
        assert!(digest.matches(&canonical));
        assert!(read(&format!("code_challenge={}&code_challenge_method=S256", "x".repeat(43))).is_ok());
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
