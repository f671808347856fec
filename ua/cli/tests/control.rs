//! `--control`: a script on stdin drives a phone.

mod support;

use serde_json::{Value, json};
use support::{KEY, Ran, Running};

/// A phone that a script drives, on a free port.
fn scripted() -> (Running, String) {
    Running::control(&["answer", "--listen", "127.0.0.1:0", "--psk", KEY])
}

/// One that answers, and its URI.
fn bob(args: &[&str]) -> (Running, String) {
    let (bob, address) = Running::answer("127.0.0.1", &[&["--psk", KEY], args].concat());
    (bob, format!("sip:bob@{address}"))
}

fn went_well(ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_script_places_a_call_and_is_told_its_number_under_its_own_id() {
    let (bob, uri) = bob(&["--once"]);
    let (mut alice, _) = scripted();
    let done = alice.order(json!({ "id": "first", "do": "call", "to": uri }));
    assert_eq!((&done["event"], &done["id"], &done["call"]), (&"control.done".into(), &"first".into(), &1.into()));
    alice.wait_for("call.answered");
    let done = alice.order(json!({ "id": 2, "do": "hangup" }));
    assert_eq!((&done["event"], &done["id"], done.get("call")), (&"control.done".into(), &2.into(), None));
    assert_eq!(alice.wait_for("call.ended")["by"], "us");
    let done = alice.order(json!({ "do": "quit" }));
    assert_eq!((&done["event"], done.get("id")), (&"control.done".into(), None));
    went_well(&alice.finish());
    went_well(&bob.finish());
}

#[test]
fn a_call_of_a_script_ends_when_its_command_says_so() {
    let (bob, uri) = bob(&["--once"]);
    let (mut alice, _) = scripted();
    alice.order(json!({ "do": "call", "to": uri, "for": "300ms", "play": "silence" }));
    assert_eq!(alice.wait_for("call.ended")["by"], "us");
    went_well(&bob.finish());
    went_well(&alice.finish());
}

#[test]
fn bad_lines_are_told_and_the_next_one_is_obeyed() {
    let (mut alice, _) = scripted();
    let why = |answer: Value| {
        assert_eq!(answer["event"], "control.error", "{answer}");
        (answer["id"].clone(), answer["why"].as_str().unwrap().to_owned())
    };
    for (order, expected) in [
        (json!({ "id": 1, "do": "sing" }), "unknown variant `sing`"),
        (json!({ "id": 2, "do": "hold" }), "there is no call that is answered"),
        (json!({ "id": 3, "do": "hangup", "call": 7 }), "there is no call 7"),
        (json!({ "id": 4, "do": "call", "to": "bob" }), "is not a SIP URI"),
        (json!({ "id": 5, "do": "call", "to": "sip:bob@127.0.0.1", "for": "5" }), "is not a duration"),
        (json!({ "id": 6, "do": "call", "to": "sip:bob@127.0.0.1", "play": "nowhere.wav" }), "nowhere.wav"),
    ] {
        let (id, said) = why(alice.order(order.clone()));
        assert_eq!(id, order["id"]);
        assert!(said.contains(expected), "{order}: {said}");
    }
    alice.write(b"not even JSON\n");
    assert!(why(alice.wait_for("control.error")).1.starts_with("the line is not a JSON object"));
    alice.write(b"\xff\xfe\n");
    assert_eq!(why(alice.wait_for("control.error")).1, "the line is not UTF-8");
    alice.write(&[b"{\"do\":\"quit\"".as_slice(), &[b' '; 70_000], b"}\n"].concat());
    assert_eq!(why(alice.wait_for("control.error")).1, "the line is longer than 65536 octets");
    assert_eq!(alice.order(json!({ "id": 9, "do": "quit" }))["event"], "control.done");
    went_well(&alice.finish());
}

#[test]
fn the_end_of_stdin_hangs_up_all_calls_and_the_last_line_needs_no_end() {
    let (mut bob, uri) = bob(&["--times", "2"]);
    let (mut alice, _) = scripted();
    for _ in 0..2 {
        alice.order(json!({ "do": "call", "to": uri }));
        alice.wait_for("call.answered");
    }
    alice.write(br#"{"id":7,"do":"hangup","call":9}"#);
    alice.close();
    let alice = alice.finish();
    went_well(&alice);
    assert_eq!(alice.events("control.error")[0]["id"], 7, "{}", alice.stdout);
    assert_eq!(alice.events("call.ended").len(), 2, "{}", alice.stdout);
    assert_eq!(bob.wait_for("call.ended")["by"], "peer");
    went_well(&bob.finish());
}

#[test]
fn what_call_began_a_script_goes_on_with_and_the_worst_call_gives_the_code() {
    let (mut bob, uri) = bob(&[]);
    let mut alice = Running::control_call(&[&uri, "--psk", KEY]);
    alice.wait_for("call.answered");
    alice.order(json!({ "do": "hangup" }));
    alice.wait_for("call.ended");
    bob.wait_for("call.ended");
    // Nobody is there, so that the second call fails.
    bob.signal("INT");
    went_well(&bob.finish());
    alice.order(json!({ "do": "call", "to": format!("{uri};transport=tcp") }));
    assert_eq!(alice.wait_for("call.ended")["outcome"], "failed");
    alice.close();
    assert_eq!(alice.finish().code, Some(1));
}
