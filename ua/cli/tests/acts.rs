//! What is done in calls that run, by `--at`, by `--control` and by keys; and what becomes of calls before the answer.

mod support;

use serde_json::{Value, json};
use support::{KEY, Ran, Running, keyphone};

/// One that answers, and its URI.
fn bob(args: &[&str]) -> (Running, String) {
    let (bob, address) = Running::answer("127.0.0.1", &[&["--psk", KEY], args].concat());
    (bob, format!("sip:bob@{address}"))
}

/// A phone that a script drives, and its URI.
fn scripted() -> (Running, String) {
    let (phone, address) = Running::control(&["answer", "--listen", "127.0.0.1:0", "--psk", KEY]);
    (phone, format!("sip:carol@{address}"))
}

/// Those of its events that have these names: name, and who did it.
fn told(ran: &Ran, names: &[&str]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = ran.objects().into_iter().filter(|event| names.iter().any(|name| event["event"] == *name));
    all.map(|event| (text(&event["event"]), text(&event["by"]))).collect()
}

fn both(ran: &Ran, by: &str) -> Vec<(String, String)> {
    let expected: Vec<_> = ["call.held", "call.resumed"].map(|name| (name.to_owned(), by.to_owned())).into();
    assert_eq!(told(ran, &["call.held", "call.resumed"]), expected, "{}{}", ran.stdout, ran.stderr);
    expected
}

#[test]
fn a_written_plan_holds_resumes_and_hangs_up_and_the_peer_sees_it() {
    let (bob, uri) = bob(&["--once"]);
    let plan = ["--at", "900ms:hangup", "--at", "300ms:hold", "--at", "600ms:resume"];
    let alice = keyphone(&[&["call", &uri, "--psk", KEY, "--json"], &plan[..]].concat());
    let bob = bob.finish();
    for (ran, by) in [(&alice, "us"), (&bob, "peer")] {
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        both(ran, by);
        assert_eq!(ran.events("call.trouble").len(), 0, "{}", ran.stdout);
        assert_eq!(ran.events("call.ended")[0]["by"], by);
    }
}

#[test]
fn a_plan_of_the_called_phone_counts_from_its_own_answer() {
    let (bob, uri) = bob(&["--once", "--after", "500ms", "--at", "100ms:hold", "--at", "300ms:resume"]);
    let alice = keyphone(&["call", &uri, "--psk", KEY, "--for", "1s", "--json"]);
    let bob = bob.finish();
    assert_eq!((alice.code, bob.code), (Some(0), Some(0)), "{}{}", alice.stdout, bob.stdout);
    both(&alice, "peer");
    both(&bob, "us");
}

#[test]
fn new_keys_are_used_and_the_call_goes_on() {
    let (bob, uri) = bob(&["--once"]);
    let alice = keyphone(&["call", &uri, "--psk", KEY, "--for", "1s", "--at", "300ms:rekey", "--json"]);
    let bob = bob.finish();
    for ran in [&alice, &bob] {
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        let mut keys: Vec<_> =
            ran.events("keying.key").iter().map(|key| key["key"].clone()).map(|k| k.to_string()).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 4, "two directions, twice: {}", ran.stdout);
        assert_eq!(ran.events("media.stats")[0]["refused"], 0, "{}", ran.stdout);
    }
}

#[test]
fn a_call_that_comes_in_rings_until_the_script_answers() {
    let (mut carol, uri) = scripted();
    let mut alice = Running::start(&["call", &uri, "--psk", KEY, "--for", "60s"]);
    alice.wait_for("call.ringing");
    assert_eq!(carol.order(json!({ "id": 1, "do": "hold" }))["event"], "control.error", "it is not answered");
    assert_eq!(carol.order(json!({ "id": 2, "do": "answer" }))["event"], "control.done");
    alice.wait_for("call.answered");
    carol.wait_for("media.heard");
    carol.order(json!({ "do": "hold" }));
    assert_eq!(alice.wait_for("call.held")["by"], "peer");
    carol.order(json!({ "do": "resume" }));
    assert_eq!(alice.wait_for("call.resumed")["by"], "peer");
    carol.close();
    assert_eq!(alice.wait_for("call.ended")["by"], "peer");
    assert_eq!((alice.finish().code, carol.finish().code), (Some(0), Some(0)));
}

#[test]
fn a_script_refuses_a_call_and_sends_another_one_on() {
    let (mut carol, uri) = scripted();
    let mut alice = Running::start(&["call", &uri, "--psk", KEY]);
    alice.wait_for("call.ringing");
    carol.order(json!({ "do": "refuse", "status": 486 }));
    assert_eq!(alice.wait_for("call.ended")["status"], 486);
    assert_eq!(alice.finish().code, Some(1));

    let (bob, to) = bob(&["--once"]);
    let mut alice = Running::start(&["call", &uri, "--psk", KEY, "--for", "300ms"]);
    alice.wait_for("call.ringing");
    carol.order(json!({ "do": "redirect", "to": [to] }));
    assert_eq!(alice.wait_for("call.redirected")["to"], json!([to]));
    assert_eq!(alice.wait_for("call.ended")["outcome"], "completed");
    assert_eq!((alice.finish().code, bob.finish().code), (Some(0), Some(0)));
    assert_eq!(carol.finish().code, Some(0));
}

#[test]
fn who_is_sent_on_calls_the_next_and_who_sent_it_did_as_told() {
    let (carol, to) = bob(&["--once"]);
    let (bob, uri) = bob(&["--once", "--redirect", &to]);
    let alice = keyphone(&["call", &uri, "--psk", KEY, "--for", "300ms", "--json"]);
    for (who, ran) in [("alice", &alice), ("bob", &bob.finish()), ("carol", &carol.finish())] {
        assert_eq!(ran.code, Some(0), "{who}: {}{}", ran.stdout, ran.stderr);
    }
    let (bob, uri) = self::bob(&["--once", "--redirect", &to]);
    let alice = keyphone(&["call", &uri, "--psk", KEY, "--redirects", "0", "--json"]);
    assert_eq!((alice.code, bob.finish().code), (Some(1), Some(0)), "{}", alice.stdout);
    assert_eq!(alice.events("call.ended")[0]["status"], 302);
}

#[test]
fn early_media_is_heard_before_the_answer() {
    for prack in ["never", "supported", "required"] {
        let (bob, uri) = bob(&["--once", "--early-media", "tone", "--after", "600ms"]);
        let alice = keyphone(&["call", &uri, "--psk", KEY, "--for", "300ms", "--prack", prack, "--json"]);
        let bob = bob.finish();
        assert_eq!((alice.code, bob.code), (Some(0), Some(0)), "{prack}: {}{}", alice.stdout, bob.stdout);
        let place = |name: &str| alice.objects().iter().position(|event| event["event"] == name);
        assert!(place("media.heard").unwrap() < place("call.answered").unwrap(), "{prack}: {}", alice.stdout);
        let progress = &alice.events("call.progress")[0];
        assert_eq!((&progress["status"], &progress["early_media"]), (&183.into(), &true.into()), "{prack}");
        assert_eq!(progress["reliable"], prack != "never", "{prack}: {progress}");
    }
}

#[test]
fn ctrl_c_hangs_up_a_call_on_hold() {
    let (bob, uri) = bob(&["--once"]);
    let mut alice = Running::start(&["call", &uri, "--psk", KEY, "--for", "60s", "--at", "100ms:hold"]);
    alice.wait_for("call.held");
    alice.signal("INT");
    let (alice, bob) = (alice.finish(), bob.finish());
    assert_eq!((alice.code, bob.code), (Some(0), Some(0)), "{}{}", alice.stdout, bob.stdout);
    assert_eq!(bob.events("call.ended")[0]["by"], "peer");
}

#[test]
fn ctrl_c_refuses_a_call_that_rings() {
    let (bob, uri) = bob(&["--after", "60s"]);
    let mut alice = Running::start(&["call", &uri, "--psk", KEY]);
    alice.wait_for("call.ringing");
    bob.signal("INT");
    let (alice, bob) = (alice.finish(), bob.finish());
    assert_eq!((alice.code, bob.code), (Some(1), Some(0)), "{}{}", alice.stdout, bob.stdout);
    assert_eq!(alice.events("call.ended")[0]["outcome"], "failed");
}

#[test]
fn a_transferred_peer_calls_whom_it_is_told_to_and_we_are_told_how_that_went() {
    let (carol, to) = bob(&["--once", "--for", "1s"]);
    let (mut bob, uri) = bob(&[]);
    let plan = format!("300ms:transfer={to}");
    let alice = keyphone(&["call", &uri, "--psk", KEY, "--for", "60s", "--at", &plan, "--json"]);
    assert_eq!(alice.code, Some(0), "{}{}", alice.stdout, alice.stderr);
    let last = alice.events("call.transfer").pop().expect("it was told of");
    assert_eq!((&last["by"], &last["status"]), (&"us".into(), &200.into()), "{}", alice.stdout);
    assert_eq!(carol.finish().code, Some(0));
    assert_eq!(bob.wait_for("call.transfer")["by"], "peer");
    bob.signal("INT");
    assert_eq!(bob.finish().code, Some(0));
}

#[test]
fn a_phone_that_is_told_not_to_refuses_a_transfer_and_the_call_goes_on() {
    let (bob, uri) = bob(&["--once", "--no-transfer"]);
    let plan = ["--at", "200ms:transfer=sip:carol@127.0.0.1:9", "--at", "900ms:hangup"];
    let alice = keyphone(&[&["call", &uri, "--psk", KEY, "--json"], &plan[..]].concat());
    let bob = bob.finish();
    assert_eq!((alice.code, bob.code), (Some(0), Some(0)), "{}{}", alice.stdout, bob.stdout);
    assert_eq!(alice.events("call.ended")[0]["by"], "us", "{}", alice.stdout);
    assert!(alice.events("call.transfer").iter().all(|told| told["status"] != 200), "{}", alice.stdout);
}

#[test]
fn keys_that_one_side_presses_are_told_on_the_other() {
    let (bob, uri) = bob(&["--once"]);
    let alice = keyphone(&["call", &uri, "--psk", KEY, "--for", "2s", "--at", "300ms:dtmf=12#", "--json"]);
    let bob = bob.finish();
    assert_eq!((alice.code, bob.code), (Some(0), Some(0)), "{}{}", alice.stdout, bob.stdout);
    let pressed: String =
        bob.events("media.dtmf").iter().map(|event| event["key"].as_str().unwrap().to_owned()).collect();
    assert_eq!(pressed, "12#", "{}", bob.stdout);
}

#[test]
fn a_script_sends_a_message_and_asks_what_somebody_can_do() {
    let (mut bob, uri) = bob(&[]);
    let (mut alice, _) = scripted();
    alice.order(json!({ "id": 1, "do": "message", "to": uri, "text": "Grüße" }));
    assert_eq!(alice.wait_for("message.sent")["status"], 200);
    assert_eq!(bob.wait_for("message.received")["text"], "Grüße");
    alice.order(json!({ "id": 2, "do": "options", "to": uri }));
    let can = alice.wait_for("options.answered");
    assert_eq!(can["status"], 200);
    assert!(can["allow"].as_array().unwrap().contains(&"INVITE".into()), "{can}");
    alice.close();
    assert_eq!(alice.finish().code, Some(0));
    bob.signal("INT");
    assert_eq!(bob.finish().code, Some(0));
}

#[test]
fn ctrl_c_leaves_a_call_that_is_being_transferred() {
    // Whom he is told to call rings for ever.
    let (carol, to) = bob(&["--after", "60s"]);
    let (bob, uri) = bob(&[]);
    let plan = format!("100ms:transfer={to}");
    let mut alice = Running::start(&["call", &uri, "--psk", KEY, "--for", "60s", "--at", &plan]);
    alice.wait_for("call.transfer");
    alice.signal("INT");
    let alice = alice.finish();
    assert_eq!(alice.code, Some(0), "{}{}", alice.stdout, alice.stderr);
    for phone in [bob, carol] {
        phone.signal("INT");
        assert_eq!(phone.finish().code, Some(0));
    }
}
