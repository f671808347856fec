//! Sealing and opening one packet, ours beside webrtc-srtp's, in one run. After criterion's table comes the ratio,
//! measured with the two taking turns, so that what else the machine does falls on both.
//!
//! Each opened packet is new: both sides seal a ring of packets first and open them one after the other.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use criterion::{Criterion, Throughput};
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_media::rtp::{Frame, Ssrc};
use keyphone_media::srtp::{Heard, Ledger, MasterKey, Receiver, Sender, Suite};
use std::hint::black_box;
use std::time::Duration;
use webrtc_srtp::context::Context;
use webrtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use webrtc_srtp::protection_profile::ProtectionProfile;

const SSRC: Ssrc = Ssrc(7);
const SIZES: [usize; 2] = [160, 1200];

/// The peer has no AES-192 and no NULL cipher; a tag of 32 bits costs what one of 80 costs.
const SUITES: [(Suite, ProtectionProfile); 4] = [
    (Suite::AesCm128HmacSha1_80, ProtectionProfile::Aes128CmHmacSha1_80),
    (Suite::Aes256CmHmacSha1_80, ProtectionProfile::Aes256CmHmacSha1_80),
    (Suite::AeadAes128Gcm, ProtectionProfile::AeadAes128Gcm),
    (Suite::AeadAes256Gcm, ProtectionProfile::AeadAes256Gcm),
];

struct Zero;

impl Rng for Zero {
    fn fill(&mut self, buf: &mut [u8]) {
        buf.fill(0);
    }
}

fn bytes(suite: Suite) -> (Vec<u8>, Vec<u8>) {
    (vec![0x11; suite.key_len()], vec![0x22; suite.salt_len()])
}

fn key(suite: Suite) -> MasterKey {
    let (key, salt) = bytes(suite);
    MasterKey::new(&key, &salt, suite).expect("the lengths are right")
}

fn sender(suite: Suite) -> (Ledger, Sender) {
    let mut ledger = Ledger::default();
    let env = &mut Env { now: Now { mono: Instant::ZERO, ntp: NtpTime(0) }, rng: &mut Zero };
    let sender = ledger.bind(&key(suite), SSRC).expect("the book is empty").sender(env);
    (ledger, sender)
}

fn receiver(suite: Suite) -> (Ledger, Receiver) {
    let mut ears = Receiver::default();
    ears.add(&key(suite));
    (Ledger::default(), ears)
}

/// With replay protection, as ours has it.
fn theirs((suite, profile): (Suite, ProtectionProfile)) -> Context {
    let (rtp, rtcp) = (srtp_replay_protection(128), srtcp_replay_protection(128));
    let (key, salt) = bytes(suite);
    Context::new(&key, &salt, profile, Some(rtp), Some(rtcp)).expect("the same key")
}

fn frame(payload: &[u8]) -> Frame<'_> {
    Frame { payload_type: 8, marker: false, timestamp: 0, payload }
}

/// Plain packets for the peer, which is handed whole packets; the sequence number goes on, as ours does.
struct Plain(Vec<u8>, u16);

impl Plain {
    fn new(payload: &[u8]) -> Self {
        Self([&[0x80, 8, 0, 0, 0, 0, 0, 0][..], &SSRC.0.to_be_bytes(), payload].concat(), 0)
    }

    fn next(&mut self) -> &[u8] {
        self.0[2..4].copy_from_slice(&self.1.to_be_bytes());
        self.1 = self.1.wrapping_add(1);
        &self.0
    }
}

/// Packets enough that opening them never comes to a second round within one measurement.
fn ring(suite: Suite, payload: &[u8], packets: u64) -> Vec<Vec<u8>> {
    let (mut ledger, mut sender) = sender(suite);
    let mut next = || sender.seal(&mut ledger, frame(payload)).expect("the key is young").bytes().to_vec();
    (0..packets).map(|_| next()).collect()
}

fn seal_ours(suite: Suite, payload: &[u8], packets: u64) -> Duration {
    let (mut ledger, mut sender) = sender(suite);
    let start = std::time::Instant::now();
    for _ in 0..packets {
        black_box(sender.seal(&mut ledger, frame(black_box(payload))).expect("the key is young").bytes());
    }
    start.elapsed()
}

fn seal_theirs(suite: (Suite, ProtectionProfile), payload: &[u8], packets: u64) -> Duration {
    let (mut context, mut plain) = (theirs(suite), Plain::new(payload));
    let start = std::time::Instant::now();
    for _ in 0..packets {
        black_box(context.encrypt_rtp(black_box(plain.next())).expect("a whole packet"));
    }
    start.elapsed()
}

fn open_ours(suite: Suite, ring: &[Vec<u8>]) -> Duration {
    let (mut ledger, mut ears) = receiver(suite);
    let start = std::time::Instant::now();
    for packet in ring {
        assert!(matches!(black_box(ears.open(&mut ledger, black_box(packet))), Heard::Frame { .. }));
    }
    start.elapsed()
}

fn open_theirs(suite: (Suite, ProtectionProfile), ring: &[Vec<u8>]) -> Duration {
    let mut context = theirs(suite);
    let start = std::time::Instant::now();
    for packet in ring {
        black_box(context.decrypt_rtp(black_box(packet)).expect("authentic and new"));
    }
    start.elapsed()
}

/// `opens` packets in rings that are opened from the beginning by a new receiver each.
fn in_rings(ring: &[Vec<u8>], opens: u64, open: impl Fn(&[Vec<u8>]) -> Duration) -> Duration {
    let (whole, rest) = (opens / ring.len() as u64, (opens % ring.len() as u64) as usize);
    (0..whole).map(|_| open(ring)).sum::<Duration>() + open(&ring[..rest])
}

fn cases() -> impl Iterator<Item = ((Suite, ProtectionProfile), usize)> {
    SUITES.into_iter().flat_map(|suite| SIZES.map(|size| (suite, size)))
}

fn table(c: &mut Criterion) {
    for (both @ (suite, _), size) in cases() {
        let payload = vec![0x5a; size];
        let ring = ring(suite, &payload, 4096);
        let mut group = c.benchmark_group(format!("{suite}, {size} octets"));
        group.throughput(Throughput::Elements(1));
        group.bench_function("seal, keyphone", |b| b.iter_custom(|n| seal_ours(suite, &payload, n)));
        group.bench_function("seal, webrtc-srtp", |b| b.iter_custom(|n| seal_theirs(both, &payload, n)));
        group
            .bench_function("open, keyphone", |b| b.iter_custom(|n| in_rings(&ring, n, |ring| open_ours(suite, ring))));
        group.bench_function("open, webrtc-srtp", |b| {
            b.iter_custom(|n| in_rings(&ring, n, |ring| open_theirs(both, ring)))
        });
        group.finish();
    }
}

/// The median of the rounds' quotients: theirs over ours, so more than one means that we are faster.
fn ratio(ours: impl Fn() -> Duration, theirs: impl Fn() -> Duration) -> f64 {
    let mut quotients: Vec<_> = (0..101).map(|_| theirs().as_secs_f64() / ours().as_secs_f64()).collect();
    quotients.sort_by(f64::total_cmp);
    quotients[quotients.len() / 2]
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    table(&mut criterion);
    criterion.final_summary();
    if !std::env::args().any(|arg| arg == "--bench") {
        return; // `cargo test --benches` only wants to see it run
    }
    for (both @ (suite, _), size) in cases() {
        let payload = vec![0x5a; size];
        let ring = ring(suite, &payload, 2000);
        let seal = ratio(|| seal_ours(suite, &payload, 2000), || seal_theirs(both, &payload, 2000));
        let open = ratio(|| open_ours(suite, &ring), || open_theirs(both, &ring));
        println!("{suite}, {size} octets: sealing {seal:.2}, opening {open:.2} times as fast as webrtc-srtp");
    }
}
