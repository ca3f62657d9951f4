//! Where does what was drawn go? One file, or a folder that Envoy watches; certificates by SDS beside it.

use super::template::{fill, indented, item, scalar};
use super::{Drawing, Parts};
use crate::outcome::Unusable;
use crate::render::write::replace;
use std::path::{Path, PathBuf};

const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const ROUTES: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";

/// The files of SDS, into the folder `secrets` beside the others.
pub(super) fn secrets(parts: &Parts, folder: &Path) -> Result<(), Unusable> {
    if parts.secrets.files.is_empty() {
        return Ok(());
    }
    create(folder)?;
    for (name, secret) in &parts.secrets.files {
        let text = serde_json::to_string_pretty(secret)
            .map_err(|e| Unusable(format!("cannot be written as JSON: {e}")))?;
        put(&folder.join(name), &(text + "\n"))?;
    }
    Ok(())
}

/// Everything into `folder`: what Envoy starts with, and what it watches. What is referred to comes before what refers to it,
/// and each file only if it differs.
pub(super) fn folder(drawing: &Drawing, parts: &Parts, folder: &Path) -> Result<(), Unusable> {
    create(folder)?;
    secrets(parts, &folder.join("secrets"))?;
    put(&folder.join("clusters.yaml"), &resources(&parts.clusters, CLUSTER))?;
    put(&folder.join("routes.yaml"), &resources(std::slice::from_ref(&parts.routes), ROUTES))?;
    put(&folder.join("listeners.yaml"), &resources(&parts.listeners, LISTENER))?;
    let path = |name: &str| scalar(&folder.join(name).display().to_string());
    let discovered = fill(
        include_str!("parts/dynamic_resources.yaml"),
        &[("listeners", &path("listeners.yaml")), ("clusters", &path("clusters.yaml"))],
    )?;
    put(&folder.join("envoy.yaml"), &drawing.bootstrap(&discovered)?)
}

/// `folder` as Envoy will find it, wherever it is started.
pub(super) fn absolute(folder: &Path) -> Result<PathBuf, Unusable> {
    std::path::absolute(folder).map_err(|e| Unusable(format!("{}: {e}", folder.display())))
}

fn resources(texts: &[String], kind: &str) -> String {
    let items: Vec<String> = texts.iter().map(|text| indented(&item(text, Some(kind)), 2)).collect();
    format!("resources:\n{}", items.join("\n"))
}

/// What is the same already is left alone, so that Envoy has nothing to take over.
fn put(path: &Path, text: &str) -> Result<(), Unusable> {
    if std::fs::read(path).is_ok_and(|known| known == text.as_bytes()) {
        return Ok(());
    }
    replace(path, text)
}

fn create(folder: &Path) -> Result<(), Unusable> {
    std::fs::create_dir_all(folder).map_err(|e| Unusable(format!("cannot create {}: {e}", folder.display())))
}
