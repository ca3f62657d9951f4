//! Who uses a state directory now? One live run at a time; a run that was killed leaves nothing that blocks the next.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::failure::Context as _;
use crate::{Failure, Result};

/// Holds the directory until it is dropped, or the process ends in any way: the system releases the lock.
#[derive(Debug)]
pub(super) struct StateLock {
    _file: File,
}

// === impl StateLock ===

impl StateLock {
    /// Takes the directory.
    ///
    /// # Errors
    /// Another live run has it; its pid is named.
    pub(super) fn take(state: &Path) -> Result<Self> {
        let path = state.join("lock");
        let unusable = || format!("cannot use {}", path.display());
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .context(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                return Err(Failure::new(format!(
                    "STATE={} is in use by another run (process {}): stop that one, or choose another directory, as \
                     in `make run STATE=.run-2 PORT=8081`.",
                    state.display(),
                    holder.trim()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(Failure::new(format!("{}: {error}", unusable()))),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .context(unusable)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::StateLock;

    #[test]
    fn one_run_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let first = StateLock::take(directory.path()).unwrap();
        let refused = StateLock::take(directory.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("(process {})", std::process::id())), "{refused}");
        drop(first);
        StateLock::take(directory.path()).unwrap();
    }
}
