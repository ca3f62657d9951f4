//! What does the server get to know by whom it is asked, in place of the client's token?

use super::Exchange;
use crate::guard::Guard;

// === impl Exchange ===

impl Exchange {
    /// Whether a field of the request would stand where its server looks for its own credential.
    pub fn is_feigned(&self, name: &str, guard: &Guard) -> bool {
        self.server(guard).is_ok_and(|server| server.is_feigned_by(name))
    }
}
