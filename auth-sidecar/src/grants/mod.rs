//! Where protocol and store meet: what is granted, redeemed, refreshed, revoked, and what is still alive.

pub(crate) mod access_token;
pub(crate) mod accounts;
pub(crate) mod api_key;
pub(crate) mod authorization_code;
pub(crate) mod authorization_request;
pub(crate) mod client_authentication;
pub(crate) mod client_configuration;
pub(crate) mod client_credentials;
pub(crate) mod client_documents;
pub(crate) mod client_keys;
pub(crate) mod clients;
pub(crate) mod device_code;
pub(crate) mod dpop;
pub(crate) mod id_token;
pub(crate) mod identity_assertion;
pub(crate) mod interaction;
pub(crate) mod introspection;
pub(crate) mod opaque_token;
pub(crate) mod pushed_request;
pub(crate) mod refresh_token;
pub(crate) mod registration;
pub(crate) mod revocation;
pub(crate) mod revocation_feed;
pub(crate) mod token_exchange;
pub(crate) mod upstream_login;
pub(crate) mod userinfo;
