//! What is agreed about a cipher and a tag: the SRTP crypto suites (RFC 3711 section 5, named as in RFC 4568 section 6.2).

use std::fmt;

/// A crypto suite: the sizes that go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suite {
    /// AES in counter mode with a 128-bit key, HMAC-SHA1 with an 80-bit tag. Mandatory (RFC 3711 section 5).
    AesCm128HmacSha1_80,
    /// The same with a 32-bit tag on SRTP; SRTCP keeps 80 bits (RFC 4568 section 6.2.2).
    AesCm128HmacSha1_32,
}

impl Suite {
    /// All that this build can do, preferred first.
    pub const ALL: [Self; 2] = [Self::AesCm128HmacSha1_80, Self::AesCm128HmacSha1_32];

    /// Master key length in octets.
    pub const fn key_len(self) -> usize {
        16
    }

    /// Master salt length in octets (RFC 3711 section 8.2: 112 bits).
    pub const fn salt_len(self) -> usize {
        14
    }

    /// Authentication tag of an SRTP packet, in octets.
    pub const fn rtp_tag_len(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 => 10,
            Self::AesCm128HmacSha1_32 => 4,
        }
    }

    /// Authentication tag of an SRTCP packet, in octets: 80 bits in both suites.
    pub const fn rtcp_tag_len(self) -> usize {
        10
    }

    /// As RFC 4568 section 6.2 spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// The suite of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
