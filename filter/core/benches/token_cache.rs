//! What does knowing who asks cost: a verification of each algorithm, and a hit in the cache.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use jwt_simple::prelude::*;
use wicketgate_core::callout::Destination;
use wicketgate_core::identity::issuer::{Algorithm, ClaimNames, Issuer, JwksSource, TokenType};
use wicketgate_core::identity::jwks::KeySet;
use wicketgate_core::identity::jwt::{Expected, verify};
use wicketgate_core::identity::key_ring::KeyRing;
use wicketgate_core::identity::token_cache::{Digested, TokenCache};
use wicketgate_core::time::Timestamp;

const ISSUER: &str = "https://as.example";
const AUDIENCE: &str = "https://mcp.example/mcp";
const NOW: u64 = 1_790_000_000;

fn issuer() -> Issuer {
    Issuer {
        validate: None,
        revocations: None,
        issuer: ISSUER.into(),
        algorithms: Algorithm::ALL.to_vec(),
        skew: Duration::from_secs(30),
        jwks: JwksSource {
            at: Destination {
                cluster: "auth".into(),
                authority: "auth".into(),
                path: "/v1/jwks".into(),
                timeout: Duration::from_secs(5),
            },
            refresh: Duration::from_secs(300),
            max_stale: Duration::from_secs(3600),
        },
        claims: ClaimNames::default(),
        token_type: TokenType::AccessToken,
    }
}

fn claims() -> JWTClaims<NoCustomClaims> {
    let mut claims = Claims::create(jwt_simple::prelude::Duration::from_secs(600));
    claims.issued_at = Some(UnixTimeStamp::from_secs(NOW));
    claims.invalid_before = None;
    claims.expires_at = Some(UnixTimeStamp::from_secs(NOW + 600));
    claims.with_issuer(ISSUER).with_subject("alice").with_audience(AUDIENCE)
}

fn tokens() -> (KeySet, [(&'static str, String); 3]) {
    let options = HeaderOptions { signature_type: Some("at+jwt".into()), ..HeaderOptions::default() };
    let rsa = RS256KeyPair::generate(2048).unwrap().with_key_id("rsa");
    let ec = ES256KeyPair::generate().with_key_id("ec");
    let ed = Ed25519KeyPair::generate().with_key_id("ed");
    let jwks = [rsa.public_key().to_jwk(), ec.public_key().to_jwk(), ed.public_key().to_jwk()];
    let keys = KeySet::parse(format!(r#"{{"keys":[{}]}}"#, jwks.join(",")).as_bytes()).unwrap();
    let tokens = [
        ("RS256", rsa.sign_with_options(claims(), &options).unwrap()),
        ("ES256", ec.sign_with_options(claims(), &options).unwrap()),
        ("EdDSA", ed.sign_with_options(claims(), &options).unwrap()),
    ];
    (keys, tokens)
}

fn bench(c: &mut Criterion) {
    let (keys, tokens) = tokens();
    let issuers = [issuer()];
    let now = Timestamp::from_secs(NOW);
    let mut ring = KeyRing::new(&issuers);
    ring.set(0, keys, now, now);
    let expected = Expected { issuers: &issuers, accepted: &[0], audience: AUDIENCE };
    let mut cache = TokenCache::new(4096);
    for (name, token) in &tokens {
        c.bench_function(&format!("verify {name}"), |b| {
            b.iter(|| verify(black_box(token), &expected, &ring, now).unwrap());
        });
        cache.insert(Digested::of(0, token), verify(token, &expected, &ring, now).unwrap(), now);
    }
    c.bench_function("refuse another audience", |b| {
        let elsewhere = Expected { audience: "https://other.example", ..expected };
        b.iter(|| verify(black_box(&tokens[1].1), &elsewhere, &ring, now).unwrap_err());
    });
    c.bench_function("cache hit", |b| {
        b.iter(|| cache.get(&Digested::of(0, black_box(&tokens[1].1)), now).map(|v| v.identity.expires));
    });
    let found = verify(&tokens[1].1, &expected, &ring, now).unwrap();
    let mut turn = 0_usize;
    c.bench_function("cache insert with eviction", |b| {
        b.iter(|| {
            turn += 1;
            cache.insert(Digested::of(turn, "t"), found.clone(), now);
        });
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
