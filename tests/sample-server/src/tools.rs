//! What does each tool do? Seven of them: three read, one is slow and reports progress, one answers with a secret in
//! it, one writes, one destroys. A tool that cannot do its work answers with a result marked `isError`, so that the
//! model sees why.

use std::time::Duration;

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, ContentBlock, ProgressNotificationParam};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, Peer, RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::notes::Note;
use crate::server::SampleServer;

/// What `read_config` leaks: shaped like an AWS access key id, but Amazon's own documentation example, not a secret.
pub const FAKE_ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Search {
    /// Text to look for in ids, titles and bodies.
    query: String,
    /// How many notes at most; 10 when absent, never more than 50.
    limit: Option<usize>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct ById {
    /// The id of the note, as search_notes gives it.
    id: String,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Write {
    /// Letters, digits and dashes; a note of this id is replaced.
    id: String,
    /// One line.
    title: String,
    /// The text.
    body: String,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Report {
    /// How long the report takes, 0 to 120; 3 when absent.
    #[schemars(range(min = 0, max = 120))]
    seconds: Option<u32>,
}

#[derive(Serialize)]
struct Found {
    notes: Vec<Note>,
}

// The macro makes its router function of the visibility named here.
#[tool_router(vis = "pub(crate)")]
impl SampleServer {
    #[tool(
        description = "Find notes by text. Answers with their ids, titles and bodies.",
        annotations(title = "Search notes", read_only_hint = true, open_world_hint = false)
    )]
    fn search_notes(&self, Parameters(search): Parameters<Search>) -> CallToolResult {
        let limit = search.limit.unwrap_or(10).min(50);
        let notes = self.notes().search(&search.query, limit);
        let lines: Vec<_> = notes.iter().map(|note| format!("{}: {}", note.id, note.title)).collect();
        let text = if lines.is_empty() { "No note matches.".to_owned() } else { lines.join("\n") };
        with_structure(text, &Found { notes })
    }

    #[tool(
        description = "Read one note by its id.",
        annotations(title = "Read a note", read_only_hint = true, open_world_hint = false)
    )]
    fn get_note(&self, Parameters(ById { id }): Parameters<ById>) -> CallToolResult {
        match self.notes().get(&id) {
            Some(note) => with_structure(format!("{}\n\n{}", note.title, note.body), &note),
            None => refused(format!("There is no note {id}.")),
        }
    }

    #[tool(
        description = "Create a note, or replace the one of this id.",
        annotations(
            title = "Write a note",
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = false
        )
    )]
    async fn write_note(
        &self,
        Parameters(write): Parameters<Write>,
        client: Peer<RoleServer>,
    ) -> CallToolResult {
        match self.notes().write(&write.id, &write.title, &write.body) {
            Ok(note) => {
                if note.version == 1 {
                    // Nobody may be listening; then there is nothing to tell.
                    let _ = client.notify_resource_list_changed().await;
                }
                with_structure(format!("Wrote {}, version {}.", note.id, note.version), &note)
            }
            Err(reason) => refused(format!("Not written: {reason}.")),
        }
    }

    #[tool(
        description = "Delete a note for good.",
        annotations(
            title = "Delete a note",
            read_only_hint = false,
            destructive_hint = true,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    fn delete_note(&self, Parameters(ById { id }): Parameters<ById>) -> CallToolResult {
        if self.notes().delete(&id) {
            CallToolResult::success(vec![ContentBlock::text(format!("Deleted {id}."))])
        } else {
            refused(format!("There is no note {id}."))
        }
    }

    #[tool(
        description = "Compile a report over all notes. Slow: takes the given number of seconds and reports progress.",
        annotations(title = "Run the report", read_only_hint = true, open_world_hint = false)
    )]
    async fn run_report(
        &self,
        Parameters(Report { seconds }): Parameters<Report>,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let seconds = seconds.unwrap_or(3);
        if seconds > 120 {
            return Ok(refused("seconds must be 0 to 120.".into()));
        }
        for second in 0..seconds {
            report_progress(&context, second, seconds).await;
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                () = context.ct.cancelled() => {
                    return Err(ErrorData::internal_error("the report was cancelled", None));
                }
            }
        }
        report_progress(&context, seconds, seconds).await;
        let notes = self.notes().all();
        let words: usize = notes.iter().map(|note| note.body.split_whitespace().count()).sum();
        let text = format!("{} notes, {words} words, compiled in {seconds} s.", notes.len());
        Ok(with_structure(text, &json!({"notes": notes.len(), "words": words, "seconds": seconds})))
    }

    #[tool(
        description = "Show the configuration of the notes service.",
        annotations(title = "Read the configuration", read_only_hint = true, open_world_hint = false)
    )]
    fn read_config(&self) -> CallToolResult {
        let text = format!(
            "storage: s3\nbucket: notes-archive\nregion: eu-central-1\naws_access_key_id: {FAKE_ACCESS_KEY}\n\
             support: alice@example.com"
        );
        CallToolResult::success(vec![ContentBlock::text(text)])
    }

    #[tool(
        description = "Delete every note there is.",
        annotations(
            title = "Drop everything",
            read_only_hint = false,
            destructive_hint = true,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    fn drop_everything(&self) -> CallToolResult {
        let deleted = self.notes().all().iter().filter(|note| self.notes().delete(&note.id)).count();
        CallToolResult::success(vec![ContentBlock::text(format!("Deleted {deleted} notes."))])
    }
}

async fn report_progress(context: &RequestContext<RoleServer>, done: u32, total: u32) {
    let Some(token) = context.meta.get_progress_token() else { return };
    let progress = ProgressNotificationParam::new(token, f64::from(done))
        .with_total(f64::from(total))
        .with_message(format!("{done} of {total} s"));
    // A client that has gone is noticed by the cancellation, not here.
    let _ = context.peer.notify_progress(progress).await;
}

fn with_structure(text: String, value: &impl Serialize) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = serde_json::to_value(value).ok();
    result
}

fn refused(reason: String) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(reason)])
}
