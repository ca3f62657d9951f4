//! The protocol, pure: what is a valid request, what does it mean, how does a refusal read? No I/O, no clock.

pub mod authorization_request;
pub mod claims;
pub mod client;
pub mod client_assertion;
pub mod client_credentials;
pub mod error;
pub mod jwk;
pub mod metadata;
pub mod metadata_document;
pub mod params;
pub mod pkce;
pub mod redirect_uri;
pub mod registration;
pub mod resource;
pub mod scope;
