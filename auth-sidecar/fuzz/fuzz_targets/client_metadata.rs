//! What was registered, registered again, is the same; and it never is a public client with rights of its own.
#![no_main]
use wicketgate_auth::oauth::client::{AuthMethod, GrantType};
use wicketgate_auth::oauth::redirect_uri::{self, PrivateUse};
use wicketgate_auth::oauth::registration::{Rules, admit, object};

libfuzzer_sys::fuzz_target!(|input: (bool, &[u8])| {
    let (client_credentials, body) = input;
    let rules = Rules {
        private_use: &PrivateUse::None,
        client_credentials,
        jwt_bearer: false,
        default_method: AuthMethod::None,
    };
    let Ok(registered) = object(body).and_then(|asked| admit(asked, rules)) else { return };
    assert_eq!(admit(registered.metadata.clone(), rules).as_ref(), Ok(&registered));
    assert!(registered.redirect_uris.iter().all(|uri| redirect_uri::admit(uri, &PrivateUse::None).is_ok()));
    let own = registered.grant_types.contains(&GrantType::ClientCredentials);
    assert!(!own || (client_credentials && registered.auth_method != AuthMethod::None));
    assert!(!registered.grant_types.contains(&GrantType::TokenExchange));
    assert!(!registered.grant_types.contains(&GrantType::JwtBearer));
});
