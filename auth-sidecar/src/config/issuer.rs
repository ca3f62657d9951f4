//! Who are we, to the letter? The issuer identifier (RFC 8414 section 2) is one constant: clients compare it byte for
//! byte with the `iss` of every response, so nothing is ever derived from a Host header.

use url::{Host, Url};

/// A validated issuer identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    origin: String,
    path: String,
}

// === impl Issuer ===

impl Issuer {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "must be an absolute URL")?;
        let loopback = is_loopback(&url);
        if !(url.scheme() == "https" || url.scheme() == "http" && loopback) {
            return Err("must be https, or http on a loopback host (127.0.0.1, [::1], localhost)");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must have neither query nor fragment (RFC 8414 section 2)");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must hold no user name or password");
        }
        if text.ends_with('/') {
            return Err("must not end with a slash: clients compare it byte for byte");
        }
        let origin = url.origin().ascii_serialization();
        let path = url.path().trim_end_matches('/').to_owned();
        // Whatever a URL parser would write differently, two clients might compare differently.
        if format!("{origin}{path}") != text {
            return Err("must be written in its normal form: lower case, no default port, no dot segments");
        }
        if path.contains(['{', '}', '*', '%']) {
            return Err("its path must consist of plain segments");
        }
        Ok(Self { text: text.to_owned(), origin, path })
    }

    /// The identifier, exactly as configured.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port: what a browser sends as `Origin` with our own forms.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The path that every endpoint lies under; empty, or with a leading and without a trailing slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether cookies can be `Secure` (and thus `__Host-`).
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https:")
    }

    /// The absolute URL of an endpoint; `path` begins with a slash.
    #[must_use]
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }
}

/// Whether the host of a URL is this machine, by name or address.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_https_and_http_loopback_only() {
        for good in
            ["https://auth.example", "http://127.0.0.1:8080", "http://[::1]:1", "https://a.example/x/y"]
        {
            assert_eq!(Issuer::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "auth.example",
            "http://auth.example",
            "https://auth.example/",
            "https://auth.example?x",
            "https://auth.example#x",
            "https://u@auth.example",
            "https://Auth.example",
            "https://auth.example:443",
            "https://auth.example/a/../b",
            "http://localhost.evil.example",
            "https://auth.example/{x}",
        ] {
            assert!(Issuer::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn knows_its_parts() {
        let issuer = Issuer::parse("https://auth.example:8443/tenant").unwrap();
        assert_eq!(
            (issuer.origin(), issuer.path(), issuer.endpoint("/token").as_str()),
            ("https://auth.example:8443", "/tenant", "https://auth.example:8443/tenant/token")
        );
        assert!(issuer.is_https());
    }
}
