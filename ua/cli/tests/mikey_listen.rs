//! `keyphone mikey listen` and `keyphone mikey make`.
#![allow(clippy::disallowed_methods, reason = "the messages come over a real socket")]

mod support;

use keyphone_keying::mikey::bundle::Bundle;
use keyphone_keying::mikey::mode::Initiation;
use keyphone_keying::mikey::modes::Modes;
use keyphone_keying::mikey::station::Station;
use keyphone_keying::mikey::wire::{CsMap, Message, SrtpId};
use keyphone_keying::mikey::{MikeyPolicy, ModeName, Tolerances};
use keyphone_keying::{Credentials, Expect, Hop, Identity, Psk};
use keyphone_media::env::Env;
use keyphone_media::srtp::Suite;
use keyphone_ua::net::{Clock, OsRng};
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;
use support::{KEY, Running, keyphone, keyphone_in};

/// An I_MESSAGE of now, from alice to bob.
fn initiation(mode: ModeName) -> Initiation {
    let [alice, bob] = ["sip:alice@example.org", "sip:bob@example.org"].map(Identity::new);
    let mut credentials = Credentials::default();
    credentials.psks.insert(None, Psk::new((0..32).collect()).unwrap());
    let policy = MikeyPolicy { offer: mode, ..MikeyPolicy::default() };
    let entry = SrtpId { policy_no: 0, ssrc: None, roc: 0 };
    let bundle = Bundle {
        me: &alice,
        named: &bob,
        map: CsMap::Srtp(vec![entry, entry]),
        policies: vec![],
        protocols: &["mikey".to_owned()],
        hop: Hop::Clear,
        suite: Suite::AesCm128HmacSha1_80,
        expect: Expect::Certified,
        policy: &policy,
    };
    let mut station = Station::new(credentials, now());
    let mut env = Env { now: Clock::default().now(), rng: &mut OsRng };
    Modes::all().offering(&policy).unwrap().initiate(&bundle, &mut station, &mut env).unwrap()
}

fn now() -> keyphone_media::env::NtpTime {
    Clock::default().now().ntp
}

fn listening(args: &[&str]) -> (Running, String) {
    let mut running = Running::start(&[&["mikey", "listen", "--listen", "127.0.0.1:0"], args].concat());
    let address = running.wait_for("listening")["address"].as_str().unwrap().to_owned();
    (running, address)
}

const PATIENCE: Duration = Duration::from_secs(30);

fn is_answer(initiation: &Initiation, octets: &[u8]) {
    let answer = Message::read(octets, Tolerances::none()).unwrap();
    initiation.initiated.complete(&answer, now()).unwrap();
}

#[test]
fn a_message_to_mikeys_own_port_is_shown_and_answered_over_udp_and_tcp() {
    let (mut listener, address) = listening(&["--psk", KEY]);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(PATIENCE)).unwrap();
    for mode in [ModeName::Psk, ModeName::DhHmac] {
        let offer = initiation(mode);
        udp.send_to(offer.message.bytes(), &address).unwrap();
        let mut answer = vec![0; 65_535];
        let len = udp.recv(&mut answer).unwrap();
        is_answer(&offer, &answer[..len]);
        let received = listener.wait_for("mikey.received");
        assert_eq!(
            (&received["transport"], &received["from"]),
            (&"UDP".into(), &udp.local_addr().unwrap().to_string().into())
        );
        assert_eq!(received["message"]["fields"][0]["name"], "HDR");
        assert_eq!(listener.wait_for("mikey.answered")["peer"], "sip:alice@example.org");
    }

    // Two messages in a stream that is cut anywhere.
    let mut tcp = TcpStream::connect(&address).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let offers = [initiation(ModeName::Psk), initiation(ModeName::DhHmac)];
    let stream = [offers[0].message.bytes(), offers[1].message.bytes()].concat();
    for piece in stream.chunks(77) {
        tcp.write_all(piece).unwrap();
        tcp.flush().unwrap();
    }
    for offer in &offers {
        assert_eq!(listener.wait_for("mikey.received")["transport"], "TCP");
        let octets = listener.wait_for("mikey.answered")["octets"].as_u64().unwrap();
        let mut answer = vec![0; octets as usize];
        tcp.read_exact(&mut answer).unwrap();
        is_answer(offer, &answer);
    }
    listener.signal("INT");
    let ran = listener.finish();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let end = &ran.events("mikey.listened")[0];
    assert_eq!((&end["messages"], &end["answered"]), (&4.into(), &4.into()));
}

#[test]
fn what_cannot_be_answered_is_shown_with_its_reason_and_a_replay_is_refused() {
    let (mut listener, address) = listening(&["--psk", KEY]);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut say = |octets: &[u8], event: &str| {
        udp.send_to(octets, &address).unwrap();
        listener.wait_for("mikey.received");
        listener.wait_for(event)
    };
    let reason = |event: serde_json::Value| event["reason"].as_str().unwrap().to_owned();
    let offer = initiation(ModeName::Psk);
    say(offer.message.bytes(), "mikey.answered");
    assert!(reason(say(offer.message.bytes(), "mikey.refused")).contains("replay"));
    let mut spoilt = initiation(ModeName::Psk).message.bytes().to_vec();
    *spoilt.last_mut().unwrap() ^= 1;
    assert!(reason(say(&spoilt, "mikey.refused")).contains("MAC does not verify"));
    say(b"hello", "mikey.refused");
    say(&[], "mikey.refused");
    // Nobody asks for an answer (V = 0), and none is sent or said to be.
    let quiet = say(&silent(), "mikey.taken");
    assert_eq!((&quiet["octets"], &quiet["peer"]), (&serde_json::Value::Null, &"sip:alice@example.org".into()));
    // A bare header asks for nothing that could be answered; an answer asks for nothing at all.
    say(&[1, 1, 0, 0, 1, 2, 3, 4, 0, 0], "mikey.unanswered");
    listener.signal("INT");
    assert_eq!(listener.finish().code, Some(0));
}

/// An I_MESSAGE that names all its SSRCs, and so need not ask for an answer: its V bit is taken away and its MAC made anew.
fn silent() -> Vec<u8> {
    use keyphone_keying::mikey::derive::{CsbLabel, TransportKeys, hmac_sha1};
    use keyphone_keying::mikey::wire::Rand;
    let message = initiation(ModeName::Psk).message;
    let mut octets = message.bytes().to_vec();
    octets[3] &= 0x7f;
    let psk: Vec<u8> = (0..32).collect();
    let label = CsbLabel { csb_id: message.hdr().csb_id, rand: message.one::<Rand>().unwrap().0.clone() };
    let end = octets.len() - 20;
    let mac = hmac_sha1(&TransportKeys::new(&psk, &label).auth, &[&octets[..end]]);
    octets[end..].copy_from_slice(&mac);
    octets
}

#[test]
fn what_make_writes_verify_reads() {
    let dir = tempfile::tempdir().unwrap();
    let ran =
        keyphone(&["mikey", "make", "--mode", "mikey-dhhmac", "--group", "oakley1", "--seed", "test", "--count", "2"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    std::fs::write(dir.path().join("made.json"), &ran.stdout).unwrap();
    let verified = keyphone_in(dir.path(), &["mikey", "verify", "made.json"]);
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);
    assert!(verified.stdout.contains("2 passed, 0 refused, 0 failed, 0 not checked"), "{}", verified.stdout);

    let json = keyphone(&["mikey", "make", "--mode", "mikey-psk", "--seed", "test", "--count", "3", "--json"]);
    let ids: Vec<_> = json.events("mikey.made").into_iter().map(|vector| vector["id"].clone()).collect();
    assert_eq!(ids, ["test-1", "test-2", "test-3"]);
    std::fs::write(dir.path().join("empty.json"), "[]").unwrap();
    let empty = keyphone_in(dir.path(), &["mikey", "verify", "empty.json"]);
    assert_eq!(empty.code, Some(2), "nothing is no success: {}", empty.stdout);
    for (flags, modes) in [
        (&["--mode", "mikey-psk", "--group", "oakley1"][..], "mikey-dhsign, mikey-dhhmac"),
        (&["--mode", "mikey-null", "--encryption", "aes-cm"], "mikey-psk, mikey-rsa, mikey-rsar"),
        (&["--mode", "mikey-dhhmac", "--pss"], "mikey-rsa, mikey-rsar, mikey-dhsign"),
        (&["--mode", "mikey-psk", "--for-group"], "mikey-rsar"),
    ] {
        let ran = keyphone(&[&["mikey", "make", "--seed", "x"], flags].concat());
        let why = format!("has no use for {}, which is for {modes}\n", flags[2]);
        assert!(ran.code == Some(2) && ran.stderr.ends_with(&why), "{}", ran.stderr);
    }

    let certs = ["cert", "make", "sip:alice@example.org", "sip:bob@example.org", "--dir", "certs"];
    assert_eq!(keyphone_in(dir.path(), &certs).code, Some(0));
    let set = keyphone_in(dir.path(), &["mikey", "make", "--set", "vectors", "--certs", "certs"]);
    assert_eq!(set.code, Some(0), "{}", set.stderr);
    for mode in ModeName::ALL {
        let file = format!("vectors/{mode}.json");
        let verified = keyphone_in(dir.path(), &["mikey", "verify", &file]);
        assert_eq!(verified.code, Some(0), "{}", verified.stdout);
    }

    let certs = ["cert", "make", "--ec", "p384", "sip:alice@example.org", "sip:bob@example.org", "--dir", "curve"];
    assert_eq!(keyphone_in(dir.path(), &certs).code, Some(0));
    let made = ["mikey", "make", "--mode", "mikey-dhsign", "--group", "p384", "--seed", "x", "--certs", "curve"];
    let ran = keyphone_in(dir.path(), &made);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    std::fs::write(dir.path().join("curve.json"), &ran.stdout).unwrap();
    assert_eq!(keyphone_in(dir.path(), &["mikey", "verify", "curve.json"]).code, Some(0), "by ECDSA");
}

/// Whoever stops reading stops nothing.
#[test]
fn a_reader_that_goes_away_is_no_fault_of_make() {
    use std::process::{Command, Stdio};
    let mut make = Command::new(env!("CARGO_BIN_EXE_keyphone"));
    make.args(["mikey", "make", "--mode", "mikey-psk", "--seed", "x", "--count", "50"]);
    let mut make = make.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(make.stdout.take());
    let ran = make.wait_with_output().unwrap();
    assert_eq!((ran.status.code(), String::from_utf8_lossy(&ran.stderr).as_ref()), (Some(0), ""));
}
