//! What the configuration allows to be done with media and its keys, and the permits that only policy can write.

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
