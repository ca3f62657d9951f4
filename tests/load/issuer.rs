//! Whose tokens are these? Those of an issuer in this process, that signs a million in seconds, and counts how often it is
//! asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::elliptic_curve::ops::Reduce as _;
use p256::elliptic_curve::point::AffineCoordinates as _;
use p256::{AffinePoint, FieldBytes, ProjectivePoint, Scalar};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::upstream::{Script, Server, json_answer};

/// What it calls itself.
pub(super) const ISSUER: &str = "https://load.example";
const HEADER: &str = r#"{"alg":"ES256","typ":"at+jwt","kid":"load"}"#;
/// Seconds since the epoch: long ago, and far away.
const ISSUED: u64 = 1_700_000_000;
const EXPIRES: u64 = 4_000_000_000;

/// A key for one run. Every signature has the nonce 1, which gives the key away to whoever looks, and costs a microsecond
/// where others cost a hundred.
#[derive(Clone)]
pub(super) struct Key {
    secret: Scalar,
    header: String,
}

/// How often the issuer was asked.
#[derive(Clone, Default)]
pub(super) struct Asked {
    pub(super) keys: Arc<AtomicU64>,
    pub(super) tokens: Arc<AtomicU64>,
}

// === impl Key ===

impl Key {
    pub(super) fn new() -> Self {
        let seed: [u8; 32] = Sha256::digest(std::process::id().to_be_bytes()).into();
        Self { secret: scalar(&seed.into()), header: base64(HEADER.as_bytes()) }
    }

    /// A good token for this subject at this resource.
    pub(super) fn token(&self, resource: &str, subject: &str) -> String {
        self.sign(&claims(resource, subject))
    }

    /// Another good one each time, by the name of a series.
    pub(super) fn token_of_series(&self, resource: &str, subject: &str, series: &str) -> String {
        let mut claims = claims(resource, subject);
        claims["jti"] = json!(format!("{subject}-{series}"));
        self.sign(&claims)
    }

    /// One that was good until long ago.
    pub(super) fn expired(&self, resource: &str, subject: &str) -> String {
        let mut claims = claims(resource, subject);
        claims["exp"] = json!(ISSUED + 1);
        self.sign(&claims)
    }

    /// One by a key that nobody has.
    pub(super) fn of_no_key(&self, resource: &str, subject: &str) -> String {
        let header = base64(HEADER.replace("load", subject).as_bytes());
        Self { header, ..self.clone() }.sign(&claims(resource, subject))
    }

    fn sign(&self, claims: &Value) -> String {
        let signed = format!("{}.{}", self.header, base64(claims.to_string().as_bytes()));
        let digest: [u8; 32] = Sha256::digest(&signed).into();
        let r = scalar(&AffinePoint::GENERATOR.x());
        let s = scalar(&digest.into()) + r * self.secret;
        let signature = [r.to_bytes(), s.to_bytes()].concat();
        format!("{signed}.{}", base64(&signature))
    }

    fn key_set(&self) -> String {
        let point = (ProjectivePoint::GENERATOR * self.secret).to_affine();
        let (x, y) = (base64(&point.x()), base64(&point.y()));
        let key =
            json!({"kty": "EC", "crv": "P-256", "kid": "load", "alg": "ES256", "use": "sig", "x": x, "y": y});
        json!({ "keys": [key] }).to_string()
    }

    /// Serves its keys, and says no to every token that it is asked about.
    pub(super) async fn serve(&self) -> (Server, Asked) {
        let asked = Asked::default();
        let (keys, inactive) = (json_answer(&self.key_set()), json_answer(r#"{"active":false}"#));
        let counts = asked.clone();
        let server = Server::start(move |request| {
            if request.head.starts_with("get ") {
                counts.keys.fetch_add(1, Ordering::SeqCst);
                Script::Answer(Arc::clone(&keys))
            } else {
                counts.tokens.fetch_add(1, Ordering::SeqCst);
                Script::Answer(Arc::clone(&inactive))
            }
        });
        (server.await, asked)
    }
}

fn claims(resource: &str, subject: &str) -> Value {
    json!({"iss": ISSUER, "sub": subject, "aud": resource, "client_id": "load", "iat": ISSUED, "exp": EXPIRES,
        "jti": subject, "grant_id": "g", "scope": "mcp:read"})
}

fn scalar(bytes: &FieldBytes) -> Scalar {
    Scalar::reduce(bytes)
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
