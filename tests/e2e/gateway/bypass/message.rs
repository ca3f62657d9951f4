//! What is sent? One case at one place, spelled out: verb, path, fields, body, framing.

use serde_json::{Value, json};
use wicketgate_e2e::client::mcp::MODERN;

use super::table::{Asked, Case, Era, Place, Request};
use super::text::{Words, fill, key_words, with_member};

/// The field that tells requests apart, also at the upstream.
pub(super) const MARK: &str = "x-case";

/// A request, not yet in a version of HTTP.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct Message {
    pub(in crate::gateway) verb: Vec<u8>,
    pub(in crate::gateway) path: Vec<u8>,
    pub(in crate::gateway) host: Vec<u8>,
    pub(in crate::gateway) fields: Vec<(String, Vec<u8>)>,
    pub(in crate::gateway) body: Vec<u8>,
    pub(in crate::gateway) chunks: Option<usize>,
    pub(in crate::gateway) trailers: Vec<(String, Vec<u8>)>,
}

/// What all requests of a run share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared<'a> {
    pub(super) token: &'a str,
    pub(super) host: &'a str,
}

// === impl Request ===

impl Request {
    fn body(&self, era: Era) -> Value {
        let mut params = self.params.clone();
        if era == Era::Modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {"extensions": {}},
            });
        }
        let mut body = json!({"jsonrpc": "2.0", "id": 5, "method": self.method, "params": params});
        if self.silent {
            body.as_object_mut().unwrap().remove("id");
        }
        body
    }

    fn name(&self) -> Option<&str> {
        self.params[self.mirrors.as_ref()?].as_str()
    }

    fn fields(&self, era: Era) -> Vec<&'static str> {
        let mut fields = vec![
            "Accept: application/json, text/event-stream",
            "Authorization: Bearer <token>",
            "Content-Type: application/json",
        ];
        match era {
            Era::Legacy => fields.push("MCP-Protocol-Version: 2025-06-18"),
            Era::Modern => fields.extend(["MCP-Protocol-Version: 2026-07-28", "Mcp-Method: <method>"]),
        }
        if era == Era::Modern && self.mirrors.is_some() {
            fields.push("Mcp-Name: <name>");
        }
        fields
    }
}

// === impl Message ===

impl Message {
    /// The case at this place, with this mark.
    pub(super) fn of(case: &Case, place: &Place, asked: &Asked, shared: Shared<'_>, mark: &str) -> Self {
        let request = &asked.requests[&place.asks];
        let whole = request.body(place.era);
        let mut words = Words::from([
            ("token", shared.token.into()),
            ("host", shared.host.into()),
            ("origin", format!("http://{}", shared.host).into_bytes()),
            ("method", request.method.as_str().into()),
            ("body", whole.to_string().into_bytes()),
        ]);
        words.extend(request.name().map(|name| ("name", name.into())));
        if let Some(position) = place.at.as_ref().map(|at| &asked.positions[at]) {
            let good = position.path.iter().fold(&whole, |value, key| &value[key.as_str()]);
            words.extend(key_words(position.path.last().unwrap()));
            words.insert("good", good.to_string().into_bytes());
            words.insert("bad", position.bad.as_str().into());
        }
        if let Some(each) = &place.each {
            let each = fill(each, &words);
            words.insert("each", each);
        }
        let filled =
            |text: &Option<String>, otherwise: &str| fill(text.as_deref().unwrap_or(otherwise), &words);
        Self {
            verb: filled(&case.verb, "POST"),
            path: filled(&case.path, "/mcp"),
            host: filled(&case.host, "<host>"),
            fields: fields(case, request.fields(place.era), &words, mark),
            body: body(case, place, asked, &whole, &words),
            chunks: case.chunks,
            trailers: case.trailers.iter().map(|line| field(line, &words)).collect(),
        }
    }

    /// The value of the first field of this name.
    pub(super) fn field(&self, name: &str) -> Option<&[u8]> {
        let mut own = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        own.next().map(|(_, value)| value.as_slice())
    }
}

fn body(case: &Case, place: &Place, asked: &Asked, whole: &Value, words: &Words) -> Vec<u8> {
    if let Some(body) = &case.body {
        return fill(body, words);
    }
    let instead = match (&case.member, &case.value) {
        (Some(member), _) => fill(member, words),
        (None, Some(value)) => fill(&format!("\"<key>\":{value}"), words),
        (None, None) => return words["body"].clone(),
    };
    let at = place.at.as_ref().unwrap_or_else(|| panic!("{}: a member or value needs `at`", case.case));
    with_member(whole, &asked.positions[at].path, &instead)
}

fn fields(case: &Case, own: Vec<&str>, words: &Words, mark: &str) -> Vec<(String, Vec<u8>)> {
    let given: Vec<_> = case.fields.iter().map(|line| field(line, words)).collect();
    let replaced = |name: &str| {
        let same = |other: &str| other.eq_ignore_ascii_case(name);
        given.iter().any(|(given, _)| same(given)) || case.without.iter().any(|without| same(without))
    };
    let own = own.into_iter().map(|line| field(line, words)).filter(|(name, _)| !replaced(name));
    let mut fields: Vec<_> = own.collect();
    fields.extend(given.iter().cloned());
    fields.extend(case.also.iter().map(|line| field(line, words)));
    fields.push((MARK.to_owned(), mark.into()));
    fields
}

/// `Name: value`; the value may be white space.
fn field(line: &str, words: &Words) -> (String, Vec<u8>) {
    let line = fill(line, words);
    let colon = line.iter().position(|byte| *byte == b':').unwrap();
    let name = String::from_utf8(line[..colon].to_vec()).unwrap();
    (name, line[colon + 1..].strip_prefix(b" ").unwrap_or_default().to_vec())
}
