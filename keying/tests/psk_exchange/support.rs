//! Two sides that never meet but in lines of SDP, and the messages of peers that we would not write ourselves.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyphone_keying::mikey::derive::{CsbLabel, TransportKeys, hmac_sha1};
use keyphone_keying::mikey::transport::aes_cm;
use keyphone_keying::mikey::wire::{
    CsMap, DataType, Draft, EncrAlg, Ext, Hdr, Id, KeyData, MacAlg, Message, Payload, Prf, Rand, SrtpId, T, key_data,
};
use keyphone_keying::mikey::{Mikey, Tolerances};
use keyphone_keying::{
    Ask, Dir, Error, Hop, Identity, Input, Keying, Level, Line, Lines, Offered, Output, Policy, Psk, PskStore, Refusal,
    Session, Stream,
};
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_media::rtp::Ssrc;
use keyphone_media::srtp::KeyId;

pub(crate) const PSK: [u8; 16] = *b"sixteen octets!!";
pub(crate) const START: NtpTime = NtpTime(0xed00_0000_0000_0000);

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

/// One endpoint.
pub(crate) struct Side {
    pub(crate) mikey: Mikey,
    pub(crate) me: Identity,
    pub(crate) peer: Identity,
    pub(crate) policy: Policy,
    pub(crate) streams: Vec<Stream>,
    pub(crate) dice: Dice,
    pub(crate) now: Now,
    pub(crate) hop: Hop,
}

pub(crate) type Sent = (Lines, Box<dyn Offered>, Vec<Output>);
pub(crate) type Agreement = (Lines, Box<dyn Session>);
pub(crate) type Answered = (Lines, Box<dyn Session>, Vec<Output>);

impl Side {
    pub(crate) fn new(me: &str, peer: &str, psk: &[u8], ssrc: u32) -> Self {
        let (me, peer) = (Identity::new(me), Identity::new(peer));
        let mut psks = PskStore::default();
        psks.insert(Some(peer.clone()), Psk::new(psk.to_vec()).unwrap());
        Self::with_keys(me, peer, psks, ssrc)
    }

    pub(crate) fn with_keys(me: Identity, peer: Identity, psks: PskStore, ssrc: u32) -> Self {
        let mikey = Mikey::new(psks, START);
        let policy = Policy::default();
        Self {
            mikey,
            me,
            peer,
            policy,
            streams: line(0, ssrc).to_vec(),
            dice: Dice(ssrc.into()),
            now: at(1),
            hop: Hop::Clear,
        }
    }

    pub(crate) fn offer(&mut self) -> Result<Sent, Error> {
        let mut out = vec![];
        let (mikey, ask, env) = self.split();
        let (lines, offered) = mikey.offer(&ask, &mut { env }, &mut out)?;
        Ok((lines, offered, out))
    }

    /// The outputs are there even if it refuses.
    pub(crate) fn answer(&mut self, offer: &Lines) -> (Result<Agreement, Refusal>, Vec<Output>) {
        let mut out = vec![];
        let (mikey, ask, env) = self.split();
        let result = mikey.answer(&ask, offer, &mut { env }, &mut out);
        (result, out)
    }

    pub(crate) fn accept(&mut self, offer: &Lines) -> Answered {
        let (result, out) = self.answer(offer);
        let (lines, session) = result.unwrap_or_else(|refusal| panic!("{}", refusal.error));
        (lines, session, out)
    }

    /// Refuses, without a key; says why.
    pub(crate) fn refuse(&mut self, offer: &Lines) -> (String, Option<Lines>) {
        let (result, out) = self.answer(offer);
        assert!(!gave_keys(&out), "{out:?}");
        let Err(refusal) = result else { panic!("accepted") };
        (refusal.error.to_string(), refusal.lines)
    }

    pub(crate) fn offer_with(&mut self, session: &mut dyn Session) -> (Lines, Vec<Output>) {
        let mut out = vec![];
        let (_, ask, env) = self.split();
        let lines = session.offer(&ask, &mut { env }, &mut out).unwrap();
        (lines, out)
    }

    pub(crate) fn answer_with(
        &mut self,
        session: &mut dyn Session,
        offer: &Lines,
    ) -> (Result<Lines, Refusal>, Vec<Output>) {
        let mut out = vec![];
        let (_, ask, env) = self.split();
        let result = session.answer(&ask, offer, &mut { env }, &mut out);
        (result, out)
    }

    /// Offers again in the same dialog, through the session.
    pub(crate) fn answer_again(&mut self, session: &mut dyn Session, offer: &Lines) -> Result<Lines, Refusal> {
        let (result, out) = self.answer_with(session, offer);
        assert!(out.is_empty());
        result
    }

    fn split(&mut self) -> (&mut Mikey, Ask<'_>, Env<'_>) {
        let Self { mikey, me, peer, policy, streams, dice, now, hop } = self;
        (mikey, Ask { hop: *hop, me, named: peer, streams, policy }, Env { now: *now, rng: dice })
    }

    pub(crate) fn told(&mut self, session: &mut dyn Session, answer: &Lines) -> (Result<(), Error>, Vec<Output>) {
        let mut out = vec![];
        let mut env = Env { now: self.now, rng: &mut self.dice };
        let result = session.handle(Input::Answer(answer), &mut env, &mut out);
        (result, out)
    }
}

/// Alice calls bob.
pub(crate) fn pair() -> (Side, Side) {
    let alice = Side::new("sip:alice@example.org", "sip:bob@example.org", &PSK, 0xa11ce);
    let bob = Side::new("sip:bob@example.org", "sip:alice@example.org", &PSK, 0xb0b);
    (alice, bob)
}

/// Both directions of an m-line.
pub(crate) fn line(line: u8, ssrc: u32) -> [Stream; 2] {
    [(Dir::Send, Some(Ssrc(ssrc))), (Dir::Hear, None)].map(|(dir, ssrc)| Stream { line, dir, ssrc, roc: 0 })
}

/// Every key with every stream it came out for.
pub(crate) fn keys(out: &[Output]) -> Vec<(KeyId, Stream)> {
    let keys = out.iter().filter_map(|output| if let Output::Key(key) = output { Some(key) } else { None });
    keys.flat_map(|key| key.streams().iter().map(|stream| (key.key().id(), *stream))).collect()
}

pub(crate) fn key_for(out: &[Output], dir: Dir, line: u8) -> KeyId {
    let mut found = keys(out).into_iter().filter(|(_, stream)| stream.dir == dir && stream.line == line);
    found.next().unwrap_or_else(|| panic!("no key to {dir:?} line {line}")).0
}

pub(crate) fn expected(out: &[Output]) -> Vec<(KeyId, Stream)> {
    let expected =
        out.iter().filter_map(|o| if let Output::Expect(key, stream) = o { Some((*key, *stream)) } else { None });
    expected.collect()
}

pub(crate) fn gave_keys(out: &[Output]) -> bool {
    out.iter().any(|output| matches!(output, Output::Key(_) | Output::Expect(..)))
}

pub(crate) fn bytes(lines: &Lines) -> Vec<u8> {
    STANDARD.decode(lines.0[0].value.strip_prefix("mikey ").unwrap()).unwrap()
}

pub(crate) fn lines(bytes: &[u8]) -> Lines {
    raw(format!("mikey {}", STANDARD.encode(bytes)))
}

pub(crate) fn raw(value: String) -> Lines {
    Lines(vec![Line { level: Level::Session, name: "key-mgmt".into(), value }])
}

pub(crate) fn message(lines: &Lines) -> Message {
    Message::read(&bytes(lines), Tolerances::none()).unwrap()
}

/// An I_MESSAGE to bob from alice, as some other implementation would write it.
pub(crate) struct Foreign {
    pub(crate) v: bool,
    pub(crate) t: T,
    pub(crate) ssrcs: Vec<u32>,
    /// Another map than that of these SSRCs.
    pub(crate) map: Option<CsMap>,
    /// An update: it has no RAND.
    pub(crate) is_update: bool,
    pub(crate) payloads: Vec<Payload>,
    pub(crate) keys: Vec<KeyData>,
    pub(crate) prf: Prf,
    pub(crate) data_type: DataType,
}

impl Foreign {
    pub(crate) const CSB: u32 = 0x0c5b_1d00;

    pub(crate) fn new(keys: Vec<KeyData>) -> Self {
        let payloads = vec![Id::uri("sip:alice@example.org").into(), Ext::SdpIds(b"mikey".to_vec()).into()];
        let (ssrcs, t) = (vec![0xf0, 0], T::NtpUtc(at(1).ntp.0));
        Self {
            v: true,
            t,
            ssrcs,
            map: None,
            is_update: false,
            payloads,
            keys,
            prf: Prf::Mikey1,
            data_type: DataType::PskInit,
        }
    }

    pub(crate) fn transport() -> (CsbLabel, TransportKeys) {
        let csb = CsbLabel { csb_id: Self::CSB, rand: vec![7; 16] };
        let keys = TransportKeys::new(&PSK, &csb);
        (csb, keys)
    }

    pub(crate) fn message(&self) -> Message {
        let (csb, keys) = Self::transport();
        let ids = self.ssrcs.iter().map(|&ssrc| SrtpId {
            policy_no: 0,
            ssrc: (ssrc != 0).then_some(Ssrc(ssrc)),
            roc: if ssrc == 0 { 0 } else { 5 },
        });
        let map = self.map.clone().unwrap_or_else(|| CsMap::Srtp(ids.collect()));
        let hdr = Hdr { data_type: self.data_type, v: self.v, prf: self.prf, csb_id: csb.csb_id, map };
        let draft = Draft::new(&hdr).push(self.t);
        let draft = if self.is_update { draft } else { draft.push(Rand(csb.rand)) };
        let draft = self.payloads.iter().cloned().fold(draft, Draft::push);
        let plain = key_data::write_keys(None, &self.keys).unwrap();
        let data = aes_cm(&keys, Self::CSB, self.t.octets(), &plain);
        let unsealed = draft.kemac(EncrAlg::AesCm128, data, MacAlg::HmacSha1_160);
        let mac = hmac_sha1(&keys.auth, &[unsealed.covered()]);
        unsealed.seal(&mac).unwrap()
    }

    pub(crate) fn lines(&self) -> Lines {
        lines(self.message().bytes())
    }
}
