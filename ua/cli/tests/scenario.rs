//! `keyphone scenario`: scripts by name and by file, what is said of them, and the exit codes.

mod support;

use support::{keyphone, keyphone_in};

/// What alice and bob do not do.
const WRONG: &str = "title = \"a call that nobody refuses\"\nabout = \"RFC 3261\"\nsteps = [\"at 0 s alice calls bob\"]\n\
                     length = \"5 s\"\nexpect = [\"bob rings\", \"alice's call fails with 486\"]\n\
                     [[phone]]\nname = \"alice\"\n[[phone]]\nname = \"bob\"\n";

#[test]
fn a_script_that_passes_says_each_expectation_and_what_was_measured() {
    let ran = keyphone(&["scenario", "run", "plain-call"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    assert!(ran.stdout.starts_with("ok    plain-call  Two phones with one key talk\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("yes  alice's call is keyed by mikey-psk  (keyed by mikey-psk)"), "{}", ran.stdout);
}

#[test]
fn a_run_that_fails_is_told_with_its_seed_and_the_command_that_replays_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("wrong.toml"), WRONG).unwrap();
    let ran = keyphone_in(dir.path(), &["scenario", "run", "wrong.toml", "--seed", "4", "--times", "3"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""), "{}", ran.stdout);
    for said in [
        "FAIL  wrong.toml  a call that nobody refuses",
        "3 of 3 runs failed, those with seed 4, 5, 6",
        "NO   alice's call fails with 486  (it did not end)",
        "see it: keyphone scenario run wrong.toml --seed 4 --ladder",
    ] {
        assert!(ran.stdout.contains(said), "{said}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("yes  bob rings"), "of many runs only what is wrong: {}", ran.stdout);
    let replayed = keyphone_in(dir.path(), &["scenario", "run", "wrong.toml", "--seed", "4", "--ladder"]);
    assert!(replayed.stdout.contains("INVITE sip:bob@10.0.0.2"), "{}", replayed.stdout);
    assert_eq!(replayed.code, Some(1));
}

#[test]
fn a_mistake_in_a_script_ends_with_2_and_its_line() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("odd.toml"), WRONG.replace("bob rings", "bob ring")).unwrap();
    let ran = keyphone_in(dir.path(), &["scenario", "run", "plain-call", "odd.toml"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "nothing ran");
    assert!(ran.stderr.contains("odd.toml:5:11: expect: \"bob ring\" is not understood"), "{}", ran.stderr);
    assert!(ran.stderr.contains("    5 | expect = [\"bob ring\""), "the line is shown: {}", ran.stderr);
    for (args, says) in [
        (&["run", "fork-33"][..], "no script is called fork-33"),
        (&["run", "fork"][..], "is it fork-2 or fork-3"),
        (&["run", "nowhere.toml"][..], "nowhere.toml cannot be read"),
        (&["show", "nobody"][..], "no script is called nobody"),
        (&["run", "plain-call", "--times", "0"][..], "0"),
        (&["run", "--report", "x.html"][..], "--report writes one page"),
    ] {
        let ran = keyphone_in(dir.path(), &[&["scenario"], args].concat());
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.stdout);
        assert!(ran.stderr.contains(says), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn machines_get_an_object_for_each_run_and_one_for_each_script() {
    let ran = keyphone(&["scenario", "run", "plain-call", "rekey", "--times", "2", "--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    let runs = ran.events("scenario.run");
    assert_eq!(runs.len(), 4);
    assert!(runs.iter().all(|run| run["passed"] == true && run["verdicts"][0]["passed"] == true));
    assert_eq!(ran.events("scenario.script").len(), 2);
    assert_eq!(ran.events("scenario.summary")[0]["failed"], 0);
}

#[test]
fn the_same_seed_tells_the_same_events() {
    let events = |seed: &str| {
        let ran = keyphone(&["scenario", "run", "rekey-under-loss", "--events", "--json", "--seed", seed]);
        ran.events("scenario.event").iter().map(|event| event["told"].to_string()).collect::<Vec<_>>()
    };
    let first = events("9");
    assert!(first.len() > 20);
    assert_eq!(first, events("9"), "in two processes, with certificates of their own");
    assert_ne!(first, events("10"));
}

#[test]
fn what_is_listed_can_be_shown_copied_and_run() {
    let dir = tempfile::tempdir().unwrap();
    let list = keyphone(&["scenario", "list", "--json"]);
    let scripts = list.events("scenario.script");
    assert!(scripts.len() >= 25, "{}", scripts.len());
    let shown = keyphone(&["scenario", "show", "fork-serial"]).stdout;
    std::fs::write(dir.path().join("copy.toml"), shown).unwrap();
    assert_eq!(keyphone_in(dir.path(), &["scenario", "run", "copy.toml"]).code, Some(0));
    let few = keyphone(&["scenario", "list", "r-avoid-clipping"]).stdout;
    assert!(few.contains("early-media-dhsign") && !few.contains("plain-call"), "{few}");
}

#[test]
fn a_new_script_runs_and_no_file_is_lost_to_one() {
    let dir = tempfile::tempdir().unwrap();
    let new = |args: &[&str]| keyphone_in(dir.path(), &[&["scenario", "new"], args].concat());
    assert_eq!(new(&["mine.toml"]).code, Some(0));
    let page = keyphone_in(dir.path(), &["scenario", "run", "mine.toml", "--report", "mine.html"]);
    assert_eq!(page.code, Some(0), "{}{}", page.stdout, page.stderr);
    assert!(std::fs::read_to_string(dir.path().join("mine.html")).unwrap().contains("<svg"));
    std::fs::write(dir.path().join("mine.toml"), "mine").unwrap();
    let again = new(&["mine.toml"]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("mine.toml is there already; --force replaces it"), "{}", again.stderr);
    assert_eq!(std::fs::read_to_string(dir.path().join("mine.toml")).unwrap(), "mine");
    assert_eq!(new(&["mine.toml", "--force"]).code, Some(0));
    assert!(new(&["--schema"]).stdout.contains("json-schema.org"));
}
