//! Which schemas has this VM seen? Of each server a bounded number, as its lists last had them.

use std::ops::Range;
use std::rc::Rc;

use super::schema::Schema;

/// What the lists of all servers said, in one VM.
#[derive(Clone, Debug, Default)]
pub struct SchemaMemory {
    servers: Vec<(String, Tools)>,
}

/// The tools of one server.
#[derive(Clone, Debug, Default)]
struct Tools {
    /// By name, sorted.
    known: Vec<(String, Rc<Known>)>,
    /// Bytes of names and schemas.
    bytes: usize,
}

/// What one tool says of itself.
#[derive(Debug)]
pub struct Known {
    /// Of its arguments.
    pub input: Learnt,
    /// Of its structured content.
    pub output: Learnt,
    /// The texts of both, to see whether they have changed.
    texts: [Option<Box<[u8]>>; 2],
}

/// One schema.
#[derive(Debug)]
pub enum Learnt {
    /// The tool has none.
    Absent,
    /// This.
    Schema(Schema),
    /// One that is too large, or not sound.
    Unusable,
}

/// A tool as a list has it: where its schemas stand in the text of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WithSchemas {
    /// Its name.
    pub name: String,
    /// `inputSchema`.
    pub input: Option<Range<usize>>,
    /// `outputSchema`.
    pub output: Option<Range<usize>>,
}

// === impl SchemaMemory ===

impl SchemaMemory {
    /// The most tools of one server.
    pub const MAX_TOOLS: usize = 512;
    /// The most bytes of names and schemas of one server; compiled they take a few times as much.
    pub const MAX_BYTES: usize = 1 << 20;

    /// What is known of a tool.
    pub fn of(&self, server: &str, tool: &str) -> Option<Rc<Known>> {
        let (_, tools) = self.servers.iter().find(|(name, _)| name == server)?;
        tools.place(tool).ok().and_then(|at| tools.known.get(at)).map(|(_, known)| Rc::clone(known))
    }

    /// Takes what `list`, a text that was found sound, says of tools. What is the same as before costs a comparison. One that
    /// finds no room is not remembered, and forgotten if it was; so is what comes after [`SchemaMemory::MAX_BYTES`] of new
    /// schemas in one list, since all streams of the worker wait meanwhile.
    pub fn learn(&mut self, server: &str, list: &[u8], listed: &[WithSchemas]) {
        let text = |span: &Option<Range<usize>>| list.get(span.clone()?);
        if !self.servers.iter().any(|(name, _)| name == server) {
            self.servers.push((server.to_owned(), Tools::default()));
        }
        let Some((_, tools)) = self.servers.iter_mut().find(|(name, _)| name == server) else { return };
        let mut left = Self::MAX_BYTES;
        for tool in listed {
            tools.learn(&tool.name, [text(&tool.input), text(&tool.output)], &mut left);
        }
    }

    /// What is known of those servers alone that are `kept`, for a new configuration.
    #[must_use]
    pub fn of_servers(&self, kept: impl Fn(&str) -> bool) -> Self {
        let servers = self.servers.iter().filter(|(name, _)| kept(name));
        Self { servers: servers.map(|(name, tools)| (name.clone(), tools.clone())).collect() }
    }
}

// === impl Tools ===

impl Tools {
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.known.binary_search_by(|(known, _)| known.as_str().cmp(name))
    }

    fn learn(&mut self, name: &str, texts: [Option<&[u8]>; 2], left: &mut usize) {
        let place = self.place(name);
        if let Ok(at) = place {
            if self.known.get(at).is_some_and(|(_, known)| known.says(texts)) {
                return;
            }
            let (name, before) = self.known.remove(at);
            self.bytes = self.bytes.saturating_sub(name.len() + before.size());
        }
        let new = name.len() + texts.iter().flatten().map(|text| kept(text).len()).sum::<usize>();
        let bytes = self.bytes.saturating_add(new);
        let room =
            self.known.len() < SchemaMemory::MAX_TOOLS && bytes <= SchemaMemory::MAX_BYTES && new <= *left;
        if room {
            *left -= new;
            self.bytes = bytes;
            let (Ok(at) | Err(at)) = place;
            self.known.insert(at, (name.to_owned(), Rc::new(Known::learn(texts))));
        }
    }
}

// === impl Known ===

impl Known {
    fn learn(texts: [Option<&[u8]>; 2]) -> Self {
        let [input, output] = texts.map(|text| match text.map(Schema::compile) {
            None => Learnt::Absent,
            Some(Ok(schema)) => Learnt::Schema(schema),
            Some(Err(_)) => Learnt::Unusable,
        });
        Self { input, output, texts: texts.map(|text| text.map(|text| kept(text).into())) }
    }

    fn says(&self, texts: [Option<&[u8]>; 2]) -> bool {
        self.texts.iter().zip(texts).all(|(own, other)| own.as_deref() == other)
    }

    fn size(&self) -> usize {
        self.texts.iter().flatten().map(|text| text.len()).sum()
    }
}

/// What is kept of a schema's text. One that is too large cannot be used, and takes no room.
fn kept(text: &[u8]) -> &[u8] {
    if text.len() > Schema::MAX_BYTES { &[] } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn(memory: &mut SchemaMemory, server: &str, name: &str, input: &str) {
        let listed = WithSchemas { name: name.to_owned(), input: Some(0..input.len()), output: None };
        memory.learn(server, input.as_bytes(), &[listed]);
    }

    #[test]
    fn what_a_list_says_last_is_remembered_and_kept_apart_by_server() {
        let mut memory = SchemaMemory::default();
        learn(&mut memory, "a", "t", r#"{"type":"object"}"#);
        let first = memory.of("a", "t").unwrap();
        learn(&mut memory, "a", "t", r#"{"type":"object"}"#);
        assert!(Rc::ptr_eq(&first, &memory.of("a", "t").unwrap()), "nothing is compiled again");
        learn(&mut memory, "a", "t", "false");
        let Learnt::Schema(schema) = &memory.of("a", "t").unwrap().input else { panic!("a schema") };
        assert_eq!(*schema, Schema::compile(b"false").unwrap());
        assert!(memory.of("b", "t").is_none() && memory.of("a", "u").is_none());
        learn(&mut memory, "b", "t", "[]");
        assert!(matches!(memory.of("b", "t").unwrap().input, Learnt::Unusable));
        assert!(matches!(memory.of("b", "t").unwrap().output, Learnt::Absent));
        let kept = memory.of_servers(|name| name == "b");
        assert!(kept.of("a", "t").is_none() && kept.of("b", "t").is_some());
    }

    #[test]
    fn a_server_finds_so_much_room_and_no_more_and_takes_none_of_another() {
        let mut memory = SchemaMemory::default();
        for at in 0..2 * SchemaMemory::MAX_TOOLS {
            learn(&mut memory, "many", &format!("t{at}"), "{}");
        }
        assert_eq!(memory.servers[0].1.known.len(), SchemaMemory::MAX_TOOLS);
        let long = format!(r#"{{"description":"{}"}}"#, "x".repeat(60_000));
        for at in 0..40 {
            learn(&mut memory, "long", &format!("t{at}"), &long);
        }
        assert_eq!(memory.servers[1].1.known.len(), SchemaMemory::MAX_BYTES / (long.len() + 3));
        assert!(memory.servers[1].1.bytes <= SchemaMemory::MAX_BYTES);
        learn(&mut memory, "other", "t", "{}");
        assert!(memory.of("other", "t").is_some());
        let huge = format!(r#"{{"description":"{}"}}"#, "x".repeat(Schema::MAX_BYTES));
        learn(&mut memory, "long", "t0", &huge);
        assert!(matches!(memory.of("long", "t0").unwrap().input, Learnt::Unusable));
        learn(&mut memory, "long", "t0", "{}");
        assert!(matches!(memory.of("long", "t0").unwrap().input, Learnt::Schema(_)));
    }

    #[test]
    fn one_list_has_so_much_read_and_no_more() {
        let mut memory = SchemaMemory::default();
        let long = format!(r#"{{"description":"{}"}}"#, "x".repeat(60_000));
        let other = long.replace('x', "y");
        let both = long.clone() + &other;
        // The same tool over and over, each time another schema.
        let spans = [0..long.len(), long.len()..both.len()];
        let tool =
            |at: usize| WithSchemas { name: "t".into(), input: spans.get(at % 2).cloned(), output: None };
        memory.learn("s", both.as_bytes(), &(0..10).map(tool).collect::<Vec<_>>());
        assert!(memory.of("s", "t").is_some());
        memory.learn("s", both.as_bytes(), &(0..100).map(tool).collect::<Vec<_>>());
        assert!(memory.of("s", "t").is_none(), "more than is read of one list");
        memory.learn("s", both.as_bytes(), &[tool(0)]);
        assert!(memory.of("s", "t").is_some());
    }
}
