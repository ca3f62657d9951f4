//! How does a server get a secret that the filter never sees? Envoy reads it from its file (SDS) and puts it into each request
//! that goes to the server's cluster, over whatever stood there; without it nothing goes.

use super::secrets::Secrets;
use super::template::{fill, scalar};
use super::{Drawing, Target, error};
use crate::outcome::Unusable;
use wicketgate_core::config::ConfigError;
use wicketgate_core::identity::upstream_credential::UpstreamCredential;

/// Where a secret is to be put in, and nobody says which.
pub(super) fn judge(drawing: &Drawing, errors: &mut Vec<ConfigError>) {
    for (at, target) in drawing.targets.iter().enumerate() {
        if header(target).is_some() && file(target).is_none() {
            errors.push(error(
                format!("servers[{at}].credential.static"),
                "the key `file` is missing: where does the secret lie?",
            ));
        }
    }
}

/// `http_filters` of the server's cluster; nothing where Envoy puts nothing in.
pub(super) fn draw(target: &Target, secrets: &mut Secrets) -> Result<String, Unusable> {
    let Some((header, file)) = header(target).zip(file(target)) else { return Ok(String::new()) };
    let prefix = target.secret.and_then(|secret| secret.prefix.as_deref());
    let usual = if header == "authorization" { "Bearer " } else { "" };
    let from = secrets.generic(&format!("{}_credential", target.cluster), file)?;
    fill(
        include_str!("parts/credential.yaml"),
        &[("secret", &from), ("header", &scalar(header)), ("prefix", &scalar(prefix.unwrap_or(usual)))],
    )
}

fn header<'t>(target: &'t Target) -> Option<&'t str> {
    match &target.server.credential {
        Some(UpstreamCredential::Static(header)) => Some(header),
        _ => None,
    }
}

fn file<'t>(target: &'t Target) -> Option<&'t str> {
    target.secret.and_then(|secret| secret.file.as_deref())
}
