//! Two sides that never meet but in lines of SDP, and messages that nobody of us would write, sealed with true keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyphone_keying::crypto::PrivateKey;
use keyphone_keying::mikey::derive::{CsbLabel, TransportKeys, hmac_sha1};
use keyphone_keying::mikey::wire::{DhGroup, Draft, EncrAlg, Hdr, MacAlg, Message, Payload, Rand};
use keyphone_keying::mikey::{Mikey, MikeyPolicy, ModeName, Tolerances, signing};
use keyphone_keying::{
    Ask, CertStore, Certificate, Credentials, Dir, Error, Hop, Identity, Input, Keying, Level, Line, Lines, Offered,
    Output, Policy, Psk, PskStore, Refusal, Session, Stream,
};
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_media::rtp::Ssrc;
use keyphone_media::srtp::KeyId;
use zeroize::Zeroizing;

pub(crate) const ALICE: &str = "sip:alice@example.org";
pub(crate) const BOB: &str = "sip:bob@example.org";
const PSK: [u8; 16] = *b"sixteen octets!!";
const START: NtpTime = NtpTime(0xed00_0000_0000_0000);

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

pub(crate) struct Dice(pub u64);

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

/// The lines of an answer, and the session that goes on.
pub(crate) type Answered = (Lines, Box<dyn Session>);

/// One endpoint.
pub(crate) struct Side {
    pub(crate) mikey: Mikey,
    pub(crate) me: Identity,
    pub(crate) peer: Identity,
    pub(crate) policy: Policy,
    pub(crate) streams: Vec<Stream>,
    pub(crate) dice: Dice,
    pub(crate) now: Now,
}

impl Side {
    pub(crate) fn with(kind: Kind, me: &str, peer: &str, credentials: Credentials, ssrc: u32) -> Self {
        let mode = kind.mode();
        // The small group: these tests are about messages.
        let mikey =
            MikeyPolicy { offer: mode, accept: [mode].into(), group: DhGroup::Oakley1, ..MikeyPolicy::default() };
        let streams = [(Dir::Send, Some(Ssrc(ssrc))), (Dir::Hear, None)];
        Self {
            mikey: Mikey::new(credentials, START),
            me: Identity::new(me),
            peer: Identity::new(peer),
            policy: Policy { mikey, ..Policy::default() },
            streams: streams.map(|(dir, ssrc)| Stream { line: 0, dir, ssrc, roc: 0 }).to_vec(),
            dice: Dice(ssrc.into()),
            now: at(1),
        }
    }

    fn ask<R>(
        &mut self,
        act: impl FnOnce(&mut Mikey, &Ask<'_>, &mut Env<'_>, &mut Vec<Output>) -> R,
    ) -> (R, Vec<Output>) {
        let Self { mikey, me, peer, policy, streams, dice, now } = self;
        let ask = Ask { hop: Hop::Clear, me, named: peer, streams, policy };
        let mut out = vec![];
        let result = act(mikey, &ask, &mut Env { now: *now, rng: dice }, &mut out);
        (result, out)
    }

    pub(crate) fn offer(&mut self) -> (Lines, Box<dyn Offered>) {
        let (result, out) = self.ask(|mikey, ask, env, out| mikey.offer(ask, env, out));
        assert!(out.is_empty(), "no key is known before the answer: {out:?}");
        result.unwrap()
    }

    pub(crate) fn answer(&mut self, offer: &Lines) -> (Result<Answered, Refusal>, Vec<Output>) {
        self.ask(|mikey, ask, env, out| mikey.answer(ask, offer, env, out))
    }

    pub(crate) fn accept(&mut self, offer: &Lines) -> (Lines, Box<dyn Session>, Vec<Output>) {
        let (result, out) = self.answer(offer);
        let (lines, session) = result.unwrap_or_else(|refusal| panic!("{}", refusal.error));
        (lines, session, out)
    }

    /// Refuses, without a key; says why.
    pub(crate) fn refuse(&mut self, offer: &Lines) -> (String, Option<Lines>) {
        let (result, out) = self.answer(offer);
        assert!(keys(&out).is_empty(), "{out:?}");
        let Err(refusal) = result else { panic!("accepted") };
        (refusal.error.to_string(), refusal.lines)
    }

    pub(crate) fn told(&mut self, session: &mut dyn Session, answer: &Lines) -> (Result<(), Error>, Vec<Output>) {
        self.ask(|_, _, env, out| session.handle(Input::Answer(answer), env, out))
    }

    pub(crate) fn offer_again(&mut self, session: &mut dyn Session) -> Lines {
        self.ask(|_, ask, env, out| session.offer(ask, env, out)).0.unwrap()
    }

    pub(crate) fn ask_rejected(&mut self, session: &mut dyn Session) {
        self.ask(|_, _, env, out| session.handle(Input::Rejected, env, out)).0.unwrap();
    }

    pub(crate) fn answer_again(
        &mut self,
        session: &mut dyn Session,
        offer: &Lines,
    ) -> (Result<Lines, Refusal>, Vec<Output>) {
        self.ask(|_, ask, env, out| session.answer(ask, offer, env, out))
    }
}

/// Alice calls bob.
pub(crate) fn pair(kind: Kind) -> (Side, Side) {
    (
        Side::with(kind, ALICE, BOB, credentials(ALICE, BOB), 0xa11ce),
        Side::with(kind, BOB, ALICE, credentials(BOB, ALICE), 0xb0b),
    )
}

/// Every key with every stream it came out for.
pub(crate) fn keys(out: &[Output]) -> Vec<(KeyId, Stream)> {
    let keys = out.iter().filter_map(|output| if let Output::Key(key) = output { Some(key) } else { None });
    keys.flat_map(|key| key.streams().iter().map(|stream| (key.key().id(), *stream))).collect()
}

/// The keys that we send and hear with.
pub(crate) fn both_ways(out: &[Output]) -> (KeyId, KeyId) {
    let of = |dir| keys(out).into_iter().find(|(_, stream)| stream.dir == dir).expect("a key for each way").0;
    (of(Dir::Send), of(Dir::Hear))
}

pub(crate) fn lines(bytes: &[u8]) -> Lines {
    let value = format!("mikey {}", STANDARD.encode(bytes));
    Lines(vec![Line { level: Level::Session, name: "key-mgmt".into(), value }])
}

pub(crate) fn bytes(lines: &Lines) -> Vec<u8> {
    STANDARD.decode(lines.0[0].value.strip_prefix("mikey ").unwrap()).unwrap()
}

pub(crate) fn message(lines: &Lines) -> Message {
    Message::read(&bytes(lines), Tolerances::interop()).unwrap()
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
