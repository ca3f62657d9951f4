//! The protocol, pure: what is a valid request, what does it mean, how does a refusal read? No I/O, no clock.

pub mod algorithm;
pub mod authorization_request;
pub mod bearer;
pub mod claims;
pub mod client;
pub mod client_assertion;
pub mod client_credentials;
pub mod dpop;
pub mod error;
pub mod jwk;
pub mod metadata;
pub mod metadata_document;
pub mod openid;
pub mod params;
pub mod pkce;
pub mod redirect_uri;
pub mod registration;
pub mod registration_preferences;
pub mod resource;
pub mod scope;
pub mod token_exchange;
pub mod user_code;
