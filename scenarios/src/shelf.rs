//! A directory of keys and certificates: what is there is used, and what is not is made and put there.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A directory of keys and certificates.
#[derive(Debug)]
pub(crate) struct Shelf(PathBuf);

impl Shelf {
    /// More than any of them has, in octets.
    const LIMIT: u64 = 1 << 16;

    /// Makes the directory if it is not there.
    pub(crate) fn open(directory: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(directory).map_err(|e| format!("{} cannot be made: {e}", directory.display()))?;
        Ok(Self(directory.to_owned()))
    }

    /// What is in that file; if it is not there, what is made now. Only its owner can read a new file.
    pub(crate) fn keep(
        &self,
        file: &str,
        make: impl FnOnce() -> Result<Zeroizing<String>, String>,
    ) -> Result<Zeroizing<String>, String> {
        let path = self.0.join(file);
        let wrong = |e: std::io::Error, what: &str| format!("{} cannot be {what}: {e}", path.display());
        match OpenOptions::new().read(true).open(&path) {
            Ok(there) => {
                let mut text = Zeroizing::new(String::with_capacity(Self::LIMIT as usize));
                there.take(Self::LIMIT).read_to_string(&mut text).map_err(|e| wrong(e, "read"))?;
                Ok(text)
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let text = make()?;
                let mut options = OpenOptions::new();
                options.write(true).create_new(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                let written = options.open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
                written.map_err(|e| wrong(e, "written"))?;
                Ok(text)
            }
            Err(e) => Err(wrong(e, "read")),
        }
    }
}
