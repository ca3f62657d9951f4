//! How is a file written that only we may read, or that others must never see half of?

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::Result;
use crate::failure::Context as _;

/// Creates the directory and its parents, for us alone (0700) where they are new.
///
/// # Errors
/// It cannot be created.
pub fn create_directory(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .context(|| format!("cannot create the directory {}", path.display()))
}

/// Writes a file that only we may read (0600), in one step: readers see the old content or the new one.
///
/// # Errors
/// It cannot be written; the old content stays.
pub fn write_private(path: &Path, content: &str) -> Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    // A left-over of another mode would keep it.
    let _ = fs::remove_file(partial);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(partial)
        .and_then(|mut file| file.write_all(content.as_bytes()))
        .and_then(|()| fs::rename(partial, path))
        .context(|| format!("cannot write {}", path.display()))
}

/// Reads a text file.
///
/// # Errors
/// It is not there, not readable, or not UTF-8.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).context(|| format!("cannot read {}", path.display()))
}

/// The file's content; where there is none yet, `make` gives it and it is written privately.
///
/// # Errors
/// It can neither be read nor written.
pub fn keep_or_create(path: &Path, make: impl FnOnce() -> Result<String>) -> Result<String> {
    if path.exists() {
        return Ok(read(path)?.trim_end().to_owned());
    }
    let content = make()?;
    write_private(path, &format!("{content}\n"))?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{keep_or_create, read, write_private};

    #[test]
    fn private_files_are_private_even_when_they_replace_public_ones() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::fs::write(&path, "old").unwrap();
        write_private(&path, "new").unwrap();
        assert_eq!(read(&path).unwrap(), "new");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else stays behind");
    }

    #[test]
    fn what_was_created_once_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        assert_eq!(keep_or_create(&path, || Ok("first".into())).unwrap(), "first");
        assert_eq!(keep_or_create(&path, || Ok("second".into())).unwrap(), "first");
    }
}
