//! Two sides that never meet but in lines of SDP, and messages that nobody of us would write, sealed with true keys.

pub(crate) use crate::shared::*;
use keyphone_keying::crypto::PrivateKey;
use keyphone_keying::mikey::derive::{CsbLabel, TransportKeys, hmac_sha1};
use keyphone_keying::mikey::wire::{DhGroup, Draft, EncrAlg, Hdr, MacAlg, Message, Payload, Rand};
use keyphone_keying::mikey::{MikeyPolicy, ModeName, signing};
use keyphone_keying::{CertStore, Certificate, Credentials, Expect, Identity, Lines, Policy, Psk, PskStore};
use zeroize::Zeroizing;

pub(crate) const ALICE: &str = "sip:alice@example.org";
pub(crate) const BOB: &str = "sip:bob@example.org";
const PSK: [u8; 16] = *b"sixteen octets!!";

/// The two modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Hmac,
    Sign,
}

impl Kind {
    pub(crate) const BOTH: [Self; 2] = [Self::Hmac, Self::Sign];

    pub(crate) fn mode(self) -> ModeName {
        match self {
            Self::Hmac => ModeName::DhHmac,
            Self::Sign => ModeName::DhSign,
        }
    }

    pub(crate) fn section(self) -> &'static str {
        match self {
            Self::Hmac => "RFC 4650 section 3",
            Self::Sign => "RFC 3830 section 3.3",
        }
    }
}

/// The certificates of tests/data/certs.
pub(crate) fn own(who: &str) -> (Vec<Certificate>, PrivateKey) {
    let [own, key] = match who {
        ALICE => [include_bytes!("../data/certs/alice.pem").as_slice(), include_bytes!("../data/certs/alice.key")],
        _ => [include_bytes!("../data/certs/bob.pem").as_slice(), include_bytes!("../data/certs/bob.key")],
    };
    (Certificate::read(own).unwrap(), PrivateKey::read(key).unwrap())
}

pub(crate) fn credentials(me: &str, peer: &str) -> Credentials {
    let (mut psks, mut certs) = (PskStore::default(), CertStore::default());
    psks.insert(Some(Identity::new(peer)), Psk::new(PSK.to_vec()).unwrap());
    let (chain, key) = own(me);
    certs.add_own(chain, key).unwrap();
    certs.trust(Certificate::read(include_bytes!("../data/certs/ca.pem")).unwrap().remove(0));
    Credentials { psks, certs }
}

pub(crate) fn side(kind: Kind, me: &str, peer: &str, credentials: Credentials, ssrc: u32) -> Side {
    let (mode, group) = (kind.mode(), DhGroup::Oakley1); // the small group: these tests are about messages
    let mikey = MikeyPolicy { offer: mode, accept: [mode].into(), group, ..MikeyPolicy::default() };
    Side::new((me, peer), credentials, Policy { mikey, ..Policy::default() }, ssrc)
}

/// Alice calls bob.
pub(crate) fn pair(kind: Kind) -> (Side, Side) {
    let alice = side(kind, ALICE, BOB, credentials(ALICE, BOB), 0xa11ce);
    (alice, side(kind, BOB, ALICE, credentials(BOB, ALICE), 0xb0b))
}

/// Alice, who wants nobody but bob, and so says in IDr for whom her offer is.
pub(crate) fn naming(kind: Kind) -> Side {
    let mut alice = pair(kind).0;
    alice.policy.expect = Expect::Exactly;
    alice
}

/// A message taken apart: to be changed, and sealed again by whoever holds the key.
#[derive(Clone)]
pub(crate) struct Forged {
    kind: Kind,
    sealer: &'static str,
    rand: Vec<u8>,
    pub(crate) hdr: Hdr,
    pub(crate) payloads: Vec<Payload>,
}

impl Forged {
    /// Of a message of `sealer`'s in a bundle that began with `init`.
    pub(crate) fn of(kind: Kind, sealer: &'static str, message: &Message, init: &Message) -> Self {
        let rand = init.one::<Rand>().unwrap().0.clone();
        let payloads = message.parts().iter().map(|part| part.payload.clone());
        let payloads = payloads.filter(|payload| !matches!(payload, Payload::Kemac(_) | Payload::Sign(_)));
        Self { kind, sealer, rand, hdr: message.hdr().clone(), payloads: payloads.collect() }
    }

    pub(crate) fn draft(&self) -> Draft {
        self.payloads.iter().cloned().fold(Draft::new(&self.hdr), Draft::push)
    }

    pub(crate) fn keys(&self) -> TransportKeys {
        TransportKeys::new(&PSK, &CsbLabel { csb_id: self.hdr.csb_id, rand: self.rand.clone() })
    }

    pub(crate) fn message(&self) -> Message {
        match self.kind {
            Kind::Hmac => {
                let unsealed = self.draft().kemac(EncrAlg::Null, Zeroizing::default(), MacAlg::HmacSha1_160);
                let mac = hmac_sha1(&self.keys().auth, &[unsealed.covered()]);
                unsealed.seal(&mac).unwrap()
            }
            Kind::Sign => {
                let certs = credentials(self.sealer, self.sealer).certs;
                signing::sign(self.draft(), certs.signer().unwrap(), &MikeyPolicy::default(), &[]).unwrap()
            }
        }
    }

    pub(crate) fn lines(&self) -> Lines {
        lines(self.message().bytes())
    }

    /// The index of the nth payload of that name.
    pub(crate) fn find(&self, name: &str, nth: usize) -> usize {
        let mut found = self.payloads.iter().enumerate().filter(|(_, payload)| payload.name() == name);
        found.nth(nth).unwrap_or_else(|| panic!("no {name} {nth}")).0
    }
}
