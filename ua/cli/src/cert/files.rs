//! Files that appear whole or not at all, and keys that nobody else can read.

use crate::fault::{Fault, usage};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A certificate: everybody.
    Public,
    /// A key: its owner alone.
    Secret,
}

pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    std::fs::read(path).map(Zeroizing::new).map_err(|e| usage(format!("{} cannot be read: {e}", path.display())))
}

/// Writes all of them beside their places first, so that a full disk leaves nothing half replaced.
pub(super) fn write_all(dir: &Path, files: &[(PathBuf, Kind, Zeroizing<Vec<u8>>)], force: bool) -> Result<(), Fault> {
    let cannot = |path: &Path, e: &std::io::Error| Fault::Failed(format!("{} cannot be written: {e}", path.display()));
    std::fs::create_dir_all(dir).map_err(|e| cannot(dir, &e))?;
    let beside = |path: &Path| path.with_extension(format!("{}.new", path.extension().unwrap_or_default().display()));
    // What is there already is somebody's, and is not ours to take away.
    let mut ours = vec![];
    let written = files.iter().try_for_each(|(path, kind, octets)| {
        let new = beside(path);
        let file = create(&new, *kind).map_err(|e| cannot(&new, &e))?;
        ours.push(new.clone());
        write(file, octets).map_err(|e| cannot(&new, &e))
    });
    let moved = written.and_then(|()| {
        files.iter().try_for_each(|(path, ..)| {
            let new = beside(path);
            // A file that came meanwhile is nobody's to replace.
            match path.exists() && !force {
                true => Err(std::io::Error::from(std::io::ErrorKind::AlreadyExists)),
                false => std::fs::rename(&new, path),
            }
            .map_err(|e| cannot(path, &e))
        })
    });
    if moved.is_err() {
        ours.iter().for_each(|new| drop(std::fs::remove_file(new)));
    }
    moved
}

fn create(path: &Path, kind: Kind) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(if kind == Kind::Secret { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _ = kind;
    options.open(path)
}

fn write(mut file: File, octets: &[u8]) -> std::io::Result<()> {
    file.write_all(octets)?;
    file.sync_all()
}
