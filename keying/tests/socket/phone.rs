//! A phone that is a keying system and what it takes to speak and to hear.

use keyphone_keying::crypto::PrivateKey;
use keyphone_keying::mikey::wire::{CacheType, DhGroup, EncrAlg};
use keyphone_keying::mikey::{Mikey, MikeyPolicy, ModeName};
use keyphone_keying::{
    Ask, CertStore, Certificate, Credentials, Dir, Error, Hop, How, Identity, Input, Keying, Lines, Offered, Output,
    Policy, Psk, PskStore, Refusal, Session, Stream,
};
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_media::rtp::{Frame, Ssrc};
use keyphone_media::srtp::{Heard, KeyId, Ledger, Receiver, Sender, Slot};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// A system, and what it promises.
pub(crate) struct System {
    pub(crate) name: &'static str,
    pub(crate) policy: Policy,
    pub(crate) stand: fn(&Identity) -> Box<dyn Keying>,
    /// The caller can hear before any answer has come (RFC 5197 section 5.1).
    pub(crate) early_media: bool,
    /// All branches of a forked call share one key (RFC 5197 section 5.2).
    pub(crate) fork_shares_key: bool,
    /// How each side knows the other.
    pub(crate) how: How,
}

pub(crate) const START: NtpTime = NtpTime(0xed00_0000_0000_0000);

pub(crate) fn systems() -> Vec<System> {
    let psk = |name, encryption| {
        let allow_null_encryption = encryption == EncrAlg::Null;
        let mikey = MikeyPolicy { encryption, allow_null_encryption, ..MikeyPolicy::default() };
        let policy = Policy { mikey, ..Policy::default() };
        System { name, policy, stand: mikey_psk, early_media: true, fork_shares_key: true, how: How::SharedKey }
    };
    let dh = |name, mode, group, stand, how| {
        let mikey = MikeyPolicy { offer: mode, accept: [mode].into(), group, ..MikeyPolicy::default() };
        let policy = Policy { mikey, ..Policy::default() };
        System { name, policy, stand, early_media: false, fork_shares_key: false, how }
    };
    let (dhhmac, dhsign) = (ModeName::DhHmac, ModeName::DhSign);
    let public = |name, mode, cache, stand| {
        let accept = [mode].into();
        let mikey = MikeyPolicy { offer: mode, accept, cache, ..MikeyPolicy::default() };
        let (policy, how) = (Policy { mikey, ..Policy::default() }, How::Pinned);
        let ours = mode == ModeName::Rsa;
        let how = if ours { how } else { How::Certificate };
        System { name, policy, stand, early_media: ours, fork_shares_key: ours, how }
    };
    let (rsa, rsar) = (ModeName::Rsa, ModeName::RsaR);
    vec![
        psk("MIKEY-PSK, AES-CM", EncrAlg::AesCm128),
        psk("MIKEY-PSK, AES-KW", EncrAlg::AesKw128),
        psk("MIKEY-PSK, not encrypted", EncrAlg::Null),
        dh("MIKEY-DHHMAC, OAKLEY 5", dhhmac, DhGroup::Oakley5, mikey_psk, How::SharedKey),
        dh("MIKEY-DHHMAC, P-384", dhhmac, DhGroup::P384, mikey_psk, How::SharedKey),
        dh("MIKEY-DHSIGN, RSA, OAKLEY 2", dhsign, DhGroup::Oakley2, mikey_rsa, How::Certificate),
        public("MIKEY-RSA", rsa, CacheType::CacheForCsb, mikey_pinned),
        public("MIKEY-RSA, cached for later", rsa, CacheType::Cache, mikey_pinned),
        public("MIKEY-RSA, not cached", rsa, CacheType::NoCache, mikey_pinned),
        public("MIKEY-RSA-R", rsar, CacheType::CacheForCsb, mikey_rsa),
        dh("MIKEY-DHSIGN, ECDSA, X25519", dhsign, DhGroup::X25519, mikey_ecdsa, How::Certificate),
    ]
}

/// The certificates of tests/data/certs, pinned on both sides: nobody knows an authority.
fn mikey_pinned(me: &Identity) -> Box<dyn Keying> {
    let read = |pem: &[u8]| Certificate::read(pem).unwrap().remove(0);
    let (alice, bob) = (read(include_bytes!("../data/certs/alice.pem")), read(include_bytes!("../data/certs/bob.pem")));
    let (own, key) = own(me);
    let mut certs = CertStore::default();
    certs.add_own(Certificate::read(own).unwrap(), PrivateKey::read(key).unwrap()).unwrap();
    certs.pin(Identity::new("sip:alice@example.org"), alice);
    certs.pin(Identity::new("sip:bob@example.org"), bob);
    Box::new(Mikey::new(Credentials { certs, ..Credentials::default() }, START))
}

/// The certificates of tests/data/certs: RSA.
fn mikey_rsa(me: &Identity) -> Box<dyn Keying> {
    let (own, key) = own(me);
    with_certificate(own, key, include_bytes!("../data/certs/ca.pem"))
}

fn own(me: &Identity) -> (&'static [u8], &'static [u8]) {
    let [own, key] = match me.as_str() {
        "sip:alice@example.org" => {
            [include_bytes!("../data/certs/alice.pem").as_slice(), include_bytes!("../data/certs/alice.key")]
        }
        _ => [include_bytes!("../data/certs/bob.pem").as_slice(), include_bytes!("../data/certs/bob.key")],
    };
    (own, key)
}

/// An authority's certificate, and a certificate and a key for each name, in PEM.
type Issued = (String, BTreeMap<String, (String, String)>);

/// Certificates on P-256, made once.
fn mikey_ecdsa(me: &Identity) -> Box<dyn Keying> {
    static MADE: OnceLock<Issued> = OnceLock::new();
    let (ca, users) = MADE.get_or_init(|| {
        let (mut params, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::from_params(&params, &key);
        let user = |uri: &str| {
            let (mut params, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
            params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
            (uri.to_owned(), (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem()))
        };
        let users = ["sip:alice@example.org", "sip:bob@example.org"].map(user);
        (ca, BTreeMap::from(users))
    });
    let (own, key) = &users[me.as_str()];
    with_certificate(own.as_bytes(), key.as_bytes(), ca.as_bytes())
}

fn with_certificate(own: &[u8], key: &[u8], ca: &[u8]) -> Box<dyn Keying> {
    let mut certs = CertStore::default();
    certs.add_own(Certificate::read(own).unwrap(), PrivateKey::read(key).unwrap()).unwrap();
    certs.trust(Certificate::read(ca).unwrap().remove(0));
    Box::new(Mikey::new(Credentials { certs, ..Credentials::default() }, START))
}

pub(crate) fn mikey_psk(_: &Identity) -> Box<dyn Keying> {
    let mut psks = PskStore::default();
    psks.insert(None, Psk::new(b"sixteen octets!!".to_vec()).unwrap());
    Box::new(Mikey::new(psks, START))
}

pub(crate) struct Dice(u64);

impl Rng for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        for byte in buf {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

/// One phone: a keying system, and what it takes to speak and to hear.
pub(crate) struct Phone {
    system: Box<dyn Keying>,
    me: Identity,
    peer: Identity,
    pub(crate) policy: Policy,
    ledger: Ledger,
    ears: Receiver,
    mouth: Option<Sender>,
    /// To speak with the new key, once it is agreed on.
    pub(crate) coming: Option<Slot>,
    /// The caller has a new key only when the answer is there: so who answers waits for the first packet under it.
    waits: bool,
    /// Every key that came out, in order.
    pub(crate) keys: Vec<KeyId>,
    /// Who the peer is and how we know, in the order of what keying said; a key is `None`.
    pub(crate) said: Vec<Option<How>>,
    dice: Dice,
}

impl Phone {
    pub(crate) fn new(system: &System, me: &str, peer: &str, seed: u64) -> Self {
        let me = Identity::new(me);
        Self {
            system: (system.stand)(&me),
            waits: !system.early_media,
            me,
            peer: Identity::new(peer),
            policy: system.policy.clone(),
            ledger: Ledger::default(),
            ears: Receiver::default(),
            mouth: None,
            coming: None,
            keys: vec![],
            said: vec![],
            dice: Dice(seed),
        }
    }

    pub(crate) fn alice(system: &System) -> Self {
        Self::new(system, "sip:alice@example.org", "sip:bob@example.org", 1)
    }

    /// The nth phone that is called bob.
    pub(crate) fn bob(system: &System, n: u64) -> Self {
        Self::new(system, "sip:bob@example.org", "sip:alice@example.org", 100 + n)
    }

    pub(crate) fn ask<R>(
        &mut self,
        act: impl FnOnce(&mut dyn Keying, &Ask<'_>, &mut Env<'_>, &mut Vec<Output>) -> R,
    ) -> (R, Vec<Output>) {
        let mut env = Env { now: now(), rng: &mut self.dice };
        let ssrc = self.ledger.mint(&mut env);
        let streams = [(Dir::Send, Some(ssrc)), (Dir::Hear, None)];
        let streams = streams.map(|(dir, ssrc)| Stream { line: 0, dir, ssrc, roc: 0 });
        let ask = Ask { hop: Hop::Clear, me: &self.me, named: &self.peer, streams: &streams, policy: &self.policy };
        let mut out = vec![];
        let result = act(&mut *self.system, &ask, &mut env, &mut out);
        (result, out)
    }

    pub(crate) fn offer(&mut self) -> (Lines, Box<dyn Offered>) {
        let (result, out) = self.ask(|system, ask, env, out| system.offer(ask, env, out));
        self.obey(out);
        result.unwrap()
    }

    pub(crate) fn answer(&mut self, offer: &Lines) -> Result<(Lines, Box<dyn Session>), Refusal> {
        let (result, out) = self.ask(|system, ask, env, out| system.answer(ask, offer, env, out));
        self.obey(out);
        result
    }

    pub(crate) fn told(&mut self, session: &mut dyn Session, answer: &Lines) -> Result<(), Error> {
        let mut out = vec![];
        let result = session.handle(Input::Answer(answer), &mut Env { now: now(), rng: &mut self.dice }, &mut out);
        self.obey(out);
        result
    }

    /// Asks a running session something, as whoever it is already.
    pub(crate) fn asks<R>(&mut self, act: impl FnOnce(&Ask<'_>, &mut Env<'_>, &mut Vec<Output>) -> R) -> R {
        let mouth = self.mouth.as_ref().expect("it speaks");
        let streams = [(Dir::Send, Some(mouth.ssrc()), mouth.roc()), (Dir::Hear, None, 0)];
        let streams = streams.map(|(dir, ssrc, roc)| Stream { line: 0, dir, ssrc, roc });
        let ask = Ask { hop: Hop::Clear, me: &self.me, named: &self.peer, streams: &streams, policy: &self.policy };
        let mut out = vec![];
        let result = act(&ask, &mut Env { now: now(), rng: &mut self.dice }, &mut out);
        self.obey(out);
        result
    }

    pub(crate) fn offers_new_keys(&mut self, session: &mut dyn Session) -> Lines {
        self.asks(|ask, env, out| session.offer(ask, env, out)).unwrap()
    }

    pub(crate) fn takes_new_keys(&mut self, session: &mut dyn Session, offer: &Lines) -> Result<Lines, Refusal> {
        let answer = self.asks(|ask, env, out| session.answer(ask, offer, env, out))?;
        if !self.waits {
            self.changes();
        }
        Ok(answer)
    }

    /// The same offer again: no key comes out.
    pub(crate) fn takes_again(&mut self, session: &mut dyn Session, offer: &Lines) -> Lines {
        let keys = self.keys.len();
        let answer = self.asks(|ask, env, out| session.answer(ask, offer, env, out)).unwrap();
        assert_eq!(self.keys.len(), keys);
        answer
    }

    pub(crate) fn is_told_new_keys(&mut self, session: &mut dyn Session, answer: &Lines) -> Result<(), Error> {
        self.told(session, answer)?;
        self.changes();
        Ok(())
    }

    pub(crate) fn is_rejected(&mut self, session: &mut dyn Session) {
        let mut env = Env { now: now(), rng: &mut self.dice };
        session.handle(Input::Rejected, &mut env, &mut vec![]).unwrap();
        self.coming = None;
    }

    /// The new key is spoken with.
    pub(crate) fn changes(&mut self) {
        let slot = self.coming.take().expect("a new key");
        self.mouth.as_mut().expect("an old key").rekey(slot);
    }

    pub(crate) fn obey(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Peer(peer) => self.said.push(Some(peer.how)),
                Output::Key(key) => {
                    self.said.push(None);
                    self.keys.push(key.key().id());
                    for stream in key.streams() {
                        match (stream.dir, stream.ssrc) {
                            (Dir::Send, ssrc) => {
                                let slot = self.ledger.bind(key.key(), ssrc.expect("what we send is ours")).unwrap();
                                match self.mouth {
                                    Some(_) => self.coming = Some(slot),
                                    None => {
                                        self.mouth = Some(slot.sender(&mut Env { now: now(), rng: &mut self.dice }));
                                    }
                                }
                            }
                            (Dir::Hear, None) => self.ears.add(key.key()),
                            (Dir::Hear, Some(ssrc)) => {
                                self.ears.add(key.key());
                                self.ears.expect(&mut self.ledger, key.key().id(), ssrc, stream.roc).unwrap();
                            }
                        }
                    }
                }
                Output::Expect(key, stream) => {
                    let ssrc = stream.ssrc.expect("it names an SSRC");
                    self.ears.expect(&mut self.ledger, key, ssrc, stream.roc).unwrap();
                }
                Output::Send(..) | Output::Tolerated(_) => {}
            }
        }
    }

    pub(crate) fn has_keys(&self) -> bool {
        self.said.contains(&None)
    }

    /// One packet.
    pub(crate) fn speaks(&mut self) -> Vec<u8> {
        let frame = Frame { payload_type: 0, marker: false, timestamp: 0, payload: b"hello, hello" };
        self.mouth
            .as_mut()
            .expect("there is a key to speak with")
            .seal(&mut self.ledger, frame)
            .unwrap()
            .bytes()
            .to_vec()
    }

    /// Whose packet it is, if it is authentic and says what was said.
    pub(crate) fn hears(&mut self, packet: &[u8]) -> Option<Ssrc> {
        match self.ears.open(&mut self.ledger, packet) {
            Heard::Frame { ssrc, key, frame, .. } => {
                let heard = (frame.payload == b"hello, hello").then_some(ssrc);
                if self.waits && self.coming.is_some() && self.keys[self.keys.len() - 2..].contains(&key) {
                    self.changes();
                }
                heard
            }
            _ => None,
        }
    }
}

pub(crate) fn now() -> Now {
    Now { mono: Instant::from_micros(1_000_000), ntp: NtpTime(START.0 + (1 << 32)) }
}

/// The lines with one character of one value changed: every few characters one. The last four may say nothing: the
/// bits of a last base64 letter that belong to no octet, and padding.
pub(crate) fn tampered(lines: &Lines) -> impl Iterator<Item = Lines> + '_ {
    let places = lines.0.iter().enumerate().flat_map(|(n, line)| (0..line.value.len() - 4).map(move |at| (n, at)));
    places.step_by(3).map(|(n, at)| {
        let mut lines = lines.clone();
        let value = &mut lines.0[n].value;
        let other = if value.as_bytes()[at] == b'A' { "B" } else { "A" };
        value.replace_range(at..=at, other);
        lines
    })
}
