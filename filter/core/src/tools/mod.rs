//! What do tools say of themselves, and are calls and answers as they say? Schemas as last seen in `tools/list`.
//!
//! | file | question |
//! |---|---|
//! | `settings` | what is checked on a server, and which arguments are filled in? |
//! | `defaults` | which bytes does a default put into a call? |
//! | `schema` | what does a JSON Schema demand, and does a value meet it? |
//! | `memory` | which schemas has this VM seen? |
//! | `structured` | is the structured content of an answer as its tool's output schema says? |

pub mod defaults;
pub mod memory;
pub mod schema;
pub mod settings;
pub mod structured;
