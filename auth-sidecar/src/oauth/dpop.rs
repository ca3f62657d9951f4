//! Does the client hold the key that it names? DPoP proofs (RFC 9449 section 4): a JWT made for one request.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use url::Url;

use super::error::{ErrorCode, OAuthError};
use crate::clock::UnixTime;
use crate::secret::Digest;

/// What a proof may be signed with: what gateways verify (`filter/core/src/identity/dpop.rs`). A token that is bound to a key of
/// another kind would be worth nothing there.
pub const ALGORITHMS: [&str; 4] = ["ES256", "EdDSA", "PS256", "RS256"];
/// How old a proof may be, in seconds.
pub const OLDEST: u64 = 300;
/// How far ahead the client's clock may be, in seconds.
pub const AHEAD: u64 = 30;

const LONGEST_PROOF: usize = 8 * 1024;
const LONGEST_ID: usize = 512;
/// RSA keys of 2048 to 4096 bits.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

/// A proof whose signature and claims are good. Whether it was seen before is for the caller to ask.
#[derive(Debug, PartialEq, Eq)]
pub struct Proof {
    /// RFC 7638 thumbprint of the key.
    pub jkt: String,
    /// Names this proof.
    pub jti: String,
    /// When it was made.
    pub iat: UnixTime,
    /// A nonce that we gave.
    pub nonce: Option<String>,
    /// Digest of the access token that it goes with.
    pub ath: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    typ: String,
    alg: String,
    jwk: Map<String, Value>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: f64,
    exp: Option<f64>,
    nbf: Option<f64>,
    nonce: Option<String>,
    ath: Option<String>,
}

/// Reads the proof that came with a request to `url` (RFC 9449 section 4.3).
///
/// # Errors
/// `invalid_dpop_proof`.
pub fn read(proof: &str, method: &str, url: &str, now: UnixTime) -> Result<Proof, OAuthError> {
    if proof.len() > LONGEST_PROOF {
        return Err(refuse("it is too long"));
    }
    let (signed, signature) = proof.rsplit_once('.').ok_or_else(|| refuse("it is not a JWT"))?;
    let (header, claims) = signed.split_once('.').ok_or_else(|| refuse("it is not a JWT"))?;
    let header: Header = json(header)?;
    let claims: Claims = json(claims)?;
    let signature = bytes(signature).ok_or_else(|| refuse("it is not a JWT"))?;
    if header.typ != "dpop+jwt" {
        return Err(refuse("its typ is not dpop+jwt"));
    }
    if header.crit.is_some() {
        return Err(refuse("crit is not supported"));
    }
    let jkt = verify(&header, signed.as_bytes(), &signature)?;
    if claims.jti.is_empty() || claims.jti.len() > LONGEST_ID {
        return Err(refuse("its jti is empty or too long"));
    }
    if claims.htm != method || !is_same_target(&claims.htu, url) {
        return Err(refuse("it was made for another method or URI"));
    }
    let iat = fresh(&claims, now)?;
    Ok(Proof { jkt, jti: claims.jti, iat, nonce: claims.nonce, ath: claims.ath })
}

/// `ath` of an access token (RFC 9449 section 4.2): its SHA-256 in base64url.
#[must_use]
pub fn ath(access_token: &str) -> String {
    Digest::of(access_token).encoded()
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds of our time fit a double, and what does not is refused before the cast"
)]
fn fresh(claims: &Claims, now: UnixTime) -> Result<UnixTime, OAuthError> {
    let now = now.0 as f64;
    let in_window = claims.iat >= now - OLDEST as f64 && claims.iat <= now + AHEAD as f64;
    let valid =
        claims.exp.is_none_or(|exp| now < exp) && claims.nbf.is_none_or(|nbf| nbf <= now + AHEAD as f64);
    if in_window && valid && claims.iat >= 0.0 {
        Ok(UnixTime(claims.iat as u64))
    } else {
        Err(refuse("it is too old, or made in the future"))
    }
}

/// Compared as URLs, without query and fragment (section 4.3, check 9).
fn is_same_target(htu: &str, url: &str) -> bool {
    let parse = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        url.set_query(None);
        url.set_fragment(None);
        Some(url)
    };
    parse(htu).is_some_and(|htu| parse(url) == Some(htu))
}

/// Verifies the signature with the key in the header; returns the key's thumbprint.
fn verify(header: &Header, signed: &[u8], signature: &[u8]) -> Result<String, OAuthError> {
    let jwk = &header.jwk;
    if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|member| jwk.contains_key(*member)) {
        return Err(refuse("its jwk is not a public key"));
    }
    let fits = |member: &str, wanted: &str| jwk.get(member).is_none_or(|value| value == wanted);
    if !fits("alg", &header.alg) || !fits("use", "sig") {
        return Err(refuse("its jwk is for something else"));
    }
    let text = |member: &str| jwk.get(member).and_then(Value::as_str);
    let kty = text("kty").unwrap_or_default();
    let unfit = || refuse("its alg is not supported, or does not fit its jwk");
    let good = match (header.alg.as_str(), kty, text("crv")) {
        ("ES256", "EC", Some("P-256")) => {
            ec(jwk).is_some_and(|key| is_signed(&ECDSA_P256_SHA256_FIXED, &key, signed, signature))
        }
        ("EdDSA", "OKP", Some("Ed25519")) => {
            text("x").and_then(bytes).is_some_and(|key| is_signed(&ED25519, &key, signed, signature))
        }
        ("RS256" | "PS256", "RSA", None) => {
            let algorithm = match header.alg.as_str() {
                "RS256" => &RSA_PKCS1_2048_8192_SHA256,
                _ => &RSA_PSS_2048_8192_SHA256,
            };
            rsa(jwk).is_some_and(|key| key.verify(algorithm, signed, signature).is_ok())
        }
        _ => return Err(unfit()),
    };
    match (good, thumbprint(jwk, kty)) {
        (true, Some(jkt)) => Ok(jkt),
        _ => Err(refuse("its signature does not verify")),
    }
}

fn is_signed(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    signed: &[u8],
    signature: &[u8],
) -> bool {
    UnparsedPublicKey::new(algorithm, key).verify(signed, signature).is_ok()
}

/// An uncompressed point of P-256.
fn ec(jwk: &Map<String, Value>) -> Option<Vec<u8>> {
    let coordinate = |member| jwk.get(member)?.as_str().and_then(bytes).filter(|bytes| bytes.len() == 32);
    Some([vec![4], coordinate("x")?, coordinate("y")?].concat())
}

fn rsa(jwk: &Map<String, Value>) -> Option<RsaPublicKeyComponents<Vec<u8>>> {
    // A number with leading zeros would be the same key under another thumbprint.
    let number = |member| {
        let bytes = jwk.get(member)?.as_str().and_then(bytes)?;
        (bytes.first() != Some(&0)).then_some(bytes)
    };
    let n = number("n").filter(|n| RSA_BYTES.contains(&n.len()))?;
    Some(RsaPublicKeyComponents { n, e: number("e")? })
}

/// RFC 7638 section 3: the required members in alphabetical order. Base64url needs no escaping.
fn thumbprint(jwk: &Map<String, Value>, kty: &str) -> Option<String> {
    let members: &[&str] = match kty {
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => &["e", "kty", "n"],
    };
    let pairs = members.iter().map(|name| Some(format!("\"{name}\":{}", jwk.get(*name)?)));
    let canonical = format!("{{{}}}", pairs.collect::<Option<Vec<_>>>()?.join(","));
    Some(Digest::of(&canonical).encoded())
}

fn json<T: DeserializeOwned>(part: &str) -> Result<T, OAuthError> {
    let decoded = bytes(part).and_then(|bytes| serde_json::from_slice(&bytes).ok());
    decoded.ok_or_else(|| refuse("it is not a JWT, or a claim is missing or has a wrong type"))
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn refuse(why: &str) -> OAuthError {
    ErrorCode::InvalidDpopProof.because(format!("the DPoP proof is refused: {why}"))
}
