//! Somebody who can send us anything, and see what we send.

use crate::common::*;
use keyphone_config::Config;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Sent, World};
use keyphone_ua::endpoint::{Command, Endpoint};
use keyphone_ua::settings::{HangUp, Incoming};
use keyphone_ua::sip::Method;

const MALLORY: &str = "10.0.0.66";

/// RTP that left a host.
fn rtp_from(world: &World, ip: &str) -> Vec<Sent> {
    media_from(world, ip).filter(|sent| sent.to.port() % 2 == 0).cloned().collect()
}

#[test]
fn forged_replayed_and_reflected_packets_are_counted_and_not_heard() {
    let quiet = Pair::new().whole_call();
    let mut pair = Pair::new();
    pair.dial(HangUp::After(ms(1000)));
    pair.run(800);
    let (to_bob, from_bob) = (rtp_from(&pair.world, Pair::ALICE), rtp_from(&pair.world, Pair::BOB));
    let bob_hears = to_bob[0].to;
    for packet in &to_bob[..10] {
        // Somebody has changed a bit of it, or made it up under alice's SSRC, from her address or from elsewhere.
        for from in [packet.from, sip_at(MALLORY)] {
            let mut forged = packet.bytes.clone();
            *forged.last_mut().unwrap() ^= 1;
            pair.world.inject(from, bob_hears, &forged);
            forged[2] ^= 0x40;
            pair.world.inject(from, bob_hears, &forged);
        }
        pair.world.inject(packet.from, bob_hears, &packet.bytes);
        pair.world.inject(sip_at(MALLORY), bob_hears, &packet.bytes);
    }
    for packet in &from_bob[..7] {
        pair.world.inject(packet.to, bob_hears, &packet.bytes);
    }
    for noise in [&[][..], &[0x80], &[0x80; 12], &[0xff; 200], b"INVITE sip:bob@10.0.0.2 SIP/2.0\r\n\r\n"] {
        pair.world.inject(sip_at(MALLORY), bob_hears, noise);
    }
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    let counted = counts(&pair.world, pair.bob);
    // Each direction has a key of its own, so that what comes back is no more than a packet under no key of bob's.
    let (forged, reflected, noise) = (40, 7, 5);
    assert_eq!((counted.refused, counted.replayed), (forged + reflected + noise, 20));
    let undisturbed = counts(&quiet.world, quiet.bob);
    assert_eq!((counted.heard, counted.played, counted.lost), (undisturbed.heard, undisturbed.played, 0));
    assert_eq!(recording(&pair.world, pair.bob), recording(&quiet.world, quiet.bob), "bit for bit");
    pair.assert_nothing_left();
}

#[test]
fn garbage_is_answered_at_most_once_and_leaves_nothing_behind() {
    let mut pair = Pair::new();
    pair.dial(HangUp::Never);
    pair.run(500);
    let node = &pair.world.node(pair.bob).endpoint;
    let (calls, transactions) = (node.calls(), node.transactions());
    let invite = pair.world.log().iter().find(|sent| is_request(sent, "INVITE")).unwrap().bytes.clone();
    let before = sip_from(&pair.world, Pair::BOB).len();
    let mut pieces = 0;
    for cut in 0..invite.len() {
        pair.world.inject(sip_at(MALLORY), sip_at(Pair::BOB), &invite[..cut]);
        pieces += 1;
    }
    for n in 0..=255 {
        pair.world.inject(sip_at(MALLORY), sip_at(Pair::BOB), &[n; 64]);
    }
    assert!(sip_from(&pair.world, Pair::BOB).len() - before <= pieces);
    let node = &pair.world.node(pair.bob).endpoint;
    assert_eq!((node.calls(), node.transactions()), (calls, transactions));
}

/// An INVITE of a stranger who has no key.
fn invite(n: usize, body: &str) -> Vec<u8> {
    format!(
        "INVITE sip:bob@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP {MALLORY}:5060;branch=z9hG4bKm{n}\r\nMax-Forwards: 70\r\n\
         From: <sip:m@{MALLORY}>;tag={n}\r\nTo: <sip:bob@10.0.0.2>\r\nCall-ID: m{n}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:m@{MALLORY}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[test]
fn a_flood_of_calls_without_a_key_makes_no_call_and_goes_away() {
    let mut pair = Pair::of(no_change, no_change);
    pair.dial(HangUp::Never);
    let body = String::from_utf8(requests(&pair.world, Pair::ALICE, Method::Invite)[0].body.clone()).unwrap();
    // The key-mgmt line of somebody else's message, changed.
    let body = body.replace("mikey AQ", "mikey AA");
    for n in 0..2000 {
        pair.world.inject(sip_at(MALLORY), sip_at(Pair::BOB), &invite(n, &body));
        assert_eq!(pair.world.node(pair.bob).endpoint.calls(), 0);
    }
    pair.run(1000);
    assert_eq!(pair.world.node(pair.bob).endpoint.calls(), 1, "alice still gets through");
    pair.world.command(pair.alice, Command::HangUpAll);
    pair.run(100_000);
    assert_eq!(media_from(&pair.world, Pair::BOB).filter(|sent| sent.to.ip() == sip_at(MALLORY).ip()).count(), 0);
    pair.assert_nothing_left();
}

#[test]
fn answers_to_calls_that_we_never_placed_are_ignored() {
    let mut pair = Pair::new().whole_call();
    let answer = pair.world.log().iter().find(|sent| is_response(sent, 200)).unwrap().bytes.clone();
    let before = sip_from(&pair.world, Pair::ALICE).len();
    for n in 0..1000 {
        let stray = String::from_utf8(answer.clone()).unwrap().replace(";branch=", &format!(";branch=z9hG4bK{n}"));
        pair.world.inject(sip_at(MALLORY), sip_at(Pair::ALICE), stray.as_bytes());
    }
    assert_eq!(sip_from(&pair.world, Pair::ALICE).len(), before, "nobody has us say BYE to whom he likes");
    pair.assert_nothing_left();
}

#[test]
fn a_peer_that_answers_a_thousand_times_over_is_hung_up_a_bounded_number_of_times() {
    let mut pair = Pair::new();
    pair.dial(HangUp::After(ms(1000)));
    pair.run(500);
    let answer = pair.world.log().iter().find(|sent| is_response(sent, 200)).unwrap().bytes.clone();
    let tag = responses(&pair.world, Pair::BOB, 200)[0].headers.to().unwrap().tag().unwrap().to_owned();
    for n in 0..1000 {
        let other = String::from_utf8(answer.clone()).unwrap().replace(&tag, &format!("other{n}"));
        pair.world.inject(sip_at(Pair::BOB), sip_at(Pair::ALICE), other.as_bytes());
    }
    assert!(pair.world.node(pair.alice).endpoint.transactions() < 100);
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    pair.assert_nothing_left();
}

#[test]
fn calls_beyond_the_limit_are_turned_away_and_when_they_are_gone_the_phone_is_as_before() {
    let clear = |config: &mut Config| {
        config.policy.keying.clear();
        config.policy.allow_clear = true;
    };
    let mut bob = phone("bob", Pair::BOB, clear);
    bob.incoming = Incoming::Answer { after: ms(1_000_000), early: None, plan: plan(BOB_HZ, HangUp::Never) };
    let mut pair = Pair::on(1, Link::PERFECT, phone("alice", Pair::ALICE, clear), bob);
    let body =
        format!("v=0\r\no=- 1 1 IN IP4 {MALLORY}\r\ns=-\r\nc=IN IP4 {MALLORY}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n");
    for n in 0..Endpoint::MAX_CALLS + 10 {
        pair.world.inject(sip_at(MALLORY), sip_at(Pair::BOB), &invite(n, &body));
    }
    assert_eq!(pair.world.node(pair.bob).endpoint.calls(), Endpoint::MAX_CALLS);
    assert_eq!(responses(&pair.world, Pair::BOB, 503).len(), 10);
    pair.world.command(pair.bob, Command::HangUpAll);
    pair.run(100_000);
    pair.assert_nothing_left();
    pair.dial(HangUp::Never);
    pair.run(101_000);
    assert_eq!(pair.world.node(pair.bob).endpoint.calls(), 1);
}

#[test]
fn in_the_clear_what_comes_back_is_known_by_its_ssrc_and_strangers_are_not_heard() {
    let clear = |config: &mut Config| {
        config.policy.keying.clear();
        config.policy.allow_clear = true;
    };
    let mut pair = Pair::of(clear, clear);
    pair.dial(HangUp::After(ms(1000)));
    pair.run(800);
    let (to_bob, from_bob) = (rtp_from(&pair.world, Pair::ALICE), rtp_from(&pair.world, Pair::BOB));
    for packet in &from_bob[..7] {
        pair.world.inject(from_bob[0].to, to_bob[0].to, &packet.bytes);
    }
    for packet in &to_bob[..5] {
        pair.world.inject(sip_at(MALLORY), to_bob[0].to, &packet.bytes);
    }
    pair.run(100_000);
    let counted = counts(&pair.world, pair.bob);
    assert_eq!((counted.reflected, counted.refused, counted.lost), (7, 5, 0));
}
