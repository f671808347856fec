//! Two phones, two processes, real sockets on loopback.

mod support;

use etherparse::{SlicedPacket, TransportSlice};
use keyphone_media::audio::Clip;
use pcap_file::pcap::PcapReader;
use serde_json::Value;
use std::fs::File;
use std::path::Path;
use support::{KEY, Ran, Running, keyphone};

const WRONG: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The one event of that name.
fn only(ran: &Ran, event: &str) -> Value {
    let events = ran.events(event);
    assert_eq!(events.len(), 1, "{event}: {}{}", ran.stdout, ran.stderr);
    events[0].clone()
}

/// The UDP packets of a capture that are no SIP: from which port to which.
fn media(capture: &Path) -> Vec<(u16, u16, Vec<u8>)> {
    let mut reader = PcapReader::new(File::open(capture).unwrap()).unwrap();
    let mut found = vec![];
    while let Some(packet) = reader.next_packet() {
        let packet = packet.unwrap();
        let Some(TransportSlice::Udp(udp)) = SlicedPacket::from_ip(&packet.data).unwrap().transport else { continue };
        // RTP and RTCP begin with version 2 (RFC 3550 section 5.1), SIP with a letter.
        if udp.payload().first().is_some_and(|octet| octet >> 6 == 2) {
            found.push((udp.source_port(), udp.destination_port(), udp.payload().to_vec()));
        }
    }
    found
}

#[test]
fn a_keyed_call_is_heard_on_both_sides_in_either_family_over_either_transport() {
    for (ip, host, transport) in [
        ("127.0.0.1", "127.0.0.1", "udp"),
        ("127.0.0.1", "127.0.0.1", "tcp"),
        ("[::1]", "[::1]", "udp"),
        ("[::1]", "[::1]", "tcp"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (heard_by_bob, heard_by_alice) = (dir.path().join("bob.wav"), dir.path().join("alice.wav"));
        let (bob, address) = Running::answer(
            ip,
            &["--once", "--psk", KEY, "--record", text(&heard_by_bob), "--from", &format!("sip:bob@{host}")],
        );
        let port = address.rsplit_once(':').unwrap().1;
        let uri = format!("sip:bob@{host}:{port}");
        let alice = keyphone(&[
            "call",
            &uri,
            "--psk",
            KEY,
            "--for",
            "1s",
            "--transport",
            transport,
            "--record",
            text(&heard_by_alice),
            "--json",
        ]);
        let bob = bob.finish();
        for (who, ran) in [("alice", &alice), ("bob", &bob)] {
            assert_eq!(ran.code, Some(0), "{who}, {ip}, {transport}: {}{}", ran.stdout, ran.stderr);
            assert_eq!(only(ran, "call.answered")["keying"], "mikey-psk");
            let stats = only(ran, "media.stats");
            let count = |name: &str| stats[name].as_u64().unwrap();
            assert!(count("sent") > 30 && count("heard") > 30, "{who}, {ip}, {transport}: {stats}");
            assert_eq!(count("refused"), 0, "{who}: {stats}");
        }
        assert_eq!(only(&alice, "call.ended")["by"], "us");
        assert_eq!(only(&bob, "call.ended")["by"], "peer");
        assert_eq!(only(&alice, "keying.peer")["proven"], format!("sip:bob@{host}"));
        for recording in [heard_by_alice, heard_by_bob] {
            let loudest = Clip::load(&recording).unwrap().at(8_000).unwrap().into_iter().map(i16::unsigned_abs).max();
            assert!(loudest > Some(1_000), "{} is silent", recording.display());
        }
    }
}

#[test]
fn a_wrong_key_is_refused_on_both_sides_and_no_media_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let (at_bob, at_alice) = (dir.path().join("bob.pcap"), dir.path().join("alice.pcap"));
    let (bob, address) = Running::answer("127.0.0.1", &["--once", "--psk", WRONG, "--pcap", text(&at_bob)]);
    let uri = format!("sip:bob@{address}");
    let alice = keyphone(&["call", &uri, "--psk", KEY, "--json", "--pcap", text(&at_alice)]);
    let bob = bob.finish();
    for (ran, capture) in [(&alice, &at_alice), (&bob, &at_bob)] {
        assert_eq!(ran.code, Some(3), "{}{}", ran.stdout, ran.stderr);
        assert_eq!(only(ran, "call.ended")["outcome"], "keying-refused");
        only(ran, "keying.refused");
        assert_eq!(media(capture), []);
    }
}

#[test]
fn nobody_talks_in_the_clear_unless_both_are_allowed_to() {
    // She is not allowed to: nothing is even offered.
    let (bob, address) = Running::answer("127.0.0.1", &["--keying", "none", "--allow-clear"]);
    let uri = format!("sip:bob@{address}");
    let alice = keyphone(&["call", &uri, "--keying", "none", "--json"]);
    assert_eq!(alice.code, Some(3), "{}{}", alice.stdout, alice.stderr);
    bob.signal("INT");
    let bob = bob.finish();
    assert_eq!((bob.code, bob.events("call.started").len()), (Some(0), 0));

    // He is not allowed to.
    let dir = tempfile::tempdir().unwrap();
    let at_bob = dir.path().join("bob.pcap");
    for keying in [&["--psk", KEY][..], &["--keying", "none"]] {
        let (bob, address) = Running::answer("127.0.0.1", &[keying, &["--once", "--pcap", text(&at_bob)]].concat());
        let uri = format!("sip:bob@{address}");
        let alice = keyphone(&["call", &uri, "--keying", "none", "--allow-clear", "--json"]);
        let bob = bob.finish();
        assert_eq!(bob.code, Some(3), "{keying:?}: {}{}", bob.stdout, bob.stderr);
        assert_ne!(alice.code, Some(0), "{keying:?}: {}{}", alice.stdout, alice.stderr);
        assert_eq!(media(&at_bob), [], "{keying:?}");
    }

    // Both are.
    let (bob, address) = Running::answer("127.0.0.1", &["--keying", "none", "--allow-clear", "--once"]);
    let uri = format!("sip:bob@{address}");
    let alice = keyphone(&["call", &uri, "--keying", "none", "--allow-clear", "--for", "500ms", "--json"]);
    let bob = bob.finish();
    for ran in [&alice, &bob] {
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        assert_eq!(only(ran, "call.answered")["keying"], "none");
    }
}

#[test]
fn ctrl_c_ends_an_idle_phone_with_0() {
    for signal in ["INT", "TERM"] {
        let (bob, _) = Running::answer("127.0.0.1", &["--psk", KEY]);
        bob.signal(signal);
        let bob = bob.finish();
        assert_eq!(bob.code, Some(0), "{}{}", bob.stdout, bob.stderr);
        assert_eq!(only(&bob, "summary")["calls"], 0);
    }
}

#[test]
fn ctrl_c_hangs_up_what_is_under_way() {
    let (mut bob, address) = Running::answer("127.0.0.1", &["--psk", KEY]);
    let uri = format!("sip:bob@{address}");
    let mut alice = Running::start(&["call", &uri, "--psk", KEY, "--for", "60s"]);
    bob.wait_for("media.heard");
    alice.wait_for("media.heard");
    bob.signal("INT");
    let (alice, bob) = (alice.finish(), bob.finish());
    assert_eq!((alice.code, bob.code), (Some(0), Some(0)), "{}{}", alice.stdout, bob.stdout);
    assert_eq!(only(&alice, "call.ended")["by"], "peer");
    assert_eq!(only(&bob, "call.ended")["by"], "us");

    let (bob, address) = Running::answer("127.0.0.1", &["--psk", KEY, "--once"]);
    let uri = format!("sip:bob@{address}");
    let mut alice = Running::start(&["call", &uri, "--psk", KEY, "--for", "60s"]);
    alice.wait_for("call.answered");
    alice.signal("INT");
    let (alice, bob) = (alice.finish(), bob.finish());
    assert_eq!((alice.code, bob.code), (Some(0), Some(0)), "{}{}", alice.stdout, bob.stdout);
    assert_eq!(only(&bob, "call.ended")["by"], "peer");
}

#[test]
fn a_call_that_is_cancelled_while_it_rings_has_failed() {
    let (bob, address) = Running::answer("127.0.0.1", &["--psk", KEY, "--once", "--after", "60s"]);
    let uri = format!("sip:bob@{address}");
    let mut alice = Running::start(&["call", &uri, "--psk", KEY]);
    alice.wait_for("call.ringing");
    alice.signal("INT");
    let (alice, bob) = (alice.finish(), bob.finish());
    assert_eq!((alice.code, bob.code), (Some(1), Some(1)), "{}{}", alice.stdout, bob.stdout);
    assert_eq!(only(&alice, "call.ended")["status"], 487);
}

#[test]
fn a_phone_that_is_told_to_refuse_does_so() {
    let (bob, address) = Running::answer("127.0.0.1", &["--refuse", "603", "--once"]);
    let alice = keyphone(&["call", &format!("sip:bob@{address}"), "--psk", KEY, "--json"]);
    let bob = bob.finish();
    assert_eq!((alice.code, bob.code), (Some(1), Some(0)), "{}{}", alice.stdout, bob.stdout);
    assert_eq!(only(&alice, "call.ended")["status"], 603);
}

#[test]
fn calls_follow_one_another_and_are_counted() {
    let (bob, address) = Running::answer("127.0.0.1", &["--psk", KEY, "--times", "3", "--play", "silence"]);
    let uri = format!("sip:bob@{address}");
    let alice = keyphone(&["call", &uri, "--psk", KEY, "--for", "200ms", "--times", "3", "--json"]);
    let bob = bob.finish();
    for ran in [&alice, &bob] {
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        let summary = only(ran, "summary");
        assert_eq!((&summary["calls"], &summary["completed"]), (&3.into(), &3.into()));
    }
}

#[test]
fn where_nobody_listens_the_call_fails_and_says_so() {
    // A port that was free a moment ago.
    let (bob, address) = Running::answer("127.0.0.1", &["--psk", KEY]);
    bob.signal("INT");
    assert_eq!(bob.finish().code, Some(0));
    let alice = keyphone(&["call", &format!("sip:bob@{address}"), "--psk", KEY, "--transport", "tcp"]);
    assert_eq!(alice.code, Some(1), "{}{}", alice.stdout, alice.stderr);
    assert!(alice.stdout.contains("failed: "), "{}", alice.stdout);
}

#[test]
fn what_was_played_was_recorded_and_the_call_ends_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("first.wav"), dir.path().join("second.wav"));
    let (bob, address) =
        Running::answer("127.0.0.1", &["--psk", KEY, "--record", text(&first), "--for", "1s", "--once"]);
    let uri = format!("sip:bob@{address}");
    assert_eq!(keyphone(&["call", &uri, "--psk", KEY, "--for", "20s"]).code, Some(0));
    assert_eq!(bob.finish().code, Some(0));

    let (bob, address) = Running::answer("127.0.0.1", &["--psk", KEY, "--record", text(&second), "--once"]);
    let uri = format!("sip:bob@{address}");
    let alice = keyphone(&["call", &uri, "--psk", KEY, "--play", text(&first), "--json"]);
    assert_eq!(alice.code, Some(0), "{}{}", alice.stdout, alice.stderr);
    only(&alice, "media.played-out");
    assert_eq!(bob.finish().code, Some(0));
    let length = |path: &Path| Clip::load(path).unwrap().duration().as_secs_f64();
    assert!(length(&first) > 0.5 && length(&second) > length(&first) - 0.3, "{} {}", length(&first), length(&second));
}

#[test]
fn keys_are_logged_only_when_asked_for_and_are_the_same_on_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let (at_alice, at_bob) = (dir.path().join("alice.keys"), dir.path().join("bob.keys"));
    let (bob, address) = Running::answer("127.0.0.1", &["--psk", KEY, "--once", "--keylog", text(&at_bob), "-vvv"]);
    let uri = format!("sip:bob@{address}");
    let alice =
        keyphone(&["call", &uri, "--psk", KEY, "--for", "300ms", "--keylog", text(&at_alice), "--trace", "-vvv"]);
    let bob = bob.finish();
    assert_eq!((alice.code, bob.code), (Some(0), Some(0)));
    let keys = |path: &Path| {
        let log = std::fs::read_to_string(path).unwrap();
        let mut keys: Vec<_> = log.split_whitespace().filter(|w| w.starts_with("inline:")).map(str::to_owned).collect();
        keys.sort();
        keys.dedup();
        keys
    };
    assert_eq!(keys(&at_alice), keys(&at_bob));
    assert!(!keys(&at_alice).is_empty());
    for key in keys(&at_alice).iter().map(|key| &key["inline:".len()..]).chain([KEY]) {
        for said in [&alice.stdout, &alice.stderr, &bob.stdout, &bob.stderr] {
            assert!(!said.contains(key), "a key is in the output");
        }
    }
}

#[test]
fn a_trace_shows_the_messages_and_a_capture_holds_them_with_the_media() {
    let dir = tempfile::tempdir().unwrap();
    let capture = dir.path().join("call.pcap");
    let (bob, address) = Running::answer("127.0.0.1", &["--psk", KEY, "--once"]);
    let uri = format!("sip:bob@{address}");
    let alice =
        keyphone(&["call", &uri, "--psk", KEY, "--for", "500ms", "--json", "--trace", "--pcap", text(&capture)]);
    assert_eq!((alice.code, bob.finish().code), (Some(0), Some(0)), "{}{}", alice.stdout, alice.stderr);
    let lines: Vec<_> = alice.events("trace").iter().map(|t| t["line"].as_str().unwrap().to_owned()).collect();
    for (way, what) in [
        ("keyphone -> bob", "INVITE"),
        ("keyphone -> bob", "MIKEY PSK I_MESSAGE"),
        ("bob -> keyphone", "MIKEY PSK R_MESSAGE"),
        ("keyphone -> bob", "ACK"),
        ("keyphone -> bob", "BYE"),
    ] {
        assert!(lines.iter().any(|l| l.contains(way) && l.contains(what)), "{way} {what} is not in {lines:?}");
    }
    let sent = only(&alice, "media.stats")["sent"].as_u64().unwrap();
    let media = media(&capture);
    assert!(media.len() as u64 > sent, "{} packets, of which {sent} were sent", media.len());
}

#[test]
fn a_trace_ends_with_the_whole_ladder() {
    let (bob, address) = Running::answer("127.0.0.1", &["--psk", KEY, "--once"]);
    let alice = keyphone(&["call", &format!("sip:bob@{address}"), "--psk", KEY, "--for", "300ms", "--trace"]);
    assert_eq!((alice.code, bob.finish().code), (Some(0), Some(0)), "{}{}", alice.stdout, alice.stderr);
    let (_, ladder) = alice.stdout.split_once("ended:").unwrap();
    for seen in ["keyphone", "bob", "INVITE sip:bob@", "key-mgmt: MIKEY PSK R_MESSAGE", "200 OK (BYE)"] {
        assert!(ladder.contains(seen), "{seen} is not in {ladder}");
    }
}

#[test]
fn a_phone_without_media_is_called_as_any_other_and_says_and_hears_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let capture = dir.path().join("bob.pcap");
    let (bob, address) =
        Running::answer("127.0.0.1", &["--once", "--no-media", "--psk", KEY, "--pcap", text(&capture)]);
    let alice = keyphone(&["call", &format!("sip:bob@{address}"), "--psk", KEY, "--for", "500ms", "--json"]);
    let bob = bob.finish();
    assert_eq!((alice.code, bob.code), (Some(0), Some(0)), "{}{}", alice.stderr, bob.stderr);
    assert_eq!(only(&bob, "call.answered")["keying"], "mikey-psk");
    assert!(bob.events("media.stats").is_empty() && bob.events("media.heard").is_empty(), "{}", bob.stdout);
    assert_eq!(only(&alice, "media.stats")["heard"], 0);
    assert_eq!(media(&capture), []);
    let written = std::fs::read(&capture).unwrap();
    // RFC 863.
    assert!(written.windows(19).any(|window| window == b"m=audio 9 RTP/SAVP "));
}
