//! Tokens that must be refused: what is wrong, the reason given to the audit, the token.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use jwt_simple::prelude::*;
use serde_json::{Value, json};

use super::{AUDIENCE, Fault, ISSUER, NOW, TYPED, World, at_jwt, claims, library_claims, raw, with};

/// Names some key (RFC 7638 section 3.1).
const JKT: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

/// Each is signed by the issuer's own key unless the case says otherwise.
#[test]
fn malicious_headers_are_refused() {
    let world = World::shared();
    let stranger = Ed25519KeyPair::generate();
    let body = claims().to_string();
    let public = URL_SAFE_NO_PAD.encode(stranger.public_key().to_bytes());
    let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{public}"}}"#);
    let cases = [
        (
            "alg none",
            "alg is not supported",
            world.sign(r#"{"alg":"none","typ":"at+jwt","kid":"ed"}"#, &body),
        ),
        (
            "alg None",
            "alg is not supported",
            world.sign(r#"{"alg":"None","typ":"at+jwt","kid":"ed"}"#, &body),
        ),
        (
            "alg in another case",
            "alg is not supported",
            world.sign(r#"{"alg":"eddsa","typ":"at+jwt","kid":"ed"}"#, &body),
        ),
        (
            "alg alias",
            "alg is not supported",
            world.sign(r#"{"alg":"Ed25519","typ":"at+jwt","kid":"ed"}"#, &body),
        ),
        ("alg missing", "alg is not supported", world.sign(r#"{"typ":"at+jwt","kid":"ed"}"#, &body)),
        (
            "alg a list",
            "alg is not a string",
            world.sign(r#"{"alg":["EdDSA"],"typ":"at+jwt","kid":"ed"}"#, &body),
        ),
        (
            "two alg",
            "header is not a JSON object with unique members",
            world.sign(r#"{"alg":"none","alg":"EdDSA","typ":"at+jwt","kid":"ed"}"#, &body),
        ),
        (
            "kid of another type",
            "signed by a key that the issuer does not publish",
            world.sign(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"ec"}"#, &body),
        ),
        (
            "alg of the kid, signature of another",
            "signature",
            world.sign(r#"{"alg":"ES256","typ":"at+jwt","kid":"ec"}"#, &body),
        ),
        (
            "kid unknown",
            "signed by a key that the issuer does not publish",
            world.sign(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"../../ed"}"#, &body),
        ),
        (
            "kid a number",
            "kid is not a string",
            world.sign(r#"{"alg":"EdDSA","typ":"at+jwt","kid":1}"#, &body),
        ),
        (
            "typ JWT",
            "typ is not that of an access token",
            world.sign(r#"{"alg":"EdDSA","typ":"JWT","kid":"ed"}"#, &body),
        ),
        (
            "typ missing",
            "typ is not that of an access token",
            world.sign(r#"{"alg":"EdDSA","kid":"ed"}"#, &body),
        ),
        (
            "typ of another kind",
            "typ is not that of an access token",
            world.sign(r#"{"alg":"EdDSA","typ":"oauth-id-jag+jwt","kid":"ed"}"#, &body),
        ),
        ("typ null", "typ is not a string", world.sign(r#"{"alg":"EdDSA","typ":null,"kid":"ed"}"#, &body)),
        (
            "crit",
            "crit in header",
            world.sign(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"ed","crit":["b64"],"b64":false}"#, &body),
        ),
        (
            "crit empty",
            "crit in header",
            world.sign(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"ed","crit":[]}"#, &body),
        ),
        (
            "own jwk",
            "jwk in header",
            raw(&stranger, &format!(r#"{{"alg":"EdDSA","typ":"at+jwt","jwk":{jwk}}}"#), &body),
        ),
        (
            "own jwk, our kid",
            "jwk in header",
            world.sign(&format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"ed","jwk":{jwk}}}"#), &body),
        ),
        (
            "jku",
            "signature",
            raw(
                &stranger,
                r#"{"alg":"EdDSA","typ":"at+jwt","kid":"ed","jku":"https://evil.example"}"#,
                &body,
            ),
        ),
        (
            "x5u",
            "signature",
            raw(
                &stranger,
                r#"{"alg":"EdDSA","typ":"at+jwt","kid":"ed","x5u":"https://evil.example"}"#,
                &body,
            ),
        ),
        (
            "x5c",
            "signature",
            raw(&stranger, r#"{"alg":"EdDSA","typ":"at+jwt","kid":"ed","x5c":["AAAA"]}"#, &body),
        ),
        ("a stranger's key", "signature", raw(&stranger, TYPED, &body)),
        (
            "not an object",
            "header is not a JSON object with unique members",
            world.sign(r#"["EdDSA"]"#, &body),
        ),
        (
            "trailing bytes",
            "header is not a JSON object with unique members",
            world.sign(&format!("{TYPED}{TYPED}"), &body),
        ),
        (
            "too long",
            "header too long",
            world.sign(
                &format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"ed","a":"{}"}}"#, "a".repeat(4096)),
                &body,
            ),
        ),
    ];
    for (what, reason, token) in cases {
        assert_eq!(world.verify(&token), Err(Fault::Invalid(reason)), "{what}");
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let world = World::shared();
    let public = world.rsa.public_key();
    for secret in [public.to_pem().unwrap().into_bytes(), public.to_der().unwrap(), public.to_components().n]
    {
        let token = HS256Key::from_bytes(&secret)
            .with_key_id("rsa")
            .authenticate_with_options(library_claims(), &at_jwt());
        assert_eq!(world.verify(&token.unwrap()), Err(Fault::Invalid("alg is not supported")));
    }
}

#[test]
fn malicious_claims_are_refused() {
    let world = World::shared();
    let twice = |extra: &str| claims().to_string().replacen('{', &format!("{{{extra},"), 1);
    let cases = [
        ("iss missing", "iss missing or not a string", with("iss", Value::Null)),
        ("iss with a slash", "iss is not accepted here", with("iss", json!(format!("{ISSUER}/")))),
        ("iss in another case", "iss is not accepted here", with("iss", json!("HTTP://127.0.0.1:8080"))),
        ("iss a list", "iss missing or not a string", with("iss", json!([ISSUER]))),
        ("iss unknown", "iss is not accepted here", with("iss", json!("https://evil.example"))),
        (
            "two iss",
            "payload is not a JSON object with unique members",
            twice(r#""iss":"https://evil.example""#),
        ),
        (
            "two iss, one escaped",
            "payload is not a JSON object with unique members",
            twice(&format!(r#""i\u0073s":"{ISSUER}""#)),
        ),
        ("two exp", "payload is not a JSON object with unique members", twice(r#""exp":1"#)),
        (
            "a member twice, deep inside",
            "payload is not a JSON object with unique members",
            with("x", json!(0)).replace(r#""x":0"#, r#""x":{"y":1,"y":2}"#),
        ),
        ("aud missing", "aud missing", with("aud", Value::Null)),
        ("aud a prefix", "aud is not this resource", with("aud", json!("http://127.0.0.1:8080"))),
        ("aud longer", "aud is not this resource", with("aud", json!("http://127.0.0.1:8080/mcp/admin"))),
        ("aud with a slash", "aud is not this resource", with("aud", json!(format!("{AUDIENCE}/")))),
        ("aud in another case", "aud is not this resource", with("aud", json!("http://127.0.0.1:8080/MCP"))),
        ("aud an empty list", "aud is not this resource", with("aud", json!([]))),
        ("aud a mixed list", "aud is not a list of strings", with("aud", json!([AUDIENCE, 1]))),
        ("aud an object", "aud is not a list of strings", with("aud", json!({AUDIENCE: true}))),
        (
            "aud of others",
            "aud is not this resource",
            with("aud", json!(["https://a.example", "https://b.example"])),
        ),
        ("exp missing", "exp missing or not a number", with("exp", Value::Null)),
        ("exp a string", "exp missing or not a number", with("exp", json!((NOW + 600).to_string()))),
        ("exp negative", "exp missing or not a number", with("exp", json!(-1))),
        ("exp in milliseconds", "exp missing or not a number", with("exp", json!((NOW + 600) * 1000))),
        ("exp huge", "exp missing or not a number", with("exp", json!(1e300))),
        ("exp past the leeway", "expired", with("exp", json!(NOW - 30))),
        (
            "exp null",
            "exp missing or not a number",
            claims().to_string().replace(&(NOW + 600).to_string(), "null"),
        ),
        ("nbf ahead", "nbf lies ahead", with("nbf", json!(NOW + 31))),
        ("nbf a string", "nbf is not a number", with("nbf", json!("0"))),
        ("iat ahead", "iat lies ahead", with("iat", json!(NOW + 31))),
        ("iat a string", "iat is not a number", with("iat", json!("0"))),
        ("sub missing", "sub missing", with("sub", Value::Null)),
        ("sub empty", "sub is not a name", with("sub", json!(""))),
        ("sub a number", "sub is not a name", with("sub", json!(1))),
        ("sub too long", "sub is not a name", with("sub", json!("s".repeat(1025)))),
        ("scope a number", "scopes claim is not a list of strings", with("scope", json!(1))),
        ("roles an object", "roles claim is not a list of strings", with("roles", json!({"operator": true}))),
        (
            "groups a mixed list",
            "groups claim is not a list of strings",
            with("groups", json!(["eng", null])),
        ),
        ("client_id a list", "client claim is not a name", with("client_id", json!(["cli"]))),
        ("grant_client_id empty", "grant_client_id is not a name", with("grant_client_id", json!(""))),
        ("grant_client_id a list", "grant_client_id is not a name", with("grant_client_id", json!(["c"]))),
        ("org a number", "organization claim is not a name", with("org", json!(7))),
        ("bound to no key", "bound in a way that is not known here", with("cnf", json!({"jkt": "x"}))),
        (
            "bound to half a key",
            "bound in a way that is not known here",
            with("cnf", json!({"jkt": JKT[1..]})),
        ),
        ("bound to a list", "bound in a way that is not known here", with("cnf", json!({"jkt": [JKT]}))),
        (
            "bound to a certificate",
            "bound in a way that is not known here",
            with("cnf", json!({"x5t#S256": JKT})),
        ),
        (
            "bound to both",
            "bound in a way that is not known here",
            with("cnf", json!({"jkt": JKT, "x5t#S256": JKT})),
        ),
        ("bound to nothing", "bound in a way that is not known here", with("cnf", json!({}))),
        ("bound as a text", "bound in a way that is not known here", with("cnf", json!(JKT))),
        ("not an object", "payload is not a JSON object with unique members", json!([claims()]).to_string()),
        ("not JSON", "payload is not a JSON object with unique members", "{".into()),
    ];
    for (what, reason, payload) in cases {
        assert_eq!(world.verify(&world.sign(TYPED, &payload)), Err(Fault::Invalid(reason)), "{what}");
    }
}

#[test]
fn malformed_compact_forms_are_refused() {
    let world = World::shared();
    let token = world.sign(TYPED, &claims().to_string());
    assert!(world.verify(&token).is_ok());
    let (text, signature) = token.rsplit_once('.').unwrap();
    let padded_payload = {
        let payload =
            (0..3).map(|n| claims().to_string() + &" ".repeat(n)).find(|p| p.len() % 3 != 0).unwrap();
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(TYPED), URL_SAFE.encode(payload));
        let signature = world.ed.key_pair().as_ref().sk.sign(text.as_bytes(), None);
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    };
    // 64 bytes leave 4 unused bits in the last character: another spelling of the same signature.
    let last = signature.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    let respelled = format!("{text}.{}{next}", &signature[..signature.len() - 1]);
    for (what, reason, bad) in [
        ("padded signature", "signature is not unpadded base64url", format!("{token}==")),
        ("padded payload", "payload is not unpadded base64url", padded_payload),
        ("stray bits", "signature is not unpadded base64url", respelled),
        ("trailing dot", "not a signed JWT of three parts", format!("{token}.")),
        ("five parts", "not a signed JWT of three parts", format!("{token}.a.b")),
        ("two parts", "not a signed JWT of three parts", text.to_owned()),
        ("no signature", "not a signed JWT of three parts", format!("{text}.")),
        ("leading dot", "not a signed JWT of three parts", format!(".{token}")),
        ("space", "header is not unpadded base64url", format!(" {token}")),
        ("newline", "signature is not unpadded base64url", format!("{token}\n")),
        ("standard alphabet", "signature is not unpadded base64url", format!("{text}.+/{}", &signature[2..])),
        ("truncated signature", "signature", format!("{text}.{}", &signature[..40])),
        ("empty", "not a signed JWT of three parts", String::new()),
        ("dots", "not a signed JWT of three parts", "..".into()),
        ("too long", "token too long", format!("{token}{}", "A".repeat(16 * 1024))),
    ] {
        assert_eq!(world.verify(&bad), Err(Fault::Invalid(reason)), "{what}");
    }
}
