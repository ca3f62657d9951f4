//! Who is asking: from the bytes of a credential to a [`principal::Principal`].

pub mod issuer;
pub mod principal;
