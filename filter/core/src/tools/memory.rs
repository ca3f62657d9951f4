//! Which schemas has this VM seen? Of each server a bounded number, as its lists last had them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use super::schema::Schema;

/// What the lists of all servers said, in one VM.
#[derive(Clone, Debug, Default)]
pub struct ToolMemory {
    servers: BTreeMap<String, Tools>,
}

/// The tools of one server.
#[derive(Clone, Debug, Default)]
struct Tools {
    known: BTreeMap<String, Rc<Known>>,
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
pub struct Listed {
    /// Its name.
    pub name: String,
    /// `inputSchema`.
    pub input: Option<Range<usize>>,
    /// `outputSchema`.
    pub output: Option<Range<usize>>,
}

// === impl ToolMemory ===

impl ToolMemory {
    /// The most tools of one server.
    pub const MAX_TOOLS: usize = 512;
    /// The most bytes of names and schemas of one server; compiled they take a few times as much.
    pub const MAX_BYTES: usize = 1 << 20;

    /// What is known of a tool.
    pub fn of(&self, server: &str, tool: &str) -> Option<Rc<Known>> {
        self.servers.get(server)?.known.get(tool).cloned()
    }

    /// Takes what `list`, a text that was found sound, says of a tool. What is the same as before costs a comparison. One
    /// that finds no room is not remembered, and forgotten if it was.
    pub fn learn(&mut self, server: &str, list: &[u8], listed: &Listed) {
        let text = |span: &Option<Range<usize>>| list.get(span.clone()?);
        let texts = [text(&listed.input), text(&listed.output)];
        if !self.servers.contains_key(server) {
            self.servers.insert(server.to_owned(), Tools::default());
        }
        if let Some(tools) = self.servers.get_mut(server) {
            tools.learn(&listed.name, texts);
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
    fn learn(&mut self, name: &str, texts: [Option<&[u8]>; 2]) {
        if self.known.get(name).is_some_and(|known| known.says(texts)) {
            return;
        }
        if let Some(before) = self.known.remove(name) {
            self.bytes = self.bytes.saturating_sub(name.len() + before.size());
        }
        let known = Known::learn(texts);
        let bytes = self.bytes.saturating_add(name.len() + known.size());
        if self.known.len() < ToolMemory::MAX_TOOLS && bytes <= ToolMemory::MAX_BYTES {
            self.bytes = bytes;
            self.known.insert(name.to_owned(), Rc::new(known));
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
        // One that cannot be used is told again from the next by its length alone; it takes no room.
        let kept = |text: &[u8]| if text.len() > Schema::MAX_BYTES { Box::default() } else { text.into() };
        Self { input, output, texts: texts.map(|text| text.map(kept)) }
    }

    fn says(&self, texts: [Option<&[u8]>; 2]) -> bool {
        self.texts.iter().zip(texts).all(|(own, other)| own.as_deref() == other)
    }

    fn size(&self) -> usize {
        self.texts.iter().flatten().map(|text| text.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn(memory: &mut ToolMemory, server: &str, name: &str, input: &str) {
        let listed = Listed { name: name.to_owned(), input: Some(0..input.len()), output: None };
        memory.learn(server, input.as_bytes(), &listed);
    }

    #[test]
    fn what_a_list_says_last_is_remembered_and_kept_apart_by_server() {
        let mut memory = ToolMemory::default();
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
        let mut memory = ToolMemory::default();
        for at in 0..2 * ToolMemory::MAX_TOOLS {
            learn(&mut memory, "many", &format!("t{at}"), "{}");
        }
        assert_eq!(memory.servers["many"].known.len(), ToolMemory::MAX_TOOLS);
        let long = format!(r#"{{"description":"{}"}}"#, "x".repeat(60_000));
        for at in 0..40 {
            learn(&mut memory, "long", &format!("t{at}"), &long);
        }
        assert_eq!(memory.servers["long"].known.len(), ToolMemory::MAX_BYTES / (long.len() + 3));
        assert!(memory.servers["long"].bytes <= ToolMemory::MAX_BYTES);
        learn(&mut memory, "other", "t", "{}");
        assert!(memory.of("other", "t").is_some());
        let huge = format!(r#"{{"description":"{}"}}"#, "x".repeat(Schema::MAX_BYTES));
        learn(&mut memory, "long", "t0", &huge);
        assert!(matches!(memory.of("long", "t0").unwrap().input, Learnt::Unusable));
        learn(&mut memory, "long", "t0", "{}");
        assert!(matches!(memory.of("long", "t0").unwrap().input, Learnt::Schema(_)));
    }
}
