//! Two sides that never meet but in lines of SDP, and what they hold.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyphone_keying::crypto::PrivateKey;
use keyphone_keying::mikey::wire::Message;
use keyphone_keying::mikey::{Mikey, MikeyPolicy, ModeName, Tolerances};
use keyphone_keying::{
    Ask, CertStore, Certificate, Credentials, Dir, Error, Hop, Identity, Input, Keying, Level, Line, Lines, Offered,
    Output, Policy, Refusal, Session, Stream,
};
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_media::rtp::Ssrc;
use keyphone_media::srtp::KeyId;

pub(crate) const START: NtpTime = NtpTime(0xed00_0000_0000_0000);

pub(crate) struct Dice(pub(crate) u64);

impl Rng for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        for byte in buf {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

/// Seconds after the start.
pub(crate) fn at(seconds: u64) -> Now {
    Now { mono: Instant::from_micros(seconds * 1_000_000), ntp: NtpTime(START.0 + (seconds << 32)) }
}

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

/// One endpoint.
pub(crate) struct Side {
    pub(crate) mikey: Mikey,
    pub(crate) me: Identity,
    pub(crate) peer: Identity,
    pub(crate) policy: Policy,
    pub(crate) dice: Dice,
    pub(crate) now: Now,
    ssrc: u32,
}

pub(crate) type Sent = (Lines, Box<dyn Offered>, Vec<Output>);
pub(crate) type Answered = (Lines, Box<dyn Session>, Vec<Output>);

impl Side {
    pub(crate) fn new(me: Identity, peer: Identity, mode: ModeName, certs: CertStore, ssrc: u32) -> Self {
        let mikey = Mikey::new(Credentials { certs, ..Credentials::default() }, START);
        let policy = MikeyPolicy { offer: mode, accept: [mode].into(), ..MikeyPolicy::default() };
        let policy = Policy { mikey: policy, ..Policy::default() };
        Self { mikey, me, peer, policy, dice: Dice(ssrc.into()), now: at(1), ssrc }
    }

    fn act<R>(
        &mut self,
        act: impl FnOnce(&mut Mikey, &Ask<'_>, &mut Env<'_>, &mut Vec<Output>) -> R,
    ) -> (R, Vec<Output>) {
        let streams = [(Dir::Send, Some(Ssrc(self.ssrc))), (Dir::Hear, None)].map(|(dir, ssrc)| Stream {
            line: 0,
            dir,
            ssrc,
            roc: 0,
        });
        let ask = Ask { hop: Hop::Clear, me: &self.me, named: &self.peer, streams: &streams, policy: &self.policy };
        let (mut env, mut out) = (Env { now: self.now, rng: &mut self.dice }, vec![]);
        let result = act(&mut self.mikey, &ask, &mut env, &mut out);
        (result, out)
    }

    pub(crate) fn tries_to_offer(&mut self) -> Result<Sent, Error> {
        let (result, out) = self.act(|mikey, ask, env, out| mikey.offer(ask, env, out));
        result.map(|(lines, offered)| (lines, offered, out))
    }

    pub(crate) fn offers(&mut self) -> Sent {
        self.tries_to_offer().unwrap()
    }

    pub(crate) fn answers(&mut self, offer: &Lines) -> Answered {
        let (result, out) = self.act(|mikey, ask, env, out| mikey.answer(ask, offer, env, out));
        let (lines, session) = result.unwrap_or_else(|refusal| panic!("{}", refusal.error));
        (lines, session, out)
    }

    /// Refuses, and no key comes out.
    pub(crate) fn refuses(&mut self, offer: &Lines) -> Refusal {
        let (result, out) = self.act(|mikey, ask, env, out| mikey.answer(ask, offer, env, out));
        assert!(!out.iter().any(|output| matches!(output, Output::Key(_))), "{out:?}");
        result.err().expect("it takes it")
    }

    pub(crate) fn why(&mut self, offer: &Lines) -> String {
        self.refuses(offer).error.to_string()
    }

    pub(crate) fn hears(&mut self, session: &mut dyn Session, answer: &Lines) -> (Result<(), Error>, Vec<Output>) {
        self.act(|_, _, env, out| session.handle(Input::Answer(answer), env, out))
    }

    pub(crate) fn offers_again(&mut self, session: &mut dyn Session) -> Result<Lines, Error> {
        self.act(|_, ask, env, out| session.offer(ask, env, out)).0
    }

    pub(crate) fn answers_again(&mut self, session: &mut dyn Session, offer: &Lines) -> Result<Lines, Refusal> {
        self.act(|_, ask, env, out| session.answer(ask, offer, env, out)).0
    }
}

/// Alice calls bob.
pub(crate) fn pair(mode: ModeName) -> (Side, Side) {
    let caller = Side::new(alice(), bob(), mode, store("alice"), 0xa11ce);
    (caller, Side::new(bob(), alice(), mode, store("bob"), 0xb0b))
}

/// The keys that came out, in their order.
pub(crate) fn keys(out: &[Output]) -> Vec<KeyId> {
    let keys = out.iter().filter_map(|output| if let Output::Key(key) = output { Some(key.key().id()) } else { None });
    keys.collect()
}

/// Who was proven, and how.
pub(crate) fn proven(out: &[Output]) -> (Identity, keyphone_keying::How) {
    let peer = out.iter().find_map(|output| if let Output::Peer(peer) = output { Some(peer) } else { None });
    let peer = peer.expect("somebody was proven");
    (peer.proven.clone(), peer.how)
}

/// A call from beginning to end: both have the same keys.
pub(crate) fn calls(caller: &mut Side, callee: &mut Side) -> (Box<dyn Session>, Box<dyn Session>) {
    let (offer, offered, early) = caller.offers();
    let (answer, theirs, out) = callee.answers(&offer);
    let mut session = offered.session();
    let (result, late) = caller.hears(&mut *session, &answer);
    result.unwrap();
    let ours: Vec<_> = keys(&early).into_iter().chain(keys(&late)).collect();
    let mut both = [ours, keys(&out)];
    both.iter_mut().for_each(|keys| keys.sort());
    assert_eq!(both[0], both[1]);
    assert_eq!(both[0].len(), 2);
    (session, theirs)
}

pub(crate) fn message(lines: &Lines) -> Message {
    let octets = STANDARD.decode(lines.0[0].value.strip_prefix("mikey ").unwrap()).unwrap();
    Message::read(&octets, Tolerances::none()).unwrap()
}

pub(crate) fn lines(message: &Message) -> Lines {
    let value = format!("mikey {}", STANDARD.encode(message.bytes()));
    Lines(vec![Line { level: Level::Session, name: "key-mgmt".into(), value }])
}
