//! Where may the answer go? To exactly what the client registered (OAuth 2.1 section 2.3.1), the port of loopback
//! redirects apart (RFC 8252 section 7.3).

use std::borrow::Cow;

use url::Url;

const LONGEST: usize = 2048;
const LOOPBACK_HOSTS: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// What answers hold (RFC 6749 section 4.1.2, RFC 9207): section 3.1 wants no parameter twice.
const OURS: [&str; 6] = ["code", "state", "iss", "error", "error_description", "error_uri"];

/// Schemes that are something else already, some of them executed by browsers.
const NOT_PRIVATE: [&str; 14] = [
    "about",
    "blob",
    "chrome",
    "content",
    "data",
    "file",
    "filesystem",
    "ftp",
    "http",
    "https",
    "intent",
    "javascript",
    "vbscript",
    "view-source",
];

/// To which private-use schemes answers may go (RFC 8252 section 7.1). Whatever program claims the scheme gets them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PrivateUse {
    /// To none.
    #[default]
    None,
    /// To those that hold a dot: they are made of a name that somebody owns.
    Dotted,
    /// To these.
    Listed(Vec<String>),
    /// To all: where the operator wrote the URI.
    Any,
}

/// The parts of a loopback redirect that must not vary, and the port that may.
#[derive(PartialEq, Eq)]
struct Loopback<'a> {
    host: &'a str,
    rest: &'a str,
}

// === impl PrivateUse ===

impl PrivateUse {
    /// These schemes, in lower case.
    ///
    /// # Errors
    /// When one is no scheme (RFC 3986 section 3.1) or not a private one.
    pub fn listed(schemes: Vec<String>) -> Result<Self, &'static str> {
        let is_scheme = |text: &String| {
            let rest =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
            text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(rest)
        };
        if !schemes.iter().all(is_scheme) {
            return Err("a scheme is lower-case letters, digits and `+-.`, without colon");
        }
        match schemes.iter().any(|scheme| NOT_PRIVATE.contains(&scheme.as_str())) {
            true => Err("this scheme is not a private one"),
            false => Ok(Self::Listed(schemes)),
        }
    }

    fn admits(&self, scheme: &str) -> bool {
        match self {
            Self::None => false,
            Self::Dotted => scheme.contains('.'),
            Self::Any => !NOT_PRIVATE.contains(&scheme),
            Self::Listed(schemes) => schemes.iter().any(|one| one == scheme),
        }
    }
}

/// Whether a redirect URI may be registered: https, or http on a loopback host, or (where the operator allows it)
/// a private-use scheme.
///
/// # Errors
/// What is wrong with it.
pub fn admit(uri: &str, private_use: &PrivateUse) -> Result<(), &'static str> {
    if uri.is_empty() || uri.len() > LONGEST {
        return Err("a redirect URI is 1 to 2048 characters long");
    }
    let forbidden = |byte: u8| !(0x21..=0x7e).contains(&byte) || b"\\\"<>`{}|^#*".contains(&byte);
    if uri.bytes().any(forbidden) {
        return Err(
            "a redirect URI holds no fragment, wildcard, white space, backslash or other unsafe character",
        );
    }
    let url = Url::parse(uri).map_err(|_| "a redirect URI must be absolute")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a redirect URI holds no user name or password");
    }
    // Parsers of URLs bear more than RFC 3986 allows; browsers and clients need not bear the same.
    let [path, query] = [Some(url.path()), url.query()].map(Option::unwrap_or_default);
    let brackets = path.contains(['[', ']']) || query.contains(['[', ']']);
    if brackets || !is_encoded(uri) || url.host_str().is_some_and(|host| !has_labels(host)) {
        return Err("a redirect URI is a URI (RFC 3986)");
    }
    if url.query_pairs().any(|(name, _)| OURS.contains(&&*name)) {
        return Err("a redirect URI holds no parameter that an answer adds, such as `code` or `state`");
    }
    match url.scheme() {
        // URL parsers also read `https:/host` and `https:///host`: browsers agree today, other code may not.
        "https" if has_plain_authority(uri, "https://") => Ok(()),
        "http" if loopback(uri).is_some() => Ok(()),
        "http" => Err("an http redirect URI must name a loopback host (127.0.0.1, [::1], localhost)"),
        "https" => Err("an https redirect URI must name a host"),
        scheme if private_use.admits(scheme) => Ok(()),
        _ => Err("the scheme of a redirect URI must be https, or http on a loopback host"),
    }
}

/// Whether the answer to a request that names `presented` may go to a client that registered `registered`.
#[must_use]
pub fn matches(registered: &str, presented: &str) -> bool {
    if registered == presented {
        return true;
    }
    match (loopback(registered), loopback(presented)) {
        (Some(ours), Some(theirs)) => ours == theirs && admit(presented, &PrivateUse::None).is_ok(),
        _ => false,
    }
}

/// What a consent page shows: the host, with the port where there is one, or the scheme of a private-use URI.
#[must_use]
pub fn destination(uri: &str) -> String {
    Url::parse(uri).map_or_else(
        |_| String::new(),
        |url| match (url.scheme(), url.host_str(), url.port()) {
            ("https" | "http", Some(host), Some(port)) => format!("{host}:{port}"),
            ("https" | "http", Some(host), None) => host.to_owned(),
            // What looks like a host there is none: whoever holds the scheme gets the answer.
            (scheme, _, _) => format!("{scheme}:"),
        },
    )
}

/// Whether the answer stays on the user's own machine, so that any program there may have asked.
#[must_use]
pub fn is_loopback(uri: &str) -> bool {
    loopback(uri).is_some()
}

/// The same place whatever its port, where that is one of the user's own machine: a program there listens on another each time
/// (RFC 8252 section 7.3).
#[must_use]
pub fn without_loopback_port(uri: &str) -> Cow<'_, str> {
    match loopback(uri) {
        Some(Loopback { host, rest }) => format!("http://{host}{rest}").into(),
        None => uri.into(),
    }
}

/// Whether the answer goes to a host that somebody holds a certificate for, and not to whatever listens on the user's
/// machine (RFC 8252 section 8.6).
#[must_use]
pub fn is_claimed(uri: &str) -> bool {
    uri.starts_with("https://")
}

/// Adds parameters to a redirect URI, keeping its own query (RFC 6749 section 3.1.2) and every other byte of it.
#[must_use]
pub fn with_params(uri: &str, params: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(params);
    let joint = match uri.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    format!("{uri}{joint}{}", query.finish())
}

/// Two digits follow each per cent sign.
fn is_encoded(uri: &str) -> bool {
    let digits = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    uri.split('%').skip(1).all(digits)
}

/// No part of the name is empty but what a dot at the end leaves.
fn has_labels(host: &str) -> bool {
    !host.strip_suffix('.').unwrap_or(host).split('.').any(str::is_empty)
}

fn has_plain_authority(uri: &str, prefix: &str) -> bool {
    uri.strip_prefix(prefix).is_some_and(|rest| !rest.starts_with('/'))
}

fn loopback(uri: &str) -> Option<Loopback<'_>> {
    let rest = uri.strip_prefix("http://")?;
    let host = LOOPBACK_HOSTS.into_iter().find_map(|host| rest.strip_prefix(host).map(|after| (host, after)));
    let (host, after) = host?;
    let rest = match after.strip_prefix(':') {
        None => after,
        Some(port_and_rest) => {
            let digits = port_and_rest.bytes().take_while(u8::is_ascii_digit).count();
            let (port, rest) = port_and_rest.split_at(digits);
            port.parse::<u16>().ok().filter(|port| *port != 0)?;
            rest
        }
    };
    // What follows must be a path or a query, else `localhost.evil.example` would pass for `localhost`.
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(Loopback { host, rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_https_and_loopback_http_only() {
        for good in [
            "https://app.example/cb",
            "https://app.example:8443/cb?x=1",
            "https://app.example./cb?x=%5B1%5D&states=2",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:3000/cb",
            "http://[::1]:3000/cb",
            "http://localhost:3000",
        ] {
            assert_eq!(admit(good, &PrivateUse::None), Ok(()), "{good}");
        }
        for bad in [
            "",
            "/cb",
            "http://app.example/cb",
            "http://localhost.evil.example/cb",
            "http://localhost@evil.example/cb",
            "http://127.0.0.1.evil.example/",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:99999/cb",
            "https://app.example/cb#x",
            "https://*.example/cb",
            "https://u:p@app.example/cb",
            "https://app.example/\r\nx",
            "https://app.example\\@evil.example/",
            "https:app.example",
            "https:///app.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "com.example.app:/cb",
            "https://./cb",
            "https://a..example/cb",
            "https://app.example/%zz",
            "https://app.example/%4",
            "https://app.example/[x]",
            "https://app.example/cb?x[]=1",
            "https://app.example/cb?state=x",
            "https://app.example/cb?x=1&%63ode=y",
            "http://127.0.0.1/cb?iss=x",
        ] {
            assert!(admit(bad, &PrivateUse::None).is_err(), "{bad}");
        }
        let listed = PrivateUse::listed(vec!["cursor".into()]).unwrap();
        for (uri, dotted, named) in [
            ("com.example.app:/cb", true, false),
            ("cursor://editor/callback", false, true),
            ("CURSOR://editor/callback", false, true),
            ("javascript:alert(1)", false, false),
            ("http://app.example/cb", false, false),
        ] {
            assert_eq!(admit(uri, &PrivateUse::Dotted).is_ok(), dotted, "{uri}");
            assert_eq!(admit(uri, &listed).is_ok(), named, "{uri}");
        }
        assert!(admit("cursor:x", &PrivateUse::Any).is_ok() && admit("data:x", &PrivateUse::Any).is_err());
        for bad in ["", "Cursor", "cursor:", "javascript", "http", "1x", "a b"] {
            assert!(PrivateUse::listed(vec!["cursor".into(), bad.into()]).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_port_of_a_loopback_redirect_may_vary() {
        for (registered, presented, wanted) in [
            ("https://a.example/cb", "https://a.example/cb", true),
            ("https://a.example/cb", "https://a.example/cb/", false),
            ("https://a.example/cb", "https://a.example/cb?x", false),
            ("https://a.example/cb", "https://a.example:444/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5555/cb", true),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb", true),
            ("http://localhost:1/cb", "http://localhost:2/cb", true),
            ("http://[::1]:1/cb", "http://[::1]:2/cb", true),
            ("http://localhost:1/cb", "http://127.0.0.1:1/cb", false),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/other", false),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2@evil.example/cb", false),
            ("http://127.0.0.1:1/cb", "https://127.0.0.1:2/cb", false),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb#x", false),
        ] {
            assert_eq!(matches(registered, presented), wanted, "{registered} {presented}");
        }
    }

    #[test]
    fn parameters_are_added_behind_what_is_there() {
        let params = [("code", "a b"), ("iss", "http://x")];
        assert_eq!(with_params("https://a/cb", &params), "https://a/cb?code=a+b&iss=http%3A%2F%2Fx");
        assert_eq!(with_params("https://a/cb?t=1", &[("state", "&")]), "https://a/cb?t=1&state=%26");
    }

    #[test]
    fn the_destination_is_what_a_person_can_judge() {
        assert_eq!(destination("https://app.example/cb?x"), "app.example");
        assert_eq!(destination("http://127.0.0.1:3000/cb"), "127.0.0.1:3000");
        assert_eq!(destination("com.example.app:/cb"), "com.example.app:");
        assert_eq!(destination("com.evil.app://bank.example/cb"), "com.evil.app:", "no host at all");
    }
}
