//! What a user meets when a configuration file is read.

use keyphone_config::*;
use keyphone_keying::choice::{Expected, Needs};
use keyphone_keying::crypto::Envelope;
use keyphone_keying::mikey::policy::{FailedRekey, KeyForm, Validity};
use keyphone_keying::mikey::wire::registry::{CacheType, DhGroup, SignType};
use keyphone_keying::policy::OnClash;
use keyphone_keying::{Expect, Identity};
use keyphone_media::audio::codec::Codec;
use keyphone_media::policy::EarlyMedia;
use keyphone_media::srtp::Suite;
use proptest::prelude::*;
use std::path::Path;
use std::time::Duration;

const KEY: &str = "000102030405060708090a0b0c0d0e0f";

/// The sentences that `check` has for a file called `k.toml`, with their severity.
fn findings(text: &str) -> Vec<String> {
    check(text, "k.toml").iter().map(|f| format!("{}: {}", f.severity, f.sentence("k.toml"))).collect()
}

/// Without the warning that there is no key, which is beside the point of most tests.
fn mistakes(text: &str) -> Vec<String> {
    findings(text).into_iter().filter(|f| f != NO_KEY).collect()
}

const NO_KEY: &str = "warning: k.toml: psk: there is no pre-shared key, so that every call needs one from --psk";

fn same(a: &Config, b: &Config) -> bool {
    let parts =
        |c: &Config| (c.accounts().cloned().collect::<Vec<_>>(), c.policy.clone(), c.audio.clone(), c.network.clone());
    parts(a) == parts(b) && format!("{:?}", a.credentials) == format!("{:?}", b.credentials)
}

#[test]
fn the_example_as_shipped_is_the_default() {
    let example = Config::from_toml(Config::example(), "keyphone.toml").unwrap();
    assert!(same(&example, &Config::default()), "{example:?}");
    assert!(same(&Config::from_toml("", "empty").unwrap(), &Config::default()));
    assert_eq!(findings(Config::example()), [NO_KEY], "no key is shipped, and that is all there is to say");
}

#[test]
fn every_field_is_in_the_example() {
    // An unknown field makes the reader list those that it knows: each must be in the example, commented or not.
    for section in ["account", "policy", "mikey", "audio", "network", "[psk]"] {
        let text = format!("[{section}]\nx = 1\n{}", if section == "[psk]" { "key = \"00\"" } else { "" });
        let finding = check(&text, "k.toml").into_iter().find(|f| f.message.contains("no such field")).unwrap();
        let (_, fields) = finding.message.split_once("there are ").unwrap();
        for field in fields.split(", ") {
            let line = |l: &str| l.trim_start_matches(['#', ' ']).starts_with(&format!("{field} = "));
            assert!(Config::example().lines().any(line), "{section} {field}");
        }
    }
}

#[test]
fn every_field_replaces_its_default() {
    let text = format!(
        r#"
        [account]
        from = "sip:alice@example.org:5070"
        display-name = "Alice Ümläut"
        username = "alice-1"
        password = "zanzibar"
        realm = "example.org"
        registrar = "sip:example.org"
        proxy = "sip:127.0.0.1:5090;transport=tcp"
        expires = "120s"
        [[psk]]
        peer = "sip:bob@example.org"
        key = "{KEY}"
        [policy]
        keying = "none"
        allow-clear = true
        pfs = true
        both-contribute = true
        may-fork = true
        may-retarget = true
        early-media-expected = true
        retries = 3
        expect = "exactly"
        suites = ["AES_CM_128_HMAC_SHA1_32", "NULL_HMAC_SHA1_80", "AEAD_AES_256_GCM"]
        allow-null-cipher = true
        key-derivation-rate = 65_536
        on-ssrc-clash = "move"
        weakest-digest = "sha-256"
        [mikey]
        allow-null-encryption = true
        allow-null-mac = true
        max-skew = "5s"
        interop = true
        encryption = "null"
        group = "x25519"
        signature = "rsa-pss"
        envelope = "oaep"
        cache = "yes"
        keys = "tek+salt"
        mki = 4
        failed-rekey = "end"
        fetch-certificates = ["https://example.org"]
        [audio]
        play = "hello.wav"
        record = "/tmp/heard.wav"
        codecs = ["opus", "pcmu"]
        jitter = "100ms"
        early-media = "loudest"
        [network]
        listen = "[::1]:5062"
        media-ports = "50000-50001"
        transport = "tcp"
        "#
    );
    let config = Config::from_toml(&text, "/etc/keyphone/k.toml").unwrap();
    assert_eq!(config.account.from.as_str(), "sip:alice@example.org:5070");
    assert_eq!(config.account.display_name.as_deref(), Some("Alice Ümläut"));
    let login = config.account.login.as_ref().unwrap();
    assert_eq!((login.username.as_str(), login.realm.as_deref()), ("alice-1", Some("example.org")));
    assert_eq!(login.password.reveal(), "zanzibar");
    assert_eq!(config.account.registrar.as_ref().map(ServerUri::as_str), Some("sip:example.org"));
    assert_eq!(config.account.proxy.as_ref().map(ServerUri::as_str), Some("sip:127.0.0.1:5090;transport=tcp"));
    assert_eq!(config.account.expires, Duration::from_secs(120));
    assert_eq!(config.policy.weakest_digest, DigestAlgorithm::Sha256);
    let store = config.credentials.psk_store();
    assert!(store.with(&Identity::new("sip:bob@example.org:5090")).is_some());
    assert!(store.with(&Identity::new("sip:carol@example.org")).is_none());
    assert_eq!((config.policy.keying.len(), config.policy.allow_clear), (0, true));
    assert_eq!(config.policy.expect, Expect::Exactly);
    assert_eq!(config.policy.needs, Needs { pfs: true, both_contribute: true });
    assert_eq!(config.policy.expected, Expected { fork: true, retarget: true, early_media: true });
    assert_eq!(config.policy.retries, 3);
    assert_eq!(config.policy.suites, [Suite::AesCm128HmacSha1_32, Suite::NullHmacSha1_80, Suite::AeadAes256Gcm]);
    assert_eq!((config.policy.allow_null_cipher, config.policy.derivation_rate.packets()), (true, 65_536));
    assert_eq!(config.policy.keying_policy().on_ssrc_clash, OnClash::Move);
    let mikey = Mikey {
        allow_null_encryption: true,
        allow_null_mac: true,
        max_skew: Duration::from_secs(5),
        interop: true,
        encryption: MikeyEncryption::Null,
        group: DhGroup::X25519,
        signature: SignType::RsaPss,
        envelope: Envelope::Oaep,
        cache: CacheType::Cache,
        keys: KeyForm::TekSalt,
        validity: Validity::Mki(4),
        failed_rekey: FailedRekey::End,
        fetch: vec!["https://example.org/".parse().unwrap()],
    };
    assert_eq!(config.policy.mikey, mikey);
    assert_eq!(config.audio.play, Play::File("/etc/keyphone/hello.wav".into()), "beside the configuration");
    assert_eq!(config.audio.record.as_deref(), Some(Path::new("/tmp/heard.wav")));
    assert_eq!(config.audio.codecs, [Codec::Opus, Codec::Pcmu]);
    assert_eq!(config.audio.jitter, Duration::from_millis(100));
    assert_eq!(config.audio.early_media, EarlyMedia::Loudest);
    assert_eq!(config.network.listen, "[::1]:5062".parse().unwrap());
    assert_eq!(config.network.media_ports.pairs().collect::<Vec<_>>(), [50000]);
    assert_eq!(config.network.transport, Transport::Tcp);
}

#[test]
fn a_mistake_is_one_sentence_with_file_line_column_and_field() {
    let error = Config::from_toml("[audio]\n\n  jitter = \"soon\"\n", "conf/k.toml").unwrap_err();
    assert_eq!(
        error.to_string(),
        "conf/k.toml:3:12: audio.jitter: \"soon\" is not a duration such as 60ms, 300s or 5m"
    );
    assert_eq!((error.finding.line, error.finding.column), (Some(3), Some(12)));
}

#[test]
fn all_mistakes_are_found_at_once_in_the_order_of_their_lines() {
    let text = r#"[network]
listen = "localhost"
transport = 5
colour = "blue"
[audio]
codecs = ["pcmu", "g729", 8, "pcmu"]
jitter = "2000ms"
early-media = "all"
[policy]
keying = ["sdes"]
allow-clear = "yes"
expect = "somebody"
suites = []
key-derivation-rate = 1000
[mikey]
max-skew = "0s"
encryption = "rot13"
group = "p192"
[account]
from = "alice"
display-name = "a\nb"
[sound]
"#;
    let expected = [
        "2:10: network.listen: \"localhost\" is not an IP address and a port such as 127.0.0.1:5060 or [::1]:5060",
        "3:13: network.transport: must be a string in quotation marks, not a number",
        "4:1: network.colour: there is no such field; there are listen, media-ports, transport",
        "6:19: audio.codecs: \"g729\" is no codec of this build, which has opus, PCMU, PCMA",
        "6:27: audio.codecs: must hold strings in quotation marks, not a number",
        "6:30: audio.codecs: \"pcmu\" is there twice",
        "7:10: audio.jitter: \"2000ms\" is not between 0ms and 1000ms",
        "8:15: audio.early-media: \"all\" is none of first, last, loudest and none",
        "10:11: policy.keying: \"sdes\" is no keying system of this build, which has mikey-null, mikey-psk, mikey-rsa, mikey-dhsign, mikey-dhhmac, mikey-rsar",
        "11:15: policy.allow-clear: must be true or false, not a string",
        "12:10: policy.expect: \"somebody\" is none of exactly, pinned, same-domain and any",
        "13:10: policy.suites: the list is empty",
        "14:23: policy.key-derivation-rate: 1000 is neither 0, for keys that stay, nor a power of two up to 16777216 packets",
        "16:12: mikey.max-skew: \"0s\" is not between 1s and 60m",
        "17:14: mikey.encryption: \"rot13\" is none of aes-cm, aes-kw and null",
        "18:9: mikey.group: \"p192\" is no group of this build, which has oakley5, oakley1, oakley2, p256, p384, p521, x25519",
        "20:8: account.from: \"alice\" is not a SIP URI such as sip:alice@example.org: it lacks sip:",
        "21:16: account.display-name: holds a control character, which no SIP header may",
        "22:2: sound: there is no such section; there are account, psk, policy, mikey, audio, network, tls, peer-cert",
    ];
    assert_eq!(mistakes(text), expected.map(|e| format!("error: k.toml:{e}")));
}

#[test]
fn what_is_not_toml_is_placed_as_well() {
    let places =
        |text: &str| mistakes(text).iter().map(|m| m.split(" this is").next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(places("[audio]\njitter = \n"), ["error: k.toml:2:10: jitter:"]);
    assert_eq!(places("[audio]\njitter = \"60ms\njitter"), ["error: k.toml:2:15: jitter:", "error: k.toml:3:7:"]);
    assert_eq!(places("[network]\n[network]\n"), ["error: k.toml:2:2:"]);
    let unquoted =
        "error: k.toml:2:7: key: this is not TOML: unexpected leading zero; a string stands in quotation marks";
    assert_eq!(mistakes(&format!("[[psk]]\nkey = {KEY}")), [unquoted], "and nothing that follows from it");
    let twice = mistakes("[audio]\njitter = \"60ms\"\njitter = \"80ms\"\n");
    assert_eq!(twice, ["error: k.toml:3:1: jitter: this is not TOML: duplicate key"]);
}

#[test]
fn a_section_of_the_wrong_shape_is_named() {
    assert_eq!(mistakes("audio = 3"), ["error: k.toml:1:9: audio: must be a table, [audio], not a number"]);
    assert_eq!(mistakes("psk = [1]"), ["error: k.toml:1:8: psk: each must be a table, [[psk]]"]);
    let single = mistakes(&format!("[psk]\nkey = \"{KEY}\""));
    assert_eq!(single, ["error: k.toml:1:1: psk: must be a list of tables, [[psk]], not a table"]);
}

#[test]
fn what_weakens_a_call_is_a_warning_and_no_error() {
    let text = r#"[[psk]]
key = "c0ffee"
[policy]
allow-clear = true
[mikey]
allow-null-encryption = true
allow-null-mac = true
interop = true
[audio]
play = "nowhere.wav"
record = "no/where.wav"
[network]
listen = "127.0.0.1:40010"
"#;
    let expected = [
        "2:7: psk.key: the key has 3 octets; with fewer than 16 it can be guessed",
        "4:15: policy.allow-clear: media may travel unprotected, and everybody on the way can hear it",
        "6:25: mikey.allow-null-encryption: everybody who sees the offer can read the media keys in it",
        "7:18: mikey.allow-null-mac: anybody on the way can change the offer, and nobody proves anything",
        "8:11: mikey.interop: a peer's deviations from the RFC are let pass",
        "10:8: audio.play: nowhere.wav cannot be played: No such file or directory (os error 2)",
        "11:10: audio.record: the directory no is not there",
        "13:10: network.media-ports: SIP's own port, 40010, is among them",
    ];
    assert_eq!(findings(text), expected.map(|e| format!("warning: k.toml:{e}")));
    assert!(Config::from_toml(text, "k.toml").is_ok());
    let nothing = "warning: k.toml:2:10: policy.keying: without keying and without allow-clear no call gets through";
    assert_eq!(findings("[policy]\nkeying = \"none\""), [nothing]);
}

#[test]
fn null_encryption_is_asked_for_only_where_it_is_allowed() {
    let refused =
        "error: k.toml:2:14: mikey.encryption: \"null\" is asked for, and allow-null-encryption does not allow it";
    assert_eq!(mistakes("[mikey]\nencryption = \"null\""), [refused]);
    assert!(Config::from_toml("[mikey]\nencryption = \"null\"\nallow-null-encryption = true", "k").is_ok());
}

#[test]
fn a_key_comes_from_one_place_and_each_peer_has_one() {
    let cases = [
        ("peer = \"sip:bob@a\"", "1:1: psk.key: this [[psk]] has neither key nor key-file"),
        ("key = \"00\"\nkey-file = \"f\"", "3:12: psk.key-file: stands beside key, and only one of the two may"),
        ("key = 7", "2:7: psk.key: must be a string in quotation marks, not a number"),
        ("peer = \"bob\"\nkey = \"KEY\"", "2:8: psk.peer: the peer must be a SIP URI such as sip:bob@example.org"),
        ("key = \"KEY\"\n[[psk]]\nkey = \"KEY\"", "3:1: psk.peer: there is already a key for everybody else"),
        (
            "peer = \"sip:bob@a\"\nkey = \"KEY\"\n[[psk]]\npeer = \"sip:bob@A:5070\"\nkey = \"KEY\"",
            "5:8: psk.peer: there is already a key for sip:bob@a",
        ),
    ];
    for (text, expected) in cases {
        let text = format!("[[psk]]\n{}", text.replace("KEY", KEY));
        assert_eq!(mistakes(&text), [format!("error: k.toml:{expected}")], "{text}");
    }
}

#[test]
fn a_key_file_is_looked_for_beside_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let file_name = dir.path().join("k.toml");
    let text = "[[psk]]\nkey-file = \"bob.psk\"\n";
    std::fs::write(&file_name, text).unwrap();
    let missing = Config::load(&file_name).unwrap_err().to_string();
    let expected =
        format!("{}:2:12: psk.key-file: the key file {}", file_name.display(), dir.path().join("bob.psk").display());
    assert!(missing.starts_with(&expected) && missing.contains("cannot be read"), "{missing}");

    std::fs::write(dir.path().join("bob.psk"), format!("{KEY}\n")).unwrap();
    let config = Config::load(&file_name).unwrap();
    assert!(config.credentials.psk_store().with(&Identity::new("sip:bob@example.org")).is_some());

    let unreadable = Config::load(&dir.path().join("none.toml")).unwrap_err();
    assert!(unreadable.to_string().contains("none.toml: the configuration file cannot be read"), "{unreadable}");
}

#[cfg(unix)]
#[test]
fn a_key_file_that_others_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("bob.psk");
    std::fs::write(&key, KEY).unwrap();
    let text = format!("[[psk]]\nkey-file = {:?}\n", key.display().to_string());
    for (mode, warnings) in [(0o644, 1), (0o600, 0)] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let found = findings(&text);
        assert_eq!(found.iter().filter(|f| f.contains("others can read")).count(), warnings, "{mode:o} {found:?}");
    }
}

#[test]
fn no_message_and_no_debug_output_holds_a_key() {
    let secret = "5ec2e75ec2e75ec2e75ec2e75ec2e75e";
    for text in [
        format!("[[psk]]\nkey = \"{secret}\""),
        format!("[[psk]]\nkey = \"{secret}f\""),
        format!("[[psk]]\nkey = \"{secret}gg\""),
        format!("[[psk]]\nkey = {secret}"),
        format!("[[psk]]\nkey = '{secret}"),
        format!("[[psk]]\nkey = [\"{secret}\"]"),
        format!("[[psk]]\n{secret} = 1"),
        format!("[[psk]]\n{secret}"),
        format!("[[psk]]\n\"{secret}\" = 1\nkey = \"00\""),
        format!("psk = \"{secret}\""),
        format!("[[psk]]\npeer = \"{secret}\"\nkey = \"sip:a@b\""),
        format!("[[psk]]\nkey-file = \"{secret}\""),
        format!("{secret} = 1\n[mikey]\n{secret} = 2"),
        format!("[[psk]]\npeer = \"sip:a@b\"\nkey = \"{secret}\"\n[[psk]]\npeer = \"sip:a@b\"\nkey = \"{secret}\""),
    ] {
        let found = check(&text, "k.toml");
        let config = Config::from_toml(&text, "k.toml");
        let all = format!("{found:?} {:?} {config:?}", findings(&text));
        assert!(!all.to_lowercase().contains("5ec2e7"), "{text}\n{all}");
    }
}

/// Lines that are nearly a configuration: far more of the reader is reached than by arbitrary text.
fn nearly_a_config() -> impl Strategy<Value = String> {
    let head = prop::sample::select(vec!["[account]", "[[psk]]", "[policy]", "[mikey]", "[audio]", "[network]", "[x]"]);
    let field = prop::sample::select(vec![
        "from",
        "display-name",
        "peer",
        "key",
        "keying",
        "allow-clear",
        "expect",
        "suites",
        "max-skew",
        "interop",
        "encryption",
        "play",
        "record",
        "codecs",
        "jitter",
        "early-media",
        "listen",
        "media-ports",
        "transport",
        "y",
    ]);
    let value = prop_oneof![
        "\"[ -!#-\\[\\]-~]{0,20}\"",
        prop::sample::select(vec![
            "true",
            "1",
            "1.5",
            "2020-01-01",
            "[]",
            "{}",
            "[\"pcmu\"]",
            "[[\"a\"]]",
            "\"none\"",
            "\"60ms\"",
            "\"é\"",
            "\"sip:a@[::1]:1\"",
            "\"00ff\"",
            "\"1-2\"",
            "'",
            "\"\"\"\n",
        ])
        .prop_map(str::to_owned),
    ];
    let line = prop_oneof![
        1 => head.prop_map(str::to_owned),
        4 => (field, value).prop_map(|(f, v)| format!("{f} = {v}")),
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        let _ = check(&text, "k.toml");
    }

    #[test]
    fn a_file_is_refused_exactly_when_check_finds_an_error_and_every_error_has_its_place(text in nearly_a_config()) {
        let found = check(&text, "k.toml");
        let errors: Vec<_> = found.iter().filter(|f| f.severity == Severity::Error).collect();
        match Config::from_toml(&text, "k.toml") {
            Ok(_) => prop_assert!(errors.is_empty()),
            Err(e) => prop_assert_eq!(Some(&&e.finding), errors.first()),
        }
        let lines = text.split('\n').count();
        for error in errors {
            prop_assert!(error.line.is_some_and(|l| 1 <= l && l <= lines) && error.column.is_some(), "{:?}", error);
        }
    }
}

#[test]
fn a_suite_without_a_cipher_is_refused_unless_the_policy_says_so() {
    let suites = "[policy]\nsuites = [\"AEAD_AES_128_GCM\", \"NULL_HMAC_SHA1_32\"]\n";
    let refused = "error: k.toml:2:10: policy.suites: NULL_HMAC_SHA1_32 encrypts nothing, and allow-null-cipher does not \
                   allow that";
    assert_eq!(mistakes(suites), [refused]);
    let warned = "warning: k.toml:3:21: policy.allow-null-cipher: media may travel without encryption, and everybody on \
                  the way can hear it";
    assert_eq!(mistakes(&format!("{suites}allow-null-cipher = true")), [warned]);
    for wrong in ["\"65536\"", "-1", "1.5", "true"] {
        let found = mistakes(&format!("[policy]\nkey-derivation-rate = {wrong}"));
        assert!(found[0].contains("policy.key-derivation-rate: must be a whole number, zero or more"), "{found:?}");
    }
}

#[test]
fn what_mikey_may_be_told_is_told_in_words_that_a_mistake_lists() {
    let mikey = |field: &str| mistakes(&format!("[mikey]\n{field}")).remove(0);
    assert!(mikey("signature = \"rsa\"").ends_with("mikey.signature: \"rsa\" is none of rsa-pkcs1, rsa-pss"));
    assert!(mikey("envelope = \"\"").ends_with("mikey.envelope: \"\" is none of pkcs1, oaep"));
    assert!(mikey("cache = \"maybe\"").ends_with("mikey.cache: \"maybe\" is none of no, yes, csb"));
    assert!(mikey("keys = \"tek\"").ends_with("\"tek\" is none of tgk, tgk+salt, tek+salt, tek-with-salt"));
    assert!(mikey("mki = 129").ends_with("mikey.mki: an MKI has 1 to 128 octets, and not 129; 0 is none"));
    assert!(mikey("failed-rekey = \"try\"").ends_with("mikey.failed-rekey: \"try\" is none of keep, end"));
}

#[test]
fn several_accounts_stand_in_a_list() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bob.password"), "two words\n").unwrap();
    let file = dir.path().join("k.toml");
    let text = "[[account]]\nfrom = \"sip:alice@a.org\"\n[[account]]\nfrom = \"sip:bob@b.org\"\n\
        password-file = \"bob.password\"\n";
    let config = Config::from_toml(text, file.to_str().unwrap()).unwrap();
    let users: Vec<_> = config.accounts().map(|a| a.user().to_owned()).collect();
    assert_eq!(users, ["alice", "bob"]);
    let login = config.more_accounts[0].login.as_ref().unwrap();
    // Whoever gives no user name is known by the one in from.
    assert_eq!((login.username.as_str(), login.password.reveal(), &login.realm), ("bob", "two words", &None));
}

#[test]
fn an_account_that_cannot_log_in_is_said_without_its_password() {
    let account = |fields: &str| mistakes(&format!("[account]\nfrom = \"sip:a@b\"\n{fields}"));
    assert_eq!(account("username = \"x\"").len(), 1);
    assert!(account("realm = \"x\"")[0].contains("account.password: there is neither password nor password-file"));
    let both = account("password = \"zanzibar\"\npassword-file = \"zanzibar\"");
    assert!(both[0].contains("only one of the two may") && !both[0].contains("zanzibar"), "{both:?}");
    assert!(account("password-file = \"nowhere\"")[0].contains("cannot be read"));
    assert!(account("password = 5")[0].contains("must be a string"));
    assert!(account("registrar = \"sip:alice@b\"")[0].contains("a server has no user@"));
    assert!(account("expires = \"5s\"")[0].contains("is not between 60s and 1440m"));
    assert!(mistakes("[account]\nregistrar = \"sip:b\"")[0].contains("a registrar needs to know whom it registers"));
    let twice = "[[account]]\nfrom = \"sip:a@b\"\n[[account]]\nfrom = \"sip:a@b\"";
    assert!(mistakes(twice)[0].contains("there is already an account of sip:a@b"));
}
