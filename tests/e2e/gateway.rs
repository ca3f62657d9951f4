//! What the gateway does with real requests, one behaviour a file.

#![expect(clippy::panic, reason = "a test may fail that way, with what was seen")]
#![expect(
    clippy::indexing_slicing,
    reason = "reading a member of a JSON value gives null where there is none"
)]

mod accounting;
mod answer_sizes;
mod answers;
mod api_keys;
mod arguments;
mod audit;
mod body_sizes;
mod bound_sessions;
mod bound_tasks;
mod bypass;
mod content;
mod dpop;
mod edge;
mod expiry;
mod ext_authz;
mod failures;
mod fleet;
mod frames;
mod hide;
mod history;
mod hold_body;
mod hostile;
mod http2;
mod issuer_keys;
mod issuers;
mod labels;
mod layers;
mod limits;
mod metrics;
mod opa;
mod opaque_tokens;
mod open_streams;
mod path;
mod pinning;
mod policy_change;
mod recorder;
mod rego;
mod revocations;
mod scene;
mod sessions;
mod smuggling;
mod soak;
mod stage;
mod stand_in;
mod streams;
mod targets;
mod tool_schemas;
mod trap;
mod unheld_headers;
mod upstream_credentials;
mod waiting;
