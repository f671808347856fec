//! `keyphone demo`, as `make demo` runs it.

mod support;

use std::path::Path;
use support::{Running, keyphone};

/// The recordings and the page.
fn left_in(dir: &Path) -> Vec<Vec<u8>> {
    ["alice-heard.wav", "bob-heard.wav", "call.html"].map(|name| std::fs::read(dir.join(name)).unwrap()).into()
}

#[test]
fn a_simulated_call_is_the_same_again_from_its_seed() {
    let dir = tempfile::tempdir().unwrap();
    let run = |name: &str, seed: &str| {
        let out = dir.path().join(name);
        let ran = keyphone(&["demo", "--simulated", "--json", "--seed", seed, "--out", out.to_str().unwrap()]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
        assert_eq!(ran.events("demo.heard").len(), 2);
        assert_eq!(ran.events("demo.call")[0]["ok"], true);
        left_in(&out.join("bad-day"))
    };
    let first = run("first", "7");
    assert_eq!(first, run("second", "7"));
    assert_ne!(first, run("third", "8"));
}

#[test]
fn the_demo_shows_the_ladder_and_says_what_was_heard() {
    let dir = tempfile::tempdir().unwrap();
    let ran = keyphone(&["demo", "--simulated", "--out", dir.path().to_str().unwrap()]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    for said in [
        "MIKEY PSK I_MESSAGE",
        "MIKEY PSK R_MESSAGE",
        "SRTP",
        "BYE",
        "alice heard bob: correlation 0.9",
        "bob heard alice: correlation 0.9",
    ] {
        assert!(ran.stdout.contains(said), "{said} is not in {}", ran.stdout);
    }
}

#[test]
fn ctrl_c_ends_the_demo_early_and_that_is_no_success() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = Running::start(&["demo", "--out", dir.path().to_str().unwrap()]);
    demo.wait_for("demo.progress");
    demo.signal("INT");
    let demo = demo.finish();
    assert_eq!((demo.code, demo.events("demo.call").len()), (Some(1), 0), "{}{}", demo.stdout, demo.stderr);
    assert_eq!(demo.stderr, "keyphone: the demo was stopped before its end\n");
}
