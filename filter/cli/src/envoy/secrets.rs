//! Which files hold certificates and keys, and how does Envoy take them anew? By SDS from files: one names the files, and
//! Envoy reads these again when something is moved into their folder.

use super::template::scalar;
use crate::outcome::Unusable;
use serde_json::{Map, Value, json};
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
    ///
    /// # Errors
    /// As for all of them: the name is that of another secret.
    pub(super) fn certificate(&mut self, name: &str, chain: &str, key: &str) -> Result<String, Unusable> {
        let files = watched(&[("certificate_chain", chain), ("private_key", key)]);
        self.add(name, json!({"tls_certificate": files}))
    }

    /// Roots, and what is revoked.
    pub(super) fn roots(
        &mut self,
        name: &str,
        roots: &str,
        revoked: Option<&str>,
    ) -> Result<String, Unusable> {
        let mut files = vec![("trusted_ca", roots)];
        files.extend(revoked.map(|revoked| ("crl", revoked)));
        self.add(name, json!({"validation_context": watched(&files)}))
    }

    /// A secret that is the content of a file.
    pub(super) fn generic(&mut self, name: &str, file: &str) -> Result<String, Unusable> {
        let secret = json!({"filename": file, "watched_directory": {"path": folder_of(file)}});
        self.add(name, json!({"generic_secret": {"secret": secret}}))
    }

    fn add(&mut self, name: &str, mut secret: Value) -> Result<String, Unusable> {
        if let Some(members) = secret.as_object_mut() {
            members.insert(
                "@type".to_owned(),
                "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret".into(),
            );
            members.insert("name".to_owned(), name.into());
        }
        let file = format!("{name}.json");
        let path = Path::new(&self.folder).join(&file).display().to_string();
        let resources = json!({"resources": [secret]});
        match self.files.iter().find(|(known, _)| *known == file) {
            // Several may be met by the same files; by those of another, somebody else would be believed.
            Some((_, known)) if *known != resources => {
                return Err(Unusable(format!("two secrets would be called `{name}`")));
            }
            Some(_) => {}
            None => self.files.push((file, resources)),
        }
        Ok(format!(
            "{{name: {}, sds_config: {{resource_api_version: V3, path_config_source: {{path: {}}}}}}}",
            scalar(name),
            scalar(&path)
        ))
    }
}

/// Files that Envoy reads again when something is moved into the folder of any. A folder that is named is watched instead of
/// those of the files, and only one can be named.
fn watched(files: &[(&str, &str)]) -> Map<String, Value> {
    let mut folders: Vec<String> = files.iter().map(|(_, file)| folder_of(file)).collect();
    folders.dedup();
    let one = match folders.as_slice() {
        [one] => Some(one),
        _ => None,
    };
    let named = |file: &str| if one.is_some() || file.contains('/') { file.to_owned() } else { below(file) };
    let mut members: Map<String, Value> =
        files.iter().map(|(key, file)| ((*key).to_owned(), json!({"filename": named(file)}))).collect();
    members.extend(one.map(|one| ("watched_directory".to_owned(), json!({"path": one}))));
    members
}

/// Without a slash Envoy sees no folder in a path.
fn below(file: &str) -> String {
    format!("./{file}")
}

fn folder_of(file: &str) -> String {
    let parent = Path::new(file).parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.map_or_else(|| ".".to_owned(), |parent| parent.display().to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail that way")]

    use super::*;

    #[test]
    fn a_name_is_that_of_one_secret() {
        let mut secrets = Secrets::new("secrets");
        let first = secrets.roots("auth_roots", "ca.pem", None).unwrap();
        assert_eq!(secrets.roots("auth_roots", "ca.pem", None).unwrap(), first, "several may share it");
        let refused = secrets.roots("auth_roots", "other.pem", None).unwrap_err();
        assert_eq!(refused.0, "two secrets would be called `auth_roots`");
        assert_eq!(secrets.files.len(), 1);
    }

    #[test]
    fn the_folder_of_every_file_is_watched() {
        let mut secrets = Secrets::new("secrets");
        // What the file of SDS says besides the files: one folder for all of them, or each its own where Envoy is told none.
        for (chain, key, folder, chain_said) in [
            ("tls.crt", "tls.key", Some("."), "tls.crt"),
            ("/a/tls.crt", "/a/tls.key", Some("/a"), "/a/tls.crt"),
            ("/a/tls.crt", "/b/tls.key", None, "/a/tls.crt"),
            ("tls.crt", "keys/tls.key", None, "./tls.crt"),
        ] {
            let files = watched(&[("certificate_chain", chain), ("private_key", key)]);
            let said = files.get("watched_directory").map(|said| &said["path"]);
            assert_eq!(said, folder.map(Value::from).as_ref(), "{chain} {key}");
            assert_eq!(files["certificate_chain"]["filename"], chain_said);
        }
        secrets.roots("clients", "/a/ca.pem", Some("/b/crl.pem")).unwrap();
        let context = &secrets.files[0].1["resources"][0]["validation_context"];
        assert_eq!(
            context,
            &json!({"trusted_ca": {"filename": "/a/ca.pem"}, "crl": {"filename": "/b/crl.pem"}})
        );
    }
}
