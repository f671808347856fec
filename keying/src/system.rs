//! The keying systems that this build has.

use crate::mikey::ModeName;
use std::fmt;
use std::str::FromStr;

/// A keying system that this build has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum System {
    /// MIKEY, in one of its modes (RFC 3830, RFC 4650, RFC 4738).
    Mikey(ModeName),
}

impl System {
    /// What `auto` means, in the order of the rules of RFC 5197 section 5. MIKEY-NULL protects nothing, and so is never
    /// meant unless it is named.
    pub const AUTO: [Self; 5] = [
        Self::Mikey(ModeName::Psk),
        Self::Mikey(ModeName::DhHmac),
        Self::Mikey(ModeName::Rsa),
        Self::Mikey(ModeName::RsaR),
        Self::Mikey(ModeName::DhSign),
    ];

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        ModeName::ALL.iter().copied().map(Self::Mikey)
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mikey(mode) => mode.fmt(f),
        }
    }
}

impl FromStr for System {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self::Mikey).map_err(|_: String| {
            let names: Vec<_> = Self::all().map(|system| system.to_string()).collect();
            format!("{text:?} is no keying system of this build, which has {}", names.join(", "))
        })
    }
}
