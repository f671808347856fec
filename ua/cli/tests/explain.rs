//! `keyphone call --keying auto`, and what `--explain` says of it.

mod support;

use support::{KEY, Running, keyphone};

/// A phone that takes calls, and where it is.
fn bob(more: &[&str]) -> (Running, String) {
    let (bob, address) = Running::answer("127.0.0.1", &[&["--psk", KEY, "--from", "sip:bob@127.0.0.1"], more].concat());
    let port = address.rsplit_once(':').unwrap().1;
    (bob, format!("sip:bob@127.0.0.1:{port}"))
}

#[test]
fn explain_says_before_the_call_what_is_offered_and_why_and_the_call_is_placed() {
    let (bob, uri) = bob(&["--once"]);
    let ran = keyphone(&["call", &uri, "--psk", KEY, "--keying", "auto", "--for", "300ms", "--explain"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let lines: Vec<_> = ran.stdout.lines().collect();
    let at = |text: &str| {
        let found = lines.iter().position(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("{text} is not in {}", ran.stdout))
    };
    let head = at("how to key a call to sip:bob@127.0.0.1:");
    assert!(head < at("answered"), "before the call is answered");
    let first = at("1. mikey-psk     offered: we share a key with the callee (RFC 5197 section 5, rule 1)");
    let next = at("2. mikey-dhhmac  next: we share a key with the callee, but nothing here requires forward secrecy");
    let over = at("-  mikey-rsa     passed over: we have no certificate of our own to sign with");
    assert!(head < first && first < next && next < over, "{}", ran.stdout);
    at("-  mikey-null    passed over: it protects nothing itself");
    assert!(lines[at("answered")].contains("keyed by mikey-psk"), "{}", ran.stdout);
    assert_eq!(bob.finish().code, Some(0));
}

#[test]
fn a_list_is_explained_as_a_list_and_what_is_not_in_it_takes_one_line() {
    let (bob, uri) = bob(&["--once"]);
    let ran = keyphone(&["call", &uri, "--psk", KEY, "--keying", "mikey-psk", "--for", "300ms", "--explain"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout.contains("1. mikey-psk     offered: it is number 1 of the list; we share a key"),
        "{}",
        ran.stdout
    );
    let others = "-  not listed: mikey-null, mikey-rsa, mikey-dhsign, mikey-dhhmac, mikey-rsar";
    assert!(ran.stdout.contains(others), "{}", ran.stdout);
    assert_eq!(bob.finish().code, Some(0));
}

#[test]
fn a_script_reads_the_same_in_json_without_asking_for_it() {
    let (bob, uri) = bob(&["--keying", "mikey-dhhmac"]);
    let call = ["call", &uri, "--psk", KEY, "--keying", "auto", "--for", "300ms", "--json"];
    let ran = keyphone(&call);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let [choice] = &ran.events("keying.choice")[..] else { panic!("{}", ran.stdout) };
    assert_eq!((&choice["call"], &choice["offered"]), (&1.into(), &"mikey-psk".into()));
    let considered = choice["considered"].as_array().unwrap();
    assert_eq!(considered.len(), 6);
    for one in considered {
        assert!(["system", "verdict", "why"].iter().all(|field| one[field].is_string()), "{one}");
    }
    let [retry] = &ran.events("keying.retry")[..] else { panic!("{}", ran.stdout) };
    assert_eq!((&retry["from"], &retry["to"]), (&"mikey-psk".into(), &"mikey-dhhmac".into()));
    assert_eq!(retry["authenticated"], false);
    assert_eq!(ran.events("call.answered")[0]["keying"], "mikey-dhhmac");
    drop(bob); // whose first call was refused
}

#[test]
fn where_nothing_can_be_offered_nobody_is_called_and_every_reason_is_said() {
    let ran = keyphone(&["call", "sip:bob@127.0.0.1:9", "--keying", "auto", "--explain"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    for reason in [
        "mikey-psk needs a key that we share with sip:bob@127.0.0.1: give --psk @FILE",
        "nor can anything else be offered",
        "mikey-psk, mikey-dhhmac: we share no key with sip:bob@127.0.0.1: give one with --psk",
        "mikey-rsa, mikey-rsar, mikey-dhsign: we have no certificate of our own to sign with: give one with --cert FILE",
        "mikey-rsa: we have no certificate of sip:bob@127.0.0.1: give one with --peer-cert FILE",
        "mikey-rsar, mikey-dhsign: we trust nobody's certificates: give --ca FILE or --peer-cert FILE",
        "openssl rand -hex 32",
    ] {
        assert!(ran.stderr.contains(reason), "{reason} is not in {}", ran.stderr);
    }
}

#[test]
fn what_is_required_in_the_file_is_kept_by_auto_and_contradicted_by_no_flag() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keyphone.toml");
    std::fs::write(&file, "[policy]\nkeying = [\"auto\"]\npfs = true\n").unwrap();
    let file = file.to_str().unwrap();
    let (bob, uri) = bob(&["--once"]);
    let ran = keyphone(&["call", &uri, "--config", file, "--psk", KEY, "--for", "300ms", "--json"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.events("call.answered")[0]["keying"], "mikey-dhhmac");
    assert_eq!(bob.finish().code, Some(0));
    let ran = keyphone(&["call", &uri, "--config", file, "--psk", KEY, "--keying", "mikey-psk"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("perfect forward secrecy is required, and none of mikey-psk has it"), "{}", ran.stderr);
}
