//! Whose is a client's certificate? The names that rules may write, and what a server makes of certificates at all.

use std::net::IpAddr;

use crate::head::PeerCertificate;

/// What the certificates of clients mean to a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Nothing.
    #[default]
    Ignored,
    /// Rules may name them, of callers who have a token besides.
    BesideToken,
    /// The same, and who shows one needs no token: it says who he is.
    Alone,
}

/// A name of a certificate, of one kind: what is a DNS name is never taken for a URI that reads alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// A URI (SPIFFE ids are such), compared letter by letter.
    Uri(String),
    /// A DNS name, in lower case.
    Dns(String),
    /// The whole subject as RFC 4514 writes it, compared letter by letter.
    Subject(String),
}

// === impl CertificateName ===

impl CertificateName {
    /// From the text of a rule: a subject has a `=` before any `:`, a URI a `:`, all else is a DNS name.
    ///
    /// # Errors
    /// What is wrong, and what was probably meant.
    pub fn parse(text: &str) -> Result<Self, (&'static str, Option<String>)> {
        let at = |mark: char| text.find(mark).unwrap_or(usize::MAX);
        if text.len() > PeerCertificate::LONGEST {
            return Err(("is longer than 1024 bytes, and no such name is ever kept", None));
        }
        if text.parse::<IpAddr>().is_ok() {
            return Err(("is an address: certificates are named by URI, DNS name or subject", None));
        }
        if at('=') < at(':') {
            return subject(text);
        }
        if at(':') < usize::MAX {
            let sound = !text.starts_with(':') && text.bytes().all(|b| b.is_ascii_graphic());
            let why = "is no URI: it has a scheme, and no spaces";
            return if sound { Ok(Self::Uri(text.to_owned())) } else { Err((why, None)) };
        }
        let label = |label: &str| {
            let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            (1..=63).contains(&label.len()) && label.bytes().all(inner)
        };
        if !text.split('.').all(label) {
            return Err((
                "is no URI (`spiffe://example.org/agent`), no DNS name (`agent.example.org`) and no subject (`CN=agent,O=Example`)",
                None,
            ));
        }
        Ok(Self::Dns(text.to_ascii_lowercase()))
    }

    /// Whether `certificate` has this name.
    pub fn names(&self, certificate: &PeerCertificate) -> bool {
        match self {
            Self::Uri(wanted) => certificate.uri() == Some(wanted),
            Self::Dns(wanted) => certificate.dns().is_some_and(|dns| dns.eq_ignore_ascii_case(wanted)),
            Self::Subject(wanted) => certificate.subject() == Some(wanted),
        }
    }

    /// The certificate that has these names, the first of each kind; `None` where there are none.
    pub fn certificate(names: &[Self]) -> Option<PeerCertificate> {
        let (mut uri, mut dns, mut subject) = (None, None, None);
        for name in names {
            let (kept, name) = match name {
                Self::Uri(name) => (&mut uri, name),
                Self::Dns(name) => (&mut dns, name),
                Self::Subject(name) => (&mut subject, name),
            };
            kept.get_or_insert_with(|| name.clone());
        }
        PeerCertificate::new(uri, dns, subject)
    }
}

/// Between its parts stands a comma alone; a space there would match nothing.
fn subject(text: &str) -> Result<CertificateName, (&'static str, Option<String>)> {
    let mut before = ' ';
    let mut tight = String::new();
    for letter in text.chars() {
        if letter != ' ' || before != ',' || tight.ends_with("\\,") {
            tight.push(letter);
        }
        before = letter;
    }
    if tight != text {
        return Err(("is no subject as hosts write it: no space stands behind a comma", Some(tight)));
    }
    Ok(CertificateName::Subject(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::CertificateName;
    use crate::head::PeerCertificate;

    fn has(uri: &str, dns: &str, subject: &str) -> PeerCertificate {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        PeerCertificate::new(text(uri), text(dns), text(subject)).unwrap()
    }

    #[test]
    fn a_name_means_its_own_kind_and_its_own_letters() {
        let cases: &[(&str, PeerCertificate, bool, &str)] = &[
            ("spiffe://e/agent", has("spiffe://e/agent", "", ""), true, "a URI"),
            ("spiffe://e/agent", has("spiffe://e/agent2", "", ""), false, "a longer one"),
            ("spiffe://e/agent", has("spiffe://E/agent", "", ""), false, "other letters"),
            ("spiffe://e/agent", has("", "", "spiffe://e/agent"), false, "a subject that reads like a URI"),
            ("spiffe://e/a?b=c", has("spiffe://e/a?b=c", "", ""), true, "a URI with a query"),
            ("urn:uuid:1", has("urn:uuid:1", "", ""), true, "a URN"),
            ("agent.example", has("", "agent.example", ""), true, "a DNS name"),
            ("Agent.example", has("", "aGENT.example", ""), true, "whose letters have no case"),
            ("agent.example", has("agent.example", "", ""), false, "a URI that reads like a DNS name"),
            ("agent.example", has("", "", "CN=agent.example"), false, "a common name is no DNS name"),
            ("agent.example", has("", "a.agent.example", ""), false, "a name below"),
            ("alice", has("", "alice", ""), true, "a name without a dot"),
            ("CN=agent,O=E", has("", "", "CN=agent,O=E"), true, "a subject"),
            ("CN=agent", has("", "", "CN=agent,O=E"), false, "a part of one"),
            ("CN=spiffe://e", has("spiffe://e", "", "CN=x"), false, "a subject that holds a URI"),
            ("CN=a\\, b", has("", "", "CN=a\\, b"), true, "a comma in a name"),
        ];
        for (text, certificate, met, note) in cases {
            let name = CertificateName::parse(text).unwrap();
            assert_eq!(name.names(certificate), *met, "{note}: {text}");
        }
    }

    #[test]
    fn what_no_certificate_could_be_called_is_refused() {
        for (text, meant) in [
            ("CN=agent, O=E", Some("CN=agent,O=E")),
            ("10.0.0.1", None),
            ("::1", None),
            ("spiffe://a b", None),
            (":x", None),
            ("a..b", None),
            ("a b", None),
            ("agent.example.", None),
            ("*.example", None),
            ("", None),
        ] {
            assert_eq!(CertificateName::parse(text).unwrap_err().1.as_deref(), meant, "{text}");
        }
        assert!(CertificateName::parse(&"a".repeat(1025)).is_err());
    }
}
