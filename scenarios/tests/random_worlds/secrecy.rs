//! Perfect forward secrecy, shown by a recorder that is given the long-term keys when all is over.

use keyphone_config::{Config, KeyingSystem};
use keyphone_keying::crypto::PrivateKey;
use keyphone_keying::mikey::ModeName;
use keyphone_keying::mikey::policy::{KeyForm, Validity};
use keyphone_keying::{CertStore, Credentials, Identity, Psk, PskStore};
use keyphone_media::audio::codec::Codec;
use keyphone_media::env::Instant;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::observer::Evidence;
use keyphone_scenarios::observer::recorder::{LongTerm, Recorder, Recovered};
use keyphone_scenarios::pki::Pki;
use keyphone_scenarios::script::{KeyKind, Keying, Name};
use keyphone_scenarios::world::World;
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::CallId;
use keyphone_ua::settings::{HangUp, Incoming, Plan, Play, Record, Secured, Settings, System};
use keyphone_ua::transaction::{Destination, Transport};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const PHONES: [(&str, &str); 2] = [("alice", "10.0.0.1"), ("bob", "10.0.0.2")];
const PSK: [u8; 16] = [3; 16];

fn pki() -> &'static Pki {
    static PKI: OnceLock<Pki> = OnceLock::new();
    PKI.get_or_init(Pki::new)
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn identity(phone: usize) -> Identity {
    let (name, host) = PHONES[phone];
    Identity::new(&format!("sip:{name}@{host}"))
}

fn private_key(phone: usize) -> PrivateKey {
    pki().issue(&name(PHONES[phone].0), KeyKind::Rsa, &Keying::house(), &identity(phone)).unwrap().key
}

fn credentials(phone: usize) -> Credentials {
    let mut psks = PskStore::default();
    psks.insert(None, Psk::new(PSK.to_vec()).unwrap());
    let mut certs = CertStore::default();
    let issue =
        |phone: usize| pki().issue(&name(PHONES[phone].0), KeyKind::Rsa, &Keying::house(), &identity(phone)).unwrap();
    certs.add_own(vec![issue(phone).certificate], issue(phone).key).unwrap();
    certs.trust(pki().authority(&Keying::house()).unwrap());
    certs.pin(identity(1 - phone), issue(1 - phone).certificate);
    Credentials { psks, certs }
}

fn plan() -> Plan {
    Plan { play: Play::Tone(440.0), record: Record::Nothing, hang_up: HangUp::Never }
}

/// Alice calls bob over TLS in that mode, changes the keys once, and hangs up.
fn call(mode: ModeName, change: impl Fn(&mut Config)) -> World {
    let mut world = World::new(1, Link::PERFECT);
    for (number, (name, host)) in PHONES.into_iter().enumerate() {
        let mut config = Config::default();
        config.account.from = format!("sip:{name}@{host}").parse().unwrap();
        config.policy.keying = vec![KeyingSystem::Mikey(mode)];
        config.audio.codecs = vec![Codec::Pcmu];
        change(&mut config);
        let mut settings = Settings::new(&config, sip(host)).unwrap();
        settings.keying = vec![System::Mikey(mode)];
        (settings.policy.mikey.offer, settings.policy.mikey.accept) = (mode, [mode].into());
        settings.policy.media.reveal_keys = true;
        settings.credentials = Arc::new(credentials(number));
        settings.tls = Secured { connects: true, port: Some(5060) };
        settings.incoming = Incoming::Answer { after: Duration::from_millis(300), early: None, plan: plan() };
        world.add(name, settings);
    }
    let target = Box::new(format!("sips:bob@{}", PHONES[1].1).parse().unwrap());
    let to = Some(Destination { addr: sip(PHONES[1].1), transport: Transport::Tls });
    world.command(0, Command::Call { target, to, from: None, plan: plan() });
    world.run(Instant::from_micros(1_500_000));
    world.command(0, Command::Rekey(CallId(1)));
    world.run(Instant::from_micros(4_000_000));
    world.command(0, Command::HangUpAll);
    world.run(Instant::from_micros(200_000_000));
    assert_eq!(Evidence::of(&world).judge(), [], "{mode}");
    world
}

fn sip(host: &str) -> SocketAddr {
    SocketAddr::new(host.parse().unwrap(), 5060)
}

/// What is stolen later.
fn thief(psk: bool, keys: &[usize]) -> LongTerm {
    LongTerm {
        psks: psk.then(|| Psk::new(PSK.to_vec()).unwrap()).into_iter().collect(),
        keys: keys.iter().map(|phone| private_key(*phone)).collect(),
        certificates: vec![],
    }
}

fn assert_all(recorder: &Recorder, long_term: &LongTerm, what: &str) {
    match recorder.recover(long_term) {
        Recovered::Yes { packets, of } => assert!(packets == of && of > 300, "{what}: {packets} of {of}"),
        Recovered::No { why } => panic!("{what}: {why}"),
    }
}

fn assert_nothing(recorder: &Recorder, long_term: &LongTerm, because: &str) {
    match recorder.recover(long_term) {
        Recovered::No { why } => assert!(why.contains(because), "{why}"),
        yes => panic!("{yes}"),
    }
}

#[test]
fn a_recorded_psk_call_is_read_by_whoever_steals_the_key_later() {
    let recorder = Recorder::of(call(ModeName::Psk, |_| ()).log());
    assert_all(&recorder, &thief(true, &[]), "psk");
    assert_nothing(&recorder, &thief(false, &[0, 1]), "pre-shared key");
}

#[test]
fn a_recorded_rsa_call_is_read_by_whoever_steals_the_callees_private_key_and_not_the_callers() {
    let recorder = Recorder::of(call(ModeName::Rsa, |_| ()).log());
    assert_all(&recorder, &thief(false, &[1]), "rsa");
    assert_nothing(&recorder, &thief(true, &[0]), "private key");
}

#[test]
fn a_recorded_rsa_r_call_is_read_by_whoever_steals_the_callers_private_key_and_not_the_callees() {
    let recorder = Recorder::of(call(ModeName::RsaR, |_| ()).log());
    assert_all(&recorder, &thief(false, &[0]), "rsa-r");
    assert_nothing(&recorder, &thief(true, &[1]), "private key");
}

#[test]
fn a_recorded_mikey_null_call_is_read_by_every_proxy_without_any_key() {
    let recorder = Recorder::of(call(ModeName::Null, |_| ()).log());
    assert_all(&recorder, &LongTerm::default(), "null");
}

#[test]
fn a_recorded_diffie_hellman_call_stays_closed_whatever_is_stolen_later() {
    for mode in [ModeName::DhSign, ModeName::DhHmac] {
        let recorder = Recorder::of(call(mode, |_| ()).log());
        assert_nothing(&recorder, &thief(true, &[0, 1]), "Diffie-Hellman secret");
    }
}

#[test]
fn whatever_form_the_keys_have_that_travel_the_thief_finds_them() {
    for keys in [KeyForm::TgkSalt, KeyForm::TekSalt, KeyForm::TekWithSalt] {
        let world = call(ModeName::Psk, |config| {
            (config.policy.mikey.keys, config.policy.mikey.validity) = (keys, Validity::Mki(2));
        });
        assert_all(&Recorder::of(world.log()), &thief(true, &[]), &format!("{keys:?}"));
    }
}
