//! What does a server ask of the client, or of who sits before it? Sampling, elicitation and roots: as requests of its own
//! until 2025-11-25, inside results (`inputRequests`) since 2026-07-28, and inside errors that name URLs to visit.

use std::ops::Range;

use crate::mcp::operation::Target;
use crate::mcp::strict::{Fault, Kind, Scanner, Text};

use super::list::readable;
use super::sensitive::{name_is_sensitive, prose_is_sensitive};

/// One thing that a server asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// `sampling/createMessage`: an answer of the client's model.
    Sampling,
    /// `roots/list`: which folders the client works in.
    Roots,
    /// `elicitation/create` with a form, and whether that asks for passwords and the like.
    Form {
        /// It does.
        sensitive: bool,
    },
    /// `elicitation/create` with a URL to visit; `None` for one that cannot be read.
    Url(Option<String>),
    /// An input request of a kind that is not known here, or an elicitation of such a mode.
    Other,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// The client reads it.
    #[default]
    Pass,
    /// It is taken out, and what stands around it goes on.
    Strip,
    /// The request in whose answer it stands is answered with an error.
    Refuse,
}

/// The members of the `params` of a message that are read.
#[derive(Debug, Default)]
pub(super) struct Params {
    /// The things of which a notification speaks: `uri` of `notifications/resources/updated`, `taskId` of those of tasks.
    /// `None` for one that cannot be read.
    pub(super) named: Vec<Option<Target>>,
    /// What stands in `inputRequests`.
    pub(super) requests: Vec<Ask>,
    asking: Asking,
}

/// The members of the `params` of an elicitation.
#[derive(Debug, Default)]
struct Asking {
    mode: Option<Mode>,
    url: Option<String>,
    message: bool,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Form,
    Url,
    Other,
}

/// What a form asks for.
#[derive(Debug, Default)]
struct Form {
    sensitive: bool,
    /// Whether something can be typed into it.
    has_text: bool,
}

const NAMED: &[&str] = &["uri", "taskId"];
const ASKING: &[&str] = &["uri", "taskId", "mode", "url", "message", "requestedSchema", "inputRequests"];

// === impl Ask ===

impl Ask {
    /// The word that records and metrics share.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Sampling => "sampling",
            Self::Roots => "roots",
            Self::Form { sensitive: false } => "form",
            Self::Form { sensitive: true } => "sensitive_form",
            Self::Url(_) => "url",
            Self::Other => "other",
        }
    }

    /// Every word that [`Ask::word`] can give.
    pub const WORDS: [&'static str; 6] = ["sampling", "roots", "form", "sensitive_form", "url", "other"];

    /// What a request with this method asks for; `None` where it asks for nothing that is gated (`ping`).
    pub(super) fn of(method: &str, params: &Params) -> Option<Self> {
        match method {
            "sampling/createMessage" => Some(Self::Sampling),
            "roots/list" => Some(Self::Roots),
            "elicitation/create" => Some(params.asking.elicitation()),
            _ => None,
        }
    }
}

// === impl Params ===

impl Params {
    /// Reads the object that stands here. What asks is read only if somebody `gates` it.
    pub(super) fn read(scanner: &mut Scanner<'_>, gates: bool) -> Result<Self, Fault> {
        let mut params = Self::default();
        scanner.object(if gates { ASKING } else { NAMED }, &mut |scanner, key| {
            params.member(scanner, key, gates)
        })?;
        Ok(params)
    }

    fn member<'a>(&mut self, scanner: &mut Scanner<'a>, key: Text<'a>, gates: bool) -> Result<(), Fault> {
        match &*key.decode() {
            "uri" => self.named.push(readable(&scanner.value()?).map(Target::Resource)),
            "taskId" => self.named.push(readable(&scanner.value()?).map(Target::Task)),
            "inputRequests" if gates && scanner.at_object() => {
                requests(scanner, &mut |ask, _| self.requests.push(ask))?;
            }
            "mode" if gates => self.asking.mode = Some(Mode::read(scanner)?),
            "url" if gates => self.asking.url = readable(&scanner.value()?),
            "message" if gates => self.asking.message = says(scanner, prose_is_sensitive)?,
            "requestedSchema" if gates && scanner.at_object() => self.asking.form.read(scanner)?,
            _ => scanner.skip()?,
        }
        Ok(())
    }
}

/// Reads the object `inputRequests` that stands here (2026-07-28, basic/patterns/mrtr) and gives each request with its
/// member as it is written.
pub(super) fn requests<'a>(
    scanner: &mut Scanner<'a>,
    each: &mut dyn FnMut(Ask, (Text<'a>, Range<usize>)),
) -> Result<Range<usize>, Fault> {
    scanner.object(&[], &mut |scanner, key| {
        let (mut ask, mut method, mut params) = (Ask::Other, None, Params::default());
        let span = if scanner.at_object() {
            scanner.object(&["method", "params"], &mut |scanner, key| {
                if key.says("params") && scanner.at_object() {
                    params = Params::read(scanner, true)?;
                } else if key.says("method") {
                    method = readable(&scanner.value()?);
                } else {
                    scanner.skip()?;
                }
                Ok(())
            })?
        } else {
            scanner.value()?.span
        };
        if let Some(known) = method.and_then(|method| Ask::of(&method, &params)) {
            ask = known;
        }
        each(ask, (key, span));
        Ok(())
    })
}

/// The URLs that the error which stands here sends people to (2025-11-25, client/elicitation, -32042).
pub(super) fn in_error(scanner: &mut Scanner<'_>) -> Result<Vec<Ask>, Fault> {
    let mut asks = Vec::new();
    scanner.object(&["data"], &mut |scanner, key| {
        if !key.says("data") || !scanner.at_object() {
            return scanner.skip();
        }
        scanner.object(&["elicitations"], &mut |scanner, key| {
            if !key.says("elicitations") || !scanner.at_array() {
                return scanner.skip();
            }
            scanner.array(&mut |scanner, _| {
                let ask = if scanner.at_object() {
                    Params::read(scanner, true)?.asking.elicitation()
                } else {
                    scanner.skip()?;
                    Ask::Other
                };
                asks.push(ask);
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(asks)
}

// === impl Asking ===

impl Asking {
    fn elicitation(&self) -> Ask {
        match self.mode {
            // A form without a mode, but with a URL: some client may go by what is there.
            None if self.url.is_some() => Ask::Other,
            None | Some(Mode::Form) => {
                Ask::Form { sensitive: self.form.sensitive || (self.message && self.form.has_text) }
            }
            Some(Mode::Url) => Ask::Url(self.url.clone()),
            Some(Mode::Other) => Ask::Other,
        }
    }
}

// === impl Mode ===

impl Mode {
    fn read(scanner: &mut Scanner<'_>) -> Result<Self, Fault> {
        Ok(match scanner.value()?.kind {
            Kind::Text(text) if text.says("form") => Self::Form,
            Kind::Text(text) if text.says("url") => Self::Url,
            _ => Self::Other,
        })
    }
}

// === impl Form ===

impl Form {
    /// Reads a `requestedSchema`: an object with flat properties.
    fn read(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        scanner.object(&["properties"], &mut |scanner, key| {
            if !key.says("properties") || !scanner.at_object() {
                return scanner.skip();
            }
            scanner.object(&[], &mut |scanner, key| {
                self.sensitive |= name_is_sensitive(&key.decode());
                if scanner.at_object() { self.property(scanner) } else { scanner.skip() }
            })?;
            Ok(())
        })?;
        Ok(())
    }

    fn property(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        let (mut is_text, mut is_choice) = (true, false);
        scanner.object(
            &["type", "format", "title", "description", "enum", "oneOf"],
            &mut |scanner, key| {
                match &*key.decode() {
                    "title" => self.sensitive |= says(scanner, name_is_sensitive)?,
                    "description" => self.sensitive |= says(scanner, prose_is_sensitive)?,
                    "format" => self.sensitive |= says(scanner, |format| format == "password")?,
                    "type" => is_text = says(scanner, |kind| kind == "string")?,
                    "enum" | "oneOf" => {
                        is_choice = true;
                        scanner.skip()?;
                    }
                    _ => scanner.skip()?,
                }
                Ok(())
            },
        )?;
        self.has_text |= is_text && !is_choice;
        Ok(())
    }
}

/// Whether a text stands here of which `is` holds.
fn says(scanner: &mut Scanner<'_>, is: fn(&str) -> bool) -> Result<bool, Fault> {
    Ok(matches!(scanner.value()?.kind, Kind::Text(text) if is(&text.decode())))
}
