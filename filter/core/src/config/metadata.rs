//! What does the protected-resource metadata of a server say?

use super::raw::RawServer;
use crate::identity::dpop::{ALGORITHMS, BoundTokens};
use serde_json::json;

/// RFC 9728 section 2. Scopes and issuers are left out where there are none.
pub(super) fn document(raw: &RawServer, issuers: &[&str], bound_tokens: BoundTokens) -> String {
    let mut document = json!({
        "resource": raw.url,
        "bearer_methods_supported": ["header"],
        "resource_name": raw.name,
    });
    if let Some(members) = document.as_object_mut() {
        if !issuers.is_empty() {
            members.insert("authorization_servers".to_owned(), json!(issuers));
            if bound_tokens != BoundTokens::Refused {
                let algorithms: Vec<&str> = ALGORITHMS.split(' ').collect();
                members.insert("dpop_signing_alg_values_supported".to_owned(), json!(&algorithms[..]));
            }
            if bound_tokens == BoundTokens::Required {
                members.insert("dpop_bound_access_tokens_required".to_owned(), json!(true));
            }
        }
        if !raw.scopes.is_empty() {
            members.insert("scopes_supported".to_owned(), json!(raw.scopes));
        }
    }
    serde_json::to_string(&document).unwrap_or_default()
}
