//! Two engines talk over a simulated link; time is ours.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use keyphone_media::audio::codec::Codec;
use keyphone_media::audio::compare::compare;
use keyphone_media::audio::{Clip, Pcm, Sink, Source};
use keyphone_media::engine::{AudioFrame, EncodedFrame, Engine, Event, JITTER_DEPTH, Numbers, Output, Stats};
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_media::rtp::Ssrc;
use proptest::prelude::*;

const ALICE: Ssrc = Ssrc(0xa11ce);
const BOB: Ssrc = Ssrc(0xb0b);

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

/// Runs `f` at a moment; the wall clock says 2023.
fn at<T>(mono: Instant, dice: &mut Dice, f: impl FnOnce(&mut Env<'_>) -> T) -> T {
    let ntp = NtpTime::from_unix(Duration::from_secs(1_700_000_000)) + mono.since(Instant::ZERO);
    f(&mut Env { now: Now { mono, ntp }, rng: dice })
}

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], 4000))
}

fn engine(codec: Codec, source: Source) -> Engine {
    let payload_type = codec.static_payload_type().unwrap_or(111);
    Engine::new(codec, payload_type, source, Sink::memory(codec.rate()), JITTER_DEPTH).expect("equal rates")
}

fn heard(ssrc: Ssrc, index: u64, f: &EncodedFrame) -> AudioFrame<'_> {
    let EncodedFrame { payload_type, marker, timestamp, payload } = f;
    AudioFrame { ssrc, index, payload_type: *payload_type, marker: *marker, timestamp: *timestamp, payload }
}

/// All outputs of `engine` until `end`, each with its time, when it is woken exactly on time.
fn run(engine: &mut Engine, dice: &mut Dice, end: Instant) -> Vec<(Instant, Output)> {
    let mut all = Vec::new();
    while let Some(due) = engine.next_timeout().filter(|t| *t < end) {
        let mut out = Vec::new();
        at(due, dice, |env| engine.timeout(env, &mut out));
        all.extend(out.into_iter().map(|o| (due, o)));
    }
    all
}

fn frames(outputs: &[(Instant, Output)]) -> Vec<(Instant, &EncodedFrame)> {
    outputs.iter().filter_map(|(t, o)| if let Output::Frame(f) = o { Some((*t, f)) } else { None }).collect()
}

fn events(outputs: &[Output]) -> Vec<&Event> {
    outputs.iter().filter_map(|o| if let Output::Event(e) = o { Some(e) } else { None }).collect()
}

/// Where a packet of a call goes: `None` if it is lost, else its delay.
type Link = dyn FnMut(u64, &mut Dice) -> Option<Duration>;

/// A call from `a` to `b` and back until `end`, over a link that treats both directions alike.
fn call(a: &mut Engine, b: &mut Engine, link: &mut Link, end: Instant) {
    let dice = &mut Dice(42);
    let mut flying: Vec<(Instant, bool, u64, EncodedFrame)> = Vec::new();
    let mut reports = Vec::new();
    let mut indices = [40_000u64; 2];
    at(Instant::ZERO, dice, |env| a.start_sending(env));
    at(ms(7), dice, |env| b.start_sending(env));
    loop {
        let timers = [a.next_timeout(), b.next_timeout()].into_iter().flatten();
        let Some(now) = timers.chain(flying.iter().map(|f| f.0)).min().filter(|t| *t < end) else { return };
        let mut out = Vec::new();
        flying.sort_by_key(|f| f.0);
        while flying.first().is_some_and(|f| f.0 <= now) {
            let (_, to_b, index, frame) = flying.remove(0);
            let (to, ssrc, from) = if to_b { (&mut *b, ALICE, address(1)) } else { (&mut *a, BOB, address(2)) };
            at(now, dice, |env| to.hear(from, &heard(ssrc, index, &frame), env, &mut out));
        }
        for (from_a, engine) in [(true, &mut *a), (false, &mut *b)] {
            let mut out = Vec::new();
            at(now, dice, |env| engine.timeout(env, &mut out));
            for o in out {
                match o {
                    Output::Frame(f) => {
                        let index = &mut indices[usize::from(from_a)];
                        *index += 1;
                        if let Some(delay) = link(*index, dice) {
                            flying.push((now + delay, from_a, *index, f));
                        }
                    }
                    Output::Rtcp(r) => reports.push((from_a, r)),
                    Output::Event(_) => {}
                }
            }
        }
        for (from_a, report) in reports.drain(..) {
            let (to, from, ours) = if from_a { (&mut *b, ALICE, BOB) } else { (&mut *a, BOB, ALICE) };
            at(now, dice, |env| to.hear_report(from, &report, ours, env));
        }
    }
}

fn speech(who: &str, rate: u32) -> Pcm {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios/assets").join(who);
    Clip::load(&path).and_then(|c| c.at(rate)).expect("an asset of this repository")
}

#[test]
fn a_minute_is_three_thousand_frames_at_exact_multiples_of_twenty_milliseconds() {
    for codec in Codec::ALL {
        let (mut e, mut dice) = (engine(codec, Source::tone(440.0, codec.rate())), Dice(1));
        at(ms(3), &mut dice, |env| e.start_sending(env));
        let out = run(&mut e, &mut dice, ms(60_003));
        let frames = frames(&out);
        assert_eq!(frames.len(), 3000);
        for (n, (t, f)) in (0u32..).zip(&frames) {
            assert_eq!(*t, ms(3 + u64::from(n) * 20));
            assert_eq!(f.timestamp, frames[0].1.timestamp.wrapping_add(n * codec.frame() as u32));
            assert_eq!(f.marker, n == 0);
        }
        assert_ne!(frames[0].1.timestamp, 0, "RFC 3550 section 5.1: random");
        assert_eq!(e.stats().sent, 3000);
    }
}

#[test]
fn a_process_that_wakes_late_neither_drifts_nor_loses_a_frame() {
    let (mut e, mut dice) = (engine(Codec::Pcmu, Source::Silence(8000)), Dice(1));
    at(ms(0), &mut dice, |env| e.start_sending(env));
    let (mut sent, mut now) = (0, ms(0));
    while now < ms(10_000) {
        now = e.next_timeout().expect("sending") + Duration::from_millis(dice.0 >> 57);
        let mut out = Vec::new();
        at(now, &mut dice, |env| e.timeout(env, &mut out));
        sent += out.iter().filter(|o| matches!(o, Output::Frame(_))).count();
        dice.fill(&mut [0]);
    }
    assert_eq!(sent as u64, now.as_micros() / 20_000 + 1);
    assert_eq!(e.stats().skipped, 0);
}

#[test]
fn after_a_long_sleep_it_goes_on_at_the_present_and_says_what_it_skipped() {
    let (mut e, mut dice) = (engine(Codec::Pcmu, Source::Silence(8000)), Dice(1));
    at(ms(0), &mut dice, |env| e.start_sending(env));
    let before = run(&mut e, &mut dice, ms(100));
    let last = frames(&before).last().expect("five").1.timestamp;
    let mut out = Vec::new();
    at(ms(3_600_113), &mut dice, |env| e.timeout(env, &mut out));
    assert_eq!(events(&out), [&Event::Stalled { skipped: 180_000 }]);
    let frames: Vec<_> = out.iter().filter_map(|o| if let Output::Frame(f) = o { Some(f) } else { None }).collect();
    assert_eq!(frames.len(), 1, "no burst");
    assert!(frames[0].marker);
    assert_eq!(frames[0].timestamp, last.wrapping_add(180_001 * 160));
    assert_eq!(e.next_timeout(), Some(ms(3_600_120)));
    assert_eq!(e.stats().skipped, 180_000);
}

#[test]
fn while_it_is_silent_the_timestamp_goes_on_and_the_marker_says_where_it_speaks_again() {
    let (mut e, mut dice) = (engine(Codec::Pcmu, Source::Silence(8000)), Dice(1));
    assert_eq!(e.next_timeout(), None, "an engine at rest asks for nothing");
    at(ms(0), &mut dice, |env| e.start_sending(env));
    let first = run(&mut e, &mut dice, ms(100));
    e.stop_sending();
    assert!(frames(&run(&mut e, &mut dice, ms(1000))).is_empty());
    at(ms(1000), &mut dice, |env| e.start_sending(env));
    let second = run(&mut e, &mut dice, ms(1040));
    let (a, b) = (frames(&first), frames(&second));
    assert_eq!((a.len(), b.len()), (5, 2));
    assert_eq!(b[0].1.timestamp, a[0].1.timestamp.wrapping_add(8000), "a second later");
    assert!(b[0].1.marker && !b[1].1.marker);
}

#[test]
fn speech_is_heard_as_it_was_said() {
    for (codec, wanted) in [(Codec::Pcmu, 0.98), (Codec::Pcma, 0.98), (Codec::Opus, 0.9)] {
        let rate = codec.rate();
        let (alice, bob) = (speech("alice.wav", rate), speech("bob.wav", rate));
        let mut a = engine(codec, Source::samples(alice.clone(), rate));
        let mut b = engine(codec, Source::samples(bob.clone(), rate));
        let mut link = |_: u64, dice: &mut Dice| Some(Duration::from_millis(30 + (dice.0 >> 60)));
        call(&mut a, &mut b, &mut link, ms(5000));
        for (said, by, to) in [(&alice, &a, &b), (&bob, &b, &a)] {
            let m = compare(said, to.sink().heard(), rate as usize * 2);
            assert!(m.correlation >= wanted, "{}: {m:?}", codec.name());
            // The recording begins with the first frame heard; what remains is Opus' own delay of 6.5 ms.
            assert!((0..=rate as isize / 100).contains(&m.shift), "{}: {m:?}", codec.name());
            let stats = to.stats();
            assert_eq!((stats.lost, stats.late, stats.discarded, stats.malformed), (0, 0, 0, 0), "{stats:?}");
            assert!(by.stats().sent - stats.played <= 6, "only what is under way: {stats:?}");
        }
        let crossed = compare(&bob, b.sink().heard(), rate as usize * 2).correlation;
        assert!(crossed < 0.5, "who hears himself? {crossed}");
    }
}

#[test]
fn a_bad_link_is_counted_reported_and_still_understood() {
    for codec in [Codec::Pcmu, Codec::Opus] {
        let rate = codec.rate();
        let mut a = engine(codec, Source::tone(300.0, rate));
        let mut b = engine(codec, Source::Silence(rate));
        // Each tenth packet is lost, the rest come up to 31 ms apart and out of order.
        let mut link = |index: u64, dice: &mut Dice| {
            let mut chance = [0];
            dice.fill(&mut chance);
            (!index.is_multiple_of(10)).then(|| Duration::from_millis(20 + u64::from(chance[0] >> 3)))
        };
        call(&mut a, &mut b, &mut link, ms(60_000));
        let (sa, sb) = (a.stats(), b.stats());
        assert_eq!(sa.sent, 3000);
        assert!((298..=300).contains(&sb.lost), "{sb:?}");
        assert!((2695..=2700).contains(&sb.played) && sb.late == 0, "{sb:?}");
        assert!((3.0..15.0).contains(&sb.jitter), "{sb:?}");
        assert!(sa.lost_by_peer.is_some_and(|n| (250..=300).contains(&n)), "{sa:?}");
        assert!(sa.round_trip.is_some_and(|t| t < Duration::from_millis(2)), "RTCP is delivered at once here: {sa:?}");
        let seconds = b.sink().heard().len() as f64 / f64::from(rate);
        assert!((59.8..60.0).contains(&seconds), "no holes: {seconds} s");
    }
}

#[test]
fn reports_carry_what_was_sent_and_what_was_missed() {
    let mut dice = Dice(9);
    let (mut a, mut b) = (engine(Codec::Pcmu, Source::Silence(8000)), engine(Codec::Pcmu, Source::Silence(8000)));
    at(ms(0), &mut dice, |env| a.start_sending(env));
    let sent = run(&mut a, &mut dice, ms(1000));
    let mut out = Vec::new();
    for (n, (t, f)) in frames(&sent).into_iter().enumerate().filter(|(n, _)| n % 4 != 3) {
        at(t, &mut dice, |env| b.hear(address(1), &heard(ALICE, 65_530 + n as u64, f), env, &mut out));
    }
    // RFC 3550 section 6.4.1: the RTP timestamp is that of the NTP timestamp's moment.
    let sr = at(ms(1005), &mut dice, |env| a.report(env));
    let info = sr.sender.expect("it sends");
    let first = frames(&sent)[0].1.timestamp;
    assert_eq!((info.packets, info.octets), (50, 8000));
    assert_eq!(info.timestamp, first.wrapping_add(8040));
    assert!(sr.blocks.is_empty());
    at(ms(1005), &mut dice, |env| b.hear_report(ALICE, &sr, BOB, env));
    let rr = at(ms(1505), &mut dice, |env| b.report(env));
    assert_eq!(rr.sender, None, "it only listens");
    let [block] = rr.blocks[..] else { panic!("{rr:?}") };
    assert_eq!((block.ssrc, block.lost, block.highest), (ALICE, 12, 65_530 + 49));
    assert_eq!(block.fraction_lost, (12 * 256 / 50) as u8);
    assert_eq!((block.jitter, block.since_last_sr), (0, 32_768));
    assert_eq!(block.last_sr, (info.ntp.0 >> 16) as u32);
    at(ms(1545), &mut dice, |env| {
        let mut known = Vec::new();
        a.hear(address(2), &heard(BOB, 0, frames(&sent)[0].1), env, &mut known);
        a.hear_report(BOB, &rr, ALICE, env);
    });
    let round_trip = a.stats().round_trip.expect("SR and RR").as_micros();
    assert!((39_900..40_100).contains(&round_trip), "{round_trip}");
    let again = at(ms(1600), &mut dice, |env| b.report(env));
    assert!(again.blocks.is_empty(), "nothing heard since");
}

#[test]
fn of_several_sources_one_is_heard_until_it_is_silent_or_another_is_preferred() {
    let (mut e, mut dice, mut out) = (engine(Codec::Pcmu, Source::Silence(8000)), Dice(1), Vec::new());
    let frame =
        |n: u64| EncodedFrame { payload_type: 0, marker: false, timestamp: n as u32 * 160, payload: vec![0; 160] };
    let mut say = |e: &mut Engine, ssrc: u32, n: u64| {
        let mut out = Vec::new();
        let packet = frame(n);
        at(ms(n * 20), &mut dice, |env| {
            e.hear(address(ssrc as u8), &heard(Ssrc(ssrc), n, &packet), env, &mut out);
            e.timeout(env, &mut out);
        });
        events(&out).into_iter().cloned().collect::<Vec<_>>()
    };
    let hearing = |ssrc: u32| Event::Hearing { ssrc: Ssrc(ssrc), from: address(ssrc as u8) };
    assert_eq!(say(&mut e, 1, 0), [hearing(1)]);
    for n in 1..20 {
        assert_eq!(say(&mut e, 2, n), [], "another branch");
        assert_eq!(say(&mut e, 1, n), []);
    }
    assert_eq!(e.stats().foreign, 19);
    assert_eq!(say(&mut e, 2, 29), [], "200 ms of silence");
    assert_eq!(say(&mut e, 2, 30), [hearing(2)], "more than that");
    e.prefer(Ssrc(3));
    assert_eq!(say(&mut e, 2, 31), []);
    assert_eq!(say(&mut e, 3, 31), [hearing(3)]);
    at(ms(700), &mut dice, |env| e.timeout(env, &mut out));
    let Stats { heard, played, foreign, discarded, .. } = e.stats();
    assert_eq!((heard, foreign), (43, 20));
    assert!(played >= 20 && discarded == 0, "{played}");
}

#[test]
fn a_second_sender_under_one_ssrc_is_not_heard_unless_the_first_has_fallen_silent() {
    let (mut e, mut dice, mut out) = (engine(Codec::Pcmu, Source::Silence(8000)), Dice(1), Vec::new());
    let packet = EncodedFrame { payload_type: 0, marker: false, timestamp: 0, payload: vec![0; 160] };
    for (host, t) in [(1, 0), (2, 10), (2, 20), (1, 30), (2, 300), (2, 320)] {
        at(ms(t), &mut dice, |env| e.hear(address(host), &heard(ALICE, t, &packet), env, &mut out));
    }
    let (ssrc, from) = (ALICE, address(2));
    let hearing = Event::Hearing { ssrc, from: address(1) };
    assert_eq!(events(&out), [&hearing, &Event::Collision { ssrc, from }, &Event::Moved { ssrc, from }]);
    assert_eq!((e.stats().heard, e.stats().foreign), (4, 2));
}

#[test]
fn what_ends_is_said_once_and_silence_follows() {
    let (mut e, mut dice) = (engine(Codec::Pcma, Source::samples(vec![1000; 400], 8000)), Dice(1));
    at(ms(0), &mut dice, |env| e.start_sending(env));
    let out = run(&mut e, &mut dice, ms(200));
    let ended: Vec<_> = out.iter().filter(|(_, o)| *o == Output::Event(Event::SourceEnded)).map(|(t, _)| *t).collect();
    assert_eq!(ended, [ms(60)]);
    let frames = frames(&out);
    assert_eq!(frames.len(), 10);
    assert!(frames[9].1.payload.iter().all(|b| *b == 0xd5));
    assert!(frames[2].1.payload[..80].iter().all(|b| *b == 0xfa) && frames[2].1.payload[80] == 0xd5);
}

#[test]
fn foreign_payload_types_and_broken_payloads_are_counted_and_dropped() {
    let (mut e, mut dice, mut out) = (engine(Codec::Opus, Source::Silence(48000)), Dice(1), Vec::new());
    let packet = |payload_type, payload| EncodedFrame { payload_type, marker: false, timestamp: 0, payload };
    for (n, p) in [packet(101, vec![1, 2, 3, 4]), packet(111, vec![]), packet(111, vec![0xff])].iter().enumerate() {
        at(ms(0), &mut dice, |env| e.hear(address(1), &heard(BOB, n as u64, p), env, &mut out));
    }
    assert_eq!(out, []);
    assert_eq!((e.stats().heard, e.stats().ignored, e.stats().malformed), (3, 1, 2));
    let wrong = Engine::new(Codec::Opus, 111, Source::Silence(8000), Sink::Null(48000), JITTER_DEPTH);
    let why = wrong.expect_err("8000 is not 48000").to_string();
    assert_eq!(why, "opus runs at 48000 Hz, but the audio at 8000 Hz");
}

#[test]
fn a_codec_of_the_same_rate_takes_over_without_a_break_in_what_is_said_and_recorded() {
    let said = speech("alice.wav", 8000);
    let (mut a, mut dice) = (engine(Codec::Pcmu, Source::samples(said, 8000)), Dice(1));
    let numbers = Numbers { heard_as: 8, sent_as: 8, keys: None };
    at(ms(0), &mut dice, |env| a.start_sending(env));
    let first = run(&mut a, &mut dice, ms(100));
    assert!(a.change_codec(Codec::Opus, numbers).is_err(), "its rate is another");
    a.change_codec(Codec::Pcma, numbers).unwrap();
    let second = run(&mut a, &mut dice, ms(200));
    let (first, second) = (frames(&first), frames(&second));
    let types = |frames: &[(Instant, &EncodedFrame)]| frames.iter().map(|(_, f)| f.payload_type).collect::<Vec<_>>();
    assert_eq!((types(&first), types(&second)), (vec![0; 5], vec![8; 5]));
    assert_eq!(second[0].1.timestamp, first[4].1.timestamp.wrapping_add(160));
    // What is heard is of the new codec; a late frame of the old one is not taken for one.
    let mut out = vec![];
    at(ms(200), &mut dice, |env| {
        a.hear(address(1), &heard(BOB, 1, second[0].1), env, &mut out);
        a.hear(address(1), &heard(BOB, 2, first[0].1), env, &mut out);
    });
    assert_eq!((a.stats().heard, a.stats().ignored), (2, 1));
}

type Wild = (u8, u8, u64, u8, bool, u32, Vec<u8>, u64);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn nothing_that_is_heard_can_panic_or_stop_the_clock(
        packets in proptest::collection::vec(
            (0u8..20, 0u8..4, any::<u64>(), 0u8..3, any::<bool>(), any::<u32>(),
             proptest::collection::vec(any::<u8>(), 0..400), 0u64..400_000), 0..40),
        opus in any::<bool>(),
    ) {
        let codec = if opus { Codec::Opus } else { Codec::Pcmu };
        let (mut e, mut dice, mut out) = (engine(codec, Source::Silence(codec.rate())), Dice(3), Vec::new());
        at(ms(0), &mut dice, |env| {
            e.start_sending(env);
            e.timeout(env, &mut out);
        });
        let mut now = ms(0);
        let total = packets.len() as u64;
        for (ssrc, host, index, kind, marker, timestamp, payload, wait) in packets as Vec<Wild> {
            now = now + Duration::from_micros(wait);
            let payload_type = if kind == 0 { 101 } else { codec.static_payload_type().unwrap_or(111) };
            let (index, timestamp) = (index >> (wait % 60), timestamp >> (wait % 32));
            let f = AudioFrame { ssrc: Ssrc(ssrc.into()), index, payload_type, marker, timestamp, payload: &payload };
            at(now, &mut dice, |env| {
                e.hear(address(host), &f, env, &mut out);
                e.timeout(env, &mut out);
            });
            prop_assert!(e.next_timeout().is_some_and(|t| t > now));
        }
        let report = at(now, &mut dice, |env| e.report(env));
        prop_assert!(report.blocks.len() <= 31);
        let s = e.stats();
        prop_assert!(s.heard <= total && s.played + s.late + s.duplicate + s.discarded <= s.heard);
        prop_assert_eq!(s.sent + s.skipped, now.as_micros() / 20_000 + 1);
    }
}
