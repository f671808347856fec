//! Two sides that never meet but in lines of SDP: what the tests of all modes share.

#![allow(dead_code, reason = "each of the test binaries that have it uses its part")]

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
use std::sync::Arc;

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
    Now { mono: Instant::from_micros(seconds * 1_000_000), ntp: NtpTime(START.0.wrapping_add(seconds << 32)) }
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

/// What we offered, and what waits for its answers.
pub(crate) type OfferMade = (Lines, Box<dyn Offered>);

/// The lines of an answer, and the session that goes on.
pub(crate) type Agreement = (Lines, Box<dyn Session>);

impl Side {
    /// With one m-line, a second after the start, over a clear hop.
    pub(crate) fn new(
        (me, peer): (&str, &str),
        credentials: impl Into<Arc<Credentials>>,
        policy: Policy,
        ssrc: u32,
    ) -> Self {
        Self {
            mikey: Mikey::new(credentials, START),
            me: Identity::new(me),
            peer: Identity::new(peer),
            policy,
            streams: line(0, ssrc).to_vec(),
            dice: Dice(ssrc.into()),
            now: at(1),
            hop: Hop::Clear,
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

    /// Offers nothing; says why.
    pub(crate) fn offers_nothing(&mut self) -> String {
        let (result, out) = self.try_offer();
        assert!(!gave_keys(&out), "{out:?}");
        result.err().expect("it offers").to_string()
    }

    /// The outputs are there even if it refuses.
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
        assert!(!gave_keys(&out), "{out:?}");
        let Err(refusal) = result else { panic!("accepted") };
        (refusal.error.to_string(), refusal.lines)
    }

    pub(crate) fn told(&mut self, session: &mut dyn Session, answer: &Lines) -> (Result<(), Error>, Vec<Output>) {
        self.ask(|_, _, env, out| session.handle(Input::Answer(answer), env, out))
    }

    /// Does not take the answer, and gets no key by it; says why.
    pub(crate) fn reject(&mut self, offered: &dyn Offered, answer: &Lines) -> String {
        let (result, out) = self.told(&mut *offered.session(), answer);
        assert!(!gave_keys(&out), "{out:?}");
        result.expect_err("accepted").to_string()
    }

    /// Is told that its offer was refused.
    pub(crate) fn rejected(&mut self, session: &mut dyn Session) {
        self.ask(|_, _, env, out| session.handle(Input::Rejected, env, out)).0.unwrap();
    }

    pub(crate) fn try_offer_again(&mut self, session: &mut dyn Session) -> (Result<Lines, Error>, Vec<Output>) {
        self.ask(|_, ask, env, out| session.offer(ask, env, out))
    }

    pub(crate) fn offer_again(&mut self, session: &mut dyn Session) -> (Lines, Vec<Output>) {
        let (result, out) = self.try_offer_again(session);
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

/// Every key with every stream it came out for.
pub(crate) fn keys(out: &[Output]) -> Vec<(KeyId, Stream)> {
    let keys = out.iter().filter_map(|output| if let Output::Key(key) = output { Some(key) } else { None });
    keys.flat_map(|key| key.streams().iter().map(|stream| (key.key().id(), *stream))).collect()
}

pub(crate) fn gave_keys(out: &[Output]) -> bool {
    out.iter().any(|output| matches!(output, Output::Key(_) | Output::Expect(..)))
}

/// The key of one way of an m-line.
pub(crate) fn key_for(out: &[Output], dir: Dir, line: u8) -> KeyId {
    let mut found = keys(out).into_iter().filter(|(_, stream)| stream.dir == dir && stream.line == line);
    found.next().unwrap_or_else(|| panic!("no key to {dir:?} line {line}: {out:?}")).0
}

/// The keys for sending and for hearing on a line.
pub(crate) fn ways(out: &[Output], line: u8) -> (KeyId, KeyId) {
    (key_for(out, Dir::Send, line), key_for(out, Dir::Hear, line))
}

pub(crate) fn bytes(lines: &Lines) -> Vec<u8> {
    STANDARD.decode(lines.0[0].value.strip_prefix("mikey ").unwrap()).unwrap()
}

pub(crate) fn lines(bytes: &[u8]) -> Lines {
    raw(format!("mikey {}", STANDARD.encode(bytes)))
}

/// A line of key-mgmt with any value.
pub(crate) fn raw(value: String) -> Lines {
    Lines(vec![Line { level: Level::Session, name: "key-mgmt".into(), value }])
}

pub(crate) fn message(lines: &Lines) -> Message {
    Message::read(&bytes(lines), Tolerances::interop()).unwrap()
}
