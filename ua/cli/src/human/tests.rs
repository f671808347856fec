use super::*;
use keyphone_ua::event::{Outcome, Why};

const CALL: CallId = CallId(1);

fn story(direction: Direction, keying: &str, events: Vec<Event>) -> Vec<String> {
    let mut narrator = Narrator::default();
    let peer = "sip:bob@127.0.0.1".to_owned();
    let (call_id, keying) = ("1@127.0.0.1".to_owned(), keying.to_owned());
    let started = Event::Started { call: CALL, direction, peer, call_id, keying };
    [started].iter().chain(&events).filter_map(|event| narrator.line(event)).collect()
}

fn peer() -> Event {
    let bob = "sip:bob@127.0.0.1".to_owned();
    Event::Peer { call: CALL, named: bob.clone(), proven: bob, how: "a pre-shared key".into() }
}

fn answered(keying: &str) -> Event {
    Event::Answered { call: CALL, branch: "1".into(), codec: "PCMU".into(), keying: keying.into() }
}

#[test]
fn a_call_that_went_well_is_four_lines() {
    let counts = Counts { sent: 250, heard: 249, ..Counts::default() };
    let lines = story(
        Direction::Outgoing,
        "mikey-psk",
        vec![
            Event::Ringing { call: CALL, branch: "1".into() },
            peer(),
            answered("mikey-psk"),
            Event::Heard { call: CALL, ssrc: "12345678".into() },
            Event::Stats { call: CALL, counts },
            Event::Ended { call: CALL, outcome: Outcome::Completed { by: Side::Us } },
        ],
    );
    assert_eq!(
        lines,
        [
            "calling sip:bob@127.0.0.1, offering mikey-psk",
            "ringing at sip:bob@127.0.0.1",
            "answered, PCMU, keyed by mikey-psk with sip:bob@127.0.0.1 (a pre-shared key)",
            "ended: we hung up; sent 250, heard 249, lost 0, late 0",
        ]
    );
}

#[test]
fn clear_rtp_is_called_by_its_name() {
    let lines = story(Direction::Incoming, "none", vec![answered("none")]);
    assert_eq!(
        lines,
        ["sip:bob@127.0.0.1 calls, in the clear", "answered, PCMU, in the clear: everybody on the way can listen"]
    );
}

#[test]
fn a_refusal_says_once_why_and_what_the_peer_hints_at() {
    let why = "488 Not Acceptable Here".to_owned();
    let lines = story(
        Direction::Outgoing,
        "mikey-psk",
        vec![
            Event::Refused {
                call: CALL,
                why: why.clone(),
                hint: Some("the peer says, unauthenticated: no key".into()),
            },
            Event::Ended { call: CALL, outcome: Outcome::KeyingRefused { why } },
        ],
    );
    assert_eq!(lines[1..], ["keying refused: 488 Not Acceptable Here (the peer says, unauthenticated: no key)"]);
}

#[test]
fn of_many_calls_each_line_says_its_number() {
    let mut narrator = Narrator { numbered: true, ..Narrator::default() };
    let event = Event::Ringing { call: CallId(7), branch: "1".into() };
    assert_eq!(narrator.line(&event).unwrap(), "call 7: ringing");
}

#[test]
fn what_happens_in_a_call_is_told_in_its_order() {
    let (call, by) = (CALL, Side::Peer);
    let lines = story(
        Direction::Outgoing,
        "mikey-psk",
        vec![
            Event::Redirected { call, to: vec!["sip:a@h".into(), "sip:b@h".into()] },
            Event::Progress { call, branch: "1".into(), status: 180, reliable: true, early_media: false },
            Event::Progress { call, branch: "1".into(), status: 183, reliable: true, early_media: true },
            Event::ConnectedTo { call, peer: "sip:b@h".into() },
            Event::Held { call, by },
            Event::Resumed { call, by },
            Event::Held { call, by: Side::Us },
            Event::Refreshed { call, by },
            Event::Dtmf { call, key: '#' },
            Event::Transfer { call, by, to: "sip:c@h".into(), status: 100 },
            Event::Transfer { call, by, to: "sip:c@h".into(), status: 180 },
            Event::Transfer { call, by, to: "sip:c@h".into(), status: 200 },
            Event::Transfer { call, by: Side::Us, to: "sip:c@h".into(), status: 486 },
            Event::Info { call, content_type: "text/plain".into(), body: "hi".into() },
            Event::CallTrouble { call, what: "the peer does not want to be held".into() },
        ],
    );
    assert_eq!(
        lines[1..],
        [
            "sent on: calling sip:a@h, then sip:b@h",
            "early media (183, acknowledged)",
            "now talking to sip:b@h, as the peer says without proof",
            "the peer has put us on hold",
            "the peer has taken us back from hold",
            "on hold",
            "the peer pressed #",
            "transfer: the peer asks us to call sip:c@h",
            "transfer: sip:c@h rings (180)",
            "transfer done: we talk to sip:c@h",
            "transfer to sip:c@h failed (486)",
            "INFO, text/plain: hi",
            "the peer does not want to be held",
        ]
    );
}

#[test]
fn what_becomes_of_the_branches_of_a_forked_call_is_told() {
    let (call, branch) = (CALL, "1".to_owned());
    let events = [
        Event::Verified { call, branch: branch.clone(), count: 1, why: Why::Media },
        Event::Clipped { call, branch: branch.clone(), ms: 340, held: 26, played: 9, dropped: 17 },
        Event::Clipped { call, branch: branch.clone(), ms: 0, held: 1, played: 1, dropped: 0 },
        Event::BranchFailed { call, branch, why: "its signature does not hold".into() },
    ];
    let told = |verbose| {
        let mut narrator = Narrator::new(false, verbose);
        events.iter().filter_map(|event| narrator.line(event)).collect::<Vec<_>>()
    };
    let clipped = "340 ms are not heard: they came too long before their key";
    let failed = "one phone cannot be talked to: its signature does not hold";
    assert_eq!(told(false), [clipped, failed]);
    let verified = "answer verified, 1 in all: its media is here";
    assert_eq!(told(true), [verified, clipped, "1 packet came before the key and waited; all are heard", failed]);
}

#[test]
fn what_concerns_no_call_is_told_too() {
    let mut narrator = Narrator::new(true, false);
    let (aor, contact) = ("sip:bob@example.org".to_owned(), "<sip:bob@192.0.2.7>".to_owned());
    for (event, line) in [
        (
            Event::Registered {
                aor: aor.clone(),
                registrar: "192.0.2.1:5060".into(),
                contacts: vec![contact; 2],
                expires: 300,
            },
            "sip:bob@example.org is registered at 192.0.2.1:5060 for 300 s, with 2 contacts in all",
        ),
        (
            Event::RegistrationFailed { aor: aor.clone(), status: Some(403), why: "403 Forbidden".into(), retry: None },
            "sip:bob@example.org is not registered: 403 Forbidden; not tried again",
        ),
        (Event::Unregistered { aor: aor.clone() }, "sip:bob@example.org is not registered any more"),
        (Event::MessageReceived { from: aor.clone(), text: "hi".into() }, "message from sip:bob@example.org: hi"),
        (Event::MessageSent { to: aor.clone(), status: 404 }, "message to sip:bob@example.org failed (404)"),
        (
            Event::OptionsAnswered {
                to: aor,
                status: 200,
                allow: vec!["INVITE".into(), "BYE".into()],
                supported: vec![],
                accept: vec![],
            },
            "sip:bob@example.org answers 200; methods: INVITE, BYE",
        ),
        (
            Event::NetworkTrouble { peer: "192.0.2.1:5061".into(), what: "its certificate has expired".into() },
            "192.0.2.1:5061: its certificate has expired",
        ),
    ] {
        assert_eq!(narrator.line(&event).unwrap(), line);
    }
}

#[test]
fn a_second_call_makes_each_line_say_its_number() {
    let mut narrator = Narrator::default();
    let started = |call| Event::Started {
        call: CallId(call),
        direction: Direction::Incoming,
        peer: "sip:bob@h".into(),
        call_id: "1".into(),
        keying: "none".into(),
    };
    assert_eq!(narrator.line(&started(1)).unwrap(), "sip:bob@h calls, in the clear");
    assert_eq!(narrator.line(&started(2)).unwrap(), "call 2: sip:bob@h calls, in the clear");
    let held = Event::Held { call: CallId(1), by: Side::Us };
    assert_eq!(narrator.line(&held).unwrap(), "call 1: on hold");
}

#[test]
fn a_peers_words_cannot_steer_the_terminal() {
    assert_eq!(plain("a\x1b[2J\r\nb\u{202e}c"), "a\u{fffd}[2J\u{fffd}\u{fffd}b\u{fffd}c");
}
