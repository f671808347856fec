//! The command line without any call: help, usage, configuration, the MIKEY workbench.

mod support;

use support::{KEY, keyphone, keyphone_in, keyphone_reading};

/// An example of the ONVIF Streaming Specification: a camera's message, with its key in clear.
const CAMERA: &str = "AQAFAP1td9ABAADCD1UcAAAAAAoAAdOOGc75XD0BAAAAGAABAQEBEAIBAQMBFAcBAQgBAQoBAQsBCgAAACcAIQAe30C59UrClE0e27UP5h/Wty9UL8+dfzg+2ttmmo3kBAAAAC8A";
/// What follows `AC 27 00 21 00 1e` in it: TGK and salt.
const CAMERA_KEY: &str = "df40b9f54ac2944d1edbb50fe61fd6b72f542fcf9d7f383edadb669a8de4";

const COMMANDS: [&[&str]; 24] = [
    &[],
    &["demo"],
    &["call"],
    &["answer"],
    &["mikey"],
    &["mikey", "decode"],
    &["mikey", "lint"],
    &["mikey", "open"],
    &["mikey", "diagnose"],
    &["mikey", "verify"],
    &["mikey", "make"],
    &["mikey", "listen"],
    &["scenario"],
    &["scenario", "list"],
    &["scenario", "show"],
    &["scenario", "new"],
    &["scenario", "run"],
    &["cert"],
    &["cert", "make"],
    &["config"],
    &["config", "init"],
    &["config", "check"],
    &["doctor"],
    &["completions"],
];

#[test]
fn every_help_has_examples_that_begin_with_the_command() {
    for command in COMMANDS {
        for flag in ["--help", "-h"] {
            let ran = keyphone(&[command, &[flag]].concat());
            assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{command:?}");
            let (_, examples) = ran.stdout.split_once("EXAMPLES:").expect("there are examples");
            let example = [&["keyphone"], command].concat().join(" ");
            assert!(examples.contains(&example), "{example} is no example of {command:?} {flag}");
        }
    }
}

#[test]
fn the_examples_of_the_common_options_say_that_a_key_on_the_command_line_is_seen() {
    for command in ["call", "answer"] {
        let words: Vec<_> = keyphone(&[command, "--help"]).stdout.split_whitespace().map(str::to_owned).collect();
        assert!(words.join(" ").contains("other users of this machine can see a command line"), "{command}");
    }
}

#[test]
fn the_long_help_lists_what_a_script_can_write() {
    for command in ["call", "answer"] {
        let long = keyphone(&[command, "--help"]).stdout;
        for word in [r#"{"do":"hold"}"#, r#"{"do":"transfer","to":"sip:carol@host"}"#, "control.error"] {
            assert!(long.contains(word), "{word} is not in {command} --help");
        }
        assert!(!keyphone(&[command, "-h"]).stdout.contains("control.error"), "{command} -h is short");
    }
}

#[test]
fn a_wrong_command_line_ends_with_2_and_a_sentence() {
    for args in [
        &["dial"][..],
        &["call"],
        &["call", "bob"],
        &["call", "tel:+4930"],
        &["call", "sips:bob@127.0.0.1", "--psk", KEY],
        &["call", "sip:bob@127.0.0.1", "--psk", "123"],
        &["call", "sip:bob@127.0.0.1", "--psk", KEY, "--for", "10"],
        &["call", "sip:bob@127.0.0.1", "--psk", KEY, "--play", "mic"],
        &["call", "sip:bob@127.0.0.1", "--psk", KEY, "--play", "nowhere.wav"],
        &["call", "sip:bob@127.0.0.1", "--psk", KEY, "--codec", "g729"],
        &["call", "sip:bob@127.0.0.1", "--psk", KEY, "--keying", "zrtp"],
        &["call", "sip:bob@127.0.0.1", "--psk", KEY, "--listen", "[::1]:0"],
        &["call", "sip:bob@host.invalid", "--psk", KEY],
        &["answer", "--psk", KEY, "--listen", "0.0.0.0:5060"],
        &["answer", "--psk", KEY, "--config", "nowhere.toml"],
        &["answer", "--psk", KEY, "--once", "--times", "2"],
        &["call", "sip:bob@127.0.0.1", "--psk", KEY, "--at", "3s:sing"],
        &["call", "sip:bob@127.0.0.1", "--psk", KEY, "--session-expires", "10s"],
        &["call", "sip:bob@127.0.0.1", "--psk", KEY, "--min-se", "300s", "--session-expires", "90s"],
        &["call", "sip:bob@127.0.0.1", "--psk", KEY, "--control", "--times", "2"],
        &["answer", "--psk", KEY, "--redirect", "sip:c@h", "--refuse", "486"],
        &["answer", "--psk", KEY, "--control", "--after", "2s"],
        &["answer", "--psk", KEY, "--prack", "sometimes"],
        &["answer", "--psk", KEY, "--early-media", "nowhere.wav"],
        &["doctor", "--listen", "somewhere"],
        &["completions", "cmd"],
        &["mikey", "decode"],
        &["mikey", "decode", "--file", "nowhere"],
        &["mikey", "verify", "nowhere.json"],
        &["mikey", "lint"],
        &["mikey", "open", "AQAAABI0VngAAA==", "--psk", "xyz"],
        &["mikey", "open", "AQAAABI0VngAAA==", "--key", "nowhere.key"],
        &["mikey", "diagnose", "AQAAABI0VngAAA==", "--derived", "123"],
        &["mikey", "make", "--mode", "mikey-rsa", "--seed", "x"],
        &["mikey", "make", "--mode", "psk", "--seed", "x"],
        &["mikey", "make", "--seed", "x"],
        &["mikey", "listen", "--listen", "nowhere"],
        &["cert", "make", "alice"],
        &["cert", "make", "sip:alice@h", "--ec", "p224"],
        &["cert", "make", "sip:alice@h", "sip:alice@i"],
        &["config", "check", "nowhere.toml"],
    ] {
        let ran = keyphone(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("keyphone: "), "{args:?}: {}", ran.stderr);
    }
    for args in [&[][..], &["mikey"], &["config"]] {
        let ran = keyphone(args);
        assert_eq!(ran.code, Some(2));
        assert!(ran.stderr.contains("EXAMPLES:"), "{}", ran.stderr);
    }
}

#[test]
fn without_a_key_both_sides_are_told_what_to_give() {
    for args in [&["call", "sip:bob@127.0.0.1"][..], &["answer", "--listen", "127.0.0.1:0"]] {
        let ran = keyphone(args);
        assert_eq!(ran.code, Some(2));
        assert!(ran.stderr.starts_with("keyphone: mikey-psk needs a key"), "{}", ran.stderr);
        assert!(ran.stderr.contains("--psk @FILE") && ran.stderr.lines().count() == 1, "{}", ran.stderr);
    }
}

#[test]
fn no_error_quotes_a_key() {
    let wrong = format!("{KEY}0x");
    for psk in [wrong.clone(), format!("sip:bob@127.0.0.1={wrong}"), format!("{KEY}=sip:bob@127.0.0.1")] {
        let ran = keyphone(&["call", "sip:bob@127.0.0.1", "--psk", &psk]);
        assert_eq!(ran.code, Some(2));
        assert!(!ran.stderr.contains(&KEY[..16]), "{}", ran.stderr);
    }
}

#[test]
fn the_file_that_init_writes_can_be_used_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let ran = keyphone_in(dir.path(), &["config", "init"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let file = dir.path().join("keyphone.toml");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), keyphone_config::Config::example());

    let ran = keyphone_in(dir.path(), &["config", "check"]);
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.stdout.lines().last(), Some("keyphone.toml: it can be used; 1 warning"), "it has no key yet");
    let ran = keyphone_in(dir.path(), &["answer", "--config", "keyphone.toml"]);
    assert_eq!(ran.code, Some(2), "it has no key yet");
}

#[test]
fn init_writes_over_nothing_unless_forced() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.toml");
    std::fs::write(&file, "mine").unwrap();
    let ran = keyphone_in(dir.path(), &["config", "init", "mine.toml"]);
    assert_eq!(ran.code, Some(2));
    assert_eq!(ran.stderr, "keyphone: mine.toml is there already: --force writes over it\n");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let ran = keyphone_in(dir.path(), &["config", "init", "mine.toml", "--force", "--json"]);
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.events("config.written")[0]["file"], "mine.toml");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), keyphone_config::Config::example());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "keys may be put into it");
    }
}

#[test]
fn check_shows_every_mistake_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[audio]\njitter = \"60\"\ncodecs = [\"g729\"]\n[policy]\nallow-clear = true\n";
    std::fs::write(dir.path().join("mine.toml"), text).unwrap();
    let ran = keyphone_in(dir.path(), &["config", "check", "mine.toml"]);
    assert_eq!(ran.code, Some(2));
    for line in
        ["mine.toml:2:10: audio.jitter: ", "mine.toml:3:11: audio.codecs: ", "mine.toml:5:15: policy.allow-clear: "]
    {
        assert_eq!(ran.stdout.lines().filter(|l| l.starts_with(line)).count(), 1, "{line}: {}", ran.stdout);
    }
    let ran = keyphone_in(dir.path(), &["config", "check", "mine.toml", "--json"]);
    let severities: Vec<_> =
        ran.events("config.finding").iter().map(|f| (f["line"].clone(), f["severity"].clone())).collect();
    assert_eq!(severities[..2], [(2.into(), "error".into()), (3.into(), "error".into())]);
    assert_eq!(ran.events("config.checked")[0]["errors"], 2);
}

#[test]
fn a_message_is_decoded_from_whatever_one_has_at_hand() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("offer.sdp");
    let sdp = format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\na=key-mgmt:mikey {CAMERA}\r\nt=0 0\r\n");
    std::fs::write(&file, sdp).unwrap();
    let line = format!("a=key-mgmt:mikey {CAMERA}");
    for ran in [
        keyphone(&["mikey", "decode", "--interop", CAMERA]),
        keyphone(&["mikey", "decode", "--interop", &line]),
        keyphone(&["mikey", "decode", "--interop", "--file", file.to_str().unwrap()]),
        keyphone_reading(&file, &["mikey", "decode", "--interop", "-"]),
    ] {
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        assert!(ran.stdout.starts_with("MIKEY message of "), "{}", ran.stdout);
        assert!(ran.stdout.contains("KEMAC") && ran.stdout.contains("RFC 3830"), "{}", ran.stdout);
    }
}

#[test]
fn a_message_that_breaks_a_rule_is_shown_and_its_rule_named() {
    let strict = keyphone(&["mikey", "decode", CAMERA]);
    assert_eq!(strict.code, Some(1));
    assert!(strict.stderr.contains("breaks a rule: T is a Windows FILETIME"), "{}", strict.stderr);
    assert_eq!(strict.stdout, keyphone(&["mikey", "decode", "--interop", CAMERA]).stdout);
}

#[test]
fn a_key_in_clear_is_shown_only_when_asked_for() {
    for flags in [&[][..], &["--json"]] {
        let hidden = keyphone(&[&["mikey", "decode", CAMERA], flags].concat());
        let shown = keyphone(&[&["mikey", "decode", CAMERA, "--show-keys"], flags].concat());
        assert!(!hidden.stdout.contains(&CAMERA_KEY[..32]), "{}", hidden.stdout);
        assert!(shown.stdout.contains(&CAMERA_KEY[..32]), "{}", shown.stdout);
    }
}

#[test]
fn what_cannot_be_decoded_completely_ends_with_1_and_says_why() {
    let cut = &CAMERA[..CAMERA.len() - 40];
    let ran = keyphone(&["mikey", "decode", cut, "--json"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.starts_with("keyphone: the message cannot be decoded completely: "), "{}", ran.stderr);
    assert_eq!(ran.events("mikey.message").len(), 1, "what could be read is shown");
    let ran = keyphone(&["mikey", "decode", "this is no message"]);
    assert_eq!(ran.code, Some(2), "neither a message nor a file");
    assert!(ran.stderr.starts_with("keyphone: "), "{}", ran.stderr);
}

/// All vectors that the keying crate has, and one of a mode that nobody has.
#[test]
fn vectors_are_checked_and_what_is_not_known_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let all: serde_json::Value = serde_json::from_str(include_str!("../../../keying/tests/data/vectors.json")).unwrap();
    let psk: Vec<_> = all.as_array().unwrap().iter().filter(|v| v["mode"] == "psk").cloned().collect();
    let mut unknown = psk[0].clone();
    unknown["mode"] = "pigeon".into();
    let mut spoilt = psk.iter().find(|v| v["expect"] == "accept").unwrap().clone();
    spoilt["expected"]["tgk"] = "00".into();
    let write = |name: &str, vectors: &[serde_json::Value]| {
        let file = dir.path().join(name);
        std::fs::write(&file, serde_json::to_string(vectors).unwrap()).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let good = write("good.json", &[&psk[..], &[unknown]].concat());
    for flags in [&[][..], &["--interop"]] {
        let ran = keyphone(&[&["mikey", "verify", &good], flags].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
        let unknown = "not checked, because this build does not know their modes: pigeon (1)";
        assert!(ran.stdout.lines().any(|l| l == unknown), "{}", ran.stdout);
        let json = keyphone(&[&["mikey", "verify", &good, "--json"], flags].concat());
        assert_eq!(json.events("mikey.vector").len(), psk.len() + 1);
        let end = &json.events("mikey.verified")[0];
        assert_eq!((&end["ok"], &end["unknown"], &end["failed"]), (&true.into(), &1.into(), &0.into()));
    }
    let bad = write("bad.json", &[spoilt]);
    let ran = keyphone(&["mikey", "verify", &bad]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("FAILED   tgk: expected 00, got "), "{}", ran.stdout);
    std::fs::write(dir.path().join("none.json"), "{}").unwrap();
    assert_eq!(keyphone_in(dir.path(), &["mikey", "verify", "none.json"]).code, Some(2));
}
