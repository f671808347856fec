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

const KEY: [u8; 16] = [0x11; 16];
const SALT: [u8; 14] = [0x22; 14];
const SSRC: Ssrc = Ssrc(7);
const SIZES: [usize; 2] = [160, 1200];

struct Zero;

impl Rng for Zero {
    fn fill(&mut self, buf: &mut [u8]) {
        buf.fill(0);
    }
}

fn key() -> MasterKey {
    MasterKey::new(&KEY, &SALT, Suite::AesCm128HmacSha1_80).expect("the lengths are right")
}

fn sender() -> (Ledger, Sender) {
    let mut ledger = Ledger::default();
    let env = &mut Env { now: Now { mono: Instant::ZERO, ntp: NtpTime(0) }, rng: &mut Zero };
    let sender = ledger.bind(&key(), SSRC).expect("the book is empty").sender(env);
    (ledger, sender)
}

fn receiver() -> (Ledger, Receiver) {
    let mut ears = Receiver::default();
    ears.add(&key());
    (Ledger::default(), ears)
}

/// With replay protection, as ours has it.
fn theirs() -> Context {
    let (rtp, rtcp) = (srtp_replay_protection(128), srtcp_replay_protection(128));
    Context::new(&KEY, &SALT, ProtectionProfile::Aes128CmHmacSha1_80, Some(rtp), Some(rtcp)).expect("the same key")
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
fn ring(payload: &[u8], packets: u64) -> Vec<Vec<u8>> {
    let (mut ledger, mut sender) = sender();
    let mut next = || sender.seal(&mut ledger, frame(payload)).expect("the key is young").bytes().to_vec();
    (0..packets).map(|_| next()).collect()
}

fn seal_ours(payload: &[u8], packets: u64) -> Duration {
    let (mut ledger, mut sender) = sender();
    let start = std::time::Instant::now();
    for _ in 0..packets {
        black_box(sender.seal(&mut ledger, frame(black_box(payload))).expect("the key is young").bytes());
    }
    start.elapsed()
}

fn seal_theirs(payload: &[u8], packets: u64) -> Duration {
    let (mut context, mut plain) = (theirs(), Plain::new(payload));
    let start = std::time::Instant::now();
    for _ in 0..packets {
        black_box(context.encrypt_rtp(black_box(plain.next())).expect("a whole packet"));
    }
    start.elapsed()
}

fn open_ours(ring: &[Vec<u8>]) -> Duration {
    let (mut ledger, mut ears) = receiver();
    let start = std::time::Instant::now();
    for packet in ring {
        assert!(matches!(black_box(ears.open(&mut ledger, black_box(packet))), Heard::Frame { .. }));
    }
    start.elapsed()
}

fn open_theirs(ring: &[Vec<u8>]) -> Duration {
    let mut context = theirs();
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

fn table(c: &mut Criterion) {
    for size in SIZES {
        let payload = vec![0x5a; size];
        let ring = ring(&payload, 4096);
        let mut group = c.benchmark_group(format!("{size} octets"));
        group.throughput(Throughput::Elements(1));
        group.bench_function("seal, keyphone", |b| b.iter_custom(|n| seal_ours(&payload, n)));
        group.bench_function("seal, webrtc-srtp", |b| b.iter_custom(|n| seal_theirs(&payload, n)));
        group.bench_function("open, keyphone", |b| b.iter_custom(|n| in_rings(&ring, n, open_ours)));
        group.bench_function("open, webrtc-srtp", |b| b.iter_custom(|n| in_rings(&ring, n, open_theirs)));
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
    for size in SIZES {
        let payload = vec![0x5a; size];
        let ring = ring(&payload, 2000);
        let seal = ratio(|| seal_ours(&payload, 2000), || seal_theirs(&payload, 2000));
        let open = ratio(|| open_ours(&ring), || open_theirs(&ring));
        println!("{size} octets: sealing {seal:.2}, opening {open:.2} times as fast as webrtc-srtp");
    }
}
