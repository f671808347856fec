//! Two sides that never meet but in lines of SDP.

use crate::modes::{ALICE, BOB, Case};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyphone_keying::mikey::wire::Message;
use keyphone_keying::mikey::{Mikey, Tolerances};
use keyphone_keying::{
    Ask, Credentials, Dir, Error, Hop, Identity, Input, Keying, Level, Line, Lines, Offered, Output, Policy, Refusal,
    Session, Stream,
};
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_media::rtp::Ssrc;
use keyphone_media::srtp::KeyId;

/// The last day of 2025.
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
    pub(crate) now: Now,
    pub(crate) hop: Hop,
    pub(crate) dice: Dice,
}

/// What we offered, and what waits for its answers.
pub(crate) type OfferMade = (Lines, Box<dyn Offered>);

pub(crate) type Agreement = (Lines, Box<dyn Session>);

/// Alice calls bob.
pub(crate) fn pair(case: &Case) -> (Side, Side) {
    let alice = Side::new(case, (ALICE, BOB), case.credentials(ALICE, BOB), 0xa11ce);
    (alice, bob(case))
}

pub(crate) fn bob(case: &Case) -> Side {
    Side::new(case, (BOB, ALICE), case.credentials(BOB, ALICE), 0xb0b)
}

impl Side {
    pub(crate) fn new(case: &Case, (me, peer): (&str, &str), credentials: Credentials, ssrc: u32) -> Self {
        Self {
            mikey: Mikey::new(credentials, START),
            me: Identity::new(me),
            peer: Identity::new(peer),
            policy: case.policy(),
            streams: line(0, ssrc).to_vec(),
            now: at(1),
            hop: case.hop,
            dice: Dice(ssrc.into()),
        }
    }

    fn ask<R>(
        &mut self,
        act: impl FnOnce(&mut Mikey, &Ask<'_>, &mut Env<'_>, &mut Vec<Output>) -> R,
    ) -> (R, Vec<Output>) {
        let Self { mikey, me, peer, policy, streams, now, hop, dice } = self;
        let ask = Ask { hop: *hop, me, named: peer, streams, policy };
        let mut out = vec![];
        let result = act(mikey, &ask, &mut Env { now: *now, rng: dice }, &mut out);
        (result, out)
    }

    pub(crate) fn try_offer(&mut self) -> (Result<OfferMade, Error>, Vec<Output>) {
        self.ask(|mikey, ask, env, out| mikey.offer(ask, env, out))
    }

    pub(crate) fn offer(&mut self) -> (Lines, Box<dyn Offered>, Vec<Output>) {
        let (result, out) = self.try_offer();
        let (lines, offered) = result.unwrap();
        (lines, offered, out)
    }

    pub(crate) fn answer(&mut self, offer: &Lines) -> (Result<Agreement, Refusal>, Vec<Output>) {
        self.ask(|mikey, ask, env, out| mikey.answer(ask, offer, env, out))
    }

    pub(crate) fn accept(&mut self, offer: &Lines) -> (Lines, Box<dyn Session>, Vec<Output>) {
        let (result, out) = self.answer(offer);
        let (lines, session) = result.unwrap_or_else(|refusal| panic!("{}", refusal.error));
        (lines, session, out)
    }

    /// Refuses, without a key; says why, and perhaps the peer too.
    pub(crate) fn refuse(&mut self, offer: &Lines) -> (String, Option<Lines>) {
        let (result, out) = self.answer(offer);
        assert!(keys(&out).is_empty(), "{out:?}");
        let Err(refusal) = result else { panic!("accepted") };
        (refusal.error.to_string(), refusal.lines)
    }

    pub(crate) fn told(&mut self, session: &mut dyn Session, answer: &Lines) -> (Result<(), Error>, Vec<Output>) {
        self.ask(|_, _, env, out| session.handle(Input::Answer(answer), env, out))
    }

    /// Does not take the answer, and gets no key by it; says why.
    pub(crate) fn reject(&mut self, offered: &dyn Offered, answer: &Lines) -> String {
        let (result, out) = self.told(&mut *offered.session(), answer);
        assert!(keys(&out).is_empty(), "{out:?}");
        result.expect_err("accepted").to_string()
    }

    pub(crate) fn offer_again(&mut self, session: &mut dyn Session) -> (Lines, Vec<Output>) {
        let (result, out) = self.ask(|_, ask, env, out| session.offer(ask, env, out));
        (result.unwrap(), out)
    }

    pub(crate) fn answer_again(
        &mut self,
        session: &mut dyn Session,
        offer: &Lines,
    ) -> (Result<Lines, Refusal>, Vec<Output>) {
        self.ask(|_, ask, env, out| session.answer(ask, offer, env, out))
    }
}

/// Both directions of an m-line.
pub(crate) fn line(line: u8, ssrc: u32) -> [Stream; 2] {
    [(Dir::Send, Some(Ssrc(ssrc))), (Dir::Hear, None)].map(|(dir, ssrc)| Stream { line, dir, ssrc, roc: 0 })
}

/// Every key with what it came out for.
pub(crate) fn keys(out: &[Output]) -> Vec<(KeyId, Stream)> {
    let keys = out.iter().filter_map(|output| if let Output::Key(key) = output { Some(key) } else { None });
    keys.flat_map(|key| key.streams().iter().map(|stream| (key.key().id(), *stream))).collect()
}

/// The keys for sending and for hearing on a line.
pub(crate) fn ways(out: &[Output], line: u8) -> (KeyId, KeyId) {
    let way = |dir| {
        let mut found = keys(out).into_iter().filter(|(_, stream)| stream.line == line && stream.dir == dir);
        found.next().unwrap_or_else(|| panic!("no key to {dir:?} on line {line}: {out:?}")).0
    };
    (way(Dir::Send), way(Dir::Hear))
}

pub(crate) fn bytes(lines: &Lines) -> Vec<u8> {
    STANDARD.decode(lines.0[0].value.strip_prefix("mikey ").unwrap()).unwrap()
}

pub(crate) fn lines(bytes: &[u8]) -> Lines {
    let value = format!("mikey {}", STANDARD.encode(bytes));
    Lines(vec![Line { level: Level::Session, name: "key-mgmt".into(), value }])
}

pub(crate) fn message(lines: &Lines) -> Message {
    Message::read(&bytes(lines), Tolerances::none()).unwrap()
}
