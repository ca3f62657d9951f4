//! Which cookies do we set and read? Three: for the browser, for its sign-in, and for one that goes on elsewhere.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::config::Issuer;

/// A cookie of ours.
#[derive(Clone, Copy)]
pub(super) enum Cookie {
    /// Binds a waiting request to the browser that brought it, before anybody has signed in.
    Browser,
    /// A browser's sign-in.
    Session,
    /// Binds a sign-in at a provider to the browser in which the user approved it; set with that approval.
    Upstream,
}

// === impl Cookie ===

impl Cookie {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Browser, Self::Session, Self::Upstream];

    /// `__Host-` makes browsers refuse the cookie from any other host, path or plain http; only https can carry it.
    fn name(self, issuer: &Issuer) -> &'static str {
        match (self, issuer.is_https()) {
            (Self::Browser, true) => "__Host-wicketgate_browser",
            (Self::Browser, false) => "wicketgate_browser",
            (Self::Session, true) => "__Host-wicketgate_session",
            (Self::Session, false) => "wicketgate_session",
            (Self::Upstream, true) => "__Host-wicketgate_upstream",
            (Self::Upstream, false) => "wicketgate_upstream",
        }
    }

    /// Its value; nothing when it is missing or stands there twice with different values.
    pub(super) fn read(self, issuer: &Issuer, headers: &HeaderMap) -> Option<String> {
        let name = self.name(issuer);
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
        let first = values.next().filter(|value| !value.is_empty())?;
        values.all(|other| other == first).then(|| first.to_owned())
    }

    /// The header that sets it; it ends with the browser, the store knows the real end. Lax, so that it is sent when
    /// the client's link brings the user here, and not with posts from elsewhere.
    pub(super) fn set(self, issuer: &Issuer, value: &str) -> Option<HeaderValue> {
        self.line(issuer, value, "")
    }

    /// The header that makes browsers forget it.
    pub(super) fn clear(self, issuer: &Issuer) -> Option<HeaderValue> {
        self.line(issuer, "", "; Max-Age=0")
    }

    fn line(self, issuer: &Issuer, value: &str, more: &str) -> Option<HeaderValue> {
        let secure = if issuer.is_https() { "; Secure" } else { "" };
        let line = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{more}", self.name(issuer));
        HeaderValue::from_str(&line).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_gets_host_cookies() {
        let https = Issuer::parse("https://auth.example").unwrap();
        let http = Issuer::parse("http://127.0.0.1:1").unwrap();
        assert_eq!(
            Cookie::Session.set(&https, "v").unwrap(),
            "__Host-wicketgate_session=v; Path=/; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            Cookie::Session.set(&http, "v").unwrap(),
            "wicketgate_session=v; Path=/; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn two_different_values_are_none() {
        let issuer = Issuer::parse("http://127.0.0.1:1").unwrap();
        let read = |line: &str| {
            let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(line).unwrap())]);
            Cookie::Browser.read(&issuer, &headers)
        };
        assert_eq!(read("a=1; wicketgate_browser=x"), Some("x".into()));
        assert_eq!(read("wicketgate_browser=x; wicketgate_browser=y"), None);
        assert_eq!(read("xwicketgate_browser=x"), None);
    }
}
