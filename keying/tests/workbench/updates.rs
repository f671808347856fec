//! What the workbench says of updates (RFC 3830 section 4.5), which depend on the exchange that began their bundle.

use crate::make::parties;
use keyphone_keying::crypto::Envelope::{Oaep, Pkcs1};
use keyphone_keying::crypto::PrivateKey;
use keyphone_keying::identity::Certificate;
use keyphone_keying::mikey::bundle::Bundle;
use keyphone_keying::mikey::mode::Initiation;
use keyphone_keying::mikey::modes::Modes;
use keyphone_keying::mikey::station::Station;
use keyphone_keying::mikey::wire::{CsMap, EncrAlg, MacAlg, Message, SrtpId};
use keyphone_keying::mikey::{MikeyPolicy, ModeName};
use keyphone_keying::workbench::diagnose::{Evidence, Verdict, diagnose};
use keyphone_keying::workbench::input::{Carrier, Found, Place};
use keyphone_keying::workbench::lint::{Severity, lint};
use keyphone_keying::workbench::open::{Secrets, open};
use keyphone_keying::{Credentials, Expect, Hop, Identity, Psk};
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_media::rtp::Ssrc;
use keyphone_media::srtp::Suite;
use std::time::Duration;

struct Counting(u8);

impl Rng for Counting {
    fn fill(&mut self, buf: &mut [u8]) {
        for octet in buf {
            self.0 = self.0.wrapping_add(1);
            *octet = self.0;
        }
    }
}

fn psk() -> Psk {
    Psk::new(vec![7; 32]).unwrap()
}

/// Alice's or bob's.
fn credentials(me: usize) -> Credentials {
    let (parties, mut credentials) = (parties(), Credentials::default());
    credentials.psks.insert(None, psk());
    let read = |pem: &str| Certificate::read(pem.as_bytes()).unwrap();
    let own = [&parties.initiator, &parties.responder][me];
    credentials.certs.add_own(read(&own.0), PrivateKey::read(own.1.as_bytes()).unwrap()).unwrap();
    credentials.certs.trust(read(&parties.ca).remove(0));
    if me == 0 {
        credentials.certs.pin(Identity::new("sip:bob@example.org"), read(&parties.responder.0).remove(0));
    }
    credentials
}

/// An exchange, and an update with its answer.
fn updated(mode: ModeName) -> [Message; 4] {
    updated_by(&MikeyPolicy { offer: mode, accept: [mode].into(), ..MikeyPolicy::default() })
}

fn updated_by(policy: &MikeyPolicy) -> [Message; 4] {
    let [alice, bob] = ["sip:alice@example.org", "sip:bob@example.org"].map(Identity::new);
    let bundle = |i: bool| Bundle {
        me: if i { &alice } else { &bob },
        named: if i { &bob } else { &alice },
        map: CsMap::Srtp([11, 22].map(|ssrc| SrtpId { policy_no: 0, ssrc: Some(Ssrc(ssrc)), roc: 0 }).to_vec()),
        policies: vec![],
        protocols: &[],
        hop: Hop::Clear,
        suite: Suite::AesCm128HmacSha1_80,
        expect: Expect::Exactly,
        policy,
    };
    let at = |seconds: u64| NtpTime::from_unix(Duration::from_secs(1_800_000_000 + seconds));
    let (mut dice, mut others) = (Counting(0), Counting(100));
    let mut ours = Station::new(credentials(0), at(0));
    let mut theirs = Station::new(credentials(1), at(0));
    let now = |seconds: u64| Now { mono: Instant::ZERO, ntp: at(seconds) };
    let Initiation { message: i, initiated, .. } = Modes::all()
        .offering(policy)
        .unwrap()
        .initiate(&bundle(true), &mut ours, &mut Env { now: now(1), rng: &mut dice })
        .unwrap();
    let mut modes = Modes::all();
    let answering = modes.answering(&i, policy).unwrap();
    let mut env = Env { now: now(1), rng: &mut others };
    let (r, agreed) = answering.respond(&i, &bundle(false), &mut theirs, &mut env).unwrap();
    let r = r.unwrap();
    let mut running = initiated.complete(&r, at(1)).unwrap().running.unwrap();
    let update = running.initiate(&bundle(true), &mut Env { now: now(2), rng: &mut dice }).unwrap();
    let mut env = Env { now: now(2), rng: &mut others };
    let (answer, _) = agreed.running.unwrap().respond(&update.message, &bundle(false), &mut env).unwrap();
    [i, r, update.message, answer.unwrap()]
}

fn secrets(psk: Option<Psk>) -> Secrets {
    let keys = [parties().initiator.1, parties().responder.1].map(|pem| PrivateKey::read(pem.as_bytes()).unwrap());
    Secrets { psk, keys: keys.to_vec(), ..Secrets::default() }
}

fn found(messages: &[Message]) -> Vec<Found> {
    messages.iter().map(|m| Found::octets(m.bytes(), Carrier::Unknown, Place::default())).collect()
}

/// Under whatever protects the updates of each mode: the pre-shared key, the envelope key, a certificate sent before.
#[test]
fn an_update_is_right_beside_the_exchange_that_began_its_bundle() {
    for mode in [ModeName::Psk, ModeName::DhHmac, ModeName::Rsa, ModeName::RsaR, ModeName::DhSign] {
        let by_key = matches!(mode, ModeName::Psk | ModeName::DhHmac);
        let (found, secrets) = (found(&updated(mode)), secrets(by_key.then(psk)));
        for linted in lint(&found, None) {
            assert_ne!(linted.worst(), Some(Severity::Error), "{mode} {linted}");
        }
        for diagnosis in diagnose(&found, &Evidence { secrets: secrets.clone(), derived: None }) {
            let right = diagnosis.checks.iter().all(|check| matches!(check.verdict, Verdict::Right));
            assert!(right && !diagnosis.checks.is_empty(), "{mode} {diagnosis}");
        }
        for opened in open(&found, &secrets) {
            let problems = opened.problems.iter().filter(|problem| !problem.contains("--dh-secret"));
            assert_eq!(problems.collect::<Vec<_>>(), [""; 0], "{mode} {opened}");
        }
    }
}

/// RFC 3830 section 4.2.3: then "the NULL MAC is RECOMMENDED".
#[test]
fn wrapped_keys_without_a_mac_come_out_of_the_envelope_that_unwraps_them() {
    for (mode, envelope) in [ModeName::Rsa, ModeName::RsaR].into_iter().flat_map(|m| [(m, Pkcs1), (m, Oaep)]) {
        // The update is one of the pre-shared key method, where that takes leave.
        let policy = MikeyPolicy { envelope, allow_null_mac: true, ..MikeyPolicy::default() };
        let policy = MikeyPolicy { offer: mode, accept: [mode].into(), ..policy };
        let messages = updated_by(&MikeyPolicy { encryption: EncrAlg::AesKw128, mac: MacAlg::Null, ..policy });
        let sealed = usize::from(mode == ModeName::RsaR);
        let opened = &open(&found(&messages[..2]), &secrets(None))[sealed];
        assert_eq!((opened.value("key wrap"), opened.value("MAC")), (Some("verifies"), None), "{opened}");
        assert_eq!(opened.problems, [""; 0], "{opened}");
        assert!(opened.value("CS 1 TEK").is_some(), "{opened}");
        let wrong = Secrets { envelope_key: Psk::new(vec![7; 16]), ..Secrets::default() };
        let opened = &open(&found(&messages[..2]), &wrong)[sealed];
        assert_eq!(opened.value("key wrap"), Some("does NOT verify"), "{opened}");
    }
}

#[test]
fn an_update_alone_lacks_its_rand_and_nothing_is_guessed() {
    let messages = updated(ModeName::Psk);
    let found = found(&messages[2..]);
    for diagnosis in diagnose(&found, &Evidence { secrets: secrets(Some(psk())), derived: None }) {
        let unchecked = |verdict: &Verdict| matches!(verdict, Verdict::Unchecked { why } if why.contains("no RAND"));
        assert!(diagnosis.checks.iter().all(|check| unchecked(&check.verdict)), "{diagnosis}");
    }
    for opened in open(&found, &secrets(Some(psk()))) {
        assert!(opened.problems.iter().any(|problem| problem.contains("there is no RAND")), "{opened}");
        assert_eq!((opened.value("encr_key"), opened.value("CS 1 TEK")), (None, None), "{opened}");
    }
    let enveloped = updated(ModeName::Rsa);
    let opened = open(&self::found(&enveloped[2..]), &secrets(None));
    assert!(opened[0].problems.iter().any(|problem| problem.contains("there is no RAND")), "{}", opened[0]);
}
