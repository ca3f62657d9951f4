//! Where do records lie besides standard error? At the end of a file that only its owner reads.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// A file that grows by whole lines.
pub(super) struct AuditFile {
    path: PathBuf,
    file: Mutex<File>,
}

// === impl AuditFile ===

impl AuditFile {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = Mutex::new(appended(&path)?);
        Ok(Self { path, file })
    }

    /// Goes on in the file that now has the name: what rotates logs has moved the other away. That one stays in use where
    /// this fails.
    pub(super) fn reopen(&self) -> io::Result<()> {
        let file = appended(&self.path)?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
        Ok(())
    }

    /// Adds a line in one write, so that those of two processes do not mix.
    pub(super) fn append(&self, mut line: Vec<u8>) -> io::Result<()> {
        line.push(b'\n');
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line)
    }
}

fn appended(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_that_was_moved_away_is_followed_by_another() {
        let folder = tempfile::tempdir().unwrap();
        let [path, moved] = ["audit.jsonl", "audit.jsonl.1"].map(|name| folder.path().join(name));
        let file = AuditFile::open(path.clone()).unwrap();
        file.append(b"one".to_vec()).unwrap();
        std::fs::rename(&path, &moved).unwrap();
        file.append(b"two".to_vec()).unwrap();
        file.reopen().unwrap();
        file.append(b"three".to_vec()).unwrap();
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        AuditFile::open(path.clone()).unwrap().append(b"four".to_vec()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\nfour\n", "nothing is overwritten");
    }
}
