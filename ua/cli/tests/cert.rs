//! `keyphone cert make`.
#![cfg(unix)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use support::{KEY, Running, keyphone_in};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// What OpenSSL's own command says of the chain.
fn verifies(dir: &Path, certificate: &str) -> bool {
    let ran =
        Command::new("openssl").args(["verify", "-CAfile", "ca.pem", certificate]).current_dir(dir).output().unwrap();
    ran.status.success()
}

#[test]
fn one_command_makes_a_ca_and_certificates_that_verify_and_keys_that_nobody_else_can_read() {
    for ec in [&[][..], &["--ec", "p256"], &["--ec", "p384"], &["--ec", "p521"]] {
        let dir = tempfile::tempdir().unwrap();
        let args = ["cert", "make", "sip:alice@127.0.0.1", "sip:bob@example.org", "--json"];
        let ran = keyphone_in(dir.path(), &[&args[..], ec].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        assert_eq!(ran.events("cert.made").len(), 2);
        for name in ["ca", "alice", "bob"] {
            assert_eq!(mode(&dir.path().join(format!("{name}.key"))), 0o600);
            assert_eq!(mode(&dir.path().join(format!("{name}.pem"))), 0o644);
        }
        assert!(verifies(dir.path(), "alice.pem") && verifies(dir.path(), "bob.pem"), "{ec:?}");
        let mut shown = Command::new("openssl");
        shown.args(["x509", "-in", "bob.pem", "-noout", "-text"]).current_dir(dir.path());
        let text = String::from_utf8(shown.output().unwrap().stdout).unwrap();
        assert!(text.contains("URI:sip:bob@example.org, DNS:example.org"), "{text}");
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(left.len(), 6);
    }
}

#[test]
fn nothing_is_replaced_unless_that_is_asked_for_and_a_ca_is_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let make = |args: &[&str]| keyphone_in(dir.path(), &[&["cert", "make"], args].concat());
    assert_eq!(make(&["sip:alice@h"]).code, Some(0));
    let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
    let (ca, alice) = (read("ca.pem"), read("alice.pem"));
    let again = make(&["sip:alice@h"]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("alice.pem is there already: --force replaces it"), "{}", again.stderr);
    assert_eq!(make(&["sip:bob@h"]).code, Some(0));
    assert_eq!((read("ca.pem"), read("alice.pem")), (ca.clone(), alice.clone()));
    assert!(verifies(dir.path(), "bob.pem"));
    assert_eq!(make(&["sip:alice@h", "--force"]).code, Some(0));
    assert_eq!(read("ca.pem"), ca);
    assert_ne!(read("alice.pem"), alice);
    assert_eq!(make(&["sip:carol@h", "--new-ca"]).code, Some(2), "the CA is there");
    assert_eq!(make(&["sip:carol@h", "--new-ca", "--force"]).code, Some(0));
    assert_ne!(read("ca.pem"), ca);
    std::fs::write(dir.path().join("ca.pem"), "nothing").unwrap();
    let ran = make(&["sip:dave@h"]);
    assert_eq!(ran.code, Some(2));
    assert!(!dir.path().join("dave.pem").exists());
}

#[test]
fn a_directory_of_any_name_is_fine_and_what_is_somebody_elses_stays() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let odd = dir.path().join(OsStr::from_bytes(b"\xff"));
    for flags in [&[][..], &["--json", "--force"]] {
        let mut make = Command::new(env!("CARGO_BIN_EXE_keyphone"));
        make.args(["cert", "make", "sip:alice@h", "--dir"]).arg(&odd).args(flags);
        let ran = make.output().unwrap();
        assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
        assert!(odd.join("alice.key").exists());
    }
    std::fs::write(dir.path().join("bob.pem.new"), "mine").unwrap();
    let ran = keyphone_in(dir.path(), &["cert", "make", "sip:bob@h"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("bob.pem.new"), "{}", ran.stderr);
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(std::fs::read_to_string(dir.path().join("bob.pem.new")).unwrap(), "mine");
}

#[test]
fn a_ca_whose_time_is_over_issues_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    std::fs::write(dir.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(dir.path().join("ca.key"), key.serialize_pem()).unwrap();
    let ran = keyphone_in(dir.path(), &["cert", "make", "sip:bob@h"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("has expired"), "{}", ran.stderr);
    assert!(!dir.path().join("bob.pem").exists());
    assert_eq!(keyphone_in(dir.path(), &["cert", "make", "sip:bob@h", "--new-ca", "--force"]).code, Some(0));
}

#[test]
fn a_call_over_tls_uses_them_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let ran = keyphone_in(dir.path(), &["cert", "make", "sip:alice@127.0.0.1", "sip:bob@127.0.0.1"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("keyphone answer --from sip:bob@127.0.0.1 --cert ./bob.pem"), "{}", ran.stdout);
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let [bob_pem, bob_key, pem, key, ca] = ["bob.pem", "bob.key", "alice.pem", "alice.key", "ca.pem"].map(path);
    let args = ["answer", "--listen", "127.0.0.1:0", "--cert", &bob_pem, "--key", &bob_key, "--ca", &ca];
    let mut bob = Running::start(&[&args[..], &["--psk", KEY, "--once"]].concat());
    let uri = format!("sip:bob@{}", bob.wait_for("listening")["tls"].as_str().unwrap());
    let files = ["--cert", &pem, "--key", &key, "--ca", &ca];
    let args = ["call", &uri, "--transport", "tls", "--psk", KEY, "--for", "300ms", "--json"];
    let args = [&args[..], &files].concat();
    let alice = support::keyphone(&args);
    assert_eq!(alice.code, Some(0), "{}{}", alice.stdout, alice.stderr);
    bob.wait_for("call.ended");
    assert_eq!(bob.finish().code, Some(0));
}
