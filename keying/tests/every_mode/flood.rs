//! What a responder remembers of those who call, and call, and call.
//!
//! `KEYPHONE_MESSAGES=10000000 cargo test --workspace --test every_mode flood -- --nocapture` is the long run.
//! Ten million distinct I_MESSAGEs, half of them accepted and half under another key: not one octet of resident memory
//! more than after the first twenty thousand.

use crate::modes::{self, ALICE, BOB, Case, shared};
use crate::side::*;
use keyphone_keying::mikey::ModeName;
use keyphone_keying::{Credentials, Identity, Lines};
use keyphone_media::env::NtpTime;

/// How many messages: enough to fill every memory several times, unless somebody wants more.
fn messages() -> u64 {
    std::env::var("KEYPHONE_MESSAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(40_000)
}

/// Octets of our memory that are in use, as Linux counts them.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().split(' ').next()?.parse::<u64>().ok()? * 1024)
}

fn psk() -> Case {
    modes::all().into_iter().find(|case| case.mode == ModeName::Psk).unwrap()
}

/// The nth of them, a millisecond after the one before.
fn time(n: u64) -> NtpTime {
    NtpTime(at(1).ntp.0 + (n << 22))
}

#[test]
fn no_number_of_messages_makes_a_responder_grow() {
    let (mut alice, mut bob) = pair(&psk());
    let other = Credentials { psks: shared(BOB, b"not sixteen octs"), ..Credentials::default() };
    let mut mallory = side(&psk(), (ALICE, BOB), other, 3);
    let total = messages();
    let (mut warm, mut accepted) = (None, 0);
    for n in 0..total {
        (alice.now.ntp, mallory.now.ntp, bob.now.ntp) = (time(n), time(n), time(n));
        // Alice sends half of them; the other half is by somebody who has not her key. All are distinct.
        let caller = if n % 2 == 0 { &mut alice } else { &mut mallory };
        let offer: Lines = caller.offer().0;
        let (answered, out) = bob.answer(&offer);
        assert_eq!(answered.is_ok(), n % 2 == 0);
        assert_eq!(keys(&out).is_empty(), n % 2 == 1);
        accepted += u64::from(answered.is_ok());
        if n == 20_000 {
            warm = resident(); // every memory is full
        }
    }
    assert_eq!(accepted, total.div_ceil(2));
    let (Some(before), Some(after)) = (warm, resident()) else { return };
    let grown = after.saturating_sub(before);
    println!("{total} messages, {accepted} of them accepted: {grown} octets more than after 20000");
    assert!(grown < 2_000_000, "{grown} octets in {} messages", total - 20_000);
}

/// Where nothing is proven everybody can say any name.
#[test]
fn no_number_of_names_makes_a_responder_grow() {
    let case = modes::all().into_iter().find(Case::is_null).unwrap();
    let (mut alice, mut bob) = pair(&case);
    let mut warm = None;
    for n in 0..messages() / 2 {
        (alice.now.ntp, bob.now.ntp) = (time(n), time(n));
        alice.me = Identity::new(&format!("sip:{}{n}@example.org", "alice".repeat(40)));
        bob.peer = alice.me.clone();
        bob.accept(&alice.offer().0);
        if n == 12_000 {
            warm = resident();
        }
    }
    let (Some(before), Some(after)) = (warm, resident()) else { return };
    assert!(after.saturating_sub(before) < 2_000_000, "{} octets", after - before);
}
