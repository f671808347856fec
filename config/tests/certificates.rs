//! Which keying systems a configuration can use: what its certificates and keys are good for, and what is missing.

use keyphone_config::{Config, KeyingSystem, PeerCert, PskEntry, Severity, check};
use keyphone_keying::Identity;
use keyphone_keying::mikey::ModeName;
use std::path::{Path, PathBuf};

/// Certificates of alice and bob, `sip:..@example.org`, with RSA keys, and their CA's.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../keying/tests/data/certs").join(name)
}

/// Alice, with her certificate and the CA's.
fn alice() -> Config {
    let mut config = Config::default();
    config.tls.cert = Some(file("alice.pem"));
    config.tls.key = Some(file("alice.key"));
    config.tls.ca = Some(file("ca.pem"));
    config
}

fn mikey(mode: ModeName) -> KeyingSystem {
    KeyingSystem::Mikey(mode)
}

/// With only this system, by name.
fn lacks(mut config: Config, mode: ModeName) -> String {
    config.policy.keying = vec![mikey(mode)];
    config.load_certs().unwrap();
    assert_eq!(config.systems(), [mikey(mode)], "what was named stays");
    config.lacks(mikey(mode)).unwrap_or_default()
}

#[test]
fn auto_is_what_there_are_keys_and_certificates_for_in_the_order_of_rfc_5197() {
    let by_certificate = [ModeName::Rsa, ModeName::RsaR, ModeName::DhSign].map(mikey);
    let by_key = [ModeName::Psk, ModeName::DhHmac].map(mikey);
    let psk = || vec![PskEntry::from_hex(None, "000102030405060708090a0b0c0d0e0f").unwrap()];

    assert_eq!(Config::default().systems(), [mikey(ModeName::Psk)], "a key may still come");
    let mut config = alice();
    assert_eq!(config.load_certs(), Ok(None));
    assert_eq!(config.systems(), by_certificate);
    config.credentials.psks = psk();
    assert_eq!(config.systems().first(), Some(&by_key[0]));
    assert_eq!(config.systems().len(), 5);
    assert!(!config.systems().contains(&mikey(ModeName::Null)));
    let mut config = Config::default();
    config.credentials.psks = psk();
    assert_eq!(config.systems(), by_key);
}

#[test]
fn what_a_mode_needs_is_named_with_what_to_do() {
    for mode in [ModeName::Psk, ModeName::DhHmac] {
        let why = lacks(alice(), mode);
        assert!(why.starts_with(&format!("{mode} needs a key that we share with the other side: give --psk")), "{why}");
    }
    for mode in [ModeName::Rsa, ModeName::RsaR, ModeName::DhSign] {
        let why = lacks(Config::default(), mode);
        assert!(why.starts_with(&format!("{mode} needs a certificate of ours: give --cert FILE --key FILE")), "{why}");
        let mut nobody = alice();
        nobody.tls.ca = None;
        let why = lacks(nobody, mode);
        assert!(why.contains("needs to know whose certificates to trust: give --ca FILE or --peer-cert FILE"), "{why}");
        let mut pinned = alice();
        pinned.tls.ca = None;
        pinned.tls.peer_certs = vec![PeerCert { peer: None, file: file("bob.pem") }];
        assert_eq!(lacks(pinned, mode), "");
        assert_eq!(lacks(alice(), mode), "");
    }
    assert_eq!(lacks(Config::default(), ModeName::Null), "");
}

#[test]
fn who_has_a_certificate_is_whom_it_names_and_nobody_else() {
    let mut config = alice();
    config.load_certs().unwrap();
    assert_eq!(config.account.from.as_str(), "sip:alice@example.org");
    let mut config = alice();
    config.account.from = "sips:alice@Example.org:5061".parse().unwrap();
    assert_eq!(lacks(config, ModeName::DhSign), "", "that is she");
    let mut config = alice();
    config.account.from = "sip:carol@example.org".parse().unwrap();
    let why = lacks(config.clone(), ModeName::DhSign);
    assert!(why.contains("our certificate is for sip:alice@example.org, and we are sip:carol@example.org"), "{why}");
    config.load_certs().unwrap();
    assert_eq!(config.systems(), [mikey(ModeName::Psk)], "auto does without it");
}

#[test]
fn peers_certificates_are_pinned_for_whom_they_name_or_for_whom_we_say() {
    let mut config = alice();
    config.tls.peer_certs = vec![PeerCert::from_flag(file("bob.pem").to_str().unwrap()).unwrap()];
    config.load_certs().unwrap();
    let bob = Identity::new("sip:bob@example.org");
    assert!(config.credentials.certs.has_peer(&bob));
    let flag = format!("sip:robert@example.com={}", file("bob.pem").display());
    config.tls.peer_certs = vec![PeerCert::from_flag(&flag).unwrap()];
    config.load_certs().unwrap();
    assert!(!config.credentials.certs.has_peer(&bob));
    assert!(config.credentials.certs.has_peer(&Identity::new("sip:robert@example.com")));
    config.policy.keying = vec![mikey(ModeName::DhSign)];
    config.tls.peer_certs = vec![PeerCert::from_flag(file("ca.pem").to_str().unwrap()).unwrap()];
    let why = config.load_certs().unwrap_err();
    assert!(why.contains("names no SIP user: say whose it is, --peer-cert sip:user@host=FILE"), "{why}");
    assert!(PeerCert::from_flag("sip:bob=bob.pem").is_err());
}

#[test]
fn a_file_that_cannot_be_used_is_an_error_where_it_is_needed_and_a_warning_where_it_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let text = |name: &str, content: &str| {
        std::fs::write(dir.path().join(name), content).unwrap();
    };
    for name in ["alice.pem", "alice.key", "bob.key", "bob.pem", "ca.pem"] {
        std::fs::copy(file(name), dir.path().join(name)).unwrap();
    }
    text("nonsense.pem", "nothing");
    let config = dir.path().join("keyphone.toml").display().to_string();
    let found = |text: &str| -> Vec<(Severity, String)> {
        let beside_keys = |message: &str| !message.contains("chmod 600") && !message.contains("--psk");
        let found = check(text, &config).into_iter().map(|finding| (finding.severity, finding.message));
        found.filter(|(_, message)| beside_keys(message)).collect()
    };
    let tls = |cert: &str, key: &str, more: &str| format!("[tls]\ncert = \"{cert}\"\nkey = \"{key}\"\n{more}");
    let good = tls("alice.pem", "alice.key", "ca = \"ca.pem\"\n[[peer-cert]]\nfile = \"bob.pem\"");
    assert_eq!(found(&good), []);
    let named = "[policy]\nkeying = [\"mikey-dhsign\"]\n";
    assert_eq!(found(&format!("{named}{good}")), []);
    for (bad, why) in [
        (tls("alice.pem", "bob.key", ""), "alice.pem: the private key is not that of the certificate"),
        (tls("nonsense.pem", "alice.key", ""), "nonsense.pem: a certificate cannot be used"),
        (tls("alice.pem", "nonsense.pem", ""), "nonsense.pem: this is no private key in PEM or DER"),
        (
            tls("alice.pem", "alice.key", "crl = \"nonsense.pem\""),
            "nonsense.pem: a certificate cannot be used: there is \
         no revocation list",
        ),
    ] {
        let [(Severity::Warning, warning)] = &found(&bad)[..] else { panic!("{:?}", found(&bad)) };
        assert!(warning.starts_with("MIKEY does without certificates: ") && warning.contains(why), "{warning}");
        // Nor does a broken file have anybody go by what protects nothing, who has listed that for want of another.
        for needed in [named, "[policy]\nkeying = \"auto,mikey-null\"\n"] {
            let errors = found(&format!("{needed}{bad}"));
            assert!(matches!(&errors[..], [(Severity::Error, error)] if error.contains(why)), "{errors:?}");
        }
    }
    let no_file = found(&format!("{good}\n[[peer-cert]]\nfile = \"carol.pem\"\n[[peer-cert]]\npeer = \"carol\""));
    let messages: Vec<_> = no_file.iter().map(|(_, message)| message.as_str()).collect();
    assert!(messages.iter().any(|message| message.ends_with("carol.pem is no file")), "{messages:?}");
    assert!(messages.contains(&"this [[peer-cert]] has no file"), "{messages:?}");
    assert!(messages.iter().any(|message| message.contains("is not a SIP URI")), "{messages:?}");
}

#[test]
fn certificates_are_fetched_only_from_where_the_file_says() {
    let read = |text: &str| Config::from_toml(text, "keyphone.toml");
    let config =
        read("[mikey]\nfetch-certificates = [\"https://certs.example.org/pki/\", \"http://10.0.0.5:8080/\"]").unwrap();
    let fetch = config.policy.keying_policy().mikey.fetch;
    assert!(fetch.allows(&"https://certs.example.org/pki/bob.cer".parse().unwrap()));
    assert!(!fetch.allows(&"https://certs.example.org/bob.cer".parse().unwrap()));
    assert!(fetch.reaches([10, 0, 0, 5].into()) && !fetch.reaches([10, 0, 0, 6].into()));
    assert!(Config::default().policy.keying_policy().mikey.fetch.is_empty());
    for (value, why) in [
        ("true", "must be a list of strings"),
        ("[]", "the list is empty"),
        ("[\"certs.example.org\"]", "is no URL"),
        ("[\"ftp://certs.example.org/\"]", "the scheme ftp"),
    ] {
        let error = read(&format!("[mikey]\nfetch-certificates = {value}")).unwrap_err().to_string();
        assert!(error.contains("mikey.fetch-certificates") && error.contains(why), "{error}");
    }
}

#[test]
fn the_url_of_our_certificate_goes_with_the_certificate() {
    let error = Config::from_toml("[tls]\ncert-url = \"https://example.org/me.cer\"", "keyphone.toml").unwrap_err();
    assert!(error.to_string().ends_with("there is a URL of our certificate, and no certificate"), "{error}");
    let error = Config::from_toml("[tls]\ncert-url = \"me.cer\"", "keyphone.toml").unwrap_err();
    assert!(error.to_string().contains("tls.cert-url") && error.to_string().contains("is no URL"), "{error}");
}
