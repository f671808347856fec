//! The numbers that stand in fields and do not change how a message is read: each a table with its names, and
//! `Unknown` for what came later or is private (RFC 3830 section 10).

use std::fmt;

macro_rules! registry {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $value:literal => $variant:ident $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            /// A number that is not in the table.
            Unknown(u8),
        }

        impl $name {
            /// The whole table, in its order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
        }

        impl From<u8> for $name {
            fn from(value: u8) -> Self {
                match value {
                    $($value => Self::$variant,)*
                    other => Self::Unknown(other),
                }
            }
        }

        impl From<$name> for u8 {
            fn from(value: $name) -> Self {
                match value {
                    $($name::$variant => $value,)*
                    $name::Unknown(other) => other,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($text),)*
                    Self::Unknown(other) => write!(f, "unknown ({other})"),
                }
            }
        }
    };
}

registry! {
    /// What a message is (RFC 3830 table 6.1.a, RFC 4650 section 7, RFC 4738 section 3.9.1).
    DataType {
        /// I_MESSAGE of the pre-shared key method.
        0 => PskInit "Pre-shared",
        /// Its verification message.
        1 => PskVer "PSK ver msg",
        /// I_MESSAGE of the public-key method.
        2 => PkInit "Public key",
        /// Its verification message.
        3 => PkVer "PK ver msg",
        /// I_MESSAGE of the Diffie-Hellman method.
        4 => DhInit "D-H init",
        /// Its R_MESSAGE.
        5 => DhResp "D-H resp",
        /// An error message.
        6 => Error "Error",
        /// I_MESSAGE of DHHMAC.
        7 => DhHmacInit "DHHMAC init",
        /// Its R_MESSAGE.
        8 => DhHmacResp "DHHMAC resp",
        /// I_MESSAGE of RSA-R.
        9 => RsaRInit "RSA-R I_MSG",
        /// Its R_MESSAGE.
        10 => RsaRResp "RSA-R R_MSG",
    }
}

registry! {
    /// How keys are derived; 7 bits (RFC 3830 table 6.1.c).
    Prf {
        /// The one of RFC 3830 section 4.1.2.
        0 => Mikey1 "MIKEY-1",
    }
}

registry! {
    /// How Encr data is encrypted (RFC 3830 table 6.2.a).
    EncrAlg {
        /// In clear (RFC 3830 section 4.2.3).
        0 => Null "NULL",
        /// AES in counter mode, 128-bit key.
        1 => AesCm128 "AES-CM-128",
        /// AES Key Wrap, 128-bit key.
        2 => AesKw128 "AES-KW-128",
    }
}

registry! {
    /// How a KEMAC or V is authenticated, and hence how long its MAC is (RFC 3830 table 6.2.b).
    MacAlg {
        /// Not at all (RFC 3830 section 4.2.4).
        0 => Null "NULL",
        /// HMAC-SHA-1, all 160 bits.
        1 => HmacSha1_160 "HMAC-SHA-1-160",
    }
}

impl MacAlg {
    /// Octets of the MAC. `None` if we do not know.
    pub fn octets(self) -> Option<usize> {
        match self {
            Self::Null => Some(0),
            Self::HmacSha1_160 => Some(20),
            Self::Unknown(_) => None,
        }
    }
}

registry! {
    /// What may be done with an envelope key; 2 bits (RFC 3830 table 6.3).
    CacheType {
        /// It must not be cached.
        0 => NoCache "No cache",
        /// It must be cached.
        1 => Cache "Cache",
        /// It must be cached, for this CSB alone.
        2 => CacheForCsb "Cache for CSB",
    }
}

registry! {
    /// The group of a Diffie-Hellman value, and hence its length (RFC 3830 table 6.4). The curves of RFC 5197 section
    /// 4.1 never got numbers (the draft expired): those here are of the private range, 241 to 255 (RFC 3830 section 10),
    /// and mean nothing to any other implementation.
    DhGroup {
        /// 1536 bits, mandatory.
        0 => Oakley5 "OAKLEY 5",
        /// 768 bits.
        1 => Oakley1 "OAKLEY 1",
        /// 1024 bits.
        2 => Oakley2 "OAKLEY 2",
        /// NIST's curve of 256 bits: an uncompressed point (SEC 1 section 2.3.3).
        241 => P256 "P-256, private use, not interoperable",
        /// NIST's curve of 384 bits, likewise.
        242 => P384 "P-384, private use, not interoperable",
        /// NIST's curve of 521 bits, likewise.
        243 => P521 "P-521, private use, not interoperable",
        /// Curve25519: a u-coordinate (RFC 7748 section 5).
        244 => X25519 "X25519, private use, not interoperable",
    }
}

impl DhGroup {
    /// Octets of a DH value. `None` if we do not know.
    pub fn octets(self) -> Option<usize> {
        match self {
            Self::Oakley5 => Some(192),
            Self::Oakley1 => Some(96),
            Self::Oakley2 => Some(128),
            Self::P256 => Some(65),
            Self::P384 => Some(97),
            Self::P521 => Some(133),
            Self::X25519 => Some(32),
            Self::Unknown(_) => None,
        }
    }

    /// Is its number of the private range? Then the other end must be of the same make.
    pub fn is_private(self) -> bool {
        u8::from(self) > 240
    }

    /// The group of a short name, as it is typed: `oakley5`, `p256`, `x25519`.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|group| group.short() == name)
    }

    /// Its short name; empty for a number that is not in the table.
    pub fn short(self) -> &'static str {
        match self {
            Self::Oakley5 => "oakley5",
            Self::Oakley1 => "oakley1",
            Self::Oakley2 => "oakley2",
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::P521 => "p521",
            Self::X25519 => "x25519",
            Self::Unknown(_) => "",
        }
    }
}

registry! {
    /// How a signature is made; 4 bits (RFC 3830 table 6.5).
    SignType {
        /// PKCS #1 version 1.5, mandatory.
        0 => RsaPkcs1 "RSA/PKCS#1/1.5",
        /// RSASSA-PSS.
        1 => RsaPss "RSA/PSS",
        /// ECDSA, which RFC 5197 section 4.1 asks for and nobody has assigned a number: ours alone, not interoperable.
        15 => Ecdsa "ECDSA (private use)",
    }
}

registry! {
    /// What an identity is (RFC 3830 table 6.7.a).
    IdType {
        /// A network access identifier, `alice@example.org`.
        0 => Nai "NAI",
        /// A URI, `sip:alice@example.org`.
        1 => Uri "URI",
    }
}

registry! {
    /// What a CERT holds (RFC 3830 table 6.7.b).
    CertType {
        /// A certificate, DER.
        0 => X509 "X.509v3",
        /// Where the certificate is, plain ASCII.
        1 => X509Url "X.509v3 URL",
        /// A certificate for signatures only, DER.
        2 => X509Sign "X.509v3 Sign",
        /// A certificate for encryption only, DER.
        3 => X509Encr "X.509v3 Encr",
    }
}

registry! {
    /// How a certificate is hashed, and hence how long the hash is (RFC 3830 table 6.8).
    HashFunc {
        /// 160 bits, mandatory.
        0 => Sha1 "SHA-1",
        /// 128 bits.
        1 => Md5 "MD5",
    }
}

impl HashFunc {
    /// Octets of the hash. `None` if we do not know.
    pub fn octets(self) -> Option<usize> {
        match self {
            Self::Sha1 => Some(20),
            Self::Md5 => Some(16),
            Self::Unknown(_) => None,
        }
    }
}

registry! {
    /// The security protocol that a policy is for (RFC 3830 table 6.10).
    ProtType {
        /// SRTP.
        0 => Srtp "SRTP",
    }
}

registry! {
    /// A parameter of an SRTP policy (RFC 3830 table 6.10.1.a).
    SrtpParam {
        /// [`SrtpEncr`].
        0 => EncrAlg "encr alg",
        /// Octets; of the master key too.
        1 => EncrKeyLen "session encr key length",
        /// [`SrtpAuth`].
        2 => AuthAlg "auth alg",
        /// Octets.
        3 => AuthKeyLen "session auth key length",
        /// Octets.
        4 => SaltKeyLen "session salt key length",
        /// [`SrtpPrf`].
        5 => Prf "SRTP PRF",
        /// Packets, a power of two, or 0.
        6 => KeyDerivationRate "key derivation rate",
        /// 0 is off, 1 is on.
        7 => SrtpEncr "SRTP encryption",
        /// 0 is off, 1 is on.
        8 => SrtcpEncr "SRTCP encryption",
        /// 0 is first FEC, then SRTP.
        9 => FecOrder "sender's FEC order",
        /// 0 is off, 1 is on.
        10 => SrtpAuth "SRTP authentication",
        /// Octets.
        11 => TagLen "authentication tag length",
        /// Octets.
        12 => PrefixLen "SRTP prefix length",
        /// Octets (RFC 7714 section 14.3).
        20 => AeadTagLen "AEAD authentication tag length",
    }
}

registry! {
    /// An SRTP cipher (RFC 3830 table 6.10.1.b).
    SrtpEncr {
        /// In clear.
        0 => Null "NULL",
        /// AES in counter mode.
        1 => AesCm "AES-CM",
        /// AES in f8 mode.
        2 => AesF8 "AES-F8",
        /// AES in Galois/counter mode (RFC 7714 section 14.3).
        6 => AesGcm "AES-GCM",
    }
}

registry! {
    /// An SRTP authentication algorithm (RFC 3830 table 6.10.1.c).
    SrtpAuth {
        /// None.
        0 => Null "NULL",
        /// HMAC-SHA-1.
        1 => HmacSha1 "HMAC-SHA-1",
    }
}

registry! {
    /// An SRTP key derivation function (RFC 3830 table 6.10.1.d).
    SrtpPrf {
        /// AES in counter mode.
        0 => AesCm "AES-CM",
    }
}

registry! {
    /// What a key identifier names (RFC 4563 table 2).
    KeyIdType {
        /// The group key domain.
        0 => MbmsKeyDomain "MBMS Key Domain ID",
        /// The group key.
        1 => MbmsServiceKey "MBMS Service Key ID",
        /// The group traffic key.
        2 => MbmsTrafficKey "MBMS Traffic Key ID",
    }
}

registry! {
    /// What an OMA BCAST extension is (RFC 5410 section 3).
    BcastType {
        /// Long Term Key Message.
        1 => Ltkm "LTKM",
        /// Short Term Key Message.
        2 => Stkm "STKM",
        /// LTKM Reporting Message.
        3 => LtkmReporting "LTKM Reporting",
        /// Parental Control Message.
        4 => ParentalControl "Parental Control",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_survives_known_or_not() {
        for n in 0..=255 {
            assert_eq!(u8::from(DataType::from(n)), n);
            assert_eq!(u8::from(SrtpParam::from(n)), n);
            assert_eq!(u8::from(EncrAlg::from(n)), n);
        }
        assert_eq!(DataType::from(9), DataType::RsaRInit);
        assert_eq!(DataType::from(77).to_string(), "unknown (77)");
    }
}
