//! One test body for every keying system: whatever stands in the socket, a call that is keyed can be heard, and a call
//! that was tampered with is not keyed. What a system promises is data, as in RFC 5197's table.

use keyphone_keying::mikey::wire::EncrAlg;
use keyphone_keying::mikey::{Mikey, MikeyPolicy};
use keyphone_keying::{
    Ask, Dir, Error, How, Identity, Input, Keying, Lines, Offered, Output, Policy, Psk, PskStore, Refusal, Session,
    Stream,
};
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_media::rtp::{Frame, Ssrc};
use keyphone_media::srtp::{Heard, Ledger, Receiver, Sender};

/// A system, and what it promises.
struct System {
    name: &'static str,
    policy: Policy,
    stand: fn() -> Box<dyn Keying>,
    /// The caller can hear before any answer has come (RFC 5197 section 5.1).
    early_media: bool,
    /// All branches of a forked call share one key (RFC 5197 section 5.2).
    fork_shares_key: bool,
    /// How each side knows the other.
    how: How,
}

const START: NtpTime = NtpTime(0xed00_0000_0000_0000);

fn systems() -> Vec<System> {
    let psk = |name, encryption| {
        let allow_null_encryption = encryption == EncrAlg::Null;
        let mikey = MikeyPolicy { encryption, allow_null_encryption, ..MikeyPolicy::default() };
        let policy = Policy { mikey, ..Policy::default() };
        System { name, policy, stand: mikey_psk, early_media: true, fork_shares_key: true, how: How::SharedKey }
    };
    vec![
        psk("MIKEY-PSK, AES-CM", EncrAlg::AesCm128),
        psk("MIKEY-PSK, AES-KW", EncrAlg::AesKw128),
        psk("MIKEY-PSK, not encrypted", EncrAlg::Null),
    ]
}

fn mikey_psk() -> Box<dyn Keying> {
    let mut psks = PskStore::default();
    psks.insert(None, Psk::new(b"sixteen octets!!".to_vec()).unwrap());
    Box::new(Mikey::new(psks, START))
}

struct Dice(u64);

impl Rng for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        for byte in buf {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

/// One phone: a keying system, and what it takes to speak and to hear.
struct Phone {
    system: Box<dyn Keying>,
    me: Identity,
    peer: Identity,
    policy: Policy,
    ledger: Ledger,
    ears: Receiver,
    mouth: Option<Sender>,
    /// Who the peer is and how we know, in the order of what keying said; a key is `None`.
    said: Vec<Option<How>>,
    dice: Dice,
}

impl Phone {
    fn new(system: &System, me: &str, peer: &str, seed: u64) -> Self {
        Self {
            system: (system.stand)(),
            me: Identity::new(me),
            peer: Identity::new(peer),
            policy: system.policy.clone(),
            ledger: Ledger::default(),
            ears: Receiver::default(),
            mouth: None,
            said: vec![],
            dice: Dice(seed),
        }
    }

    fn alice(system: &System) -> Self {
        Self::new(system, "sip:alice@example.org", "sip:bob@example.org", 1)
    }

    /// The nth phone that is called bob.
    fn bob(system: &System, n: u64) -> Self {
        Self::new(system, "sip:bob@example.org", "sip:alice@example.org", 100 + n)
    }

    fn ask<R>(
        &mut self,
        act: impl FnOnce(&mut dyn Keying, &Ask<'_>, &mut Env<'_>, &mut Vec<Output>) -> R,
    ) -> (R, Vec<Output>) {
        let mut env = Env { now: now(), rng: &mut self.dice };
        let ssrc = self.ledger.mint(&mut env);
        let streams = [(Dir::Send, Some(ssrc)), (Dir::Hear, None)];
        let streams = streams.map(|(dir, ssrc)| Stream { line: 0, dir, ssrc, roc: 0 });
        let ask = Ask { me: &self.me, named: &self.peer, streams: &streams, policy: &self.policy };
        let mut out = vec![];
        let result = act(&mut *self.system, &ask, &mut env, &mut out);
        (result, out)
    }

    fn offer(&mut self) -> (Lines, Box<dyn Offered>) {
        let (result, out) = self.ask(|system, ask, env, out| system.offer(ask, env, out));
        self.obey(out);
        result.unwrap()
    }

    fn answer(&mut self, offer: &Lines) -> Result<(Lines, Box<dyn Session>), Refusal> {
        let (result, out) = self.ask(|system, ask, env, out| system.answer(ask, offer, env, out));
        self.obey(out);
        result
    }

    fn told(&mut self, session: &mut dyn Session, answer: &Lines) -> Result<(), Error> {
        let mut out = vec![];
        let result = session.handle(Input::Answer(answer), &mut Env { now: now(), rng: &mut self.dice }, &mut out);
        self.obey(out);
        result
    }

    fn obey(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Peer(peer) => self.said.push(Some(peer.how)),
                Output::Key(key) => {
                    self.said.push(None);
                    for stream in key.streams() {
                        match (stream.dir, stream.ssrc) {
                            (Dir::Send, ssrc) => {
                                let slot = self.ledger.bind(key.key(), ssrc.expect("what we send is ours")).unwrap();
                                self.mouth = Some(slot.sender(&mut Env { now: now(), rng: &mut self.dice }));
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

    fn has_keys(&self) -> bool {
        self.said.contains(&None)
    }

    /// One packet.
    fn speaks(&mut self) -> Vec<u8> {
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
    fn hears(&mut self, packet: &[u8]) -> Option<Ssrc> {
        match self.ears.open(&mut self.ledger, packet) {
            Heard::Frame { ssrc, frame, .. } => (frame.payload == b"hello, hello").then_some(ssrc),
            _ => None,
        }
    }
}

fn now() -> Now {
    Now { mono: Instant::from_micros(1_000_000), ntp: NtpTime(START.0 + (1 << 32)) }
}

#[test]
fn a_plain_call_is_heard_both_ways_and_the_peer_is_named_first() {
    for system in systems() {
        let (mut alice, mut bob) = (Phone::alice(&system), Phone::bob(&system, 0));
        let (offer, offered) = alice.offer();
        let (answer, _) = bob.answer(&offer).unwrap_or_else(|refusal| panic!("{}: {}", system.name, refusal.error));
        assert_eq!(bob.said.first(), Some(&Some(system.how)), "{}: first the peer, then its keys", system.name);
        let hint = offered.hint(&answer);
        alice.told(&mut *offered.session(), &answer).unwrap();
        assert!(alice.said.contains(&Some(system.how)), "{}", system.name);
        for _ in 0..3 {
            let (from_alice, from_bob) = (alice.speaks(), bob.speaks());
            assert!(bob.hears(&from_alice).is_some(), "{}", system.name);
            let ssrc = alice.hears(&from_bob).unwrap_or_else(|| panic!("{}", system.name));
            assert!(hint.ssrcs.is_empty() || hint.ssrcs == [ssrc], "{}: a hint is no lie", system.name);
            assert!(!from_alice.windows(12).any(|w| w == b"hello, hello"), "{}", system.name);
        }
    }
}

#[test]
fn media_before_the_answer_is_heard_where_the_system_promises_it() {
    for system in systems() {
        let (mut alice, mut bob) = (Phone::alice(&system), Phone::bob(&system, 0));
        let (offer, _) = alice.offer();
        bob.answer(&offer).unwrap();
        assert_eq!(alice.hears(&bob.speaks()).is_some(), system.early_media, "{}", system.name);
    }
}

#[test]
fn three_answers_to_one_offer_are_all_heard() {
    for system in systems() {
        let mut alice = Phone::alice(&system);
        let mut bobs: Vec<_> = (0..3).map(|n| Phone::bob(&system, n)).collect();
        let (offer, offered) = alice.offer();
        let answers: Vec<_> = bobs.iter_mut().map(|bob| bob.answer(&offer).unwrap().0).collect();
        for answer in &answers {
            alice.told(&mut *offered.session(), answer).unwrap();
        }
        let ssrcs: Vec<_> = bobs.iter_mut().map(|bob| alice.hears(&bob.speaks())).collect();
        assert!(ssrcs.iter().all(Option::is_some), "{}: {ssrcs:?}", system.name);
        let packet = alice.speaks();
        let hear = bobs.iter_mut().filter_map(|bob| bob.hears(&packet)).count();
        assert_eq!(hear, if system.fork_shares_key { 3 } else { 1 }, "{}", system.name);
    }
}

/// The lines with one character of one value changed: every few characters one. The last four may say nothing: the
/// bits of a last base64 letter that belong to no octet, and padding.
fn tampered(lines: &Lines) -> impl Iterator<Item = Lines> + '_ {
    let places = lines.0.iter().enumerate().flat_map(|(n, line)| (0..line.value.len() - 4).map(move |at| (n, at)));
    places.step_by(3).map(|(n, at)| {
        let mut lines = lines.clone();
        let value = &mut lines.0[n].value;
        let other = if value.as_bytes()[at] == b'A' { "B" } else { "A" };
        value.replace_range(at..=at, other);
        lines
    })
}

#[test]
fn an_offer_that_was_changed_gives_no_key() {
    for system in systems() {
        let (offer, _) = Phone::alice(&system).offer();
        let mut tried = 0;
        for changed in tampered(&offer) {
            let mut bob = Phone::bob(&system, 0);
            assert!(bob.answer(&changed).is_err() && !bob.has_keys(), "{}: {changed:?}", system.name);
            tried += 1;
        }
        assert!(tried > 40, "{}: {tried}", system.name);
        Phone::bob(&system, 0).answer(&offer).unwrap();
    }
}

#[test]
fn an_answer_that_was_changed_is_not_believed_and_does_not_spoil_the_true_one() {
    for system in systems() {
        let (mut alice, mut bob) = (Phone::alice(&system), Phone::bob(&system, 0));
        let (offer, offered) = alice.offer();
        let (answer, _) = bob.answer(&offer).unwrap();
        let before = alice.said.len();
        for changed in tampered(&answer) {
            assert!(alice.told(&mut *offered.session(), &changed).is_err(), "{}: {changed:?}", system.name);
            assert_eq!(alice.said.len(), before, "{}: nobody is named and no key comes out", system.name);
        }
        alice.told(&mut *offered.session(), &answer).unwrap();
        assert!(alice.hears(&bob.speaks()).is_some());
    }
}

#[test]
fn an_offer_that_comes_again_is_a_replay_and_an_answer_belongs_to_its_offer() {
    for system in systems() {
        let (mut alice, mut bob) = (Phone::alice(&system), Phone::bob(&system, 0));
        let (offer, _) = alice.offer();
        let (answer, _) = bob.answer(&offer).unwrap();
        let keys = bob.said.len();
        assert!(bob.answer(&offer).is_err(), "{}", system.name);
        assert_eq!(bob.said.len(), keys, "{}: no second key for one offer", system.name);
        let (_, second) = alice.offer();
        assert!(alice.told(&mut *second.session(), &answer).is_err(), "{}", system.name);
    }
}

#[test]
fn lines_that_were_taken_away_are_missed() {
    for system in systems() {
        let (mut alice, mut bob) = (Phone::alice(&system), Phone::bob(&system, 0));
        let (offer, offered) = alice.offer();
        for n in 0..offer.0.len() {
            let mut fewer = offer.clone();
            fewer.0.remove(n);
            assert!(bob.answer(&fewer).is_err() && !bob.has_keys(), "{}", system.name);
        }
        let (answer, _) = bob.answer(&offer).unwrap();
        let before = alice.said.len();
        for n in 0..answer.0.len() {
            let mut fewer = answer.clone();
            fewer.0.remove(n);
            assert!(alice.told(&mut *offered.session(), &fewer).is_err(), "{}", system.name);
        }
        assert!(alice.told(&mut *offered.session(), &Lines::default()).is_err(), "{}", system.name);
        assert_eq!(alice.said.len(), before, "{}", system.name);
    }
}

#[test]
fn what_policy_forbids_is_neither_offered_nor_answered() {
    for system in systems().into_iter().filter(|system| system.policy.mikey.allow_null_encryption) {
        let (offer, _) = Phone::alice(&system).offer();
        let mut strict = Phone::bob(&system, 0);
        strict.policy = Policy::default();
        assert!(strict.answer(&offer).is_err() && !strict.has_keys(), "{}", system.name);
        let mut caller = Phone::alice(&system);
        caller.policy.mikey.allow_null_encryption = false;
        let (result, out) = caller.ask(|system, ask, env, out| system.offer(ask, env, out));
        assert!(result.is_err() && out.is_empty(), "{}", system.name);
    }
}
