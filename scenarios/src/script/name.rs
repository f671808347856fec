//! What phones, proxies, attackers, users and secrets are called in a script.

use std::fmt;
use std::str::FromStr;

/// A lower-case letter, then lower-case letters, digits and hyphens: so that it can stand in a sentence, in a SIP URI
/// and at the head of a ladder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// In characters.
    pub const MAX: usize = 24;

    /// Words that a sentence needs for itself.
    const TAKEN: &[&str] =
        &["a", "an", "and", "anything", "at", "everybody", "from", "in", "media", "no", "to", "with"];

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        match text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(rest) && text.len() <= Self::MAX {
            true if Self::TAKEN.contains(&text) => {
                Err(format!("{text:?} is a word of the sentences here, and no name"))
            }
            true => Ok(Self(text.to_owned())),
            false => Err(format!(
                "{text:?} is no name: a lower-case letter and up to {} more, digits or hyphens",
                Self::MAX - 1
            )),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `a, b and c`.
pub(super) struct Names<'a>(pub(super) &'a [Name]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, name) in self.0.iter().enumerate() {
            let before = match n {
                0 => "",
                n if n + 1 == self.0.len() => " and ",
                _ => ", ",
            };
            write!(f, "{before}{name}")?;
        }
        Ok(())
    }
}
