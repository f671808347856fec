//! The observer finds each thing that must never happen, when it happens, and nothing where nothing is wrong.

use crate::wire::{HOSTS, KEY, Mouth, OTHER, SUITE, Wire, heard, noise, open_report};
use keyphone_config::{Config, PskEntry};
use keyphone_media::audio::codec::Codec;
use keyphone_media::env::Instant;
use keyphone_media::srtp::Suite;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::observer::{Evidence, Finding, Kind, What};
use keyphone_scenarios::world::{Middle, World};
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::CallId;
use keyphone_ua::settings::{HangUp, Incoming, Plan, Play, Record, Settings};
use keyphone_ua::transaction::{Destination, Transport};
use std::net::SocketAddr;
use std::time::Duration;

const PAUSE: [i16; 160] = [0; 160];

#[test]
fn two_senders_under_one_key_and_ssrc_are_a_two_time_pad() {
    let mut wire = Wire::default();
    let (mut alice, mut bob) = (Mouth::new(SUITE, &KEY, 9), Mouth::new(SUITE, &KEY, 9));
    wire.log(0, SUITE, &KEY, "send");
    for n in 0..3 {
        wire.send(0, 1, alice.says(&noise(n)));
        wire.send(1, 0, bob.says(&noise(100 + n)));
    }
    let [what] = &wire.findings()[..] else { panic!("{:?}", wire.findings()) };
    assert_eq!(
        what,
        "two-time pad: SRTP under key 0000000000000007, SSRC 00000009, index 257 is packet 0 of alice at 0.000 s \
         (10.0.0.1:40000 to 10.0.0.2:40000) and is packet 1 of bob at 0.020 s (10.0.0.2:40000 to 10.0.0.1:40000); \
         3 packets clash"
    );
}

#[test]
fn reports_have_key_streams_too() {
    let mut wire = Wire::default();
    let (mut alice, mut bob) = (Mouth::new(SUITE, &KEY, 9), Mouth::new(SUITE, &KEY, 9));
    wire.log(1, SUITE, &KEY, "hear");
    wire.send(0, 1, alice.reports(1));
    wire.send(1, 0, bob.reports(2));
    let findings = wire.evidence().judge();
    let [Finding::TwoTimePad { kind: Kind::Rtcp, index: 0, .. }] = &findings[..] else { panic!("{findings:?}") };
}

#[test]
fn one_octet_string_under_two_suites_is_one_key_stream() {
    let mut wire = Wire::default();
    let other = Suite::AesCm128HmacSha1_32;
    wire.log(0, SUITE, &KEY, "send");
    wire.log(1, other, &KEY, "send");
    wire.send(0, 1, Mouth::new(SUITE, &KEY, 9).says(&noise(1)));
    wire.send(1, 0, Mouth::new(other, &KEY, 9).says(&noise(2)));
    assert!(matches!(wire.evidence().judge()[..], [Finding::TwoTimePad { .. }]));
}

#[test]
fn a_sender_that_forgets_its_rollover_counter_uses_its_key_stream_twice() {
    let mut wire = Wire::default();
    wire.log(0, SUITE, &KEY, "send");
    // Sequence numbers wrap and ROC stays zero: what such a sender says then has been said before.
    let (mut before, mut after) = (Mouth::new(SUITE, &KEY, 9), Mouth::new(SUITE, &KEY, 9));
    (0..5).for_each(|n| wire.send(0, 1, before.says(&noise(n))));
    (0..5).for_each(|n| wire.send(0, 1, after.says(&noise(50 + n))));
    assert!(matches!(wire.evidence().judge()[..], [Finding::TwoTimePad { packets: 5, .. }]));
}

#[test]
fn other_keys_other_ssrcs_and_the_same_packet_again_are_no_two_time_pad() {
    let mut wire = Wire::default();
    wire.log(0, SUITE, &KEY, "send");
    wire.log(0, SUITE, &OTHER, "send");
    let said = Mouth::new(SUITE, &KEY, 9).says(&noise(1));
    wire.send(0, 1, said.clone());
    wire.send(0, 2, said.clone());
    wire.send(1, 0, said.clone()); // reflected
    wire.inject(1, said);
    wire.send(1, 0, Mouth::new(SUITE, &KEY, 10).says(&noise(2)));
    wire.send(1, 0, Mouth::new(SUITE, &OTHER, 9).says(&noise(3)));
    assert_eq!(wire.findings(), [""; 0]);
}

#[test]
fn rtp_that_no_key_protects_is_found_unless_policy_lets_it_be_clear() {
    let clear = |n| [&[0x80, 0, 0, n, 0, 0, 0, 0, 0, 0, 0, 5][..], &noise(n)].concat();
    let report = vec![0x80, 201, 0, 1, 0, 0, 0, 5];
    let mut wire = Wire::default();
    wire.log(0, SUITE, &KEY, "send");
    wire.send(0, 1, clear(1));
    wire.send(0, 1, clear(2));
    wire.send(0, 1, report.clone());
    wire.inject(1, clear(3));
    let findings = wire.findings();
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(findings[0].starts_with("clear RTP: no key protects packet 0 of alice"), "{findings:?}");
    assert!(findings[0].ends_with("SSRC 00000005; 2 such packets") && findings[1].starts_with("clear RTCP"));
    wire.may_be_clear = true;
    assert_eq!(wire.findings(), [""; 0]);
}

#[test]
fn a_packet_under_a_key_that_no_phone_has_logged_cannot_be_judged_and_that_is_found_whatever_policy_says() {
    let mut wire = Wire::default();
    wire.log(0, SUITE, &KEY, "send");
    let mut mouth = Mouth::new(SUITE, &OTHER, 9);
    wire.send(0, 1, mouth.says(&noise(1)));
    wire.send(0, 1, mouth.reports(1));
    for may_be_clear in [false, true] {
        wire.may_be_clear = may_be_clear;
        let findings = wire.evidence().judge();
        assert!(matches!(findings[..], [Finding::Unjudged { packets: 2, .. }]), "{findings:?}");
    }
}

#[test]
fn what_somebody_outside_sends_is_not_judged_and_what_ours_play_of_it_is() {
    let mut wire = Wire::default();
    wire.bob_is_outside = true;
    wire.send(1, 0, Mouth::new(SUITE, &OTHER, 9).says(&noise(0)));
    wire.send(1, 0, [&[0x80, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0, 8][..], &noise(1)].concat());
    assert_eq!(wire.findings(), [""; 0]);
    for n in 0..2 {
        let mut wire = wire.clone();
        wire.record(0, &[&said(n)]);
        assert!(matches!(wire.evidence().judge()[..], [Finding::Unproven { .. }]), "{n}");
    }
}

#[test]
fn what_is_neither_rtp_nor_rtcp_is_found() {
    let mut wire = Wire::default();
    wire.may_be_clear = true;
    wire.send(0, 1, b"hello".to_vec());
    wire.send(0, 1, vec![]);
    assert!(matches!(wire.evidence().judge()[..], [Finding::Unjudged { packets: 2, .. }]));
}

#[test]
fn a_stream_that_had_a_key_is_never_clear_again_even_by_policy() {
    let clear = [&[0x80, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0, 9][..], &noise(77)].concat();
    let mut wire = Wire::default();
    wire.may_be_clear = true;
    wire.log(0, SUITE, &KEY, "send");
    wire.send(0, 1, clear.clone());
    wire.send(0, 1, Mouth::new(SUITE, &KEY, 9).says(&noise(1)));
    assert_eq!(wire.findings(), [""; 0], "in the clear first, then by key");
    wire.send(0, 1, clear);
    assert!(matches!(wire.evidence().judge()[..], [Finding::Clear { packets: 1, ssrc: 9, .. }]));
}

#[test]
fn a_line_of_a_key_log_that_cannot_be_read_is_found() {
    let mut wire = Wire::default();
    wire.log(1, SUITE, &KEY[..20], "hear");
    assert_eq!(wire.findings(), ["the key log of bob has 1 lines that cannot be read"]);
}

#[test]
fn a_report_that_says_it_is_not_encrypted_is_found() {
    let mut wire = Wire::default();
    wire.log(0, SUITE, &KEY, "send");
    wire.send(0, 1, open_report(&KEY, 9));
    let findings = wire.findings();
    assert!(findings.len() == 1 && findings[0].starts_with("readable media: packet 0 of alice"), "{findings:?}");
    // It has used no key stream, so that another of its index does not clash.
    wire.send(0, 1, Mouth::new(SUITE, &KEY, 9).reports(1));
    assert_eq!(wire.findings().len(), 1);
}

#[test]
fn what_is_authenticated_and_not_encrypted_is_found() {
    let mut wire = Wire::default();
    let null = Suite::NullHmacSha1_80;
    wire.log(0, null, &KEY, "send");
    wire.send(0, 1, Mouth::new(null, &KEY, 9).says(&noise(1)));
    assert!(matches!(wire.evidence().judge()[..], [Finding::Readable { suite: "NULL_HMAC_SHA1_80", .. }]));
}

/// Bob hears with the key; alice has said the noises 0 to 5, of which 4 was lost.
fn talk() -> Wire {
    let (mut wire, mut alice) = (Wire::default(), Mouth::new(SUITE, &KEY, 9));
    wire.log(0, SUITE, &KEY, "send");
    wire.log(1, SUITE, &KEY, "hear");
    for n in 0..6 {
        let packet = alice.says(&noise(n));
        if n == 4 { wire.lose(0, 1, packet) } else { wire.send(0, 1, packet) }
    }
    wire
}

fn said(n: u8) -> Vec<i16> {
    heard(&noise(n))
}

#[test]
fn frames_that_came_gaps_and_a_piece_where_another_source_begins_are_explained() {
    let mut wire = talk();
    wire.record(1, &[&said(0), &said(1), &PAUSE, &PAUSE[..30], &said(2)[..70], &said(3), &said(5), &PAUSE]);
    assert_eq!(wire.findings(), [""; 0]);
}

#[test]
fn audio_that_nobody_has_proven_is_found_where_it_stands() {
    let mut wire = talk();
    wire.inject(1, [&[0x80, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0, 9][..], &noise(77)].concat());
    wire.record(1, &[&said(0), &said(1), &said(77), &said(2)]);
    let findings = wire.findings();
    assert_eq!(
        findings,
        ["unproven audio: bob played 0.020 s of call 1 at 0.040 s of its recording, which no authentic packet brought"]
    );
}

#[test]
fn a_frame_that_was_lost_or_changed_or_meant_for_others_is_unproven() {
    let mut changed = said(1);
    changed[80] ^= 64;
    for (what, frame) in [("lost", said(4)), ("changed", changed)] {
        let mut wire = talk();
        wire.record(1, &[&said(0), &frame, &said(2)]);
        assert!(matches!(wire.evidence().judge()[..], [Finding::Unproven { .. }]), "{what}");
    }
    // Carol has been sent the same packets, and has not the key.
    let mut wire = talk();
    let packet = Mouth::new(SUITE, &KEY, 9).says(&noise(0));
    wire.send(0, 2, packet);
    wire.record(2, &[&said(0)]);
    assert!(matches!(wire.evidence().judge()[..], [Finding::Unproven { .. }]));
}

#[test]
fn a_packet_that_is_played_twice_is_found() {
    let mut wire = talk();
    wire.record(1, &[&said(0), &said(1), &said(1), &said(2)]);
    let findings = wire.evidence().judge();
    let [Finding::PlayedTwice { packet, .. }] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!((packet.number, packet.phone.as_str()), (1, "alice"));
}

#[test]
fn what_two_packets_have_said_is_played_twice_and_no_more() {
    let (mut wire, mut alice) = (Wire::default(), Mouth::new(SUITE, &KEY, 9));
    wire.log(0, SUITE, &KEY, "send");
    wire.log(1, SUITE, &KEY, "hear");
    let packets = [alice.says(&noise(0)), alice.says(&noise(0))];
    packets.iter().for_each(|packet| wire.send(0, 1, packet.clone()));
    // Somebody sends one of them again: it is no third.
    wire.inject(1, packets[0].clone());
    wire.record(1, &[&said(0), &said(0)]);
    assert_eq!(wire.findings(), [""; 0]);
    wire.forget_recordings();
    wire.record(1, &[&said(0), &said(0), &PAUSE, &said(0)]);
    assert!(matches!(wire.evidence().judge()[..], [Finding::PlayedTwice { .. }]), "{:?}", wire.findings());
}

#[test]
fn what_came_to_the_port_of_one_call_is_not_played_in_another() {
    let mut wire = talk();
    wire.record_in(1, CallId(1), &[&said(0), &said(1)]);
    wire.record_in(1, CallId(2), &[&PAUSE]);
    assert_eq!(wire.findings(), [""; 0]);
    wire.record_in(1, CallId(3), &[&said(2)]);
    let findings = wire.findings();
    assert_eq!(findings, ["leaked audio: bob played what came to 10.0.0.2:40000 in call 3 and in call 1"]);
}

#[test]
fn who_may_hear_clear_rtp_may_hear_anybodys_unless_it_speaks_under_a_key() {
    let forged = [&[0x80, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0, 9][..], &noise(77)].concat();
    let mut wire = talk();
    wire.may_be_clear = true;
    wire.inject(1, forged);
    wire.record(1, &[&said(77)]);
    assert_eq!(wire.findings(), [""; 0]);
    wire.send(1, 0, Mouth::new(SUITE, &KEY, 10).says(&noise(1)));
    assert!(matches!(wire.evidence().judge()[..], [Finding::Unproven { .. }]));
}

/// Alice calls bob, in a world of two phones that do what the policies of all worlds let them.
fn call() -> World {
    call_in(World::new(1, Link::BAD_DAY))
}

fn call_in(mut world: World) -> World {
    for (name, host) in [("alice", HOSTS[0]), ("bob", HOSTS[1])] {
        let mut config = Config::default();
        config.account.from = format!("sip:{name}@{host}").parse().unwrap();
        config.credentials.psks = vec![PskEntry::from_hex(None, "000102030405060708090a0b0c0d0e0f").unwrap()];
        config.audio.codecs = vec![Codec::Pcmu];
        let mut settings = Settings::new(&config, sip(host)).unwrap();
        settings.policy.media.reveal_keys = true;
        settings.incoming = Incoming::Answer { after: Duration::from_millis(300), early: None, plan: plan() };
        world.add(name, settings);
    }
    let target = Box::new(format!("sip:bob@{}", HOSTS[1]).parse().unwrap());
    let to = Some(Destination { addr: sip(HOSTS[1]), transport: Transport::Udp });
    world.command(0, Command::Call { target, to, from: None, plan: plan() });
    world.run(Instant::from_micros(9_000_000));
    world
}

fn sip(host: &str) -> SocketAddr {
    SocketAddr::new(host.parse().unwrap(), 5060)
}

fn plan() -> Plan {
    Plan { play: Play::Tone(440.0), record: Record::Memory, hang_up: HangUp::Never }
}

#[test]
fn a_call_that_is_not_over_is_found_and_so_is_what_it_leaves() {
    let world = call();
    let findings: Vec<_> = Evidence::of(&world).judge().iter().map(Finding::to_string).collect();
    for what in [
        "call 1 of alice never ended",
        "call 1 of bob never ended",
        "alice has 1 left in its table of calls",
        "bob has 2 left in its table of keys in use",
        "alice waits for something at ",
    ] {
        assert!(findings.iter().any(|finding| finding.starts_with(what)), "{what}: {findings:#?}");
    }
    assert_eq!(Evidence::so_far(&world).judge(), []);
}

#[test]
fn in_a_real_call_every_packet_is_known_and_what_is_heard_without_the_keys_log_is_unproven() {
    let mut world = call();
    world.command(0, Command::HangUpAll);
    world.run(Instant::from_micros(500_000_000));
    let evidence = Evidence::of(&world);
    assert_eq!(evidence.judge(), []);
    let packets = evidence.packets();
    assert!(packets.len() > 800);
    assert!(packets.iter().all(|seen| matches!(seen.what, What::Protected(_))));
    let reports = packets.iter().filter(|seen| matches!(&seen.what, What::Protected(p) if p.kind == Kind::Rtcp));
    assert!(reports.count() >= 2);
    // What a receiver would look like that plays whatever comes: bob has no key to hear with, and has heard.
    let mut evidence = Evidence::of(&world);
    evidence.phones[1].key_log.retain(|line| !line.contains("use=hear"));
    assert!(matches!(evidence.judge()[..], [Finding::Unproven { .. }, ..]));
}

/// A receiver that does not look at tags plays what such packets say, and that is what their sender has said.
#[test]
fn a_packet_that_somebody_changed_has_not_arrived_as_it_was_sent() {
    let mut world = World::new(1, Link::PERFECT);
    world.set_middle(Box::new(|sent| {
        let mut bytes = sent.bytes.clone();
        match bytes.last_mut().filter(|_| sent.media && sent.to.ip().to_string() == HOSTS[1]) {
            Some(last) => *last ^= 1,
            None => return Middle::Pass,
        }
        Middle::Change(bytes)
    }));
    let mut world = call_in(world);
    world.command(0, Command::HangUpAll);
    world.run(Instant::from_micros(500_000_000));
    let to_bob = |sent: &&keyphone_scenarios::world::Sent| sent.media && sent.to.ip().to_string() == HOSTS[1];
    let (sent, came) = (world.log().iter().filter(to_bob), world.forged().iter().filter(to_bob));
    let (sent, came): (Vec<_>, Vec<_>) = (sent.collect(), came.collect());
    assert!(sent.len() > 100 && sent.len() == came.len());
    assert!(sent.iter().all(|sent| sent.arrived.is_empty()) && came.iter().all(|came| came.arrived.len() == 1));
    assert_eq!(Evidence::of(&world).judge(), []);
}
