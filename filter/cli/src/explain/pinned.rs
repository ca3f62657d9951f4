//! Is the tool what it must be, as far as a policy alone tells?

use wicketgate_core::mcp::operation::{Operation, Target};
use wicketgate_core::server::Server;
use wicketgate_core::tools::book::Book;
use wicketgate_core::tools::pins::Pins;

/// Why a tool that is called may not be, whatever the rules say; as far as that is known before any list was seen.
pub(super) fn unpinned(server: &Server, operation: &Operation) -> Option<&'static str> {
    let policy = server.tools.as_ref().filter(|_| operation.method == "tools/call")?;
    let refused = |target: &Target| matches!(target, Target::Tool(name) if policy.judge_call(name, &Book::default()).is_err());
    operation.targets.iter().any(refused).then_some(match policy.pins {
        Pins::Baseline => "the tool is not in the baseline (servers[].tools)",
        _ => "the tool must have been listed before (servers[].tools.unseen)",
    })
}
