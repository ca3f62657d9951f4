//! A request that is valid has a challenge and asks for no more than there is; its answer goes where the client registered.
#![no_main]
#[path = "../configured.rs"]
mod configured;

use wicketgate_auth::oauth::authorization_request::{reply_to, validate};
use wicketgate_auth::oauth::params::Params;

libfuzzer_sys::fuzz_target!(|query: &[u8]| {
    let params = Params::parse(query);
    let (config, client) = (configured::config(), configured::client());
    let Ok(to) = reply_to(&params, client) else { return };
    assert!(client.redirect_uris.contains(&to.redirect_uri));
    let Ok(request) = validate(&params, client, &to, &config.resources, config.issuer.as_str()) else {
        return;
    };
    assert_eq!(params.get("code_challenge_method"), Some("S256"));
    assert!(request.scope.is_subset_of(&configured::all_scopes()));
    assert_eq!((request.client_id, request.redirect_uri), (client.id.clone(), to.redirect_uri));
    assert!(params.admit().is_ok() && params.get("request").is_none());
});
