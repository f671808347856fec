//! User names and passwords for servers that ask who we are (RFC 3261 section 22).

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;
use zeroize::Zeroizing;

/// More than any sensible password file holds, in octets.
const PASSWORD_FILE_LIMIT: u64 = 8192;

/// Who we are for a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Only servers of this realm get an answer made with it; `None`: all that ask.
    pub realm: Option<String>,
    /// The name that the server knows us by.
    pub username: String,
    /// What it shares with us.
    pub password: Password,
}

/// A password: zeroized when dropped, and in no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// The text as it is; it may be empty (RFC 3261 section 22.1: "anonymous").
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The text, to be hashed.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A password in a file of its own: all but the line end behind it.
    ///
    /// # Errors
    /// One sentence that names the file and does not hold the password.
    pub fn from_file(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let cannot = |e: std::io::Error| format!("the password file {name} cannot be read: {e}");
        // Room for all of it from the start: a growing buffer would leave copies behind.
        let mut content = Zeroizing::new(Vec::with_capacity(PASSWORD_FILE_LIMIT as usize + 1));
        File::open(path).map_err(cannot)?.take(PASSWORD_FILE_LIMIT + 1).read_to_end(&mut content).map_err(cannot)?;
        if content.len() as u64 > PASSWORD_FILE_LIMIT {
            return Err(format!("the password file {name} is longer than {PASSWORD_FILE_LIMIT} octets"));
        }
        let text = std::str::from_utf8(&content).map_err(|_| format!("the password file {name} is not UTF-8"))?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        Ok(Self(Zeroizing::new(text.strip_suffix('\r').unwrap_or(text).to_owned())))
    }

    /// `--password`: the text itself, or `@FILE`.
    ///
    /// # Errors
    /// As [`Password::from_file`].
    pub fn from_flag(text: &str) -> Result<Self, String> {
        match text.strip_prefix('@') {
            Some(file) => Self::from_file(Path::new(file)),
            None => Ok(Self(Zeroizing::new(text.to_owned()))),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(not shown)")
    }
}

/// What Digest hashes with (RFC 8760 section 2.1), weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DigestAlgorithm {
    /// MD5: only because many servers know nothing else.
    Md5,
    /// SHA-256.
    Sha256,
    /// SHA-512/256.
    Sha512_256,
}

impl DigestAlgorithm {
    const ALL: [Self; 3] = [Self::Md5, Self::Sha256, Self::Sha512_256];

    /// As files and flags spell it: the RFC's name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha256 => "sha-256",
            Self::Sha512_256 => "sha-512-256",
        }
    }
}

impl fmt::Display for DigestAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DigestAlgorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| format!("{text:?} is none of md5, sha-256 and sha-512-256"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_a_text_or_a_file_without_its_line_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        std::fs::write(&file, " two words \r\n").unwrap();
        let password = Password::from_flag(&format!("@{}", file.display())).unwrap();
        assert_eq!(password.reveal(), " two words ");
        assert_eq!(Password::from_flag("plain").unwrap().reveal(), "plain");
    }

    #[test]
    fn no_message_repeats_a_password() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        assert!(Password::from_file(&file).unwrap_err().contains("cannot be read"));
        std::fs::write(&file, [b's', b'e', b'c', 0xff]).unwrap();
        let error = Password::from_file(&file).unwrap_err();
        assert!(error.ends_with("is not UTF-8") && !error.contains("sec"), "{error}");
        std::fs::write(&file, "secret".repeat(2000)).unwrap();
        let error = Password::from_file(&file).unwrap_err();
        assert!(error.contains("longer than 8192 octets") && !error.contains("secret"), "{error}");
        assert_eq!(format!("{:?}", Password::from_flag("secret").unwrap()), "Password(not shown)");
    }

    #[test]
    fn algorithms_are_ordered_by_strength() {
        assert!(
            DigestAlgorithm::Md5 < DigestAlgorithm::Sha256 && DigestAlgorithm::Sha256 < DigestAlgorithm::Sha512_256
        );
        assert_eq!("SHA-256".parse(), Ok(DigestAlgorithm::Sha256));
        assert!("sha1".parse::<DigestAlgorithm>().unwrap_err().contains("is none of md5"));
    }
}
