//! What does each prompt say?

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{PromptMessage, Role};
use rmcp::{prompt, prompt_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::server::SampleServer;

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Summarize {
    /// The id of the note to summarize.
    id: String,
}

#[prompt_router(vis = "pub(crate)")]
impl SampleServer {
    /// Asks for a summary of one note.
    #[prompt(name = "summarize_note", description = "Ask for a summary of one note in three sentences.")]
    fn summarize_note(&self, Parameters(Summarize { id }): Parameters<Summarize>) -> Vec<PromptMessage> {
        let body = self.notes().get(&id).map_or_else(|| format!("(there is no note {id})"), |note| note.body);
        let text = format!("Summarize this note in three sentences:\n\n{body}");
        vec![PromptMessage::new_text(Role::User, text)]
    }

    /// Asks for a weekly digest over everything.
    #[prompt(name = "weekly_digest", description = "Ask for a digest of all notes, for people in a hurry.")]
    fn weekly_digest(&self) -> Vec<PromptMessage> {
        let titles: Vec<_> = self.notes().all().into_iter().map(|note| format!("- {}", note.title)).collect();
        let text = format!("Write a digest of these notes, one line each:\n\n{}", titles.join("\n"));
        vec![PromptMessage::new_text(Role::User, text)]
    }
}
