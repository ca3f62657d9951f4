//! Whose certificates do servers have that we ask? Those of the system's authorities; where the system has none, as in an image that
//! holds nothing but this program, those of Mozilla's list, which is built in.

use std::sync::LazyLock;

use reqwest::{Certificate, ClientBuilder};

/// Whether the system has any: all of them are read to know it, for every client the same.
static OF_THE_SYSTEM: LazyLock<bool> =
    LazyLock::new(|| !rustls_native_certs::load_native_certs().certs.is_empty());

/// Has `builder` trust the system's authorities or else Mozilla's, and those of `ca` (PEM) besides.
pub(crate) fn trusted(builder: ClientBuilder, ca: Option<&[u8]>) -> ClientBuilder {
    let own = || ca.and_then(|pem| Certificate::from_pem_bundle(pem).ok()).unwrap_or_default();
    if !*OF_THE_SYSTEM {
        return builder.tls_certs_only(built_in().chain(own()));
    }
    if ca.is_some() { builder.tls_certs_merge(own()) } else { builder }
}

fn built_in() -> impl Iterator<Item = Certificate> {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter_map(|der| Certificate::from_der(der).ok())
}

#[cfg(test)]
mod tests {
    use super::built_in;

    #[test]
    fn the_list_that_is_built_in_can_be_read() {
        let count = built_in().count();
        assert!(count > 100 && count == webpki_root_certs::TLS_SERVER_ROOT_CERTS.len(), "{count}");
    }
}
