//! What implementations are known to do otherwise.

use super::ways::{
    Added, Axis, Constant, Cover, CsId, Hash, Iv, Prf, PskForm, RandUse, SignCover, TgkUse, VIds, VTime, Way,
};
use serde::Serialize;
use serde::ser::SerializeStruct;
use std::fmt;

/// One of them.
#[derive(Clone, Copy)]
pub struct Deviation {
    /// Its name here.
    pub id: &'static str,
    /// What is done, to follow "if".
    pub text: &'static str,
    /// What should be done.
    pub should: &'static str,
    /// Where that stands.
    pub section: &'static str,
    /// Who does so; empty if it is only an easy mistake.
    pub known: &'static str,
    pub(super) axis: Axis,
    pub(super) apply: fn(&mut Way),
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, text, should, section, known, .. } = self;
        write!(f, "{text}; {should} ({section})")?;
        if !known.is_empty() {
            write!(f, "; {known} does so")?;
        }
        write!(f, " [{id}]")
    }
}

impl fmt::Debug for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deviation({})", self.id)
    }
}

impl Serialize for Deviation {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Deviation", 5)?;
        object.serialize_field("id", self.id)?;
        object.serialize_field("text", self.text)?;
        object.serialize_field("should", self.should)?;
        object.serialize_field("section", self.section)?;
        object.serialize_field("known", self.known)?;
        object.end()
    }
}

macro_rules! deviations {
    ($($id:literal $axis:ident $apply:expr, $text:literal, $should:literal, $section:literal, $known:literal;)*) => {
        /// All of them: those that were met in the field first.
        pub(super) const ALL: &[Deviation] = &[$(Deviation {
            id: $id, text: $text, should: $should, section: $section, known: $known, axis: Axis::$axis, apply: $apply,
        }),*];
    };
}

deviations! {
    "auth-key-32" AuthKeyLength |way| way.auth_len = 32,
        "auth_key is 32 octets", "it is as long as the hash, 20 octets", "RFC 3830 section 4.2.4", "mykey 2.3.1";
    "prf-empty-last-block" Prf |way| way.prf = Prf::EmptyLastBlock,
        "the PRF takes an empty last block of a key whose length is a multiple of 32 octets",
        "the last block is a full one then", "RFC 3830 section 4.1.2", "minisip";
    "cs-id-0" CsId |way| way.cs_id = CsId::Zero,
        "the CS ID is 0 for every crypto session", "the i-th stream has CS ID i, from 1", "RFC 3830 section 6.1.1",
        "mykey 2.3.1";
    "dh-unpadded" Tgk |way| way.tgk = TgkUse::Unpadded,
        "the Diffie-Hellman secret loses its leading zeros", "the TGK is as long as the group",
        "RFC 3830 section 6.4", "unpatched minisip";
    "v-own-t" VTime |way| way.v_time = VTime::Own,
        "V covers a timestamp of the answer's own", "it covers the Initiator's T", "RFC 3830 section 5.2", "";
    "v-no-ids" VIds |way| way.v_ids = VIds::Nothing,
        "V covers no identities", "it covers the data of those that were transported", "RFC 3830 section 5.2", "";
    "v-id-payloads" VIds |way| way.v_ids = VIds::Payloads,
        "V covers whole ID payloads", "it covers their ID Data alone", "RFC 3830 section 5.2", "";
    "v-ids-swapped" VIds |way| way.v_ids = VIds::Swapped,
        "V covers IDr before IDi", "IDi is the first", "RFC 3830 section 5.2", "";
    "v-counter-4" VTime |way| way.v_time = VTime::Short,
        "V covers the 4 octets of a COUNTER", "a timestamp has 64 bits, with leading zeros", "RFC 3830 section 6.6",
        "mykey 2.3.1";
    "v-no-t" VTime |way| way.v_time = VTime::Nothing,
        "V covers no timestamp", "it covers the Initiator's T", "RFC 3830 section 5.2", "";
    "rfc4650-code-points" CodePoints |way| way.literal_4650 = true,
        "Encr alg 2 is NULL and MAC alg 0 is HMAC-SHA-1", "they are 0 and 1, whatever RFC 4650 section 4.2 prints",
        "RFC 3830 section 6.2", "";
    "sign-without-idi" SignAdded |way| way.added = Added::ResponderAndTime,
        "the signature covers IDr and T behind the message", "in RSA-R it covers IDi, IDr and T",
        "RFC 4738 section 3.6", "minisip";
    "sign-nothing-added" SignAdded |way| way.added = Added::Nothing,
        "the signature covers the message alone", "in RSA-R it covers IDi, IDr and T too", "RFC 4738 section 3.6", "";
    "sign-ids-added" SignAdded |way| way.added = Added::All,
        "the signature covers IDi, IDr and T behind the message", "only the answer of RSA-R does",
        "RFC 3830 section 5.2", "";
    "sign-t-added" SignAdded |way| way.added = Added::Time,
        "the signature covers T behind the message", "only the answer of RSA-R adds it, after IDi and IDr",
        "RFC 4738 section 3.6", "";
    "sign-without-header" SignCover |way| way.sign_cover = SignCover::WithoutHeader,
        "the signature does not cover the S type and length before it", "it covers all but the signature itself",
        "RFC 3830 section 5.2", "";
    "sign-sha256" SignHash |way| way.sign_hash = Hash::Sha256,
        "the signature is over SHA-256", "SHA-1 is MIKEY's hash", "RFC 3830 section 4.2.1", "";
    "tek-as-tgk" Tgk |way| way.tgk = TgkUse::TekAsTgk,
        "a TEK that was sent is taken for a TGK", "it is the key itself", "RFC 3830 section 6.13", "minisip";
    "tgk-raw" Tgk |way| way.tgk = TgkUse::Raw,
        "the TGK is used as it is", "TEK and salt are derived from it", "RFC 3830 section 4.1.3", "GStreamer";
    "iv-zero" Iv |way| way.iv = Iv::Zero,
        "AES-CM begins with an IV of zeros", "it begins with the salt, CSB ID and T", "RFC 3830 section 4.2.3", "linejs";
    "iv-salt-alone" Iv |way| way.iv = Iv::SaltAlone,
        "AES-CM begins with the salt alone", "CSB ID and T are added to it", "RFC 3830 section 4.2.3", "";
    "kw-default-iv" Iv |way| way.iv = Iv::KwDefault,
        "AES-KW begins with A6A6A6A6A6A6A6A6", "it begins with the derived salt", "RFC 3830 section 4.2.3", "";
    "not-encrypted" Iv |way| way.iv = Iv::Clear,
        "the key data stands in clear", "it is encrypted as Encr alg says", "RFC 3830 section 6.2", "mykey 1.0.0";
    "mac-over-the-other" MacCover |way| way.cover = Cover::TheOther,
        "the MAC covers KEMAC alone under a pre-shared key, or the whole message under an envelope key",
        "it is the other way round", "RFC 3830 section 6.2", "linejs";
    "mac-with-next-payload" MacCover |way| way.cover = Cover::WithNextPayload,
        "the MAC covers KEMAC with its Next payload as it stands", "it is set to zero before", "RFC 3830 section 5.2", "";
    "mac-without-alg" MacCover |way| way.cover = Cover::WithoutAlg,
        "the MAC does not cover the octet MAC alg", "it covers all but the MAC", "RFC 3830 section 5.2", "";
    "mac-with-zeros" MacCover |way| way.cover = Cover::WithZeros,
        "the MAC covers zeros in its own place", "it covers all but the MAC", "RFC 3830 section 5.2", "";
    "mac-sha256" MacHash |way| way.mac_hash = Hash::Sha256,
        "the MAC is HMAC-SHA-256, cut to 20 octets", "HMAC-SHA-1", "RFC 3830 section 4.2.4", "rvoip";
    "auth-key-16" AuthKeyLength |way| way.auth_len = 16,
        "auth_key is 16 octets", "it is as long as the hash, 20 octets", "RFC 3830 section 4.2.4", "";
    "psk-is-hex-text" PskForm |way| way.psk = PskForm::HexText,
        "the pre-shared key is its own text in hex", "both sides have the same octets", "RFC 3830 section 3.1", "";
    "psk-is-upper-hex-text" PskForm |way| way.psk = PskForm::HexTextUpper,
        "the pre-shared key is its own text in upper-case hex", "both sides have the same octets",
        "RFC 3830 section 3.1", "";
    "psk-is-hex-line" PskForm |way| way.psk = PskForm::HexLine,
        "the pre-shared key is a line of hex with its line end", "both sides have the same octets",
        "RFC 3830 section 3.1", "";
    "prf-one-block" Prf |way| way.prf = Prf::OneBlock,
        "the PRF takes the whole key at once", "it takes it in blocks of 32 octets", "RFC 3830 section 4.1.2", "";
    "prf-sha256" Prf |way| way.prf = Prf::Sha256,
        "the PRF is made of HMAC-SHA-256", "of HMAC-SHA-1", "RFC 3830 section 4.1.2", "";
    "transport-cs-id-0" TransportCsId |way| way.transport_cs = 0,
        "the keys of the message itself are derived with CS ID 0", "with 0xFF", "RFC 3830 section 4.1.4", "";
    "rand-left-out" Rand |way| way.rand = RandUse::Nothing,
        "RAND is left out of the derivation", "it ends every label", "RFC 3830 section 4.1.3", "";
    "rand-of-the-other" Rand |way| way.rand = RandUse::Other,
        "keys are derived with the RAND of the other message", "the Initiator's counts, but in a group",
        "RFC 4738 section 3.5", "";
    "csb-id-swapped" CsbOrder |way| way.csb_swapped = true,
        "the CSB ID is little-endian in the labels", "it is in network byte order", "RFC 3830 section 6", "";
    "cs-id-from-0" CsId |way| way.cs_id = CsId::FromZero,
        "crypto sessions are counted from 0", "the i-th stream has CS ID i, from 1", "RFC 3830 section 6.1.1", "";
    "cs-id-ff" CsId |way| way.cs_id = CsId::Ff,
        "the CS ID is 0xFF for every crypto session", "that is for the keys of the message itself",
        "RFC 3830 section 4.1.3", "";
    "constant-encr" Constant |way| way.constant = Constant::Encr,
        "the TEK is derived with the constant of the encryption key", "TEK, encr, auth and salt each have their own",
        "RFC 3830 section 4.1.3", "";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_name_of_its_own_and_changes_something() {
        for (index, deviation) in ALL.iter().enumerate() {
            assert!(ALL[..index].iter().all(|other| other.id != deviation.id), "{}", deviation.id);
            assert!(deviation.section.starts_with("RFC "));
            let mut way = Way::rfc();
            (deviation.apply)(&mut way);
            assert_ne!(format!("{way:?}"), format!("{:?}", Way::rfc()), "{}", deviation.id);
        }
    }
}
