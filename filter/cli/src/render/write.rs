//! How is a file replaced so that no reader, and no crash, ever meets half of it?

use crate::outcome::Unusable;
use std::fs::{File, rename};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes `text` beside `path` and renames it into place, which is also what Envoy watches for.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), Unusable> {
    let beside = neighbour(path)?;
    let written = File::create(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| rename(&beside, path));
    written.map_err(|e| {
        // What is left of a failed attempt must not stay; that it cannot be removed adds nothing.
        let _ = std::fs::remove_file(&beside);
        Unusable(format!("cannot write {}: {e}", path.display()))
    })
}

fn neighbour(path: &Path) -> Result<PathBuf, Unusable> {
    let name = path.file_name().ok_or_else(|| Unusable(format!("{} is no file name", path.display())))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", std::process::id()));
    Ok(path.with_file_name(hidden))
}
