//! A client presents itself in one way, a token stands in one place, and of an exchange nothing is guessed.
#![no_main]
use wicketgate_auth::oauth::client::AuthMethod;
use wicketgate_auth::oauth::params::Params;
use wicketgate_auth::oauth::{bearer, client_credentials, token_exchange};

libfuzzer_sys::fuzz_target!(|input: (Option<&[u8]>, &[u8])| {
    let (header, body) = input;
    let (headers, params) = (Vec::from_iter(header), Params::parse(body));
    if let Ok(presented) = client_credentials::read(&headers, &params) {
        assert_eq!(header.is_some(), presented.method == AuthMethod::ClientSecretBasic);
        assert!(params.get("client_id").is_none_or(|named| named == presented.client_id));
        assert!(header.is_none() || params.get("client_secret").is_none());
    }
    if let Ok(presented) = bearer::read(&headers, &params, &Params::parse(b"")) {
        assert_eq!(header.is_some(), params.all("access_token").next().is_none());
        assert!(!presented.token.is_empty());
    }
    if let Ok(exchange) = token_exchange::read(&params) {
        assert_eq!(params.get("subject_token"), Some(exchange.subject_token));
        assert!(params.get("actor_token").is_none());
    }
});
