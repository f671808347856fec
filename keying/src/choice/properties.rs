//! What the modes of MIKEY can do: the two tables of RFC 5197 section 5.5, as data.

use crate::mikey::ModeName;

/// One row of both tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Packets that come before the answer can be opened at once (section 5.1).
    pub early_media: bool,
    /// Secure forking (section 5.2).
    pub forking: Forking,
    /// Somebody else than the one who was called can answer (section 5.3).
    pub retarget: bool,
    /// Which side of a conference with one key for all begins (section 5.4).
    pub conference: Option<Side>,
    /// What the callee and we must hold before the call.
    pub by: Credential,
    /// Perfect forward secrecy: who learns a long-term key later learns nothing of this call.
    pub pfs: bool,
    /// Both sides contribute to the key.
    pub both: bool,
}

/// What becomes of a call that forks (RFC 5197 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Forking {
    /// Whoever answers can, and has a key of its own.
    Safe,
    /// Each who answers has a key of its own, but must hold what we share with the one who was called. RFC 5197 leaves
    /// this cell of DH-HMAC blank; RFC 5479 appendix A.4 has a "yes" there.
    Limited,
    /// All who can answer have one key, and two of them may take the same SSRC: a two-time pad.
    Unsafe,
}

/// A side of a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The conferencing unit, which has the key.
    Focus,
    /// A participant, who wants it.
    Member,
}

/// By what the two prove themselves to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Nothing at all.
    Nothing,
    /// A pre-shared key.
    SharedKey,
    /// Certificates.
    Certificates,
}

impl Properties {
    /// Of a mode.
    pub fn of(mode: ModeName) -> Self {
        use Credential::{Certificates, Nothing, SharedKey};
        use Forking::{Limited, Safe, Unsafe};
        let row = |early_media, forking, retarget, conference, by, pfs, both| Self {
            early_media,
            forking,
            retarget,
            conference,
            by,
            pfs,
            both,
        };
        let (focus, member) = (Some(Side::Focus), Some(Side::Member));
        match mode {
            ModeName::Psk => row(true, Unsafe, false, focus, SharedKey, false, false),
            ModeName::Rsa => row(true, Unsafe, false, focus, Certificates, false, false),
            ModeName::DhSign => row(false, Safe, true, None, Certificates, true, true),
            // Section 5.4 counts it among "all other modes" than Diffie-Hellman's; the table has nothing there.
            ModeName::Null => row(true, Unsafe, false, focus, Nothing, false, false),
            ModeName::DhHmac => row(false, Limited, false, None, SharedKey, true, true),
            // "Assumed the Initiator provides the (optional) RAND value", as we do.
            ModeName::RsaR => row(false, Safe, true, member, Certificates, false, true),
        }
    }
}
