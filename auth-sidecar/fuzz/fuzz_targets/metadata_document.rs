//! A document makes the client of its own URL, and none with a shared secret.
#![no_main]
use wicketgate_auth::oauth::metadata_document::{admit, admit_url, is_url, publisher};

libfuzzer_sys::fuzz_target!(|input: (&str, &[u8])| {
    let (id, body) = input;
    let url = admit_url(id);
    if let Ok(url) = &url {
        assert!(is_url(id) && url.as_str() == id && url.fragment().is_none() && url.username().is_empty());
    }
    let Ok(client) = admit(id, body, (&wicketgate_auth::oauth::redirect_uri::PrivateUse::None, false)) else {
        return;
    };
    assert!(client.id == id && client.secret.is_none() && !client.auth_method.is_shared_secret());
    if let Ok(url) = url {
        assert_eq!(publisher(&client).as_deref(), url.host_str());
    }
});
