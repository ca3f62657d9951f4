//! Who is asking: from the bytes of a credential to a [`principal::Principal`].

pub mod certificate;
pub mod claims;
pub mod credential;
mod digest;
pub mod dpop;
pub mod footing;
pub mod given_credentials;
pub mod host_signature;
pub mod issuer;
pub mod jwks;
pub mod jwt;
pub mod key;
pub mod key_ring;
pub mod memory;
pub mod network;
pub mod origin;
pub mod principal;
pub mod refused_tokens;
pub mod revocations;
pub mod scope;
pub mod token_cache;
pub mod upstream_credential;
pub mod validation;
