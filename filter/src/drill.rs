//! What becomes of everything else when this VM dies? No input can make it, so a module built for tests alone (feature `drill`)
//! does when it is asked to. It is never shipped; a test holds the shipped module against it.

use wicketgate_core::head::RequestHead;

/// A request that bears this field ends the VM.
const FIELD: &str = "x-wicketgate-drill";

/// Traps if the request asks for it.
pub(crate) fn trap_if_asked(head: &RequestHead) {
    if head.headers.has(FIELD) {
        std::process::abort();
    }
}
