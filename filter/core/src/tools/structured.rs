//! Is the structured content of an answer as its tool's output schema says? (MCP server/tools, "Output Schema".)

use std::rc::Rc;

use super::schema::{Schema, Told, TooMuch};
use super::schemas::{Known, Learnt};
use crate::denial::Denial;
use crate::mcp::strict::{Fault, Kind, Rigour, Scanner};

/// How the answer to a call is held against the schema that its tool had when it was made.
#[derive(Debug)]
pub struct Structured {
    known: Rc<Known>,
    /// Whether what does not conform is withheld.
    blocks: bool,
    finding: Option<Finding>,
    /// What is left of the work that all messages of the answer may make.
    work: usize,
}

/// How an answer stands to the schema. Of several messages the worst counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// It conforms.
    Conforms,
    /// That hangs on what is not understood, or is too much to check.
    Unknown,
    /// It does not conform.
    Violates,
}

/// What of a result is looked at.
#[derive(Default)]
struct Parts {
    structured: Option<std::ops::Range<usize>>,
    is_error: bool,
    /// It is no result of the tool: a task, or a question to the client.
    pending: bool,
}

// === impl Structured ===

impl Structured {
    /// For a call of a tool that has an output schema; `None` where there is nothing to check.
    pub fn of(known: Rc<Known>, blocks: bool) -> Option<Self> {
        match known.output {
            Learnt::Absent => None,
            Learnt::Schema(_) | Learnt::Unusable => {
                Some(Self { known, blocks, finding: None, work: Schema::MAX_WORK })
            }
        }
    }

    /// What was found so far; `None` where no result has passed.
    pub fn finding(&self) -> Option<Finding> {
        self.finding
    }

    /// Looks at one message of the answer, whose text was found sound.
    ///
    /// # Errors
    /// `UnsafeResponse` where it does not conform and is to be withheld, or where readers may differ about it.
    pub fn look(&mut self, message: &[u8]) -> Result<(), Denial> {
        let found = match results(message) {
            Ok(results) => results.iter().map(|parts| self.judge(parts, message)).max(),
            // What readers may understand differently conforms to nothing.
            Err(_) => Some(Finding::Violates),
        };
        self.finding = self.finding.max(found);
        let withheld = self.blocks && found == Some(Finding::Violates);
        if withheld { Err(Denial::UnsafeResponse("output schema")) } else { Ok(()) }
    }

    fn judge(&mut self, parts: &Parts, message: &[u8]) -> Finding {
        let Learnt::Schema(schema) = &self.known.output else { return Finding::Unknown };
        let given = parts.structured.clone().and_then(|span| message.get(span));
        match given {
            // Errors and what is no result yet need none.
            None if parts.is_error || parts.pending => Finding::Conforms,
            None => Finding::Violates,
            Some(value) => match schema.validate_within(value, &mut self.work) {
                Ok(Told::Valid) => Finding::Conforms,
                Ok(Told::Unknown) => Finding::Unknown,
                Ok(Told::Invalid(_)) => Finding::Violates,
                // What is made to be too much is no better than what is wrong.
                Err(TooMuch) => Finding::Violates,
            },
        }
    }
}

// === impl Finding ===

impl Finding {
    /// As records and metrics spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Conforms => "conforms",
            Self::Unknown => "unknown",
            Self::Violates => "violates",
        }
    }
}

/// The results of a message, or of an array of them.
fn results(message: &[u8]) -> Result<Vec<Parts>, Fault> {
    let mut found = Vec::new();
    if !message.contains(&b'{') {
        return Ok(found);
    }
    let mut scanner = Scanner::new(message, Scanner::ANSWER_DEPTH, Rigour::WhereRead)?;
    if scanner.at_array() {
        scanner.array(&mut |scanner, _| one(scanner, &mut found))?;
    } else {
        one(&mut scanner, &mut found)?;
    }
    scanner.end()?;
    Ok(found)
}

fn one(scanner: &mut Scanner<'_>, found: &mut Vec<Parts>) -> Result<(), Fault> {
    if !scanner.at_object() {
        return scanner.skip();
    }
    scanner.object(&["result"], &mut |scanner, key| {
        if !key.says("result") || !scanner.at_object() {
            return scanner.skip();
        }
        let mut parts = Parts::default();
        let known = &["structuredContent", "isError", "resultType", "task"];
        scanner.object(known, &mut |scanner, key| {
            let value = scanner.value()?;
            match &*key.decode() {
                "structuredContent" => parts.structured = Some(value.span),
                "isError" => parts.is_error = value.kind == Kind::Bool(true),
                "task" => parts.pending = value.kind == Kind::Object,
                "resultType" => {
                    parts.pending = matches!(value.kind, Kind::Text(text) if !text.says("complete"));
                }
                _ => {}
            }
            Ok(())
        })?;
        found.push(parts);
        Ok(())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::schemas::{SchemaMemory, WithSchemas};
    use super::*;

    fn structured(schema: &str, blocks: bool) -> Structured {
        let mut memory = SchemaMemory::default();
        let listed = WithSchemas { name: "t".into(), input: None, output: Some(0..schema.len()) };
        memory.learn("s", schema.as_bytes(), &[listed]);
        Structured::of(memory.of("s", "t").unwrap(), blocks).unwrap()
    }

    #[test]
    fn an_answer_conforms_or_not() {
        let schema = r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#;
        for (result, found) in [
            (r#"{"structuredContent":{"n":1},"content":[]}"#, Finding::Conforms),
            (r#"{"structuredContent":{"n":"1"}}"#, Finding::Violates),
            (r#"{"structured\u0043ontent":{"n":"1"}}"#, Finding::Violates),
            (r#"{"structuredContent":null}"#, Finding::Violates),
            (r#"{"structuredContent":{"n":"1"},"isError":true}"#, Finding::Violates),
            (r#"{"content":[]}"#, Finding::Violates),
            (r#"{"content":[],"isError":"true"}"#, Finding::Violates),
            (r#"{"content":[],"isError":true}"#, Finding::Conforms),
            (r#"{"task":{"taskId":"1"}}"#, Finding::Conforms),
            (r#"{"resultType":"input_required"}"#, Finding::Conforms),
            (r#"{"resultType":"complete"}"#, Finding::Violates),
        ] {
            let message = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
            let mut lax = structured(schema, false);
            assert_eq!((lax.look(message.as_bytes()), lax.finding()), (Ok(()), Some(found)), "{result}");
            let withheld = structured(schema, true).look(message.as_bytes()).is_err();
            assert_eq!(withheld, found == Finding::Violates, "{result}");
            let array = format!("[{message}]");
            assert_eq!(structured(schema, true).look(array.as_bytes()).is_err(), withheld, "{result}");
        }
    }

    #[test]
    fn all_messages_of_an_answer_make_bounded_work() {
        let mut lax = structured(r#"{"properties":{"n":{"type":"integer"}}}"#, false);
        let members: Vec<String> = (0..10_000).map(|at| format!("\"m{at}\":0")).collect();
        let message = format!(r#"{{"result":{{"structuredContent":{{{}}}}}}}"#, members.join(","));
        assert_eq!((lax.look(message.as_bytes()), lax.finding()), (Ok(()), Some(Finding::Conforms)));
        let most = Schema::MAX_WORK / 10_000;
        let looked = (0..most).position(|_| {
            let looked = lax.look(message.as_bytes());
            looked.is_err() || lax.finding() == Some(Finding::Violates)
        });
        assert!(looked.is_some(), "each is as much work as the first");
        let small = br#"{"result":{"structuredContent":{}}}"#;
        let mut strict = Structured { blocks: true, ..lax };
        assert!(strict.look(small).is_err(), "nothing is left for another");
    }

    #[test]
    fn what_is_no_result_or_not_understood_is_no_violation() {
        let mut strict = structured(r#"{"unevaluatedProperties":false}"#, true);
        for other in ["", "null", r#"{"error":{}}"#, r#"{"method":"notifications/progress"}"#] {
            assert_eq!((strict.look(other.as_bytes()), strict.finding()), (Ok(()), None), "{other}");
        }
        assert_eq!(strict.look(br#"{"result":{"structuredContent":{}}}"#), Ok(()));
        assert_eq!(strict.finding(), Some(Finding::Unknown));
        let twice = br#"{"result":{"structuredContent":{},"structuredContent":{}}}"#;
        assert!(strict.look(twice).is_err(), "readers may differ about it");
    }
}
