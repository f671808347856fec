//! The MIKEY workbench on the command line.

mod support;

use serde_json::Value;
use std::path::Path;
use std::process::Command;
use support::{KEY, Ran, Running, keyphone, keyphone_in};

/// An example of the ONVIF Streaming Specification: a camera's message, with its key in clear.
const CAMERA: &str = "AQAFAP1td9ABAADCD1UcAAAAAAoAAdOOGc75XD0BAAAAGAABAQEBEAIBAQMBFAcBAQgBAQoBAQsBCgAAACcAIQAe30C59UrClE0e27UP5h/Wty9UL8+dfzg+2ttmmo3kBAAAAC8A";

fn vector(id: &str) -> Value {
    let all: Vec<Value> = serde_json::from_str(include_str!("../../../keying/tests/data/vectors.json")).unwrap();
    all.into_iter().find(|vector| vector["id"] == id).unwrap()
}

/// Both messages of a vector, as lines of SDP, in a file.
fn in_file(dir: &Path, vector: &Value) -> String {
    let line =
        |name: &str| vector[name].as_str().map(|text| format!("a=key-mgmt:mikey {text}\r\n")).unwrap_or_default();
    let path = dir.join("exchange.txt");
    std::fs::write(&path, line("i_message_b64") + &line("r_message_b64")).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn lint_lists_the_rules_that_a_message_breaks_and_ends_with_1_if_one_is_an_error() {
    let ran = keyphone(&["mikey", "lint", CAMERA]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""));
    assert!(ran.stdout.contains("error at octet 21: T is a Windows FILETIME"), "{}", ran.stdout);
    assert!(ran.stdout.contains("(RFC 3830 section 6.6) [t-filetime]"), "{}", ran.stdout);
    let json = keyphone(&["mikey", "lint", CAMERA, "--json"]);
    let findings = &json.events("mikey.linted")[0]["findings"];
    assert_eq!((&findings[0]["rule"], &findings[0]["severity"]), (&"t-filetime".into(), &"error".into()));
    let good = vector("py-psk-01");
    let ran = keyphone(&["mikey", "lint", good["i_message_b64"].as_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let rules = keyphone(&["mikey", "lint", "--rules"]);
    assert_eq!(rules.code, Some(0));
    assert!(rules.stdout.lines().count() > 60 && rules.stdout.contains("fresh-t"), "{}", rules.stdout);
}

#[test]
fn open_shows_the_keys_of_every_crypto_session() {
    let dir = tempfile::tempdir().unwrap();
    let vector = vector("py-psk-01");
    let (file, psk) = (in_file(dir.path(), &vector), vector["inputs"]["psk"].as_str().unwrap());
    let ran = keyphone(&["mikey", "open", &file, "--psk", psk]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    for value in [&vector["expected"]["tgk"], &vector["expected"]["cs"][1]["tek"], &vector["expected"]["cs"][1]["salt"]]
    {
        assert!(ran.stdout.contains(value.as_str().unwrap()), "{value} is not in {}", ran.stdout);
    }
    let key_file = dir.path().join("psk.hex");
    std::fs::write(&key_file, format!("{psk}\n")).unwrap();
    let json = keyphone(&["mikey", "open", &file, "--psk", &format!("@{}", key_file.display()), "--json"]);
    assert_eq!(json.events("mikey.opened").len(), 2);
    let wrong = keyphone(&["mikey", "open", &file, "--psk", KEY]);
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.stdout.contains("MAC") && wrong.stdout.contains("does NOT verify"), "{}", wrong.stdout);
    assert_eq!(keyphone(&["mikey", "open", &file]).code, Some(1), "it needs a key");
}

#[test]
fn an_envelope_is_opened_with_a_private_key_and_a_diffie_hellman_exchange_with_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let pke = vector("py-pke-01");
    std::fs::write(dir.path().join("bob.key"), pke["inputs"]["key_r_pem"].as_str().unwrap()).unwrap();
    let file = in_file(dir.path(), &pke);
    let ran = keyphone_in(dir.path(), &["mikey", "open", &file, "--key", "bob.key"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert!(ran.stdout.contains(pke["expected"]["tgk"].as_str().unwrap()), "{}", ran.stdout);
    let dh = vector("py-dhhmac-01");
    let file = in_file(dir.path(), &dh);
    let inputs = |name: &str| dh["inputs"][name].as_str().unwrap();
    let ran = keyphone(&["mikey", "open", &file, "--psk", inputs("psk"), "--dh-secret", inputs("dh_priv_r")]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert!(ran.stdout.contains(dh["expected"]["tgk"].as_str().unwrap()), "{}", ran.stdout);
}

#[test]
fn diagnose_says_what_was_done_otherwise() {
    let wild: Vec<Value> = serde_json::from_str(include_str!("../../../keying/tests/data/wild.json")).unwrap();
    let mykey = wild.iter().find(|entry| entry["id"] == "mykey-2.3.1-psk").unwrap();
    let (message, psk) = (mykey["b64"].as_str().unwrap(), mykey["psk"].as_str().unwrap());
    let ran = keyphone(&["mikey", "diagnose", message, "--psk", psk]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("its MAC is right if auth_key is 32 octets"), "{}", ran.stdout);
    let json = keyphone(&["mikey", "diagnose", message, "--psk", psk, "--json"]);
    assert_eq!(json.events("mikey.diagnosed")[0]["checks"][0]["if_"][0]["id"], "auth-key-32");

    let minisip = vector("ms-psk-09");
    let dir = tempfile::tempdir().unwrap();
    let file = in_file(dir.path(), &minisip);
    let (psk, tek) = (&minisip["inputs"]["psk"], &minisip["minisip_stock_cs"][0]["tek"]);
    let args = ["mikey", "diagnose", &file, "--psk", psk.as_str().unwrap(), "--derived", tek.as_str().unwrap()];
    let ran = keyphone(&args);
    assert!(ran.stdout.contains("the TEK of CS 1 is right if the PRF takes an empty last block"), "{}", ran.stdout);
    let good = vector("py-psk-01");
    let file = in_file(dir.path(), &good);
    let ran = keyphone(&["mikey", "diagnose", &file, "--psk", good["inputs"]["psk"].as_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
}

/// A call, captured by the one who makes it.
fn captured(dir: &Path, transport: &str, more: &[&str]) -> String {
    let (mut bob, address) = Running::answer("127.0.0.1", &["--psk", KEY, "--once"]);
    let pcap = dir.join("call.pcap").to_str().unwrap().to_owned();
    let uri = format!("sip:bob@{address};transport={transport}");
    let call = ["call", &uri, "--psk", KEY, "--for", "1s", "--pcap", &pcap, "--json"];
    let alice = keyphone(&[&call[..], more].concat());
    assert_eq!(alice.code, Some(0), "{}{}", alice.stdout, alice.stderr);
    bob.wait_for("call.ended");
    assert_eq!(bob.finish().code, Some(0));
    pcap
}

fn opened(file: &str) -> Ran {
    let ran = keyphone(&["mikey", "open", file, "--psk", KEY, "--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    ran
}

#[test]
fn the_messages_of_a_captured_call_are_found_and_opened_over_udp_and_tcp() {
    for transport in ["udp", "tcp"] {
        let dir = tempfile::tempdir().unwrap();
        let pcap = captured(dir.path(), transport, &[]);
        let messages = opened(&pcap).events("mikey.opened");
        let what: Vec<_> = messages.iter().map(|message| message["what"].as_str().unwrap()).collect();
        assert_eq!(what, ["Pre-shared", "PSK ver msg"]);
        for message in &messages {
            assert!(message["route"].as_str().unwrap().starts_with(&transport.to_uppercase()), "{message}");
            assert!(message["packet"].as_u64() > Some(0) && message["line"].as_u64() > Some(1), "{message}");
        }
        assert!(messages[0]["packet"].as_u64() < messages[1]["packet"].as_u64());
        let ran = keyphone(&["mikey", "lint", &pcap]);
        assert_eq!(ran.code, Some(0), "{}", ran.stdout);
        // Wireshark's own format, if its tools are here.
        let pcapng = dir.path().join("call.pcapng");
        if Command::new("editcap").args(["-F", "pcapng", &pcap]).arg(&pcapng).status().is_ok_and(|s| s.success()) {
            assert_eq!(opened(pcapng.to_str().unwrap()).events("mikey.opened").len(), 2);
        }
        let cut = std::fs::read(&pcap).unwrap();
        for end in [0, 3, 4, 24, 30, cut.len() / 3, cut.len() / 2] {
            let file = dir.path().join("cut.pcap");
            std::fs::write(&file, &cut[..end]).unwrap();
            let ran = keyphone(&["mikey", "decode", file.to_str().unwrap()]);
            assert!(ran.code == Some(0) || ran.stderr.starts_with("keyphone: "), "{end}: {}", ran.stderr);
        }
    }
}

#[test]
fn new_keys_in_a_captured_call_are_opened_and_judged_by_what_began_it() {
    let dir = tempfile::tempdir().unwrap();
    let pcap = captured(dir.path(), "udp", &["--at", "300ms:rekey"]);
    assert_eq!(opened(&pcap).events("mikey.opened").len(), 4);
    let ran = keyphone(&["mikey", "diagnose", &pcap, "--psk", KEY]);
    assert_eq!((ran.code, ran.stdout.matches("nothing is wrong with it").count()), (Some(0), 4), "{}", ran.stdout);
    assert!(!ran.stdout.contains("was not checked"), "{}", ran.stdout);
}

#[test]
fn a_file_that_is_not_there_is_missed_by_its_name_and_a_pipe_is_read() {
    let dir = tempfile::tempdir().unwrap();
    for (name, why) in [("call.pcap", "there is no file \"call.pcap\""), (".", "Is a directory")] {
        let ran = keyphone_in(dir.path(), &["mikey", "lint", name]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
    }
    std::fs::write(dir.path().join("empty"), "").unwrap();
    assert!(keyphone_in(dir.path(), &["mikey", "lint", "empty"]).stderr.contains("input is empty"));
    let cut = keyphone(&["mikey", "decode", "AQAFgM0"]);
    assert_eq!(cut.code, Some(1), "that was meant to be a message");
    let pipe = dir.path().join("pipe");
    if Command::new("mkfifo").arg(&pipe).status().is_ok_and(|made| made.success()) {
        let mut writer = Command::new("sh");
        let mut writer = writer.args(["-c", "printf %s \"$0\" > \"$1\"", CAMERA]).arg(&pipe).spawn().unwrap();
        let ran = keyphone_in(dir.path(), &["mikey", "decode", "pipe", "--interop"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(writer.wait().unwrap().success());
    }
}

#[test]
fn an_rtsp_request_is_read_by_its_header() {
    let request =
        format!("SETUP rtsp://h/a RTSP/1.0\r\nKeyMgmt: prot=mikey;uri=\"rtsp://h/a\";data=\"{CAMERA}\"\r\n\r\n");
    let ran = keyphone(&["mikey", "decode", &request, "--interop"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("MIKEY message of 102 octets, line 2"), "{}", ran.stdout);
}
