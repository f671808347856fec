//! Keys pressed in one engine and heard in another (RFC 4733); time is ours.

use keyphone_media::audio::codec::Codec;
use keyphone_media::audio::dtmf::Unsendable;
use keyphone_media::audio::{Sink, Source};
use keyphone_media::engine::{AudioFrame, EncodedFrame, Engine, Event, JITTER_DEPTH, KeyNumbers, Numbers, Output};
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_media::rtp::Ssrc;
use std::net::SocketAddr;
use std::time::Duration;

const ALICE: Ssrc = Ssrc(0xa11ce);

/// Seeded dice.
struct Dice(u64);

impl Rng for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        for b in buf {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *b = (self.0 >> 56) as u8;
        }
    }
}

fn ms(ms: u64) -> Instant {
    Instant::from_micros(ms * 1000)
}

fn at<T>(mono: Instant, dice: &mut Dice, f: impl FnOnce(&mut Env<'_>) -> T) -> T {
    f(&mut Env { now: Now { mono, ntp: NtpTime(0xed00_0000_0000_0000) }, rng: dice })
}

fn from() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4000))
}

/// A call in one direction. Alice calls the audio 96 and Bob calls it 111; keys are 97 to her and 101 to him.
struct Call {
    alice: Engine,
    bob: Engine,
    flying: Vec<(Instant, u64, EncodedFrame)>,
    index: u64,
}

impl Call {
    fn new(codec: Codec) -> Self {
        let engine =
            |source| Engine::new(codec, 96, source, Sink::memory(codec.rate()), JITTER_DEPTH).expect("equal rates");
        let (alice, bob) = (engine(Source::tone(440.0, codec.rate())), engine(Source::Silence(codec.rate())));
        let mut call = Self { alice, bob, flying: vec![], index: 1000 };
        let keys = |heard_as, sent_as| Some(KeyNumbers { heard_as, sent_as, takes: 0xffff });
        call.alice.renumber(Numbers { heard_as: 96, sent_as: 111, keys: keys(97, 101) });
        call.bob.renumber(Numbers { heard_as: 111, sent_as: 96, keys: keys(101, 97) });
        call
    }

    fn begin(&mut self, seed: u64) {
        at(ms(0), &mut Dice(seed), |env| self.alice.start_sending(env));
    }

    /// Runs until `end`: every packet takes 30 ms, unless it is lost. What Bob was told comes back.
    fn run(&mut self, end: Instant, mut lost: impl FnMut(&EncodedFrame) -> bool) -> Vec<Event> {
        let Self { alice, bob, flying, index } = self;
        let (dice, mut told) = (&mut Dice(7), vec![]);
        loop {
            let timers = [alice.next_timeout(), bob.next_timeout(), flying.first().map(|(at, ..)| *at)];
            let Some(now) = timers.into_iter().flatten().min().filter(|t| *t < end) else { return told };
            let mut out = vec![];
            while flying.first().is_some_and(|(at, ..)| *at <= now) {
                let (_, index, frame) = flying.remove(0);
                let EncodedFrame { payload_type, marker, timestamp, ref payload } = frame;
                let packet = AudioFrame { ssrc: ALICE, index, payload_type, marker, timestamp, payload };
                at(now, dice, |env| bob.hear(from(), &packet, env, &mut out));
            }
            at(now, dice, |env| bob.timeout(env, &mut out));
            told.extend(out.drain(..).filter_map(|o| if let Output::Event(e) = o { Some(e) } else { None }));
            at(now, dice, |env| alice.timeout(env, &mut out));
            for output in out {
                let Output::Frame(frame) = output else { continue };
                *index += 1;
                if !lost(&frame) {
                    flying.push((now + Duration::from_millis(30), *index, frame));
                }
            }
        }
    }
}

fn keys(told: &[Event]) -> String {
    told.iter().filter_map(|e| if let Event::Key(key) = e { Some(*key) } else { None }).collect()
}

#[test]
fn keys_are_heard_and_the_sound_around_them_keeps_its_time() {
    for codec in Codec::ALL {
        let mut call = Call::new(codec);
        call.begin(1);
        call.run(ms(1000), |_| false);
        call.alice.press("18#*D").unwrap();
        let mut sent = vec![];
        let told = call.run(ms(3000), |frame| {
            sent.push(frame.clone());
            false
        });
        assert_eq!(keys(&told), "18#*D", "{codec:?}");
        let frame = codec.frame() as u32;
        let events: Vec<_> = sent.iter().filter(|f| f.payload_type == 101).collect();
        assert_eq!(events.len(), 5 * 7);
        assert_eq!(events.iter().filter(|f| f.marker).count(), 5);
        assert_eq!(sent.len(), 100, "each tick has one packet, audio or event");
        let begins = |f: &EncodedFrame| f.timestamp.wrapping_sub(sent[0].timestamp) / frame;
        for (n, f) in (0..).zip(&sent).filter(|(_, f)| f.payload_type == 111) {
            assert_eq!(begins(f), n, "the clock goes on under the keys");
        }
        let begun: Vec<u32> = events.iter().filter(|f| f.marker).map(|f| begins(f)).collect();
        assert_eq!(begun, [0, 10, 20, 30, 40]);
        let stats = call.bob.stats();
        assert_eq!((stats.heard, stats.ignored, stats.lost, stats.late), (149, 0, 0, 0), "{codec:?}: {stats:?}");
    }
}

#[test]
fn a_lost_packet_among_the_keys_is_the_only_one_that_is_lost() {
    let mut call = Call::new(Codec::Pcmu);
    call.begin(1);
    call.run(ms(500), |_| false);
    call.alice.press("7").unwrap();
    let mut events = 0;
    let told = call.run(ms(2000), |frame| {
        events += u32::from(frame.payload_type == 101);
        frame.payload_type == 101 && events == 1
    });
    assert_eq!((keys(&told).as_str(), call.bob.stats().lost), ("7", 1));
}

#[test]
fn keys_come_through_a_link_that_loses_every_fifth_packet() {
    for seed in 0..20 {
        let mut call = Call::new(Codec::Opus);
        call.begin(seed);
        let (all, mut dice) = ("0123456789*#ABCD", Dice(seed));
        call.alice.press(all).unwrap();
        let told = call.run(ms(5000), |_| at(ms(0), &mut dice, |env| env.random() % 5 == 0));
        assert_eq!(keys(&told), all, "seed {seed}");
    }
}

#[test]
fn keys_that_cannot_be_sent_are_refused_all_together() {
    let mut call = Call::new(Codec::Pcmu);
    assert_eq!(call.alice.press("1"), Err(Unsendable::Silent));
    call.begin(1);
    assert_eq!(call.alice.press("12x"), Err(Unsendable::NoKey('x')));
    let digits = KeyNumbers { heard_as: 97, sent_as: 101, takes: 0x03ff };
    call.alice.renumber(Numbers { heard_as: 96, sent_as: 111, keys: Some(digits) });
    assert_eq!(call.alice.press("1#"), Err(Unsendable::NotTaken('#')));
    call.alice.renumber(Numbers { heard_as: 96, sent_as: 111, keys: None });
    assert_eq!(call.alice.press("1"), Err(Unsendable::NotAgreed));
    assert_eq!(keys(&call.run(ms(500), |_| false)), "");
    call.alice.renumber(Numbers { heard_as: 96, sent_as: 111, keys: Some(digits) });
    call.alice.press("123").unwrap();
    call.alice.stop_sending();
    at(ms(500), &mut Dice(1), |env| call.alice.start_sending(env));
    assert_eq!(keys(&call.run(ms(1500), |_| false)), "", "who falls silent presses no keys");
}

#[test]
fn audio_under_the_number_before_is_still_heard() {
    let mut call = Call::new(Codec::Pcmu);
    call.begin(1);
    call.run(ms(500), |_| false);
    call.bob.renumber(Numbers { heard_as: 0, sent_as: 0, keys: None });
    call.run(ms(1000), |_| false);
    let stats = call.bob.stats();
    assert_eq!((stats.ignored, stats.lost), (0, 0));
    assert_eq!(stats.heard, 49);
}
