//! `wicketgate render envoy`: is the policy fit for it, and where does what is drawn go?

use super::{Drawing, production, versions, write};
use crate::args::{Profile, RenderEnvoy};
use crate::document::Policy;
use crate::outcome::{Outcome, Unusable, warnings_text};
use serde_json::json;
use std::path::{Path, PathBuf};
use wicketgate_core::config::ConfigError;

/// Writes Envoy's configuration for the policy.
pub(crate) fn run(arguments: &RenderEnvoy) -> Result<Outcome, Unusable> {
    arguments.envoy_version.as_deref().map_or(Ok(()), versions::judge)?;
    let policy = match Policy::load(&arguments.file) {
        Ok(policy) => policy,
        Err(fault) => return Ok(fault.into()),
    };
    eprint!("{}", warnings_text(&policy.document, &policy.compiled.warnings));
    let folder = arguments.xds.as_deref().map(write::absolute).transpose()?;
    let routes = folder.as_ref().map(|folder| folder.join("routes.yaml").display().to_string());
    let drawing = match Drawing::new(&policy, routes) {
        Ok(drawing) => drawing,
        Err(errors) => return Ok(refused(&policy, errors)),
    };
    if let Some(version) = &arguments.envoy_version {
        versions::judge_needs(version, &policy.edge)?;
    }
    if arguments.profile == Profile::Production {
        let errors = production::judge(&policy);
        if !errors.is_empty() {
            return Ok(refused(&policy, errors));
        }
    }
    match folder {
        Some(folder) => {
            let parts = drawing.parts(&folder.join("secrets").display().to_string())?;
            write::folder(&drawing, &parts, &folder)?;
            Ok(said(&folder.join("envoy.yaml")))
        }
        None => one_file(&drawing, arguments.out.as_deref()),
    }
}

/// One file, on standard output where none is named.
fn one_file(drawing: &Drawing, out: Option<&Path>) -> Result<Outcome, Unusable> {
    let beside = match out {
        Some(out) => write::absolute(out)?.parent().map(|folder| folder.join("secrets")),
        None => None,
    };
    let named = beside.clone().unwrap_or_else(|| PathBuf::from("secrets"));
    let parts = drawing.parts(&named.display().to_string())?;
    let text = drawing.bootstrap(&parts.static_resources())?;
    let Some(out) = out else {
        if parts.secrets.files.is_empty() {
            return Ok(Outcome::Text(text));
        }
        let message =
            "--out is needed: certificates come from files of their own, in the folder `secrets` beside it";
        return Err(Unusable(message.to_owned()));
    };
    if let Some(folder) = beside {
        write::secrets(&parts, &folder)?;
    }
    crate::render::write::replace(out, &text)?;
    Ok(said(out))
}

fn said(out: &Path) -> Outcome {
    let out = out.display().to_string();
    Outcome::Said { text: format!("{out}: written\n"), json: json!({"ok": true, "out": out}), good: true }
}

fn refused(policy: &Policy, errors: Vec<ConfigError>) -> Outcome {
    Outcome::Refused(policy.document.refusal(errors))
}
