//! Which files hold certificates and keys, and how does Envoy take them anew? By SDS from files: one names the files, and
//! Envoy reads these again when something is moved into their folder.

use super::template::scalar;
use serde_json::{Value, json};
use std::path::Path;

/// The files of SDS, to be written into one folder.
pub(super) struct Secrets {
    folder: String,
    /// The name of each file, and what it holds.
    pub(super) files: Vec<(String, Value)>,
}

// === impl Secrets ===

impl Secrets {
    pub(super) fn new(folder: &str) -> Self {
        Self { folder: folder.to_owned(), files: Vec::new() }
    }

    /// A certificate with its key. Gives where it comes from, as an `SdsSecretConfig`.
    pub(super) fn certificate(&mut self, name: &str, chain: &str, key: &str) -> String {
        self.add(
            name,
            json!({"tls_certificate": {
                "certificate_chain": {"filename": chain},
                "private_key": {"filename": key},
                "watched_directory": {"path": folder_of(chain)},
            }}),
        )
    }

    /// Roots, and what is revoked.
    pub(super) fn roots(&mut self, name: &str, roots: &str, revoked: Option<&str>) -> String {
        let mut context = json!({
            "trusted_ca": {"filename": roots},
            "watched_directory": {"path": folder_of(revoked.unwrap_or(roots))},
        });
        if let (Some(members), Some(revoked)) = (context.as_object_mut(), revoked) {
            members.insert("crl".to_owned(), json!({"filename": revoked}));
        }
        self.add(name, json!({"validation_context": context}))
    }

    /// A secret that is the content of a file.
    pub(super) fn generic(&mut self, name: &str, file: &str) -> String {
        let secret = json!({"filename": file, "watched_directory": {"path": folder_of(file)}});
        self.add(name, json!({"generic_secret": {"secret": secret}}))
    }

    fn add(&mut self, name: &str, mut secret: Value) -> String {
        if let Some(members) = secret.as_object_mut() {
            members.insert(
                "@type".to_owned(),
                "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret".into(),
            );
            members.insert("name".to_owned(), name.into());
        }
        let file = format!("{name}.json");
        let path = Path::new(&self.folder).join(&file).display().to_string();
        if !self.files.iter().any(|(known, _)| *known == file) {
            self.files.push((file, json!({"resources": [secret]})));
        }
        format!(
            "{{name: {}, sds_config: {{resource_api_version: V3, path_config_source: {{path: {}}}}}}}",
            scalar(name),
            scalar(&path)
        )
    }
}

fn folder_of(file: &str) -> String {
    let parent = Path::new(file).parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.map_or_else(|| ".".to_owned(), |parent| parent.display().to_string())
}
