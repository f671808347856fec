//! What the page tells is what happened.

use crate::worlds::{KEY, call_in, fork, fork_by, pair};
use crate::{keep, of, story};
use keyphone_keying::mikey::ModeName;
use keyphone_media::env::Instant;
use keyphone_media::rtp::Ssrc;
use keyphone_scenarios::attacker::{Attacker, Forged};
use keyphone_scenarios::book;
use keyphone_scenarios::ladder::Ladder;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::pki::Pki;
use keyphone_scenarios::report::{Story, page};
use keyphone_scenarios::run::run;
use keyphone_scenarios::world::{Middle, Sent, World};
use keyphone_ua::event::{CallId, Event, KeyUse};
use keyphone_ua::transaction::Transport;
use std::collections::BTreeSet;
use std::time::Duration;

const OTHER_KEY: &str = "ffeeddccbbaa99887766554433221100";

fn at(ms: u64) -> Instant {
    Instant::from_micros(ms * 1_000)
}

fn key(key: &str, use_for: KeyUse, ssrc: u32) -> (Instant, Event) {
    let (key, suite, ssrc) = (key.into(), "AES_CM_128_HMAC_SHA1_80".into(), Some(Ssrc(ssrc).to_string()));
    (at(0), Event::Key { call: CallId(1), key, suite, use_for, ssrc, branch: None })
}

/// RTP from phone `from` to phone `to`, of that SSRC and sequence number.
fn rtp(ms: u64, from: u8, to: u8, ssrc: u32, sequence: u16, payload: u8) -> Sent {
    let mut bytes = vec![0x80, 0];
    bytes.extend(sequence.to_be_bytes());
    bytes.extend([0, 0, 0, 0]);
    bytes.extend(ssrc.to_be_bytes());
    bytes.push(payload);
    let addr = |host: u8| format!("10.0.0.{host}:40000").parse().unwrap();
    let (from, to) = (addr(from), addr(to));
    Sent { at: at(ms), from, to, transport: Transport::Udp, media: true, bytes, arrived: vec![at(ms + 1)] }
}

#[test]
fn a_fork_to_three_shows_each_branch_who_won_and_whose_key_is_whose() {
    let world = fork(3, Link::PERFECT);
    let html = page(&story("A fork to three phones", 3), &world);
    keep("fork3.html", &html);
    assert!(html.contains("<p class=\"banner passed\"><b>✓ Passed</b> all 3 expectations are met</p>"));
    for phone in ["alice", "proxy", "bob", "bob 2", "bob 3"] {
        assert!(html.contains(&format!(">{phone}</text>")), "{phone}");
    }
    assert_eq!(html.matches("answers too late").count(), 2, "the losers");
    let sent = |ip: &str| {
        let ip: std::net::IpAddr = ip.parse().unwrap();
        let rtp = |sent: &&Sent| sent.media && sent.from.ip() == ip && sent.to.port().is_multiple_of(2);
        world.log().iter().filter(rtp).count()
    };
    for (phone, ip) in [("alice", "10.0.0.1"), ("bob", "10.0.1.0")] {
        let row = format!("<td data-head=\"Sent by\">{phone} <span class=\"soft\">{} packets</span></td>", sent(ip));
        assert_eq!(html.matches(&row).count(), 1, "{row}");
    }
    assert!(!html.contains("two-time pad"));
    assert!(html.contains("<p>Nothing was refused.</p>"));
}

#[test]
fn the_script_of_a_fork_to_three_shows_the_proxy_and_the_keys_of_each_branch() {
    let script = book::find("fork-3").unwrap().script().unwrap();
    let run = run(&script, 1, &Pki::new()).unwrap();
    let html = run.page("keyphone scenario run fork-3 --seed 1");
    keep("script.html", &html);
    assert!(run.passed() && html.contains("✓ Passed"), "{:#?}", run.verdicts);
    for phone in ["alice", "desk", "lab", "home"] {
        assert!(html.contains(&format!("(of {phone})")) || phone == "alice", "{phone}: a proxy hands on what it says");
    }
    let keys: BTreeSet<_> = html.split("<code class=\"key\">").skip(1).map(|key| &key[..16]).collect();
    assert!(keys.len() >= 4, "alice has keys with two branches at least, one each way: {keys:?}");
    assert!(!html.contains("two-time pad"));
}

#[test]
fn what_an_attacker_sends_or_changes_is_marked_as_forged() {
    let mut world = World::new(1, Link::PERFECT);
    world.add_attacker(Box::new(Forger));
    call_in(&mut world, KEY);
    let html = page(&Story { others: vec![], ..story("A forger", 3) }, &world);
    keep("forged.html", &html);
    assert!(html.matches("<g class=\"arrow forged\">").count() > 0);
    assert!(html.contains("(forged)</text>") && html.contains(">forged RTP 00000007: "));
    assert!(!html.contains("two-time pad"), "who bears another's name is nobody's second sender");
}

/// Says goodbye in the name of whoever answers, and sends media of its own beside each packet.
struct Forger;

impl Attacker for Forger {
    fn sees(&mut self, sent: &Sent, forged: &mut Vec<Forged>) -> Middle {
        let Sent { from, to, media, .. } = *sent;
        let mut forge = |media, bytes| forged.push(Forged { after: Duration::from_millis(1), from, to, media, bytes });
        if media && to.port().is_multiple_of(2) {
            forge(true, rtp(0, 1, 2, 7, 1, 0).bytes);
        } else if sent.bytes.starts_with(b"SIP/2.0 200 ") {
            forge(false, b"BYE sip:alice@10.0.0.1 SIP/2.0\r\n\r\n".to_vec());
        }
        Middle::Pass
    }
}

#[test]
fn each_branch_that_has_keys_of_its_own_shows_them_and_what_was_clipped_of_it() {
    // The answers bring the keys, 120 ms after the media.
    let world = fork_by(ModeName::DhHmac, 3, Link::PERFECT, Duration::from_millis(120));
    let html = page(&story("Media before its key", 3), &world);
    keep("late.html", &html);
    let told = |is: fn(&Event) -> bool| world.node(0).events.iter().filter(|(_, event)| is(event)).count();
    let clipped = told(|event| matches!(event, Event::Clipped { .. }));
    let verified = told(|event| matches!(event, Event::Verified { .. }));
    assert!(clipped > 0 && verified > 0);
    assert_eq!(html.matches("<td data-head=\"Clipped\">").count(), clipped);
    assert_eq!(html.matches("<td data-head=\"Why now\">").count(), verified);
    assert!(html.contains(" came before the key"));
    let keys = |html: &str| html.matches("<text class=\"lane hears\"").count();
    assert!(keys(&html) >= 3, "alice and who answered first hear");
}

#[test]
fn what_a_proxy_hands_on_says_whose_branch_it_is() {
    let mut ladder = Ladder::new();
    let addr = |n: u8| format!("10.0.0.{n}:5060").parse().unwrap();
    for (n, name) in [(1, "alice"), (9, "proxy"), (2, "bob"), (3, "bob 2")] {
        ladder.name(addr(n), name);
    }
    let about = |start: &str, tag: &str| {
        let to = format!("To: <sip:bob@10.0.0.9>;tag={tag}");
        format!("{start}\r\nFrom: <sip:alice@10.0.0.1>;tag=a\r\n{to}\r\nCSeq: 1 INVITE\r\nCall-ID: 1\r\n\r\n")
    };
    let mut lines = vec![];
    for (from, to, start, tag) in [
        (2, 9, "SIP/2.0 180 Ringing", "two"),
        (9, 1, "SIP/2.0 180 Ringing", "two"),
        (3, 9, "SIP/2.0 200 OK", "three"),
        (9, 1, "SIP/2.0 200 OK", "three"),
        (1, 9, "ACK sip:bob@10.0.0.9 SIP/2.0", "three"),
        (9, 3, "ACK sip:bob@10.0.0.9 SIP/2.0", "three"),
    ] {
        lines.push(ladder.line(at(0), addr(from), addr(to), Transport::Udp, about(start, tag).as_bytes()));
    }
    assert_eq!(
        lines,
        [
            "0.000 bob -> proxy  180 Ringing",
            "0.000 proxy -> alice  180 Ringing (of bob)",
            "0.000 bob 2 -> proxy  200 OK",
            "0.000 proxy -> alice  200 OK (of bob 2)",
            "0.000 alice -> proxy  ACK sip:bob@10.0.0.9 (UDP) (for bob 2)",
            "0.000 proxy -> bob 2  ACK sip:bob@10.0.0.9 (UDP)",
        ]
    );
}

#[test]
fn what_was_lost_and_what_was_sent_again_is_told_in_words_and_drawn() {
    let lossy = Link { loss_permille: 120, ..Link::BAD_DAY };
    let world = pair(lossy, KEY);
    let html = page(&story("A call on a lossy link", 3), &world);
    keep("lossy.html", &html);
    let lost = world.log().iter().filter(|sent| !sent.media && sent.arrived.is_empty()).count();
    assert!(lost > 0);
    assert_eq!(html.matches("<g class=\"arrow lost\">").count(), lost);
    assert_eq!(html.matches("<path class=\"cross\"").count(), lost);
    assert!(html.contains("(lost)</text>") && html.contains("(again)</text>"));
    assert!(html.matches("<g class=\"arrow media\">").count() < 12, "bands, and not an arrow a packet");
}

#[test]
fn a_refusal_is_told_with_its_reason_for_each_phone_and_no_key_was_used() {
    let world = pair(Link::PERFECT, OTHER_KEY);
    let html = page(&Story { others: vec![], ..story("A peer with another key", 2) }, &world);
    keep("refused.html", &html);
    assert!(html.contains("<b>✗ Failed</b> 1 of 3 expectations is not met"));
    let refused = html.split("id=\"refused\"").nth(1).unwrap();
    for phone in ["alice", "bob"] {
        let row = format!("<td data-head=\"Phone\">{phone}</td><td data-head=\"What\">keying</td>");
        assert_eq!(refused.matches(&row).count(), 1, "{phone}");
    }
    assert!(refused.contains("its MAC does not verify"), "the reason");
    assert!(html.contains("not used") && !html.contains("✓ one sender"));
}

#[test]
fn one_key_and_ssrc_of_two_senders_is_marked_as_a_two_time_pad() {
    let alice = [key("aaaa", KeyUse::Hear, 7), key("aaaa", KeyUse::Hear, 8)];
    let (bob, carol) = ([key("aaaa", KeyUse::Send, 7)], [key("aaaa", KeyUse::Send, 7)]);
    let other = [key("aaaa", KeyUse::Send, 8)];
    let log = |second| [rtp(1, 2, 1, 7, 1, 1), rtp(2, 3, 1, second, 2, 2)];
    let pad = of(&[("alice", &alice), ("bob", &bob), ("carol", &carol)], &log(7));
    assert_eq!(pad.matches("<tr class=\"bad\">").count(), 1);
    assert!(pad.contains("✗ two-time pad</b> 2 phones sent under it"));
    let fine = of(&[("alice", &alice), ("bob", &bob), ("carol", &other)], &log(8));
    assert!(!fine.contains("two-time pad"), "a shared key is none while each has an SSRC of its own");
    assert_eq!(fine.matches("✓ one sender").count(), 2);
}

#[test]
fn two_packets_of_one_index_that_differ_are_a_two_time_pad_whoever_sent_them() {
    let (alice, bob) = ([key("aaaa", KeyUse::Hear, 7)], [key("aaaa", KeyUse::Send, 7)]);
    let page = |log: &[Sent]| of(&[("alice", &alice), ("bob", &bob)], log);
    let twice = page(&[rtp(1, 2, 1, 7, 1, 1), rtp(2, 2, 1, 7, 1, 2)]);
    assert!(twice.contains("✗ two-time pad</b> 1 packets share an index with another"), "{twice}");
    let again = page(&[rtp(1, 2, 1, 7, 1, 1), rtp(2, 2, 1, 7, 1, 1)]);
    assert!(!again.contains("two-time pad"), "the same packet again tells nobody anything");
    // 2^16 packets later the rollover counter is another.
    let round: Vec<_> = (0..=65_536_u32).map(|n| rtp(u64::from(n), 2, 1, 7, n as u16, (n >> 16) as u8)).collect();
    assert!(!page(&round).contains("two-time pad"));
}

#[test]
fn media_that_no_key_opens_is_shown_as_such() {
    let mut alice = vec![(at(0), started()), (at(3), Event::Ringing { call: CallId(1), branch: "b".into() })];
    alice.push((at(900), Event::Ringing { call: CallId(1), branch: "c".into() }));
    let bob = [key("bbbb", KeyUse::Send, 7)];
    let log: Vec<_> = (0..9).map(|n| rtp(20 * n, 2, 1, 7, n as u16, 0)).collect();
    let html = of(&[("alice", &alice), ("bob", &bob)], &log);
    // No message tells whose branch is whose, so it is told nowhere but in the table.
    assert!(html.contains("<td data-head=\"Sent by\">bob <span class=\"soft\">9 packets</span></td>"));
    assert!(html.contains("<td data-head=\"Heard by\">nobody</td>"));
}

fn started() -> Event {
    Event::Started {
        call: CallId(1),
        direction: keyphone_ua::event::Direction::Outgoing,
        peer: "sip:bob@10.0.0.2".into(),
        call_id: "1".into(),
        keying: "mikey-psk".into(),
    }
}
