//! `[mikey]`: MIKEY's own choices (RFC 3830).

use crate::duration::parse_between;
use crate::finding::Report;
use crate::section::Section;
use keyphone_keying::crypto::Envelope;
use keyphone_keying::mikey::MikeyPolicy;
use keyphone_keying::mikey::policy::{FailedRekey, KeyForm, Validity};
use keyphone_keying::mikey::wire::registry::{CacheType, DhGroup, EncrAlg, SignType};
use keyphone_keying::{FetchList, Url};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// MIKEY's own choices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mikey {
    /// A KEMAC whose keys are not encrypted may be offered and accepted.
    pub allow_null_encryption: bool,
    /// A message that nobody authenticated may be offered and accepted.
    pub allow_null_mac: bool,
    /// How far a peer's clock may be from ours (RFC 3830 section 5.4).
    pub max_skew: Duration,
    /// Named deviations of other implementations are let pass, and logged.
    pub interop: bool,
    /// How the keys in our own offers are encrypted.
    pub encryption: MikeyEncryption,
    /// The group of our own Diffie-Hellman values. Those of other groups are answered too, but OAKLEY 1 and 2, of 768 and
    /// 1024 bits, only by who is content with as little.
    pub group: DhGroup,
    /// How we sign with an RSA key.
    pub signature: SignType,
    /// How envelope keys are encrypted, ours and the peer's.
    pub envelope: Envelope,
    /// Whether envelope keys are kept, so that calls under them can be rekeyed and others be made.
    pub cache: CacheType,
    /// In which form keys travel where they are transported.
    pub keys: KeyForm,
    /// Which packets our keys are for.
    pub validity: Validity,
    /// What becomes of a call whose keys could not be changed.
    pub failed_rekey: FailedRekey,
    /// Where certificates may be fetched that a message points to: nowhere by default.
    pub fetch: Vec<Url>,
}

impl Default for Mikey {
    fn default() -> Self {
        let default = MikeyPolicy::default();
        Self {
            allow_null_encryption: default.allow_null_encryption,
            allow_null_mac: default.allow_null_mac,
            max_skew: default.max_skew,
            interop: false,
            encryption: MikeyEncryption::AesCm,
            group: default.group,
            signature: default.signature,
            envelope: default.envelope,
            cache: default.cache,
            keys: default.keys,
            validity: default.validity,
            failed_rekey: default.failed_rekey,
            fetch: vec![],
        }
    }
}

impl Mikey {
    /// Where certificates may be fetched, as keying asks for it.
    pub fn fetch_list(&self) -> FetchList {
        self.fetch.iter().cloned().collect()
    }

    pub(crate) fn read(&mut self, mut section: Section<'_>, report: &mut Report<'_>) {
        section.flag("allow-null-encryption", &mut self.allow_null_encryption, report);
        section.flag("allow-null-mac", &mut self.allow_null_mac, report);
        // The replay cache has to remember a message for as long as its timestamp would be accepted
        // (RFC 3830 section 5.4), so the skew is also a bound on memory.
        section.parse("max-skew", &mut self.max_skew, report, |text| parse_between(text, "1s", "60m"));
        section.flag("interop", &mut self.interop, report);
        section.parse("encryption", &mut self.encryption, report, str::parse);
        section.parse("group", &mut self.group, report, parse_group);
        let table = &[("rsa-pkcs1", SignType::RsaPkcs1), ("rsa-pss", SignType::RsaPss)];
        section.parse("signature", &mut self.signature, report, |text| one_of(text, table));
        let table = &[("pkcs1", Envelope::Pkcs1), ("oaep", Envelope::Oaep)];
        section.parse("envelope", &mut self.envelope, report, |text| one_of(text, table));
        let table = &[("no", CacheType::NoCache), ("yes", CacheType::Cache), ("csb", CacheType::CacheForCsb)];
        section.parse("cache", &mut self.cache, report, |text| one_of(text, table));
        let table = &[
            ("tgk", KeyForm::Tgk),
            ("tgk+salt", KeyForm::TgkSalt),
            ("tek+salt", KeyForm::TekSalt),
            ("tek-with-salt", KeyForm::TekWithSalt),
        ];
        section.parse("keys", &mut self.keys, report, |text| one_of(text, table));
        section.number("mki", &mut self.validity, report, parse_mki);
        let table = &[("keep", FailedRekey::Keep), ("end", FailedRekey::End)];
        section.parse("failed-rekey", &mut self.failed_rekey, report, |text| one_of(text, table));
        section.list("fetch-certificates", &mut self.fetch, report, str::parse);

        let doubts = [
            (
                self.allow_null_encryption,
                "allow-null-encryption",
                "everybody who sees the offer can read the media keys in it",
            ),
            (
                self.allow_null_mac,
                "allow-null-mac",
                "anybody on the way can change the offer, and nobody proves anything",
            ),
            (self.interop, "interop", "a peer's deviations from the RFC are let pass"),
        ];
        for (doubtful, field, message) in doubts {
            if doubtful {
                report.warning(section.span_of(field), format!("mikey.{field}"), message);
            }
        }
        if self.encryption == MikeyEncryption::Null
            && !self.allow_null_encryption
            && let Some(span) = section.span_of("encryption")
        {
            let message = "\"null\" is asked for, and allow-null-encryption does not allow it";
            report.error(span, "mikey.encryption", message);
        }
        section.finish(report);
    }
}

/// `--group` and `group`: a Diffie-Hellman group (RFC 3830 section 6.4), or one of ours on an elliptic curve, which no
/// other implementation has.
///
/// # Errors
/// One sentence that lists them.
pub fn parse_group(text: &str) -> Result<DhGroup, String> {
    DhGroup::by_name(text).ok_or_else(|| {
        let names: Vec<_> = DhGroup::ALL.iter().map(|group| group.short()).collect();
        format!("{text:?} is no group of this build, which has {}", names.join(", "))
    })
}

/// One of a few words.
fn one_of<T: Copy>(text: &str, table: &[(&str, T)]) -> Result<T, String> {
    table.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = table.iter().map(|(word, _)| *word).collect();
        format!("{text:?} is none of {}", words.join(", "))
    })
}

/// `mki`: so many octets; 0 is no MKI.
fn parse_mki(octets: u64) -> Result<Validity, String> {
    match u8::try_from(octets) {
        Ok(0) => Ok(Validity::Null),
        Ok(octets @ 1..=128) => Ok(Validity::Mki(octets)),
        _ => Err(format!("an MKI has 1 to 128 octets, and not {octets}; 0 is none")),
    }
}

/// How the key data in a KEMAC is encrypted (RFC 3830 section 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MikeyEncryption {
    /// AES in counter mode with a 128-bit key; mandatory to implement.
    AesCm,
    /// AES key wrap with a 128-bit key.
    AesKw,
    /// None at all; needs `allow-null-encryption`.
    Null,
}

impl MikeyEncryption {
    const ALL: [Self; 3] = [Self::AesCm, Self::AesKw, Self::Null];

    /// As MIKEY numbers it.
    pub const fn algorithm(self) -> EncrAlg {
        match self {
            Self::AesCm => EncrAlg::AesCm128,
            Self::AesKw => EncrAlg::AesKw128,
            Self::Null => EncrAlg::Null,
        }
    }

    /// As it stands in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm => "aes-cm",
            Self::AesKw => "aes-kw",
            Self::Null => "null",
        }
    }
}

impl fmt::Display for MikeyEncryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for MikeyEncryption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|e| e.name() == text);
        found.ok_or_else(|| format!("{text:?} is none of aes-cm, aes-kw and null"))
    }
}
