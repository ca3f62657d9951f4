//! Which trace does a request belong to (W3C Trace Context)? Envoy's, where it says so; what a client names is written down and not
//! believed.

use super::RequestHead;

/// In which Envoy says it, over whatever a client wrote there: the ids of trace and span, with a hyphen between.
pub const FIELD: &str = "x-wicketgate-trace";
const TRACE: usize = 32;
const SPAN: usize = 16;
/// Where Envoy writes into `x-request-id` whether the trace is kept: 9, a or b.
const MARK: usize = 14;

/// What the span in which Envoy handles a request says of the decision: filter state that the filter sets, and the attribute that
/// has it. `mcp.method.name` and `gen_ai.tool.name` are OpenTelemetry's names (semantic conventions for MCP).
pub const ATTRIBUTES: [(&str, &str); 6] = [
    (VERDICT, "wicketgate.verdict"),
    (REASON, "wicketgate.reason"),
    (RULE, "wicketgate.rule"),
    (SERVER, "wicketgate.server"),
    (METHOD, "mcp.method.name"),
    (TOOL, "gen_ai.tool.name"),
];
/// `allow`, `challenge` or `deny`.
pub const VERDICT: &str = "wicketgate_verdict";
/// Why; where an answer was refused after all, why that.
pub const REASON: &str = "wicketgate_reason";
/// The rule that decided.
pub const RULE: &str = "wicketgate_rule";
/// The server that was asked.
pub const SERVER: &str = "wicketgate_server";
/// The MCP method.
pub const METHOD: &str = "wicketgate_method";
/// The tool that is called.
pub const TOOL: &str = "wicketgate_tool";

/// A place in a trace: what is done from there on belongs below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    parent: String,
}

// === impl Trace ===

impl Trace {
    /// The one in which Envoy handles this request; `None` where it says none.
    pub fn of_host(head: &RequestHead) -> Option<Self> {
        let text = head.headers.one(FIELD).ok().flatten()?;
        let (trace, span) = text.split_once('-')?;
        if !is_id(trace, TRACE) || !is_id(span, SPAN) {
            return None;
        }
        let kept = head.request_id.as_deref().and_then(|id| id.as_bytes().get(MARK));
        let kept = kept.is_some_and(|mark| matches!(mark, b'9' | b'a' | b'b'));
        let flags = if kept { "01" } else { "00" };
        Some(Self { parent: format!("00-{trace}-{span}-{flags}") })
    }

    /// Its `traceparent` for what is asked on behalf of the request.
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// Whether spans of it are kept.
    pub fn is_kept(&self) -> bool {
        self.parent.ends_with("-01")
    }

    /// Its id, 32 hexadecimal digits.
    pub fn id(&self) -> &str {
        self.parent.get(3..3 + TRACE).unwrap_or_default()
    }
}

/// The id of the trace in a `traceparent` of version 00, 32 hexadecimal digits; `None` for what is none.
pub fn id_of(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let sound = version == "00" && is_id(trace, TRACE) && is_id(span, SPAN);
    (sound && is_hex(flags, 2) && parts.next().is_none()).then_some(trace)
}

/// Ids of zeros alone are none.
fn is_id(text: &str, length: usize) -> bool {
    is_hex(text, length) && text.bytes().any(|b| b != b'0')
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Headers;

    const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

    fn head(values: &[&str], request_id: &str) -> RequestHead {
        let fields = values.iter().map(|value| (FIELD.to_owned(), value.as_bytes().to_vec()));
        let headers = Headers::new(fields.collect());
        RequestHead { headers, request_id: Some(request_id.to_owned()), ..RequestHead::default() }
    }

    #[test]
    fn envoys_word_is_taken_if_it_is_one() {
        let said = format!("{TRACE_ID}-b7ad6b7169203331");
        let (kept, left) = ("357f8686-5b38-9034-9ce4-b3dad4b670d3", "357f8686-5b38-4034-9ce4-b3dad4b670d3");
        for (id, flags) in [(kept, "01"), (left, "00"), ("x", "00")] {
            let trace = Trace::of_host(&head(&[&said], id)).unwrap();
            assert_eq!((trace.parent(), trace.id()), (&*format!("00-{said}-{flags}"), TRACE_ID));
            assert_eq!(trace.is_kept(), flags == "01");
        }
        let zeros = format!("{}-b7ad6b7169203331", "0".repeat(32));
        for wrong in ["", "-", "a-b", TRACE_ID, &zeros, &said.to_uppercase(), &format!("{said}-01")] {
            assert_eq!(Trace::of_host(&head(&[wrong], kept)), None, "{wrong}");
        }
        assert_eq!(Trace::of_host(&head(&[&said, &said], kept)), None, "two words are none");
        assert_eq!(Trace::of_host(&head(&[], kept)), None);
    }

    #[test]
    fn a_traceparent_is_one_of_version_00() {
        let sound = format!("00-{TRACE_ID}-b7ad6b7169203331-01");
        assert_eq!(id_of(&sound), Some(TRACE_ID));
        for wrong in [
            "",
            "00",
            &sound.replace("00-0", "01-0"),
            &sound.to_uppercase(),
            &format!("{sound}-"),
            &sound.replace("-01", "-1"),
            &sound.replace(TRACE_ID, &"0".repeat(32)),
            &sound.replace("b7ad6b7169203331", &"0".repeat(16)),
        ] {
            assert_eq!(id_of(wrong), None, "{wrong}");
        }
    }
}
