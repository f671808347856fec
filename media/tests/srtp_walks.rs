//! The two-time pad, approached from every side.

use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_media::rtp::{Frame, Ssrc};
use keyphone_media::srtp::{
    Heard, HeardRtcp, KeyWornOut, Ledger, MasterKey, Mki, Receiver, SealError, Sender, Suite, TwoTimePad,
};

struct Dice(u64);

impl Rng for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        for b in buf {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *b = (self.0 >> 56) as u8;
        }
    }
}

struct Stuck;

impl Rng for Stuck {
    fn fill(&mut self, buf: &mut [u8]) {
        buf.fill(0);
    }
}

fn env(rng: &mut dyn Rng) -> Env<'_> {
    Env { now: Now { mono: Instant::ZERO, ntp: NtpTime(0) }, rng }
}

fn key(n: u8) -> MasterKey {
    MasterKey::new(&[n; 16], &[n ^ 0xff; 14], Suite::AesCm128HmacSha1_80).unwrap()
}

fn frame(payload: &[u8]) -> Frame<'_> {
    Frame { payload_type: 0, marker: false, timestamp: 0, payload }
}

/// Of a stream whose first timestamp is `start`.
fn nth(n: u32, start: u32) -> Frame<'static> {
    Frame { timestamp: start.wrapping_add(n * 160), ..frame(b"ring") }
}

fn report(ssrc: Ssrc) -> Vec<u8> {
    [&[0x80, 201, 0, 1], &ssrc.0.to_be_bytes()[..]].concat()
}

/// One end: its book, its voice, its ears.
struct Phone {
    ledger: Ledger,
    sender: Sender,
    ears: Receiver,
}

impl Phone {
    fn new(key: &MasterKey, ssrc: u32, seed: u64) -> Self {
        let mut ledger = Ledger::default();
        let sender = ledger.bind(key, Ssrc(ssrc)).unwrap().sender(&mut env(&mut Dice(seed)));
        let mut ears = Receiver::default();
        ears.add(key);
        Self { ledger, sender, ears }
    }

    fn says(&mut self, payload: &[u8]) -> Vec<u8> {
        self.seals(frame(payload))
    }

    fn seals(&mut self, frame: Frame<'_>) -> Vec<u8> {
        self.sender.seal(&mut self.ledger, frame).unwrap().bytes().to_vec()
    }

    fn reports(&mut self) -> Vec<u8> {
        let report = report(self.sender.ssrc());
        self.sender.seal_rtcp(&mut self.ledger, &report).unwrap().bytes().to_vec()
    }

    fn hears(&mut self, packet: &[u8]) -> Heard<'_> {
        self.ears.open(&mut self.ledger, packet)
    }

    fn hears_rtcp(&mut self, packet: &[u8]) -> HeardRtcp<'_> {
        self.ears.open_rtcp(&mut self.ledger, packet)
    }

    fn plays(&mut self, packet: &[u8], payload: &[u8]) -> bool {
        matches!(self.hears(packet), Heard::Frame { frame, .. } if frame.payload == payload)
    }
}

#[test]
fn two_peers_with_one_ssrc_clash_when_an_index_comes_twice_and_a_replay_does_not() {
    let (mut alice, mut bob, mut carol) =
        (Phone::new(&key(1), 1, 1), Phone::new(&key(1), 20, 5), Phone::new(&key(1), 20, 5));
    let first = bob.says(b"ring");
    assert!(alice.plays(&first, b"ring"));
    assert_eq!(alice.hears(&first), Heard::Replayed);
    let twin = carol.says(b"ting");
    assert!(matches!(alice.hears(&twin), Heard::Clash { ssrc: Ssrc(20), ours: false, .. }));
    let first = bob.reports();
    assert!(matches!(alice.hears_rtcp(&first), HeardRtcp::Compound { ssrc: Ssrc(20), .. }));
    assert_eq!(alice.hears_rtcp(&first), HeardRtcp::Replayed);
    let other = [&report(Ssrc(20))[..], &[0x80, 203, 0, 0]].concat();
    let twin = carol.sender.seal_rtcp(&mut carol.ledger, &other).unwrap();
    let clash = HeardRtcp::Clash { key: key(1).id(), ssrc: Ssrc(20), index: 0, ours: false };
    assert_eq!(alice.ears.open_rtcp(&mut alice.ledger, twin.bytes()), clash);
}

#[test]
fn a_second_stream_that_began_far_below_the_first_is_a_clash_and_an_old_packet_is_a_replay() {
    let (mut alice, mut bob, mut carol) =
        (Phone::new(&key(1), 1, 1), Phone::new(&key(1), 20, 5), Phone::new(&key(1), 20, 5));
    let start = 0xffff_ff00;
    let unheard: Vec<_> = (0..1200).map(|n| bob.seals(nth(n, start))).collect();
    let heard: Vec<_> = (1200..1500).map(|n| bob.seals(nth(n, start))).collect();
    assert!(heard.iter().all(|packet| alice.plays(packet, b"ring")));
    assert_eq!(alice.hears(&heard[0]), Heard::Replayed);
    for packet in &unheard {
        assert_eq!(alice.hears(packet), Heard::Replayed, "whoever has recorded it can send it");
    }
    let other = carol.seals(nth(0, 0x1234_5678));
    assert!(matches!(alice.hears(&other), Heard::Clash { ssrc: Ssrc(20), ours: false, .. }));
}

#[test]
fn our_own_packets_that_come_back_are_reflections_even_past_a_wrap() {
    let mut me = Phone::new(&key(1), 1, 1);
    let mine = me.says(b"hello");
    assert_eq!(me.hears(&mine), Heard::Reflected);
    for _ in 0..70_000 {
        me.says(b"");
    }
    let late = me.says(b"hello");
    assert_eq!((me.sender.roc(), me.hears(&late)), (1, Heard::Reflected));
    let mine = me.reports();
    assert_eq!(me.hears_rtcp(&mine), HeardRtcp::Reflected);
}

#[test]
fn a_peer_that_sends_as_us_is_a_clash_and_one_that_says_so_is_refused() {
    let (mut me, mut thief) = (Phone::new(&key(1), 1, 1), Phone::new(&key(1), 1, 1));
    me.says(b"me");
    me.reports();
    let (stolen, faster) = (thief.says(b"us"), thief.says(b"us"));
    assert!(matches!(me.hears(&stolen), Heard::Clash { ssrc: Ssrc(1), ours: true, .. }));
    assert!(matches!(me.hears(&faster), Heard::Clash { ssrc: Ssrc(1), ours: true, .. }), "where we have yet to come");
    thief.reports();
    let stolen = thief.reports();
    assert_eq!(me.hears_rtcp(&stolen), HeardRtcp::Clash { key: key(1).id(), ssrc: Ssrc(1), index: 1, ours: true });
    let taken = |ssrc| TwoTimePad::Taken { key: key(1).id(), ssrc: Ssrc(ssrc) };
    assert_eq!(me.ears.expect(&mut me.ledger, key(1).id(), Ssrc(1), 0), Err(taken(1)));
    assert_eq!(me.ears.roc(Ssrc(1)), None, "what was refused leaves nothing");
    assert_eq!(me.ledger.bind(&key(1), Ssrc(1)).unwrap_err(), taken(1));
    assert_eq!(me.ears.expect(&mut me.ledger, key(1).id(), Ssrc(5), 0), Ok(()));
    assert_eq!(me.ears.expect(&mut me.ledger, key(1).id(), Ssrc(5), 0), Err(taken(5)), "two answers name one SSRC");
    assert_eq!(me.ledger.bind(&key(1), Ssrc(5)).unwrap_err(), taken(5));
    assert!(me.ledger.bind(&key(2), Ssrc(1)).is_ok(), "another key is another pad");
}

#[test]
fn an_ssrc_that_was_heard_may_be_named_afterwards_but_never_be_ours() {
    let (mut alice, mut bob) = (Phone::new(&key(1), 1, 1), Phone::new(&key(1), 20, 2));
    let early = bob.says(b"early");
    assert!(alice.plays(&early, b"early"));
    assert!(alice.ledger.bind(&key(1), Ssrc(20)).is_err());
    assert_eq!(alice.ears.expect(&mut alice.ledger, key(1).id(), Ssrc(20), 0), Ok(()));
    assert_eq!(alice.hears(&early), Heard::Replayed, "naming does not reopen the window");
    let more = bob.says(b"more");
    assert!(alice.plays(&more, b"more"));
}

#[test]
fn a_key_wears_out_over_all_its_senders() {
    let mut ledger = Ledger::default();
    let short = || key(1).with_lifetime(3);
    let mut a = ledger.bind(&short(), Ssrc(1)).unwrap().sender(&mut env(&mut Dice(1)));
    // The same key without its lifetime does not live longer.
    let mut b = ledger.bind(&key(1), Ssrc(2)).unwrap().sender(&mut env(&mut Dice(2)));
    a.seal(&mut ledger, frame(b"1")).unwrap();
    b.seal(&mut ledger, frame(b"2")).unwrap();
    assert_eq!((a.left(&ledger), b.left(&ledger)), (1, 1));
    a.seal(&mut ledger, frame(b"3")).unwrap();
    let worn = SealError::KeyWornOut(KeyWornOut { key: key(1).id() });
    assert_eq!(a.seal(&mut ledger, frame(b"4")).unwrap_err(), worn);
    assert_eq!(b.seal(&mut ledger, frame(b"4")).unwrap_err(), worn);
    assert_eq!(b.seal_rtcp(&mut ledger, &report(Ssrc(2))).unwrap_err(), worn);
    a.rekey(ledger.bind(&key(2), Ssrc(1)).unwrap());
    assert!(a.seal(&mut ledger, frame(b"4")).is_ok());
}

#[test]
fn a_closed_key_seals_nothing_hears_nothing_and_is_never_bound_again() {
    let (mut alice, mut bob) = (Phone::new(&key(1), 1, 1), Phone::new(&key(1), 20, 2));
    alice.ledger.close(key(1).id());
    assert!(matches!(alice.sender.seal(&mut alice.ledger, frame(b"")), Err(SealError::KeyWornOut(_))));
    assert_eq!(alice.sender.left(&alice.ledger), 0);
    let (voice, report) = (bob.says(b"late"), bob.reports());
    assert_eq!(alice.hears(&voice), Heard::Refused);
    assert_eq!(alice.hears_rtcp(&report), HeardRtcp::Refused);
    let closed = TwoTimePad::Closed { key: key(1).id() };
    assert_eq!(alice.ledger.bind(&key(1), Ssrc(7)).unwrap_err(), closed);
    assert_eq!(alice.ears.expect(&mut alice.ledger, key(1).id(), Ssrc(7), 0), Err(closed));
}

#[test]
fn a_late_joiner_hears_nothing_until_it_is_told_the_roc() {
    let (mut alice, mut bob) = (Phone::new(&key(1), 1, 1), Phone::new(&key(1), 20, 2));
    while bob.sender.roc() < 2 {
        bob.says(b"");
    }
    let packet = bob.says(b"third round");
    assert_eq!(alice.hears(&packet), Heard::Refused);
    assert_eq!(alice.ears.roc(Ssrc(20)), None);
    alice.ears.expect(&mut alice.ledger, key(1).id(), Ssrc(20), 1).unwrap(); // it wrapped while the message travelled
    assert!(alice.plays(&packet, b"third round"));
    assert_eq!(alice.ears.roc(Ssrc(20)), Some(2));
}

#[test]
fn a_straggler_does_not_make_us_forget_the_roc_that_we_were_told() {
    let (mut alice, mut bob) = (Phone::new(&key(1), 1, 1), Phone::new(&key(1), 20, 2));
    let (first, straggler) = (bob.says(b"first"), bob.says(b"straggler"));
    assert!(alice.plays(&first, b"first"));
    while bob.sender.roc() < 3 {
        bob.says(b"");
    }
    alice.ears.expect(&mut alice.ledger, key(1).id(), Ssrc(20), 3).unwrap();
    assert!(alice.plays(&straggler, b"straggler"));
    let packet = bob.says(b"after a silence");
    assert!(alice.plays(&packet, b"after a silence"));
}

#[test]
fn a_rekeying_goes_on_with_the_roc_and_past_a_wrap() {
    for mki in [None, Some(())] {
        let key = |n: u8| if mki.is_some() { key(n).with_mki(Mki::new(&[n]).unwrap()) } else { key(n) };
        let (mut alice, mut bob) = (Phone::new(&key(1), 1, 1), Phone::new(&key(1), 20, 2));
        while bob.sender.roc() < 1 {
            let packet = bob.says(b"x");
            assert!(alice.plays(&packet, b"x"));
        }
        let (old, report) = (bob.says(b"old key"), bob.reports());
        alice.ears.add(&key(2));
        bob.sender.rekey(bob.ledger.bind(&key(2), Ssrc(20)).unwrap());
        assert_eq!(bob.sender.roc(), 1, "the ROC goes on");
        let new = bob.says(b"new key");
        assert!(alice.plays(&new, b"new key"));
        assert!(alice.plays(&old, b"old key"), "both keys are heard");
        let next = bob.reports();
        assert!(matches!(alice.hears_rtcp(&next), HeardRtcp::Compound { .. }));
        assert!(matches!(alice.hears_rtcp(&report), HeardRtcp::Compound { .. }));
        assert_eq!(next[8..12], [0x80, 0, 0, 1], "the SRTCP index goes on");
        alice.ears.retire(key(1).id());
        assert!(alice.ears.has(key(2).id()) && !alice.ears.has(key(1).id()));
        assert_eq!(alice.hears(&old), Heard::Refused);
        while bob.sender.roc() < 2 {
            let packet = bob.says(b"y");
            assert!(alice.plays(&packet, b"y"));
        }
        let packet = bob.says(b"past the wrap");
        assert!(alice.plays(&packet, b"past the wrap"));
        assert_eq!(alice.ears.roc(Ssrc(20)), Some(2));
    }
}

#[test]
fn a_first_packet_lost_at_the_wrap_does_not_deafen_us() {
    let (mut alice, mut bob) = (Phone::new(&key(1), 1, 1), Phone::new(&key(1), 20, 2));
    while bob.sender.roc() < 1 {
        bob.says(b"");
    }
    let packet = bob.says(b"all before this was lost");
    assert!(alice.plays(&packet, b"all before this was lost"));
}

#[test]
fn a_forged_packet_claims_no_ssrc_and_leaves_no_place() {
    let (mut alice, mut bob) = (Phone::new(&key(1), 1, 1), Phone::new(&key(2), 20, 2));
    for _ in 0..200 {
        let forged = bob.says(b"forged");
        assert_eq!(alice.hears(&forged), Heard::Refused);
    }
    assert_eq!(alice.ears.roc(Ssrc(20)), None);
    assert!(alice.ledger.bind(&key(1), Ssrc(20)).is_ok(), "the SSRC is still free");
}

#[test]
fn strangers_under_one_key_are_bounded_and_the_named_are_not() {
    let mut alice = Phone::new(&key(1), 1, 1);
    for n in 0..Ledger::MAX_STRANGERS as u32 {
        let packet = Phone::new(&key(1), 1000 + n, 3).says(b"me, too");
        assert!(alice.plays(&packet, b"me, too"));
    }
    let (mut late, mut named) = (Phone::new(&key(1), 5000, 3), Phone::new(&key(1), 6000, 3));
    let (voice, report) = (late.says(b"one too many"), late.reports());
    assert_eq!(alice.hears(&voice), Heard::Refused);
    assert_eq!(alice.hears_rtcp(&report), HeardRtcp::Refused);
    alice.ears.expect(&mut alice.ledger, key(1).id(), Ssrc(6000), 0).unwrap();
    let voice = named.says(b"expected");
    assert!(alice.plays(&voice, b"expected"));
    alice.ears.expect(&mut alice.ledger, key(1).id(), Ssrc(1000), 0).unwrap();
    let voice = late.says(b"room again");
    assert!(alice.plays(&voice, b"room again"), "a stranger was named and makes room");
}

#[test]
fn a_peer_that_rekeys_for_ever_with_ever_new_ssrcs_does_not_fill_our_memory() {
    let mut alice = Phone::new(&key(0), 1, 1);
    let mut heard = 0;
    for n in 1..=20 {
        alice.ears.add(&key(n));
        for ssrc in 0..Ledger::MAX_STRANGERS as u32 {
            let packet = Phone::new(&key(n), u32::from(n) * 1000 + ssrc, 3).says(b"new");
            heard += usize::from(alice.plays(&packet, b"new"));
        }
    }
    assert_eq!(heard, Receiver::MAX_SOURCES);
    let packet = Phone::new(&key(20), 1000, 4).says(b"old SSRC, new key");
    alice.ledger.close(key(1).id());
    assert!(alice.plays(&packet, b"old SSRC, new key"), "who was heard is heard on");
}

#[test]
fn a_receiver_hears_its_newest_sixteen_keys() {
    let mut alice = Phone::new(&key(100), 1, 1);
    for n in 1..=Receiver::MAX_KEYS as u8 {
        alice.ears.add(&key(n));
        alice.ears.add(&key(n)); // again, and still only once
    }
    assert!(!alice.ears.has(key(100).id()), "the oldest has made room");
    for n in 1..=Receiver::MAX_KEYS as u8 {
        let packet = Phone::new(&key(n), 20 + u32::from(n), 9).says(b"hi");
        assert!(alice.plays(&packet, b"hi"));
    }
}

#[test]
fn a_minted_ssrc_is_new_and_not_zero_even_when_the_dice_are_stuck() {
    let mut ledger = Ledger::default();
    let minted: Vec<_> = (0..5).map(|_| ledger.mint(&mut env(&mut Stuck))).collect();
    assert_eq!(minted, [Ssrc(1), Ssrc(2), Ssrc(3), Ssrc(4), Ssrc(5)]);
    let mut ears = Receiver::default();
    ears.expect(&mut ledger, key(1).id(), Ssrc(6), 0).unwrap();
    assert_eq!(ledger.mint(&mut env(&mut Stuck)), Ssrc(7), "a peer's SSRC is not new");
}

#[test]
fn the_first_sequence_number_lies_in_the_lower_half() {
    for seed in 0..100 {
        assert!(Phone::new(&key(1), 1, seed).says(b"")[2] < 0x80);
    }
}

#[test]
fn a_closed_key_shrinks_to_a_fingerprint() {
    let mut alice = Phone::new(&key(1), 1, 1);
    alice.ledger.close(key(1).id());
    alice.ledger.close(key(1).id());
    assert!(format!("{:?}", alice.ledger).contains("closed: 1"), "{:?}", alice.ledger);
}

#[test]
fn what_is_minted_and_never_bound_does_not_fill_the_book() {
    let (mut ledger, mut dice) = (Ledger::default(), Dice(9));
    for _ in 0..10_000 {
        ledger.mint(&mut env(&mut dice));
    }
    assert_eq!(format!("{ledger:?}"), "Ledger { ssrcs: 0, open: 0, closed: 0 }");
}
