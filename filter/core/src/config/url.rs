//! Is this an absolute URL that can stand as a constant? Only what identifies: scheme, host, port, path.

/// An `http` or `https` URL without user name, query and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// Lower case; IPv6 in brackets.
    pub(crate) host: String,
    /// If written.
    pub(crate) port: Option<u16>,
    /// As written: empty, or beginning with `/`.
    pub(crate) path: String,
}

// === impl Url ===

impl Url {
    /// # Errors
    /// A phrase that says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = match text.split_once("://") {
            Some(("https", rest)) => ("https", rest),
            Some(("http", rest)) => ("http", rest),
            Some(_) => return Err("begins with `https://` or `http://`, in lower case"),
            None => return Err("is an absolute URL: `https://host/path`"),
        };
        if rest.contains('#') {
            return Err("has no fragment (`#`)");
        }
        if rest.contains('?') {
            return Err("has no query (`?`)");
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("holds no user name");
        }
        let Some(parsed) = crate::server::Authority::parse(authority) else {
            return Err("needs a host name");
        };
        if parsed.name.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err("spells its host in lower case");
        }
        if !path.is_empty() && crate::guard::normal_path(path).is_none() {
            return Err("has a plain path: no `//`, `..`, `;`, backslash, space, or encoded separator");
        }
        Ok(Self { scheme, host: parsed.name.to_owned(), port: parsed.port, path: path.to_owned() })
    }

    /// `scheme://host[:port]`.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority())
    }

    /// `host[:port]`.
    pub(crate) fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// Whether plain http is harmless: the traffic does not leave the machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.ends_with(".localhost") || self.host == "[::1]" || {
            let octets: Vec<Result<u8, _>> = self.host.split('.').map(str::parse).collect();
            octets.len() == 4 && octets.iter().all(Result::is_ok) && octets.first() == Some(&Ok(127))
        }
    }
}
