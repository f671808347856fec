//! The modes, each with the credentials of both sides and what it promises.

use crate::pki::{self, Ca, Holder};
use keyphone_keying::mikey::wire::{DhGroup, EncrAlg};
use keyphone_keying::mikey::{MikeyPolicy, ModeName};
use keyphone_keying::{Credentials, Hop, How, Identity, Policy, Psk, PskStore};

pub(crate) const ALICE: &str = "sip:alice@example.org";
pub(crate) const BOB: &str = "sip:bob@example.org";
/// Whom everybody trusts and nobody expects.
pub(crate) const MALLORY: &str = "sip:mallory@example.org";
pub(crate) const PSK: [u8; 16] = *b"sixteen octets!!";

/// A mode, set up.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) mode: ModeName,
    /// What else its policy needs.
    set: fn(&mut MikeyPolicy),
    pub(crate) proves: Proves,
    pub(crate) hop: Hop,
    /// The keys are known with the offer.
    pub(crate) early: bool,
    /// How the callee knows the caller, and the other way round.
    pub(crate) how: (How, How),
}

/// What a side proves itself with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proves {
    Nothing,
    SharedKey,
    /// A certificate under an authority that the peer trusts, on P-256.
    Ecdsa,
    /// The same with RSA.
    Rsa,
    /// The same, and the caller has pinned the callee's before it calls.
    Pinned,
}

pub(crate) fn all() -> Vec<Case> {
    let case = |name, mode, proves, how, early| Case {
        name,
        mode,
        proves,
        how: (how, how),
        early,
        hop: Hop::Clear,
        set: |policy| policy.group = DhGroup::Oakley1,
    };
    let (psk, shared) = (ModeName::Psk, How::SharedKey);
    vec![
        Case { hop: Hop::Tls, ..case("null", ModeName::Null, Proves::Nothing, How::Hop, true) },
        case("psk", psk, Proves::SharedKey, shared, true),
        Case {
            set: |policy| policy.encryption = EncrAlg::AesKw128,
            ..case("psk, AES-KW", psk, Proves::SharedKey, shared, true)
        },
        case("dhhmac", ModeName::DhHmac, Proves::SharedKey, shared, false),
        Case {
            set: |policy| policy.group = DhGroup::X25519,
            ..case("dhhmac, X25519", ModeName::DhHmac, Proves::SharedKey, shared, false)
        },
        case("dhsign, RSA", ModeName::DhSign, Proves::Rsa, How::Certificate, false),
        Case {
            set: |policy| policy.group = DhGroup::P256,
            ..case("dhsign, ECDSA", ModeName::DhSign, Proves::Ecdsa, How::Certificate, false)
        },
        Case {
            how: (How::Certificate, How::Pinned),
            ..case("rsa", ModeName::Rsa, Proves::Pinned, How::Certificate, true)
        },
        Case {
            set: |policy| policy.encryption = EncrAlg::AesKw128,
            how: (How::Certificate, How::Pinned),
            ..case("rsa, AES-KW", ModeName::Rsa, Proves::Pinned, How::Certificate, true)
        },
        case("rsar", ModeName::RsaR, Proves::Rsa, How::Certificate, false),
    ]
}

impl Case {
    pub(crate) fn policy(&self) -> Policy {
        let mut policy = Policy::default();
        (policy.mikey.offer, policy.mikey.accept) = (self.mode, [self.mode].into());
        (self.set)(&mut policy.mikey);
        policy
    }

    /// Those of `me`, who may talk to `peer`.
    pub(crate) fn credentials(&self, me: &str, peer: &str) -> Credentials {
        let mut credentials = Credentials::default();
        match self.proves {
            Proves::Nothing => {}
            Proves::SharedKey => credentials.psks = shared(peer, &PSK),
            Proves::Ecdsa | Proves::Rsa | Proves::Pinned => {
                self.certified(&mut credentials, pki::root().issue(me, self.is_rsa()), peer);
            }
        }
        credentials
    }

    /// The same with this certificate of our own.
    pub(crate) fn certified(&self, credentials: &mut Credentials, own: Holder, peer: &str) {
        let Holder { certificate, key } = own;
        credentials.certs.add_own(vec![certificate], key).unwrap();
        credentials.certs.trust(pki::root().certificate.clone());
        if self.proves == Proves::Pinned && peer == BOB {
            let theirs = pki::root().issue(peer, true).certificate;
            credentials.certs.pin(Identity::new(peer), theirs);
        }
    }

    pub(crate) fn has_certificates(&self) -> bool {
        matches!(self.proves, Proves::Ecdsa | Proves::Rsa | Proves::Pinned)
    }

    pub(crate) fn is_rsa(&self) -> bool {
        self.proves != Proves::Ecdsa
    }

    /// Nothing in its messages is protected (RFC 3830 section 4.2.4: "relying on the security of SIP").
    pub(crate) fn is_null(&self) -> bool {
        self.mode == ModeName::Null
    }
}

pub(crate) fn shared(peer: &str, key: &[u8]) -> PskStore {
    let mut psks = PskStore::default();
    psks.insert(Some(Identity::new(peer)), Psk::new(key.to_vec()).unwrap());
    psks
}

/// An authority that nobody trusts.
pub(crate) fn stranger() -> Ca {
    Ca::new("stranger")
}
