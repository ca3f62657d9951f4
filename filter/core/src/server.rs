//! What does one protected MCP server look like to the gateway? Compiled: it cannot be wrong any more.

pub mod dispatch;
mod dpop;
mod overlay;

pub use dpop::Dpop;
pub use overlay::{Bounds, Overlay, Overlays};

use std::sync::Arc;

use crate::history::rule::HistoryRule;
use crate::identity::certificate::ClientCertificates;
use crate::identity::network::Networks;
use crate::identity::origin::Origin;
use crate::identity::upstream_credential::UpstreamCredential;
use crate::limits::rate::{Across, Rate};
use crate::limits::tag::Per;
use crate::mcp::operation::{Operation, Target};
use crate::mcp::versions::{Newer, Revision};
use crate::policy::caller::Caller;
use crate::policy::for_caller::ForCaller;
use crate::policy::pattern::Pattern;
use crate::policy::rego::Rego;
use crate::policy::rego::opa::Opa;
use crate::policy::rule::RuleId;
use crate::policy::rule_set::RuleSet;
use crate::sanitize::asks::AskPolicy;
use crate::sanitize::content::Content;
use crate::tools::calls::CallPolicy;
use crate::tools::pins::ToolPolicy;

/// One protected MCP server: a resource server in the words of OAuth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Unique; a metric label.
    pub name: String,
    /// Which requests are its own.
    pub place: Place,
    /// Its public absolute URL, without trailing slash: the audience of tokens and `resource` of its metadata.
    pub resource: String,
    /// Where its protected-resource metadata lives (RFC 9728 section 3.1): the path.
    pub metadata_path: String,
    /// The same as an absolute URL, for challenges.
    pub metadata_url: String,
    /// The metadata document, JSON.
    pub metadata: String,
    /// What a challenge without a credential asks for, and `scopes_supported`.
    pub scopes: Vec<String>,
    /// Browser origins (`scheme://host[:port]`) that may call it; a request with any other `Origin` is refused.
    pub origins: Vec<Origin>,
    /// From which addresses it may be asked.
    pub addresses: Networks,
    /// Indexes into [`crate::guard::Guard::issuers`]; empty only where anonymous rules alone exist.
    pub issuers: Vec<usize>,
    /// What becomes of tokens that are bound to a key.
    pub dpop: Dpop,
    /// What the certificates of clients mean.
    pub certificates: ClientCertificates,
    /// What it gets in place of the client's token.
    pub credential: Option<UpstreamCredential>,
    /// Protocol revisions that it accepts, oldest first; never empty.
    pub versions: Vec<Revision>,
    /// What becomes of newer ones than the gateway knows.
    pub newer: Newer,
    /// What becomes of sessions and tasks that nobody is known to own.
    pub unknown: Unknown,
    /// What its tools must be; `None` where nobody looks at them.
    pub tools: Option<ToolPolicy>,
    /// What it may ask for.
    pub asks: AskPolicy,
    /// How much and how often.
    pub limits: Limits,
    /// How allowed requests go on.
    pub dispatch: Vec<dispatch::Dispatch>,
    /// What may be in requests and answers.
    pub content: Content,
    /// How calls and answers are held against what its tools say of themselves.
    pub calls: CallPolicy,
    /// Who may do what.
    pub rules: RuleSet,
    /// Rules over what was done before.
    pub history: Vec<HistoryRule>,
    /// The rules that have what was said written down, redacted.
    pub captures: Vec<RuleId>,
    /// What organizations, groups and clients have besides rules.
    pub overlays: Vec<Overlay>,
    /// What the operator's own policy makes of what the rules allow.
    pub rego: Option<Arc<Rego>>,
    /// The same of one that lies elsewhere, about calls alone.
    pub opa: Option<Arc<Opa>>,
}

/// Where a server lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Any of these hosts; never empty.
    pub hosts: Vec<Host>,
    /// This path and everything below it; begins with `/`, no slash at the end but for the root.
    pub path: String,
    /// The routes of Envoy that lead here; `None` for any.
    pub routes: Option<Vec<String>>,
}

/// What a `:authority` is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Every host.
    Any,
    /// This host name in lower case; with a port only that port, without one any.
    Named {
        /// Host name, IPv4 address, or IPv6 address in brackets.
        name: String,
        /// The only port, if one was given.
        port: Option<u16>,
    },
}

/// What becomes of a thing that nobody is known to own: begun at another Envoy, or before this one was started, or pushed
/// out by others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unknown {
    /// It reads like one that does not exist.
    #[default]
    Refuse,
    /// It becomes the first one's who names it.
    Adopt,
}

/// Sizes and rates of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest request body in bytes.
    pub request_bytes: u64,
    /// The largest JSON answer, or SSE event, in bytes.
    pub response_bytes: u64,
    /// Per principal, and per source address until somebody is known; generous.
    pub flood: Rate,
    /// For what the rules allow; all that cover a request apply.
    pub rates: Vec<Limit>,
    /// For what the operator's policy obliges to them.
    pub obliged: Vec<ObligedLimit>,
    /// Per principal, GET streams and requests without a whole answer, at any moment.
    pub streams: u32,
}

/// A bucket for allowed requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What audit records call it: `tools per principal: run_*`.
    pub name: String,
    /// Who shares it.
    pub per: Per,
    /// What spends from it.
    pub covers: Covers,
    /// Its shape.
    pub rate: Rate,
    /// Where the bucket holds.
    pub across: Across,
}

/// A bucket that a policy names in the obligation `limit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObligedLimit {
    /// As the policy calls it.
    pub id: String,
    /// The bucket.
    pub limit: Limit,
}

/// What spends from a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Covers {
    /// Every allowed request.
    Everything,
    /// Requests with these methods.
    Methods(Vec<Pattern>),
    /// Calls of these tools.
    Tools(Vec<Pattern>),
}

// === impl Server ===

impl Server {
    /// Whether a field of a client's request would stand where the server looks for its own credential.
    pub fn is_feigned_by(&self, name: &str) -> bool {
        self.credential.as_ref().is_some_and(|credential| credential.is_feigned_by(name))
    }

    /// Whether a list shows `target` to `who`, for whom `rules` stand: what they show, and the policy does not hide.
    pub fn shows(&self, rules: &ForCaller<'_>, who: Caller<'_>, target: &Target) -> bool {
        let rego = self.rego.as_ref();
        rules.visible(who, target) && rego.is_none_or(|rego| rego.visible(who.principal, target))
    }
}

// === impl Place ===

impl Place {
    /// Whether a request for `authority` and `path` (both already sound, no query) is for this server.
    pub(crate) fn holds(&self, authority: &Authority<'_>, path: &str) -> bool {
        self.spans(authority, path, str::eq)
    }

    /// The same for whoever does not tell upper-case letters of a path from others, as some upstreams do not.
    pub(crate) fn may_hold(&self, authority: &Authority<'_>, path: &str) -> bool {
        self.spans(authority, path, str::eq_ignore_ascii_case)
    }

    fn spans(&self, authority: &Authority<'_>, path: &str, is: fn(&str, &str) -> bool) -> bool {
        let Some((begin, rest)) = path.split_at_checked(self.path.len()) else { return false };
        let whole = rest.is_empty() || rest.starts_with('/') || self.path == "/";
        is(begin, &self.path) && whole && self.hosts.iter().any(|h| h.is(authority))
    }

    /// Whether a request that Envoy routed by `route` may be for this server: where routes are named, Envoy and we must
    /// mean the same one.
    pub(crate) fn is_behind(&self, route: Option<&str>) -> bool {
        self.routes.as_ref().is_none_or(|routes| route.is_some_and(|route| routes.iter().any(|r| r == route)))
    }
}

// === impl Host ===

impl Host {
    pub(crate) fn is(&self, authority: &Authority<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Named { name, port } => {
                authority.name.eq_ignore_ascii_case(name) && (port.is_none() || authority.port == *port)
            }
        }
    }
}

// === impl Covers ===

impl Covers {
    /// Whether an operation spends from it.
    pub fn holds(&self, operation: &Operation) -> bool {
        let any = |names: &[Pattern], name: &str| names.iter().any(|p| p.matches(name));
        match self {
            Self::Everything => true,
            Self::Methods(names) => any(names, &operation.method),
            Self::Tools(names) => {
                let called = |target: &Target| matches!(target, Target::Tool(name) if any(names, name));
                operation.method == "tools/call" && operation.targets.iter().any(called)
            }
        }
    }
}

/// `:authority`, taken apart.
pub(crate) struct Authority<'a> {
    pub(crate) name: &'a str,
    pub(crate) port: Option<u16>,
}

// === impl Authority ===

impl<'a> Authority<'a> {
    /// `None` for what is no host with an optional port: a user name, a path, an empty or unreadable port, one with a zero before
    /// it, which is another text for Envoy's routes.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, Some(port)),
            _ => (text, None),
        };
        let bracketed = name.strip_prefix('[').is_some_and(|n| {
            n.strip_suffix(']').is_some_and(|n| {
                n.contains(':') && n.bytes().all(|b| matches!(b, b':' | b'.') || b.is_ascii_hexdigit())
            })
        });
        let named = !name.is_empty()
            && !name.ends_with('.')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        if !bracketed && !named {
            return None;
        }
        let digits = |p: &str| !p.is_empty() && !p.starts_with('0') && p.bytes().all(|b| b.is_ascii_digit());
        match port {
            Some(p) if !digits(p) => None,
            Some(p) => Some(Self { name, port: Some(p.parse().ok()?) }),
            None => Some(Self { name, port: None }),
        }
    }
}
