//! Each expectation can fail: here is a world in which it does.

use crate::play;
use keyphone_scenarios::script::Expectation;
use std::collections::BTreeSet;

const CALL: &str = "\"at 0 s alice calls bob\", \"at 2 s alice hangs up\"";
const TWO: &str = "[[phone]]\nname = \"alice\"\n[[phone]]\nname = \"bob\"\n";
const CLEAR: &str = "[[phone]]\nname = \"alice\"\nkeying = \"none\"\nallow-clear = true\n\
                     [[phone]]\nname = \"bob\"\nkeying = \"none\"\nallow-clear = true\n";
const INJECTED: &str = "[[phone]]\nname = \"alice\"\nkeying = \"none\"\nallow-clear = true\n\
                        [[phone]]\nname = \"bob\"\nkeying = \"none\"\nallow-clear = true\n\
                        [[attacker]]\nname = \"mallory\"\ndoes = [\"from 1 s injects media to alice as bob\"]\n";
const OTHER_KEY: &str = "[[phone]]\nname = \"alice\"\npsk = [\"blue\"]\n[[phone]]\nname = \"bob\"\npsk = [\"red\"]\n";
const DEAF: &str = "[[phone]]\nname = \"alice\"\n[[phone]]\nname = \"bob\"\n\
                    [[link]]\ncarries = \"media\"\nloss = \"100 %\"\n";
const LATE: &str = "[[phone]]\nname = \"alice\"\njitter-buffer = \"20ms\"\n[[phone]]\nname = \"bob\"\n\
                    [[link]]\ncarries = \"media\"\njitter = \"300 ms\"\n";
const FORK: &str = "[[phone]]\nname = \"alice\"\n\
                    [[phone]]\nname = \"bob\"\nhome = \"p\"\nuser = \"b\"\nanswers-after = \"500ms\"\nssrc = 7\n\
                    [[phone]]\nname = \"carol\"\nhome = \"p\"\nuser = \"b\"\nssrc = 7\nanswers-after = \"510ms\"\n\
                    [[proxy]]\nname = \"p\"\n[[link]]\nlatency = \"30ms\"\n";

const CLASH: &str = "[[phone]]\nname = \"alice\"\n\
                     [[phone]]\nname = \"bob\"\nhome = \"p\"\nuser = \"b\"\nanswers-after = \"1s\"\nssrc = 7\nearly-media = 900\n\
                     [[phone]]\nname = \"carol\"\nhome = \"p\"\nuser = \"b\"\nssrc = 7\nanswers-after = \"1s\"\nearly-media = 950\n\
                     [[proxy]]\nname = \"p\"\n";
const SIGNED: &str = "[[phone]]\nname = \"alice\"\nkeying = [\"mikey-dhsign\"]\ncertificate = \"p256\"\n\
                      [[phone]]\nname = \"bob\"\nkeying = [\"mikey-dhsign\"]\ncertificate = \"p256\"\n\
                      [[link]]\nfrom = \"bob\"\nto = \"alice\"\ncarries = \"signalling\"\nlatency = \"1300ms\"\n";

/// The verdict of one sentence in one world.
fn verdict(sentence: &str, steps: &str, people: &str) -> (bool, String) {
    let text = format!(
        "title = \"t\"\nabout = \"a\"\nlength = \"60s\"\nsteps = [{steps}]\nexpect = [\"{sentence}\"]\n{people}"
    );
    let run = play(&text, 1);
    (run.verdicts[0].passed, run.verdicts[0].measured.clone())
}

/// What is not so, the steps, the world, and what is said of it.
const NOT_SO: &[(&str, &str, &str, &str)] = &[
    ("alice misses at most 40 ms of bob", CALL, LATE, "alice missed "),
    ("alice hears bob", CALL, DEAF, "alice heard 0 ms of bob"),
    ("alice hears bob within 5 s", CALL, OTHER_KEY, "alice heard 0 ms of bob"),
    ("alice hears bob within 60 ms", CALL, TWO, "after"),
    ("alice hears bob before the answer", CALL, TWO, "bob says nothing before it answers: early-media is not set"),
    ("alice never hears bob", CALL, TWO, "alice heard 1"),
    ("alice and bob talk", CALL, DEAF, "alice heard 0 ms of bob, and bob 0 ms of alice"),
    ("nothing unauthenticated was played", CALL, INJECTED, "genuine ones came"),
    (
        "no two streams share a key and an SSRC",
        "\"at 0 s alice calls b\", \"at 2 s alice hangs up\"",
        FORK,
        "send under",
    ),
    (
        "no branch shares a key with another",
        "\"at 0 s alice calls b\", \"at 2 s alice hangs up\"",
        FORK,
        "bob and carol have",
    ),
    ("no branch shares a key with another", CALL, TWO, "1 keyed branches"),
    ("no key is used in two calls", CALL, TWO, "2 keys in 1 calls"),
    ("alice's call is keyed by mikey-dhsign", CALL, TWO, "keyed by mikey-psk"),
    ("alice's call is keyed by mikey-psk", CALL, OTHER_KEY, "no call of alice was answered"),
    ("alice changes keys one time", CALL, TWO, "alice sent under 1 keys in one call"),
    ("nothing was sent in the clear", CALL, CLEAR, "sent its tone in the clear at 0.3"),
    ("no media was sent", CALL, TWO, " packets"),
    ("no dialogs are left at 1 s", CALL, TWO, "alice with bob"),
    ("one dialog is left", CALL, TWO, "nothing"),
    ("every call ends", "\"at 0 s alice calls bob\"", TWO, "alice has 1 calls"),
    ("alice's call completes", CALL, OTHER_KEY, "it was refused for keying"),
    ("alice's call completes", "\"at 0 s alice calls bob\"", TWO, "it did not end"),
    ("alice's call fails with 486", CALL, TWO, "it completed"),
    ("alice's call is refused for keying", CALL, TWO, "it completed"),
    ("bob rings", CALL, OTHER_KEY, "it rang 0 times"),
    ("bob never rings", CALL, TWO, "it rang once"),
    ("bob rings only once keyed", CALL, CLEAR, "it rang, and was not keyed"),
    ("bob rings only once keyed", CALL, OTHER_KEY, "it never rang"),
    ("bob rings only once keyed", CALL, SIGNED, "it rang, and alice could not have heard it yet"),
    ("alice is answered by bob", CALL, OTHER_KEY, "no call of alice was answered"),
    ("alice knows that it talks to bob", CALL, CLEAR, "nobody was proven to it"),
    ("alice is told that bob answered", CALL, TWO, "it was told of nothing"),
    ("alice names a clash", CALL, TWO, "nothing"),
    ("alice names no clash", "\"at 0 s alice calls b\", \"at 2 s alice hangs up\"", CLASH, "sends under SSRC 00000007"),
    ("alice says 'no such words'", CALL, TWO, "it said so 0 times"),
    ("bob drops at least one refused packet", CALL, TWO, "0"),
    ("bob drops one replayed packet", CALL, TWO, "0"),
    ("bob drops at least one reflected packet", CALL, TWO, "0"),
    ("alice drops one branch", CALL, TWO, "0"),
    ("alice clips at most 40 ms of bob", CALL, SIGNED, " ms of bob were clipped, and 5"),
    (
        "alice clips at least 40 ms of bob",
        CALL,
        TWO,
        "it says that 0 ms of bob were clipped, and 0 packets had to wait",
    ),
    ("alice keeps at least one packet of bob for its key", CALL, TWO, "and 0 packets had to wait"),
    ("alice verifies no answers", CALL, TWO, "it verified 1"),
    ("alice verifies at most no answers", CALL, TWO, "it verified 1"),
    ("alice verifies two answers before it hears anybody", CALL, TWO, "it had verified 1"),
    ("alice verifies one answer before it hears anybody", CALL, DEAF, "it heard nobody"),
    ("alice sends one 200", CALL, TWO, "it sent 0"),
    ("bob sends at least three 200", CALL, DEAF, "it sent 2"),
];

#[test]
fn every_expectation_can_fail_and_says_what_was_measured() {
    for (sentence, steps, people, says) in NOT_SO {
        let (passed, measured) = verdict(sentence, steps, people);
        assert!(!passed && measured.contains(says), "{sentence}: {passed}, {measured}");
    }
}

#[test]
fn a_step_that_cannot_be_done_is_a_failure_unless_it_may_be() {
    let script = |step: &str| {
        format!(
            "title = \"t\"\nabout = \"a\"\nsteps = [\"at 0 s alice calls bob\", \"{step}\"]\n\
             expect = [\"bob rings\"]\nlength = \"2 s\"\n{TWO}"
        )
    };
    let run = play(&script("at 1 s bob transfers carol to alice").replace("carol", "bob"), 1);
    assert_eq!((run.verdicts.len(), run.passed()), (2, false));
    assert_eq!(run.verdicts[1].measured, "bob has no call with bob then");
    assert!(play(&script("at 1 s bob transfers bob to alice if possible"), 1).passed());
}

#[test]
fn each_form_of_expectation_is_shown_to_fail_here() {
    // What phones never do is shown to be seen in the unit tests of `run` and of the observer.
    const ELSEWHERE: [&str; 1] = ["the observer finds nothing wrong"];
    // The names of its two enum variants.
    let kind = |sentence: &str| {
        let debug = format!("{:?}", sentence.parse::<Expectation>().unwrap());
        debug.split(|c: char| !c.is_ascii_alphanumeric()).take(2).collect::<Vec<_>>().join("::")
    };
    let shown: BTreeSet<_> = NOT_SO.iter().map(|(sentence, ..)| kind(sentence)).collect();
    for form in Expectation::forms().filter(|form| !ELSEWHERE.contains(&form.as_str())) {
        let example = crate::words::example(&form);
        assert!(shown.contains(&kind(&example)), "{form}: {:?} of {shown:?}", kind(&example));
    }
}
