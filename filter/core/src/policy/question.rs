//! What exactly is asked of each rule? An operation, taken apart into questions that must all be answered with yes.

use super::methods::{Class, Kind, class_of};
use super::resource_uri::ResourceUri;
use super::rule::{Effect, Rule, Targets};
use super::template::Template;
use crate::mcp::operation::{Operation, Target};

/// One question to a rule set.
pub(crate) enum Question<'a> {
    /// May they begin, list, listen, end? Whom any allow rule means may, unless a deny rule names the method.
    Housekeeping(&'a str),
    /// May they use this method, which names nothing?
    Bare(&'a str),
    /// May they use this method on this thing?
    Thing(&'a str, Subject<'a>),
}

/// A thing made ready for comparing: URIs in normal form, templates taken apart.
pub(crate) enum Subject<'a> {
    Name(Kind, &'a str),
    Uri(ResourceUri),
    Template(Template),
}

// === impl Question ===

impl<'a> Question<'a> {
    /// The questions of a call; `None` when no rule could allow it: a call that names nothing to call, things that the
    /// method does not act on, a method that only servers send, a URI without a normal form.
    pub(crate) fn all(operation: &'a Operation) -> Option<Vec<Self>> {
        let method = operation.method.as_str();
        let class = class_of(method);
        // A notification may name a task; whose it is, is asked where that is known.
        if !operation.targets.is_empty() && class != Class::Housekeeping {
            let fits = operation.targets.iter().all(|t| class.kinds().contains(&Kind::of(t)));
            return if fits { operation.targets.iter().map(|t| Self::of(method, t)).collect() } else { None };
        }
        match class {
            Class::Housekeeping | Class::MayTarget(_) => Some(vec![Self::Housekeeping(method)]),
            Class::Other => Some(vec![Self::Bare(method)]),
            Class::Targeted(_) | Class::FromServer => None,
        }
    }

    /// The question whether `method` may be used on `target`; `None` when no rule could allow it.
    pub(crate) fn of(method: &'a str, target: &'a Target) -> Option<Self> {
        Some(Self::Thing(method, Subject::of(target)?))
    }

    /// Whether `rule` speaks of it. An allow rule must name the thing; a deny rule that names methods and no things
    /// means them whatever they act on.
    pub(crate) fn concerns(&self, rule: &Rule) -> bool {
        match (self, rule.effect) {
            (Self::Housekeeping(_), Effect::Allow { .. } | Effect::Delegate) => true,
            (Self::Housekeeping(method) | Self::Bare(method), _) => {
                rule.names_method(method) && (rule.targets.is_empty() || rule.effect != Effect::Deny)
            }
            (Self::Thing(method, subject), effect) => {
                let method_fits = rule.methods.is_none() || rule.names_method(method);
                let all_things = effect == Effect::Deny && rule.methods.is_some() && rule.targets.is_empty();
                method_fits && (all_things || subject.named_by(&rule.targets, effect))
            }
        }
    }

    /// Whether `rule`, an allow rule, names things of the kind that is asked about at all: a layer that does permits of this
    /// kind only what it names.
    pub(crate) fn is_of_a_kind_in(&self, rule: &Rule) -> bool {
        match self {
            Self::Housekeeping(_) => false,
            Self::Bare(_) => rule.methods.is_some() && rule.targets.is_empty(),
            Self::Thing(_, Subject::Name(kind, _)) => !rule.targets.of(*kind).is_empty(),
            Self::Thing(_, Subject::Uri(_) | Subject::Template(_)) => !rule.targets.resources.is_empty(),
        }
    }

    /// Whether the arguments of the call belong to it: a rule's demands speak of these methods alone.
    pub(crate) fn has_arguments(&self) -> bool {
        matches!(self, Self::Thing("tools/call" | "prompts/get", _))
    }

    /// The tool that is asked about.
    pub(crate) fn tool(&self) -> Option<&str> {
        match self {
            Self::Thing(_, Subject::Name(Kind::Tool, name)) => Some(name),
            _ => None,
        }
    }

    /// For a template: whether all that `allow` allows of it is denied again, because each of its patterns that overlap
    /// lies within a pattern of one of `denies`.
    pub(crate) fn emptied(&self, allow: &Rule, denies: &[&Rule]) -> bool {
        let Self::Thing(method, Subject::Template(template)) = self else { return false };
        let denied: Vec<_> = denies
            .iter()
            .filter(|d| d.methods.is_none() || d.names_method(method))
            .flat_map(|d| &d.targets.resources)
            .collect();
        allow
            .targets
            .resources
            .iter()
            .filter(|p| template.overlaps(p))
            .all(|p| denied.iter().any(|d| d.covers(p)))
    }
}

// === impl Subject ===

impl<'a> Subject<'a> {
    fn of(target: &'a Target) -> Option<Self> {
        Some(match target {
            Target::Tool(name) | Target::Prompt(name) | Target::Task(name) => {
                Self::Name(Kind::of(target), name)
            }
            Target::Resource(uri) => Self::Uri(ResourceUri::parse(uri).ok()?),
            // Without an expression it is a URI.
            Target::Template(text) if !text.contains(['{', '}']) => Self::Uri(ResourceUri::parse(text).ok()?),
            Target::Template(text) => Self::Template(Template::parse(text)?),
        })
    }

    /// A template is allowed by a pattern that some expansion matches, denied by one that holds every expansion.
    fn named_by(&self, targets: &Targets, effect: Effect) -> bool {
        match self {
            Self::Name(kind, name) => targets.of(*kind).iter().any(|p| p.matches(name)),
            Self::Uri(uri) => match effect {
                Effect::Allow { .. } | Effect::Delegate => {
                    targets.resources.iter().any(|p| p.allows_uri(uri.as_str()))
                }
                // However a server reads it, what is denied stays so.
                Effect::Deny => uri.readings().any(|uri| targets.resources.iter().any(|p| p.matches(uri))),
            },
            Self::Template(template) => match effect {
                Effect::Allow { .. } | Effect::Delegate => {
                    targets.resources.iter().any(|p| template.overlaps(p))
                }
                Effect::Deny => targets.resources.iter().any(|p| template.within(p)),
            },
        }
    }
}
