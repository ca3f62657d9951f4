//! May a server ask for this? What the configuration says of each kind.

use super::server_asks::{Ask, Gate};

/// What becomes of each kind. By default all pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskPolicy {
    /// Of requests for answers of the client's model.
    pub sampling: Gate,
    /// Of requests for its folders.
    pub roots: Gate,
    /// Of forms.
    pub form: Gate,
    /// Of forms that ask for passwords and the like, besides.
    pub sensitive: Gate,
    /// Of URLs to visit.
    pub url: Gate,
    /// The hosts of URLs that may be visited; `None` for all.
    pub hosts: Option<Vec<HostPattern>>,
}

/// A host, or all below it (`*.example.com`). Lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This one.
    Exact(String),
    /// Every one that ends so; begins with a dot.
    Below(String),
}

// === impl AskPolicy ===

impl AskPolicy {
    /// Whether everything passes, so that nothing need be read.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// What becomes of one ask.
    pub fn gate(&self, ask: &Ask) -> Gate {
        match ask {
            Ask::Sampling => self.sampling,
            Ask::Roots => self.roots,
            Ask::Form { sensitive: false } => self.form,
            Ask::Form { sensitive: true } => stricter(self.form, self.sensitive),
            Ask::Url(url) => {
                let may = self
                    .hosts
                    .as_ref()
                    .is_none_or(|hosts| url.as_deref().is_some_and(|url| leads_to(url, hosts)));
                if may { self.url } else { stricter(self.url, Gate::Refuse) }
            }
            // What it would be to a client that knows it, nobody can say.
            Ask::Other if self.is_open() => Gate::Pass,
            Ask::Other => Gate::Refuse,
        }
    }
}

// === impl HostPattern ===

impl HostPattern {
    /// Reads `example.com` or `*.example.com`: letters, digits, `-`, dots and no port. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.strip_prefix("*.").unwrap_or(text);
        let label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !name.split('.').all(label) {
            return None;
        }
        Some(if name.len() < text.len() {
            Self::Below(format!(".{name}"))
        } else {
            Self::Exact(name.to_owned())
        })
    }

    fn holds(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => host == name,
            Self::Below(end) => {
                host.len() > end.len() && host.ends_with(end.as_str()) && !host.starts_with('.')
            }
        }
    }
}

fn stricter(one: Gate, other: Gate) -> Gate {
    match (one, other) {
        (Gate::Refuse, _) | (_, Gate::Refuse) => Gate::Refuse,
        (Gate::Strip, _) | (_, Gate::Strip) => Gate::Strip,
        _ => Gate::Pass,
    }
}

/// Whether every browser goes to one of these hosts: `https`, and nothing in the authority that two of them read differently.
fn leads_to(url: &str, hosts: &[HostPattern]) -> bool {
    let sound = url.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let Some(rest) =
        url.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("https://")).and_then(|_| url.get(8..))
    else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let (host, port) = authority.split_once(':').unwrap_or((&authority, ""));
    sound && port.bytes().all(|b| b.is_ascii_digit()) && hosts.iter().any(|pattern| pattern.holds(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_leads_to_a_host_only_where_all_browsers_say_so() {
        let hosts = ["login.example.com", "*.corp.example"].map(|host| HostPattern::parse(host).unwrap());
        for good in [
            "https://login.example.com",
            "HTTPS://Login.Example.com/a?b@c#d",
            "https://login.example.com:8443/",
            "https://a.corp.example?x",
            "https://a.b.corp.example/x:y@z",
        ] {
            assert!(leads_to(good, &hosts), "{good}");
        }
        for bad in [
            "",
            "http://login.example.com/",
            "javascript:alert(1)",
            "https:login.example.com",
            "https:///login.example.com",
            "https://evil.example/login.example.com",
            "https://login.example.com.evil.example",
            "https://login.example.com@evil.example/",
            "https://evil.example\\@login.example.com/",
            "https://evil.example\\.corp.example/",
            "https://evil.example#.corp.example",
            "https://login.example.com:80@evil.example",
            "https://login.example.com.",
            "https://corp.example",
            "https://.corp.example",
            "https://login%2eexample.com/",
            "https://log\tin.example.com/",
            " https://login.example.com/",
            "https://lögin.example.com/",
        ] {
            assert!(!leads_to(bad, &hosts), "{bad}");
        }
    }

    #[test]
    fn a_pattern_is_a_host_or_all_below_one() {
        for bad in ["", "*", "*.", "a..b", "https://a", "a:443", "A.example", "a.*.b", "*a.example", "a/b"] {
            assert_eq!(HostPattern::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_unknown_passes_only_where_all_does() {
        assert_eq!(AskPolicy::default().gate(&Ask::Other), Gate::Pass);
        let some = AskPolicy { roots: Gate::Strip, ..AskPolicy::default() };
        assert_eq!((some.gate(&Ask::Other), some.gate(&Ask::Sampling)), (Gate::Refuse, Gate::Pass));
        let forms = AskPolicy { sensitive: Gate::Refuse, form: Gate::Strip, ..AskPolicy::default() };
        assert_eq!(forms.gate(&Ask::Form { sensitive: true }), Gate::Refuse);
        assert_eq!(forms.gate(&Ask::Form { sensitive: false }), Gate::Strip);
        let urls =
            AskPolicy { hosts: Some(vec![HostPattern::Exact("a.example".into())]), ..AskPolicy::default() };
        let gate = |url: Option<&str>| urls.gate(&Ask::Url(url.map(str::to_owned)));
        assert_eq!(gate(Some("https://a.example/x")), Gate::Pass);
        assert_eq!((gate(Some("https://b.example/x")), gate(None)), (Gate::Refuse, Gate::Refuse));
    }
}
