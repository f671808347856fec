//! The requirements of RFC 5479 section 5, by their names there.

use std::fmt;
use std::str::FromStr;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requirement(&'static str);

/// In the order of the RFC.
const NAMES: [&str; 27] = [
    "R-FORK-RETARGET",
    "R-DISTINCT",
    "R-HERFP",
    "R-REUSE",
    "R-AVOID-CLIPPING",
    "R-RTP-CHECK",
    "R-ASSOC",
    "R-NEGOTIATE",
    "R-PSTN",
    "R-PFS",
    "R-COMPUTE",
    "R-CERTS",
    "R-FIPS",
    "R-DOS",
    "R-EXISTING",
    "R-AGILITY",
    "R-DOWNGRADE",
    "R-PASS-MEDIA",
    "R-PASS-SIG",
    "R-SIG-MEDIA",
    "R-ID-BINDING",
    "R-ACT-ACT",
    "R-BEST-SECURE",
    "R-OTHER-SIGNALING",
    "R-RECORDING",
    "R-TRANSCODER",
    "R-ALLOW-RTP",
];

impl Requirement {
    /// All of them, in the order of the RFC.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.into_iter().map(Self)
    }

    /// As the RFC writes it.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl FromStr for Requirement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = NAMES.into_iter().find(|name| *name == text).map(Self);
        found.ok_or_else(|| format!("{text:?} is no requirement of RFC 5479 section 5, which has {}", NAMES.join(", ")))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
