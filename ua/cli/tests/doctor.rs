//! `keyphone doctor`: what would stop a call here.

mod support;

use serde_json::Value;
use std::net::UdpSocket;
use support::{KEY, Ran, keyphone};

/// The checks of that name.
fn checks(ran: &Ran, what: &str) -> Vec<Value> {
    ran.events("doctor.check").into_iter().filter(|check| check["what"] == what).collect()
}

#[test]
fn on_a_machine_that_can_call_nothing_is_a_problem() {
    let ran = keyphone(&["doctor", "--listen", "127.0.0.1:0", "--psk", KEY, "--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    for what in ["configuration", "keys", "SIP port", "media ports", "addresses", "clock"] {
        let checks = checks(&ran, what);
        assert_eq!(checks.len(), 1, "{what}: {}", ran.stdout);
        assert_ne!(checks[0]["verdict"], "problem", "{what}: {}", ran.stdout);
    }
    assert_eq!(ran.events("doctor.done")[0]["problems"], 0);
    assert!(!ran.stdout.contains(&KEY[..16]), "a key is in the output");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "somebody else holds a port of this machine")]
fn a_port_that_somebody_has_is_a_problem_with_advice() {
    let held = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let listen = held.local_addr().unwrap().to_string();
    let ran = keyphone(&["doctor", "--listen", &listen, "--psk", KEY, "--json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    let check = &checks(&ran, "SIP port")[0];
    assert_eq!(check["verdict"], "problem");
    assert!(check["found"].as_str().unwrap().starts_with(&format!("nobody can listen on {listen} (udp): ")), "{check}");
    assert!(check["advice"].as_str().unwrap().contains("give another --listen"), "{check}");

    let text = keyphone(&["doctor", "--listen", &listen, "--psk", KEY]);
    assert_eq!(text.code, Some(1));
    assert!(text.stdout.contains("PROBLEM  SIP port: nobody can listen on"), "{}", text.stdout);
    assert!(text.stdout.contains("\n         -> stop what uses it"), "{}", text.stdout);
}

#[test]
fn what_is_wrong_with_the_file_is_told_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.toml");
    let name = file.to_str().unwrap();
    std::fs::write(&file, "[network]\nlisten = \"127.0.0.1\"\n[policy]\nallow-clear = true\n").unwrap();
    let ran = keyphone(&["doctor", "--config", name, "--json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    let found: Vec<_> =
        checks(&ran, "configuration").iter().map(|c| (c["verdict"].clone(), c["found"].clone())).collect();
    for (verdict, place) in
        [("problem", "mine.toml:2:10: network.listen: "), ("warning", "mine.toml:4:15: policy.allow-clear: ")]
    {
        assert!(found.iter().any(|(v, f)| v == verdict && f.as_str().unwrap().contains(place)), "{place}: {found:?}");
    }

    std::fs::write(&file, "[network]\nlisten = \"127.0.0.1:0\"\nmedia-ports = \"46000-46003\"\n").unwrap();
    let ran = keyphone(&["doctor", "--config", name, "--psk", KEY, "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let media = checks(&ran, "media ports")[0]["found"].as_str().unwrap().to_owned();
    assert_eq!(media, "of 46000-46003, 2 of 2 pairs are free, one for each call");

    let ran = keyphone(&["doctor", "--config", "nowhere.toml", "--json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(checks(&ran, "configuration")[0]["advice"].as_str().unwrap().contains("keyphone config init"));
}

#[test]
fn a_key_that_cannot_be_read_is_a_problem_and_not_quoted() {
    let wrong = format!("{KEY}0x");
    let ran = keyphone(&["doctor", "--listen", "127.0.0.1:0", "--psk", &wrong]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.stdout.contains("PROBLEM  keys: --psk: "), "{}", ran.stdout);
    assert!(!ran.stdout.contains(&KEY[..16]), "{}", ran.stdout);
}
