//! How does Envoy keep a request from the upstream until it is allowed? The ways that `filter/README.md` lists.

use crate::envoy::Change;
use crate::{Failure, Result};

/// What the buffer filter holds at most: as much as policies allow by default, less than the listener buffers.
pub const BUFFERED: usize = 1 << 20;

/// Where in the reference configuration the buffer filter is put: behind ours.
const ROUTER: &str = "                  - name: envoy.filters.http.router\n";

/// A way to hold a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostMode {
    /// `hold_headers: true`: nothing leaves the filter before the verdict.
    #[default]
    Hold,
    /// `hold_headers: false`, and Envoy's buffer filter behind ours holds what left it.
    Buffer,
    /// `hold_headers: false` alone: heads leave before the verdict, bodies do not.
    Bare,
}

// === impl HostMode ===

impl HostMode {
    /// The variable by which a whole run of tests is put into one mode.
    pub const VARIABLE: &'static str = "WICKETGATE_HOST_MODE";

    /// The mode that [`HostMode::VARIABLE`] asks for: `hold` (also where it is unset) or `buffer`.
    ///
    /// # Errors
    /// It says something else.
    pub fn chosen() -> Result<Self> {
        match std::env::var(Self::VARIABLE).as_deref() {
            Err(_) | Ok("" | "hold") => Ok(Self::Hold),
            Ok("buffer") => Ok(Self::Buffer),
            Ok(other) => Err(Failure::new(format!(
                "{}={other} is no way to run the tests: say hold or buffer.",
                Self::VARIABLE
            ))),
        }
    }

    /// The policy as this mode needs it.
    #[must_use]
    pub fn policy(self, yaml: &str) -> String {
        let held = if self == Self::Hold { "hold_headers: true" } else { "hold_headers: false" };
        yaml.replacen("hold_headers: true", held, 1)
    }

    /// What this mode changes in the reference configuration.
    #[must_use]
    pub fn envoy_change(self) -> Option<Change> {
        let buffer = format!(
            "                  - name: envoy.filters.http.buffer\n                    typed_config:\n                      \
             \"@type\": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer\n                      \
             max_request_bytes: {BUFFERED}\n{ROUTER}"
        );
        (self == Self::Buffer).then(|| (ROUTER.to_owned(), buffer))
    }
}
