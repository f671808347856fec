//! Who is in a random world, how they key their calls, and what they do when they are called.

use super::chance::Chance;
use crate::script::{Certificate, Clock, Habits, Incoming, KeyKind, Keying, Name, Phone, Script};
use keyphone_config::KeyingSystem;
use keyphone_keying::Expect;
use keyphone_keying::mikey::ModeName;
use keyphone_keying::mikey::policy::{FailedRekey, KeyForm};
use keyphone_keying::mikey::wire::registry::DhGroup;
use keyphone_keying::policy::OnClash;
use keyphone_media::srtp::Suite;
use keyphone_ua::settings::{Preconditions, Reliable};
use std::time::Duration;

const NAMES: [&str; 8] = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"];

pub(super) fn name(text: &str) -> Name {
    text.parse().expect("a name of lower-case letters")
}

/// Lets two to eight phones in.
pub(super) fn invite(script: &mut Script, dice: &mut Chance) {
    // Worlds of few phones are found wrong as often as those of many, and are sooner over.
    let count = 2 + dice.below(7).min(dice.below(7));
    let common = (systems(dice), suites(dice));
    let whole_teks = dice.percent(35);
    for text in &NAMES[..count] {
        let mut phone = Phone::new(name(text));
        phone.tone = Some(300 + 7 * dice.below(300) as u32);
        // Phones that have nothing in common do not talk for long.
        (phone.keying.systems, phone.keying.suites) = match dice.percent(85) {
            true => common.clone(),
            false => (systems(dice), suites(dice)),
        };
        policy(&mut phone.keying, dice);
        if whole_teks {
            phone.keying.keys = KeyForm::TekSalt;
        }
        phone.incoming = incoming(dice);
        phone.habits = habits(dice);
        phone.jitter = Duration::from_millis(20 * dice.below(6) as u64);
        if dice.percent(7) {
            // The clocks of two may be five minutes apart (RFC 3830 section 5.4), and some are further.
            phone.clock = Clock { by: Duration::from_secs(dice.below(400) as u64), ahead: dice.percent(50) };
        }
        script.phones.push(phone);
    }
    certify(script, dice);
    if dice.percent(40) {
        few_ssrcs(script, dice);
    }
}

/// One to three modes. Those that cost much are rarer.
fn systems(dice: &mut Chance) -> Vec<KeyingSystem> {
    use ModeName::{DhHmac, DhSign, Null, Psk, Rsa, RsaR};
    let modes = [Psk, Psk, Psk, Psk, Psk, Psk, DhHmac, DhHmac, DhSign, DhSign, Rsa, Rsa, Rsa, RsaR, RsaR, RsaR, Null];
    let mut systems = vec![];
    for _ in 0..1 + dice.below(3) {
        let system = KeyingSystem::Mikey(dice.one(&modes));
        if !systems.contains(&system) {
            systems.push(system);
        }
    }
    systems
}

/// Empty for the usual ones.
fn suites(dice: &mut Chance) -> Vec<Suite> {
    let all: Vec<_> = Suite::encrypting().collect();
    let count = if dice.percent(25) { 1 + dice.below(3) } else { 0 };
    dice.some(&all, count)
}

fn policy(keying: &mut Keying, dice: &mut Chance) {
    // The elliptic curves cost less than OAKLEY 5.
    keying.group = dice.one(&[DhGroup::P256, DhGroup::P256, DhGroup::X25519, DhGroup::X25519, DhGroup::Oakley5]);
    keying.expect = dice.one(&[Expect::Exactly, Expect::SameDomain, Expect::Certified, Expect::Certified]);
    keying.mki = dice.one(&[0, 0, 0, 1, 4]);
    keying.allow_clear = dice.percent(12);
    if keying.allow_clear && dice.percent(30) {
        keying.systems.clear();
    }
    if dice.percent(20) {
        keying.failed_rekey = FailedRekey::End;
    }
    if dice.percent(3) {
        keying.psks[0].secret = name("another");
    }
}

fn incoming(dice: &mut Chance) -> Incoming {
    match dice.below(20) {
        0 => Incoming::Refuses(dice.one(&[480, 486, 500, 603])),
        1..=3 => Incoming::Rings,
        _ => {
            let early = dice.percent(40).then(|| 305 + 7 * dice.below(300) as u32);
            Incoming::Answers { after: dice.ms(0, 2500), early }
        }
    }
}

fn habits(dice: &mut Chance) -> Habits {
    let usual = Habits::default();
    Habits {
        late_offer: dice.percent(8),
        reliable: match dice.below(12) {
            0 => Reliable::Required,
            1 => Reliable::Never,
            _ => usual.reliable,
        },
        preconditions: match dice.below(20) {
            0 => Preconditions::Required,
            1 => Preconditions::Never,
            _ => usual.preconditions,
        },
        redirects: dice.one(&[usual.redirects, usual.redirects, 0, 1]),
        transfers: !dice.percent(10),
        ..usual
    }
}

/// What a phone does when a peer of its has taken an SSRC that is taken, or says so. Nobody here does that on purpose, and
/// whatever else looks like it must end no call and change no key for nothing.
pub(super) fn clash(script: &mut Script, dice: &mut Chance) {
    for phone in &mut script.phones {
        phone.keying.on_clash = dice.one(&[OnClash::Rekey, OnClash::Move, OnClash::Leave]);
    }
}

/// In one world of six signalling goes over TLS, and there MIKEY-NULL may be offered (RFC 3830 section 4.2.3); not all
/// phones of it can.
pub(super) fn secure(script: &mut Script, dice: &mut Chance) {
    if !dice.percent(17) {
        return;
    }
    let null = KeyingSystem::Mikey(ModeName::Null);
    let all = dice.percent(60);
    for phone in &mut script.phones {
        phone.tls = dice.percent(90);
        let systems = &mut phone.keying.systems;
        if all && !systems.is_empty() {
            // At the end of the list it is what is left when the others cannot be had.
            systems.retain(|system| *system != null);
            systems.insert(dice.below(systems.len() + 1), null);
        }
    }
}

/// Certificates for whom their modes need one, and those of all others.
fn certify(script: &mut Script, dice: &mut Chance) {
    let needs = |phone: &Phone, modes: &[ModeName]| {
        phone.keying.systems.iter().any(|KeyingSystem::Mikey(mode)| modes.contains(mode))
    };
    for phone in &mut script.phones {
        let rsa = needs(phone, &[ModeName::Rsa, ModeName::RsaR]);
        if rsa || needs(phone, &[ModeName::DhSign]) {
            let kind = if rsa { KeyKind::Rsa } else { KeyKind::P256 };
            let from = if dice.percent(5) { name("elsewhere") } else { Keying::house() };
            phone.keying.certificate = Some(Certificate { kind, from });
        }
    }
    let certified: Vec<_> =
        script.phones.iter().filter(|p| p.keying.certificate.is_some()).map(|p| &p.name).cloned().collect();
    for phone in &mut script.phones {
        if phone.keying.certificate.is_some() {
            phone.keying.knows = certified.iter().filter(|name| **name != phone.name).cloned().collect();
        }
    }
}

/// Two phones do not choose their SSRCs by chance: under a TEK that both share, they often have the same, and nothing
/// but their ledgers stands between them and a two-time pad.
fn few_ssrcs(script: &mut Script, dice: &mut Chance) {
    let few = 1 + dice.below(3);
    let all: Vec<_> = (0..script.phones.len()).collect();
    for phone in dice.some(&all, 2) {
        script.phones[phone].ssrc = Some(1 + dice.below(few) as u32);
    }
}
