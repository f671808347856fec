//! Two sides that never meet but in lines of SDP, and what they hold.

pub(crate) use crate::shared::*;
use keyphone_keying::crypto::PrivateKey;
use keyphone_keying::mikey::wire::Message;
use keyphone_keying::mikey::{MikeyPolicy, ModeName};
use keyphone_keying::{CertStore, Certificate, Credentials, Identity, Lines, Output, Policy, Session};
use keyphone_media::srtp::KeyId;

pub(crate) fn alice() -> Identity {
    Identity::new("sip:alice@example.org")
}

pub(crate) fn bob() -> Identity {
    Identity::new("sip:bob@example.org")
}

pub(crate) fn carol() -> Identity {
    Identity::new("sip:carol@example.org")
}

/// A certificate and its key out of tests/data/certs.
pub(crate) fn filed(who: &str) -> (Certificate, PrivateKey) {
    let (pem, key): (&[u8], &[u8]) = match who {
        "alice" => (include_bytes!("../data/certs/alice.pem"), include_bytes!("../data/certs/alice.key")),
        "bob" => (include_bytes!("../data/certs/bob.pem"), include_bytes!("../data/certs/bob.key")),
        other => panic!("nobody made {other} a certificate"),
    };
    (Certificate::read(pem).unwrap().remove(0), PrivateKey::read(key).unwrap())
}

/// What one holds who has a certificate of tests/data/certs: it trusts their authority, and has bob's pinned.
pub(crate) fn store(who: &str) -> CertStore {
    let (own, key) = filed(who);
    let mut store = trusting();
    store.add_own(vec![own], key).unwrap();
    if who != "bob" {
        store.pin(bob(), filed("bob").0);
    }
    store
}

/// The authority of tests/data/certs.
pub(crate) fn trusting() -> CertStore {
    let mut store = CertStore::default();
    store.trust(Certificate::read(include_bytes!("../data/certs/ca.pem")).unwrap().remove(0));
    store
}

/// Who has certificates and nothing else.
pub(crate) fn side(me: Identity, peer: Identity, mode: ModeName, certs: CertStore, ssrc: u32) -> Side {
    let mikey = MikeyPolicy { offer: mode, accept: [mode].into(), ..MikeyPolicy::default() };
    let credentials = Credentials { certs, ..Credentials::default() };
    Side::new((me.as_str(), peer.as_str()), credentials, Policy { mikey, ..Policy::default() }, ssrc)
}

/// Alice calls bob.
pub(crate) fn pair(mode: ModeName) -> (Side, Side) {
    let caller = side(alice(), bob(), mode, store("alice"), 0xa11ce);
    (caller, side(bob(), alice(), mode, store("bob"), 0xb0b))
}

/// Who was proven, and how.
pub(crate) fn proven(out: &[Output]) -> (Identity, keyphone_keying::How) {
    let peer = out.iter().find_map(|output| if let Output::Peer(peer) = output { Some(peer) } else { None });
    let peer = peer.expect("somebody was proven");
    (peer.proven.clone(), peer.how)
}

/// A call from beginning to end: both have the same keys.
pub(crate) fn calls(caller: &mut Side, callee: &mut Side) -> (Box<dyn Session>, Box<dyn Session>) {
    let (offer, offered, early) = caller.offer();
    let (answer, theirs, out) = callee.accept(&offer);
    let mut session = offered.session();
    let (result, late) = caller.told(&mut *session, &answer);
    result.unwrap();
    let ids = |out: &[Output]| keys(out).into_iter().map(|(key, _)| key).collect::<Vec<KeyId>>();
    let mut both = [[ids(&early), ids(&late)].concat(), ids(&out)];
    both.iter_mut().for_each(|keys| keys.sort());
    assert_eq!(both[0], both[1]);
    assert_eq!(both[0].len(), 2);
    (session, theirs)
}

pub(crate) fn lines(message: &Message) -> Lines {
    crate::shared::lines(message.bytes())
}
