//! Which resources are there, and what is in them? Each note is `notes://note/ID`, their list `notes://index`, and the
//! template `notes://note/{id}` names them all.

use rmcp::model::{Resource, ResourceContents, ResourceTemplate};

use crate::notes::Notes;

/// The list of all notes, as text.
pub(crate) const INDEX: &str = "notes://index";
/// The template of a single note.
pub(crate) const TEMPLATE: &str = "notes://note/{id}";
const NOTE: &str = "notes://note/";

/// Everything that can be read, the index first.
pub(crate) fn list(notes: &Notes) -> Vec<Resource> {
    let index = Resource::new(INDEX, "index")
        .with_title("All notes")
        .with_description("Ids and titles.")
        .with_mime_type("text/plain");
    let each = notes.all().into_iter().map(|note| {
        Resource::new(format!("{NOTE}{}", note.id), note.id.clone())
            .with_title(note.title)
            .with_mime_type("text/markdown")
    });
    std::iter::once(index).chain(each).collect()
}

/// The one template.
pub(crate) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new(TEMPLATE, "note")
            .with_title("One note")
            .with_description("A note by its id.")
            .with_mime_type("text/markdown"),
    ]
}

/// The contents of one resource; `None` when there is no such thing.
pub(crate) fn read(notes: &Notes, uri: &str) -> Option<ResourceContents> {
    if uri == INDEX {
        let lines: Vec<_> =
            notes.all().into_iter().map(|note| format!("{}: {}", note.id, note.title)).collect();
        return Some(ResourceContents::text(lines.join("\n"), uri).with_mime_type("text/plain"));
    }
    let note = notes.get(uri.strip_prefix(NOTE)?)?;
    let text = format!("# {}\n\n{}\n", note.title, note.body);
    Some(ResourceContents::text(text, uri).with_mime_type("text/markdown"))
}

#[cfg(test)]
mod tests {
    use super::{INDEX, list, read};
    use crate::notes::Notes;

    #[test]
    fn everything_listed_can_be_read_and_nothing_else() {
        let notes = Notes::default();
        let listed = list(&notes);
        assert_eq!(listed.len(), 7);
        assert_eq!(listed[0].uri, INDEX);
        for resource in listed {
            assert!(read(&notes, &resource.uri).is_some(), "{}", resource.uri);
        }
        for uri in
            ["notes://note/none", "notes://note/", "notes://", "file:///etc/passwd", "notes://note/../index"]
        {
            assert!(read(&notes, uri).is_none(), "{uri}");
        }
    }
}
