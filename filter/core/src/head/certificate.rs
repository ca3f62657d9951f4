//! Which certificate does the client show on its connection? As the host tells it, which has checked it; no header says so.

/// The names of a certificate that the host has checked; at least one is there. Of several of a kind hosts tell the first alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    uri: Option<String>,
    dns: Option<String>,
    subject: Option<String>,
}

// === impl PeerCertificate ===

impl PeerCertificate {
    /// A longer name is none: what is kept of a request is bounded.
    pub const LONGEST: usize = 1024;

    /// From its first URI and DNS names (RFC 5280 section 4.2.1.6) and its subject as RFC 4514 writes it. `None` where nothing
    /// says whose it is.
    pub fn new(uri: Option<String>, dns: Option<String>, subject: Option<String>) -> Option<Self> {
        let name = |text: Option<String>| text.filter(|text| (1..=Self::LONGEST).contains(&text.len()));
        let named = Self { uri: name(uri), dns: name(dns), subject: name(subject) };
        let says = named.uri.is_some() || named.dns.is_some() || named.subject.is_some();
        says.then_some(named)
    }

    /// Its URI, such as `spiffe://example.org/agent`.
    pub fn uri(&self) -> Option<&str> {
        self.uri.as_deref()
    }

    /// Its DNS name.
    pub fn dns(&self) -> Option<&str> {
        self.dns.as_deref()
    }

    /// Its subject, such as `CN=agent,O=Example`.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// All of them with their kinds, always in this order.
    pub fn names(&self) -> [(&'static str, Option<&str>); 3] {
        [("uri", self.uri()), ("dns", self.dns()), ("subject", self.subject())]
    }

    /// All of them in one text: what is another certificate's is another text. For keys of tables.
    pub fn key(&self) -> String {
        let mut key = String::new();
        for (_, name) in self.names() {
            // The length says where a name ends, whatever stands in it.
            key.push_str(&name.map_or_else(|| "-".to_owned(), |name| format!("{}:{name}", name.len())));
        }
        key
    }

    /// How many bytes it takes.
    pub fn size(&self) -> usize {
        self.names().into_iter().filter_map(|(_, name)| name).map(str::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::PeerCertificate;

    fn text(text: &str) -> Option<String> {
        (!text.is_empty()).then(|| text.to_owned())
    }

    #[test]
    fn what_has_no_name_that_is_kept_is_nobodys() {
        assert_eq!(PeerCertificate::new(None, None, None), None);
        assert_eq!(PeerCertificate::new(Some(String::new()), None, Some(String::new())), None);
        let [longest, over] = [0, 1].map(|more| "a".repeat(PeerCertificate::LONGEST + more));
        assert_eq!(PeerCertificate::new(Some(over.clone()), None, None), None);
        let kept = PeerCertificate::new(Some(over), Some(longest.clone()), None).unwrap();
        assert_eq!((kept.uri(), kept.dns(), kept.size()), (None, Some(longest.as_str()), 1024));
    }

    #[test]
    fn no_two_certificates_have_one_key() {
        let cases = [
            ("a", "", ""),
            ("", "a", ""),
            ("", "", "a"),
            ("a", "b", ""),
            ("a", "", "b"),
            ("ab", "", ""),
            ("a1:b", "", ""),
            ("a-", "", ""),
            ("a", "-", ""),
        ];
        let keys = cases.map(|(uri, dns, subject)| {
            PeerCertificate::new(text(uri), text(dns), text(subject)).unwrap().key()
        });
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), cases.len(), "{keys:?}");
    }
}
