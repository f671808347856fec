//! Both ways against another implementation, webrtc-srtp: 70,000 packets, of which one in a hundred is lost, over at
//! least one wrap of the sequence number.

use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_media::rtp::{Frame, Ssrc};
use keyphone_media::srtp::{Heard, HeardRtcp, Ledger, MasterKey, Receiver, Suite};
use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

const PACKETS: u32 = 70_000;
const SSRC: Ssrc = Ssrc(0xcafe_babe);
/// Where the peer's stream begins, short of a wrap by this many packets.
const BEFORE_THE_WRAP: u16 = 100;

struct Dice(u64);

impl Rng for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        for b in buf {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *b = (self.0 >> 56) as u8;
        }
    }
}

fn env(rng: &mut Dice) -> Env<'_> {
    Env { now: Now { mono: Instant::ZERO, ntp: NtpTime(0) }, rng }
}

fn lost(rng: &mut Dice) -> bool {
    env(rng).random().is_multiple_of(100)
}

/// No two octets are the same, so that none can stand in another's place.
fn bytes(suite: Suite) -> (Vec<u8>, Vec<u8>) {
    ((0x11..).take(suite.key_len()).collect(), (0x81..).take(suite.salt_len()).collect())
}

fn key(suite: Suite) -> MasterKey {
    let (key, salt) = bytes(suite);
    MasterKey::new(&key, &salt, suite).unwrap()
}

/// The suites that the peer knows.
fn profile(suite: Suite) -> Option<ProtectionProfile> {
    match suite {
        Suite::AesCm128HmacSha1_80 => Some(ProtectionProfile::Aes128CmHmacSha1_80),
        Suite::AesCm128HmacSha1_32 => Some(ProtectionProfile::Aes128CmHmacSha1_32),
        Suite::AeadAes128Gcm => Some(ProtectionProfile::AeadAes128Gcm),
        Suite::AeadAes256Gcm => Some(ProtectionProfile::AeadAes256Gcm),
        Suite::Aes256CmHmacSha1_80 => Some(ProtectionProfile::Aes256CmHmacSha1_80),
        Suite::Aes256CmHmacSha1_32 => Some(ProtectionProfile::Aes256CmHmacSha1_32),
        _ => None,
    }
}

fn peers() -> impl Iterator<Item = (Suite, Context)> {
    Suite::ALL.into_iter().filter_map(|suite| Some((suite, peer(suite, profile(suite)?))))
}

fn peer(suite: Suite, profile: ProtectionProfile) -> Context {
    let (key, salt) = bytes(suite);
    Context::new(&key, &salt, profile, None, None).unwrap()
}

/// From 0 to 170 octets: short of, on, and past the blocks of AES and SHA-1.
fn payload(n: u32) -> Vec<u8> {
    (0..n % 171).map(|i| (i ^ n) as u8).collect()
}

#[test]
fn our_packets_are_opened_by_the_peer() {
    for (suite, mut peer) in peers() {
        let (mut rng, mut ledger) = (Dice(1), Ledger::default());
        let mut sender = ledger.bind(&key(suite), SSRC).unwrap().sender(&mut env(&mut rng));
        let mut arrived = 0;
        for n in 0..PACKETS {
            let payload = payload(n);
            let frame = Frame { payload_type: 8, marker: n % 50 == 0, timestamp: n * 160, payload: &payload };
            let sealed = sender.seal(&mut ledger, frame).unwrap();
            if lost(&mut rng) {
                continue;
            }
            let packet = peer.decrypt_rtp(sealed.bytes()).unwrap_or_else(|e| panic!("{suite}, packet {n}: {e}"));
            let marker = if n % 50 == 0 { 0x88 } else { 0x08 };
            assert_eq!(packet[..2], [0x80, marker]);
            assert_eq!(packet[4..12], [(n * 160).to_be_bytes(), SSRC.0.to_be_bytes()].concat());
            assert_eq!(packet[12..], payload);
            arrived += 1;
        }
        assert_eq!(sender.roc(), 1, "it has wrapped");
        assert!((68_800..69_800).contains(&arrived), "{arrived}");
    }
}

#[test]
fn the_peers_packets_are_opened_by_us() {
    for (suite, mut peer) in peers() {
        let (mut rng, mut ledger, mut ears) = (Dice(2), Ledger::default(), Receiver::default());
        ears.add(&key(suite));
        ears.expect(&mut ledger, key(suite).id(), SSRC, 0).unwrap();
        let first = u64::from(u16::MAX - BEFORE_THE_WRAP);
        for n in 0..PACKETS {
            let (index, payload) = (first + u64::from(n), payload(n));
            let [seq0, seq1] = (index as u16).to_be_bytes();
            let header = [&[0x80, 0x08, seq0, seq1][..], &(n * 160).to_be_bytes(), &SSRC.0.to_be_bytes()].concat();
            let sealed = peer.encrypt_rtp(&[&header[..], &payload].concat()).unwrap();
            if lost(&mut rng) {
                continue;
            }
            let frame = Frame { payload_type: 8, marker: false, timestamp: n * 160, payload: &payload };
            let heard = Heard::Frame { ssrc: SSRC, key: key(suite).id(), index, frame };
            assert_eq!(ears.open(&mut ledger, &sealed), heard, "{suite}, packet {n}");
        }
        assert_eq!(ears.roc(SSRC), Some(2), "it has wrapped twice");
    }
}

#[test]
fn the_peers_header_extension_csrcs_and_padding_are_understood() {
    for (suite, mut peer) in peers() {
        let (mut ledger, mut ears) = (Ledger::default(), Receiver::default());
        ears.add(&key(suite));
        let plain = hex::decode("b2080007000000a0cafebabe1111111122222222bede000110aa0000646174610003").unwrap();
        let heard = ears.open(&mut ledger, &peer.encrypt_rtp(&plain).unwrap()).clone();
        let frame = Frame { payload_type: 8, marker: false, timestamp: 160, payload: &[] };
        let Heard::Frame { frame: read, index: 7, .. } = heard else { panic!("{heard:?}") };
        assert_eq!(Frame { payload: &[], ..read }, frame);
        assert_eq!(read.payload, b"dat");
    }
}

#[test]
fn reports_cross_both_ways() {
    let mut report = [&[0x80, 201, 0, 1], &SSRC.0.to_be_bytes()[..]].concat();
    report.extend(hex::decode("81ca0003cafebabe0105616c69636500").unwrap());
    for ((suite, mut to), (_, mut from)) in peers().zip(peers()) {
        let (mut rng, mut ledger) = (Dice(3), Ledger::default());
        let mut sender = ledger.bind(&key(suite), SSRC).unwrap().sender(&mut env(&mut rng));
        let (mut theirs, mut ears) = (Ledger::default(), Receiver::default());
        ears.add(&key(suite));
        for n in 0..PACKETS / 10 {
            let sealed = sender.seal_rtcp(&mut ledger, &report).unwrap();
            if !lost(&mut rng) {
                assert_eq!(to.decrypt_rtcp(sealed.bytes()).unwrap(), report, "{suite}, packet {n}");
            }
            let sealed = from.encrypt_rtcp(&report).unwrap();
            if !lost(&mut rng) {
                let heard = HeardRtcp::Compound { ssrc: SSRC, key: key(suite).id(), bytes: &report };
                assert_eq!(ears.open_rtcp(&mut theirs, &sealed), heard, "{suite}, packet {n}");
            }
        }
    }
}
