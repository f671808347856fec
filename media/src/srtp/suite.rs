//! What is agreed about a cipher and a tag: the SRTP crypto suites, named as SDP registers them (RFC 4568 section 6.2,
//! RFC 6188 section 4, RFC 7714 section 14.1; the NULL cipher as in RFC 5764 section 4.1.2).

use std::fmt;

/// A crypto suite: the sizes that go with it.
///
/// HMAC-SHA1's tag has 80 or 32 bits on SRTP; SRTCP keeps 80 in either case (RFC 4568 section 6.2.2). With GCM the tag
/// has 128 bits on both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suite {
    /// AES in counter mode with a 128-bit key, HMAC-SHA1 with an 80-bit tag. Mandatory (RFC 3711 section 5).
    AesCm128HmacSha1_80,
    /// The same with a 32-bit tag.
    AesCm128HmacSha1_32,
    /// AES-GCM with a 128-bit key (RFC 7714).
    AeadAes128Gcm,
    /// AES-GCM with a 256-bit key (RFC 7714).
    AeadAes256Gcm,
    /// AES in counter mode with a 256-bit key (RFC 6188), 80-bit tag.
    Aes256CmHmacSha1_80,
    /// The same with a 32-bit tag.
    Aes256CmHmacSha1_32,
    /// AES in counter mode with a 192-bit key (RFC 6188), 80-bit tag.
    Aes192CmHmacSha1_80,
    /// The same with a 32-bit tag.
    Aes192CmHmacSha1_32,
    /// Nothing is encrypted (RFC 3711 section 4.1.3): everybody on the way can listen, and nobody can change a bit.
    /// Only where policy allows it by name.
    NullHmacSha1_80,
    /// The same with a 32-bit tag.
    NullHmacSha1_32,
}

/// What encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    /// Nothing does (RFC 3711 section 4.1.3).
    Null,
    /// AES in counter mode (RFC 3711 section 4.1.1).
    AesCm,
    /// AES in Galois/counter mode, which also authenticates (RFC 7714).
    AesGcm,
}

impl Suite {
    /// All that this build can do, preferred first.
    pub const ALL: [Self; 10] = [
        Self::AesCm128HmacSha1_80,
        Self::AesCm128HmacSha1_32,
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
        Self::Aes256CmHmacSha1_80,
        Self::Aes256CmHmacSha1_32,
        Self::Aes192CmHmacSha1_80,
        Self::Aes192CmHmacSha1_32,
        Self::NullHmacSha1_80,
        Self::NullHmacSha1_32,
    ];

    /// Those that encrypt, preferred first.
    pub fn encrypting() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|suite| suite.encrypts())
    }

    /// What encrypts.
    pub const fn cipher(self) -> Cipher {
        match self {
            Self::NullHmacSha1_80 | Self::NullHmacSha1_32 => Cipher::Null,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => Cipher::AesGcm,
            _ => Cipher::AesCm,
        }
    }

    /// Does it encrypt anything?
    pub const fn encrypts(self) -> bool {
        !matches!(self.cipher(), Cipher::Null)
    }

    /// Master key length in octets: the session key's, too (RFC 6188 section 4, RFC 7714 section 12). Without a cipher
    /// it is what session keys for the MAC are derived from.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes192CmHmacSha1_80 | Self::Aes192CmHmacSha1_32 => 24,
            Self::AeadAes256Gcm | Self::Aes256CmHmacSha1_80 | Self::Aes256CmHmacSha1_32 => 32,
            _ => 16,
        }
    }

    /// Master salt length in octets: 112 bits (RFC 3711 section 8.2, RFC 6188 section 4), with GCM 96 (RFC 7714
    /// section 12).
    pub const fn salt_len(self) -> usize {
        match self.cipher() {
            Cipher::Null | Cipher::AesCm => 14,
            Cipher::AesGcm => 12,
        }
    }

    /// Authentication tag of an SRTP packet, in octets.
    pub const fn rtp_tag_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            Self::AesCm128HmacSha1_80
            | Self::Aes192CmHmacSha1_80
            | Self::Aes256CmHmacSha1_80
            | Self::NullHmacSha1_80 => 10,
            Self::AesCm128HmacSha1_32
            | Self::Aes192CmHmacSha1_32
            | Self::Aes256CmHmacSha1_32
            | Self::NullHmacSha1_32 => 4,
        }
    }

    /// Authentication tag of an SRTCP packet, in octets.
    pub const fn rtcp_tag_len(self) -> usize {
        match self.cipher() {
            Cipher::Null | Cipher::AesCm => 10,
            Cipher::AesGcm => 16,
        }
    }

    /// As SDP spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Self::Aes256CmHmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::Aes256CmHmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::Aes192CmHmacSha1_80 => "AES_192_CM_HMAC_SHA1_80",
            Self::Aes192CmHmacSha1_32 => "AES_192_CM_HMAC_SHA1_32",
            Self::NullHmacSha1_80 => "NULL_HMAC_SHA1_80",
            Self::NullHmacSha1_32 => "NULL_HMAC_SHA1_32",
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
