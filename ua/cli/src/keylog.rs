//! `--keylog`: keys for those who asked for them by name, in a file that only they can read.

use crate::fault::{Fault, usage};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use zeroize::Zeroizing;

/// Writes one line.
type Write = Box<dyn FnMut(Zeroizing<String>)>;

/// Opens the key log, and gives back what writes one line to it. A log that exists goes on; others cannot read it
/// afterwards even if they could before.
pub(crate) fn open(path: &Path) -> Result<Write, Fault> {
    let cannot = |e: std::io::Error| usage(format!("the key log {} cannot be written: {e}", path.display()));
    let mut file = create(path).map_err(cannot)?;
    let name = path.display().to_string();
    Ok(Box::new(move |line| {
        let mut line = line;
        if !line.ends_with('\n') {
            line.push('\n');
        }
        // One write for one line, so that two phones may share a log.
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::error!(%error, "a line of the key log {name} is lost");
        }
    }))
}

#[cfg(unix)]
fn create(path: &Path) -> std::io::Result<File> {
    use std::fs::Permissions;
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

#[cfg(not(unix))]
fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn nobody_else_can_read_a_key_log_old_or_new() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        for round in 1..=2 {
            let mut write = open(&path).unwrap();
            write(Zeroizing::new("a line".into()));
            write(Zeroizing::new("another\n".into()));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "a line\nanother\n".repeat(round));
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        }
    }

    #[test]
    fn a_key_log_that_cannot_be_written_is_a_mistake_in_usage() {
        let error = open(Path::new("/nowhere/at/all/keys")).err().unwrap();
        assert_eq!(error.code(), 2);
        assert!(error.to_string().starts_with("the key log /nowhere/at/all/keys cannot be written: "), "{error}");
    }
}
