//! What the configuration allows to be done with media and its keys, the permits that only policy can write, and who is
//! heard where several could be.

use std::fmt;
use std::str::FromStr;

/// Decided by configuration; the only mint of permits. Everything is forbidden by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Master keys may be shown (`--keylog`) or handed on.
    pub reveal_keys: bool,
    /// RTP may travel unprotected (`--allow-clear`).
    pub allow_clear: bool,
}

impl Policy {
    /// The right to see a master key's bytes.
    pub fn permit(&self) -> Option<RevealPermit> {
        self.reveal_keys.then_some(RevealPermit(()))
    }

    /// The right to send and to hear RTP without SRTP.
    pub fn clear(&self) -> Option<ClearAllowed> {
        self.allow_clear.then_some(ClearAllowed(()))
    }
}

/// The right to see a master key's bytes. Only [`Policy::permit`] makes one.
///
/// ```compile_fail,E0423
/// let forged = keyphone_media::policy::RevealPermit(());
/// ```
#[derive(Debug)]
pub struct RevealPermit(());

/// The right to send and to hear RTP without SRTP. Only [`Policy::clear`] makes one.
///
/// ```compile_fail,E0423
/// let forged = keyphone_media::policy::ClearAllowed(());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ClearAllowed(());

/// Which branch of a forked call is heard before any has answered. The others are not, whatever they send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EarlyMedia {
    /// The first that spoke, until it is silent.
    #[default]
    First,
    /// The one that began to speak last.
    Last,
    /// The loudest.
    Loudest,
    /// None.
    None,
}

impl EarlyMedia {
    const ALL: [(Self, &'static str); 4] =
        [(Self::First, "first"), (Self::Last, "last"), (Self::Loudest, "loudest"), (Self::None, "none")];
}

/// As files and flags spell it.
impl fmt::Display for EarlyMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(rule, _)| rule == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for EarlyMedia {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text).map(|(rule, _)| *rule);
        found.ok_or_else(|| format!("{text:?} is none of first, last, loudest and none"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_heard_early_is_written_as_it_is_read() {
        for (rule, name) in EarlyMedia::ALL {
            assert_eq!((rule.to_string().as_str(), name.parse()), (name, Ok(rule)));
        }
        assert_eq!("all".parse::<EarlyMedia>().unwrap_err(), "\"all\" is none of first, last, loudest and none");
    }
}
