//! Proof before keys: the only way from a verified message to a [`StreamKey`].
//!
//! ```compile_fail,E0451
//! use keyphone_keying::*;
//! fn forge() -> Proof { Proof { how: How::SharedKey, who: None } }
//! ```

use crate::crypto::Scheme;
use crate::identity::{Expect, Identity, Trusted};
use crate::{Error, Output, Stream};
use keyphone_media::srtp::MasterKey;
use std::fmt;

/// Something was checked. Made by the `verify_*` functions of this crate and nowhere else.
#[derive(Debug)]
pub struct Proof {
    how: How,
    who: Option<Identity>,
}

/// How the peer was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// We made the key ourselves, and know nobody yet.
    OwnMessage,
    /// The peer holds the key that we share.
    SharedKey,
    /// The peer holds the key of its certificate, which an issuer that we trust has signed.
    Certificate,
    /// The peer holds the key of a certificate that is pinned for it.
    Pinned,
    /// Nothing was proven but that the message came over a TLS hop: policy allowed MIKEY-NULL.
    Hop,
    /// Nothing was proven: policy allowed a message without a MAC.
    Nothing,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OwnMessage => "our own message",
            Self::SharedKey => "a pre-shared key",
            Self::Certificate => "a certificate",
            Self::Pinned => "a pinned certificate",
            Self::Hop => "the TLS hop alone",
            Self::Nothing => "nothing at all",
        })
    }
}

/// Who the peer is and how we know: for the user's eyes, and always before the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assurance {
    /// Whom SIP names.
    pub named: Identity,
    /// Who it turned out to be.
    pub proven: Identity,
    /// How we know.
    pub how: How,
}

/// A key that was released, and what it is for.
#[derive(Debug)]
pub struct StreamKey {
    key: MasterKey,
    streams: Vec<Stream>,
}

impl StreamKey {
    /// The key.
    pub fn key(&self) -> &MasterKey {
        &self.key
    }

    /// The streams that it protects.
    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }
}

impl Proof {
    /// We made the key ourselves, and know nobody yet.
    pub(crate) fn own_message() -> Self {
        Self { how: How::OwnMessage, who: None }
    }

    /// Of a MAC under a key that we share with `who`. `computed` against `received`, in constant time.
    pub(crate) fn verify_mac(who: Identity, computed: &[u8], received: &[u8]) -> Option<Self> {
        use subtle::ConstantTimeEq;
        let authentic = !computed.is_empty() && bool::from(computed.ct_eq(received));
        authentic.then_some(Self { how: How::SharedKey, who: Some(who) })
    }

    /// Of a signature over the pieces, one after another, with the key of a certificate that was accepted.
    pub(crate) fn verify_signature(
        trusted: &Trusted,
        scheme: Scheme,
        pieces: &[&[u8]],
        signature: &[u8],
    ) -> Option<Self> {
        let authentic = trusted.key().verify(scheme, pieces, signature);
        authentic.then(|| Self { how: trusted.how(), who: Some(trusted.who().clone()) })
    }

    /// The key that was shared is an envelope key, which whoever was proven so has made or opened.
    pub(crate) fn by(self, how: How) -> Self {
        if self.how == How::SharedKey { Self { how, ..self } } else { self }
    }

    /// Policy has allowed MIKEY-NULL over a TLS hop, and the assurance will say so.
    pub(crate) fn hop(who: Identity) -> Self {
        Self { how: How::Hop, who: Some(who) }
    }

    /// Policy has allowed a message without a MAC, and the assurance will say so.
    pub(crate) fn nothing(who: Identity, policy: &crate::mikey::MikeyPolicy) -> Option<Self> {
        policy.allow_null_mac.then_some(Self { how: How::Nothing, who: Some(who) })
    }

    /// The one way to a key: the peer is named first, policy is asked next, the keys come last.
    pub fn release(
        self,
        (named, expect): (&Identity, Expect),
        keys: Vec<(MasterKey, Vec<Stream>)>,
        out: &mut Vec<Output>,
    ) -> Result<(), Error> {
        if let Some(proven) = self.who {
            out.push(Output::Peer(Assurance { named: named.clone(), proven: proven.clone(), how: self.how }));
            if !expect.admits(named, &proven, self.how) {
                return Err(Error::NotExpected(proven));
            }
        }
        out.extend(keys.into_iter().map(|(key, streams)| Output::Key(StreamKey { key, streams })));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_proves_only_when_it_is_there_and_equal() {
        let who = || Identity::new("sip:bob@example.org");
        assert!(Proof::verify_mac(who(), &[1, 2], &[1, 2]).is_some());
        assert!(Proof::verify_mac(who(), &[1, 2], &[1, 3]).is_none());
        assert!(Proof::verify_mac(who(), &[1, 2], &[1]).is_none());
        assert!(Proof::verify_mac(who(), &[], &[]).is_none(), "an empty MAC proves nothing");
    }

    #[test]
    fn a_peer_is_named_before_policy_refuses_it_and_no_key_comes_out() {
        let (bob, carol) = (Identity::new("sip:bob@example.org"), Identity::new("sip:carol@example.org"));
        let proof = Proof::verify_mac(carol.clone(), &[1], &[1]).unwrap();
        let key = MasterKey::new(&[1; 16], &[2; 14], keyphone_media::srtp::Suite::AesCm128HmacSha1_80).unwrap();
        let mut out = vec![];
        let result = proof.release((&bob, Expect::Exactly), vec![(key, vec![])], &mut out);
        assert_eq!(result, Err(Error::NotExpected(carol.clone())));
        assert!(matches!(&out[..], [Output::Peer(a)] if a.proven == carol && a.named == bob));
    }
}
