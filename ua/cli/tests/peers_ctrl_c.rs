//! Ctrl-C, as SIGINT to one of two processes on loopback.

mod peers;

use peers::{KEY, Ports, Process, answer, keyphone};
use std::process::Command;
use std::time::{Duration, Instant};

/// `answer` and `call` with one key, each with its ports.
fn commands(ports: &Ports) -> (Command, Command) {
    let (bob, alice) = (format!("127.0.0.1:{}", ports.bob()), format!("127.0.0.1:{}", ports.alice()));
    let answer = keyphone("answer", &["--trace", "--psk", KEY, "--play", "silence", "--listen", &bob]);
    let mut call = keyphone("call", &["--trace", "--psk", KEY, "--play", "silence", "--listen", &alice]);
    call.args([&format!("sip:bob@{bob}"), "--for", "60s"]);
    (answer, call)
}

/// Is there a line with this request or status that goes this way?
fn shows(trace: &[String], way: &str, what: &str) -> bool {
    trace.iter().any(|line| line.contains(way) && line.contains(what))
}

#[test]
fn ctrl_c_at_the_caller_hangs_up_and_both_ends_have_completed_their_call() {
    let (mut bob, alice) = commands(&Ports::free());
    bob.arg("--once");
    let mut bob = answer(bob);
    let mut alice = Process::start(alice);
    alice.event("media.heard");
    bob.event("media.heard");
    let asked = Instant::now();
    alice.interrupt();
    let (alice, bob) = (alice.finish(), bob.finish());
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!((alice.code, bob.code), (Some(0), Some(0)), "{alice}{bob}");
    for (ran, by) in [(&alice, "us"), (&bob, "peer")] {
        let ended = ran.only("call.ended");
        assert_eq!((&ended["outcome"], &ended["by"]), (&"completed".into(), &by.into()), "{ran}");
        assert!(shows(&ran.trace(), "->", "BYE"), "{ran}");
    }
    assert!(shows(&alice.trace(), "keyphone -> bob", "BYE"), "{alice}");
}

#[test]
fn ctrl_c_at_a_phone_that_waits_is_no_failure() {
    let (bob, _) = commands(&Ports::free());
    let bob = answer(bob);
    bob.interrupt();
    let bob = bob.finish();
    assert_eq!(bob.code, Some(0), "{bob}");
    assert_eq!(bob.only("summary")["calls"], 0);
}

#[test]
fn ctrl_c_while_it_rings_cancels_the_call_which_has_failed() {
    let (mut bob, alice) = commands(&Ports::free());
    bob.args(["--once", "--after", "60s"]);
    let bob = answer(bob);
    let mut alice = Process::start(alice);
    alice.event("call.ringing");
    alice.interrupt();
    let (alice, bob) = (alice.finish(), bob.finish());
    assert_eq!(alice.code, Some(1), "{alice}");
    let ended = alice.only("call.ended");
    assert_eq!((&ended["outcome"], &ended["status"]), (&"failed".into(), &487.into()), "{alice}");
    assert!(shows(&alice.trace(), "keyphone -> bob", "CANCEL"), "{alice}");
    assert!(!shows(&alice.trace(), "->", "BYE"), "{alice}");
    // Nobody answered at the other end either.
    assert_eq!(bob.code, Some(1), "{bob}");
    assert!(shows(&bob.trace(), "->", "CANCEL"), "{bob}");
    assert_eq!(bob.events("call.answered").len(), 0, "{bob}");
}
