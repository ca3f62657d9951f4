use proptest::prelude::*;

use super::{Credential, MAX_PROOF_BYTES, MAX_TOKEN_BYTES, Proof, present};
use crate::denial::Denial;
use crate::head::{Headers, RequestHead};

fn head(path: &str, authorization: &[&[u8]]) -> RequestHead {
    let pairs = authorization.iter().map(|v| ("authorization".to_owned(), v.to_vec())).collect();
    RequestHead { path: path.into(), headers: Headers::new(pairs), ..RequestHead::default() }
}

fn token(value: &str) -> Result<Option<String>, Denial> {
    present(&head("/mcp", &[value.as_bytes()])).map(|c| c.map(|c| c.credential.token().to_owned()))
}

#[test]
fn a_bearer_token_is_taken_in_any_case_of_the_scheme() {
    for value in ["Bearer a.b-c_d~e+f/g==", "bearer a.b-c_d~e+f/g==", "BEARER   a.b-c_d~e+f/g=="] {
        assert_eq!(token(value), Ok(Some("a.b-c_d~e+f/g==".into())), "{value}");
    }
    assert_eq!(present(&head("/mcp", &[])), Ok(None));
}

#[test]
fn whatever_is_not_one_bearer_token_is_refused_rather_than_guessed() {
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer =",
        "Bearer a b",
        "Bearer a,b",
        "Bearer a=b",
        "Bearer\ta",
        "Basic YTpi",
        "DPoP",
        "DPoP a b",
        "Bearer a, Bearer b",
        "a.b.c",
        "Bearer \"a\"",
        "Bearer a\tb",
    ] {
        assert!(matches!(token(value), Err(Denial::InvalidCredential(_))), "{value:?}");
    }
    assert!(present(&head("/mcp", &[b"Bearer a", b"Bearer a"])).is_err());
    assert!(present(&head("/mcp", &[b"Bearer a\xff"])).is_err());
    assert!(token(&format!("Bearer {}", "a".repeat(MAX_TOKEN_BYTES))).is_ok());
    assert!(token(&format!("Bearer {}", "a".repeat(MAX_TOKEN_BYTES + 1))).is_err());
}

#[test]
fn a_proof_comes_once_with_its_scheme_and_is_not_looked_for_without() {
    let of = |scheme: &str, proofs: &[&[u8]]| {
        let mut pairs = vec![("authorization".to_owned(), format!("{scheme} a.b.c").into_bytes())];
        pairs.extend(proofs.iter().map(|proof| ("DPoP".to_owned(), proof.to_vec())));
        let head =
            RequestHead { path: "/mcp".into(), headers: Headers::new(pairs), ..RequestHead::default() };
        present(&head).map(|presented| presented.unwrap().proof)
    };
    let long = vec![b'a'; MAX_PROOF_BYTES];
    for scheme in ["DPoP", "dpop", "DPOP"] {
        assert_eq!(of(scheme, &[b" x.y.z "]), Ok(Some(Proof::new("x.y.z"))), "{scheme}");
    }
    assert!(of("DPoP", &[&long]).is_ok());
    for (proofs, reason) in [
        (&[][..], "no DPoP header"),
        (&[b"x".as_slice(), b"x"], "DPoP header repeated"),
        (&[b"x\xff"], "DPoP header not readable"),
        (&[&[&long[..], b"a"].concat()], "proof too long"),
    ] {
        assert_eq!(of("DPoP", proofs), Err(Denial::InvalidProof(reason)));
        assert_eq!(of("Bearer", proofs), Ok(None), "{reason}");
    }
}

#[test]
fn a_token_in_the_query_is_refused_even_beside_a_good_header() {
    for path in
        ["/mcp?access_token=x", "/mcp?a=b&access_token", "/mcp?a;access%5Ftoken=x", "/mcp?%61ccess_token=x"]
    {
        assert!(present(&head(path, &[])).is_err(), "{path}");
        assert!(present(&head(path, &[b"Bearer a"])).is_err(), "{path}");
    }
    for path in ["/mcp?my_access_token=x", "/mcp?a=access_token", "/access_token", "/mcp?%zz%6"] {
        assert_eq!(present(&head(path, &[])), Ok(None), "{path}");
    }
}

proptest! {
    /// House invariant 7.
    #[test]
    fn no_debug_output_holds_the_token(secret in "[A-Za-z0-9]{24,64}") {
        let credential = Credential(secret.clone());
        let shown = [format!("{credential:?}"), format!("{:#?}", Some(credential))];
        prop_assert!(shown.iter().all(|s| !s.contains(&secret)));
        let refusal = present(&head("/mcp", &[format!("Bearer {secret} {secret}").as_bytes()]));
        prop_assert!(refusal.is_err());
        let shown = format!("{refusal:?}");
        prop_assert!(!shown.contains(&secret));
    }
}
