//! What does a server get to know by whom it is asked, in place of the client's token?

/// Where it stands, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamCredential {
    /// Envoy puts a secret of its own into this header (lower case), whatever stands there.
    Static(String),
}

// === impl UpstreamCredential ===

impl UpstreamCredential {
    /// The header that it stands in, lower case.
    pub fn header(&self) -> &str {
        match self {
            Self::Static(header) => header,
        }
    }

    /// Whether a field of a request would stand in its place, with hyphens or with underscores, which some servers read as these.
    pub fn is_feigned_by(&self, name: &str) -> bool {
        let alike = |(a, b): (u8, u8)| a.eq_ignore_ascii_case(&b) || (a == b'_' && b == b'-');
        let header = self.header();
        name.len() == header.len() && name.bytes().zip(header.bytes()).all(alike)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_a_server_could_take_for_it_is_told() {
        let credential = UpstreamCredential::Static("x-api-key".to_owned());
        for name in ["x-api-key", "X-Api-Key", "x_api_key", "x-api_KEY"] {
            assert!(credential.is_feigned_by(name), "{name}");
        }
        for name in ["x-api-keys", "x-api-ke", "api-key", "x+api+key", ""] {
            assert!(!credential.is_feigned_by(name), "{name}");
        }
    }
}
