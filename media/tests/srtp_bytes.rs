//! Whatever comes from the network: no panic, no state, and no bit may be other than it was sealed.

use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_media::policy::Policy;
use keyphone_media::rtp::{Frame, Ssrc};
use keyphone_media::srtp::{
    Cipher, ClearReceiver, ClearSender, DerivationRate, Heard, HeardRtcp, Ledger, MasterKey, Mki, Receiver, SealError,
    Suite,
};
use proptest::prelude::*;

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

fn keys() -> impl Strategy<Value = MasterKey> {
    let suites = prop::sample::select(Suite::ALL.to_vec());
    (suites, any::<bool>(), 0u32..4).prop_map(|(suite, mki, exponent)| {
        let key = key(suite).with_derivation_rate(DerivationRate::new([0, 1, 2, 1 << 20][exponent as usize]).unwrap());
        if mki { key.with_mki(Mki::new(&[7, 8, 9]).unwrap()) } else { key }
    })
}

fn key(suite: Suite) -> MasterKey {
    MasterKey::new(&vec![1; suite.key_len()], &vec![2; suite.salt_len()], suite).unwrap()
}

fn ears(key: &MasterKey) -> (Ledger, Receiver) {
    let mut ears = Receiver::default();
    ears.add(key);
    (Ledger::default(), ears)
}

fn sealed(key: &MasterKey, payload: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut ledger = Ledger::default();
    let mut sender = ledger.bind(key, Ssrc(7)).unwrap().sender(&mut env(&mut Dice(9)));
    let frame = Frame { payload_type: 96, marker: true, timestamp: 5, payload };
    let rtp = sender.seal(&mut ledger, frame).unwrap().bytes().to_vec();
    let report = hex::decode("80c90001000000078001020300000000").unwrap();
    (rtp, sender.seal_rtcp(&mut ledger, &report).unwrap().bytes().to_vec())
}

/// No SSRC was noted: the ledger and the receiver look as if nothing had come.
fn untouched(ledger: &Ledger, ears: &Receiver, key: &MasterKey) -> bool {
    let fresh = Ledger::default();
    format!("{ledger:?}") == format!("{fresh:?}") && format!("{ears:?}").contains("sources: 0") && ears.has(key.id())
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_and_leave_no_state(key in keys(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (mut ledger, mut ears) = ears(&key);
        prop_assert_eq!(ears.open(&mut ledger, &bytes), Heard::Refused);
        prop_assert_eq!(ears.open_rtcp(&mut ledger, &bytes), HeardRtcp::Refused);
        let versioned = [&[0x80 | bytes.first().copied().unwrap_or(0) & 0x3f][..], &bytes].concat();
        prop_assert_eq!(ears.open(&mut ledger, &versioned), Heard::Refused);
        prop_assert_eq!(ears.open_rtcp(&mut ledger, &versioned), HeardRtcp::Refused);
        prop_assert!(untouched(&ledger, &ears, &key), "{:?} {:?}", ledger, ears);
    }

    #[test]
    fn a_flipped_bit_is_refused_wherever_it_is(key in keys(), payload: Vec<u8>, at: prop::sample::Index, bit in 0u8..8) {
        let (mut rtp, mut rtcp) = sealed(&key, &payload);
        let (mut ledger, mut ears) = ears(&key);
        for packet in [&mut rtp, &mut rtcp] {
            let at = at.index(packet.len());
            packet[at] ^= 1 << bit;
        }
        prop_assert_eq!(ears.open(&mut ledger, &rtp), Heard::Refused);
        prop_assert_eq!(ears.open_rtcp(&mut ledger, &rtcp), HeardRtcp::Refused);
        prop_assert!(untouched(&ledger, &ears, &key), "{:?} {:?}", ledger, ears);
        for (packet, rtcp) in [(&mut rtp, false), (&mut rtcp, true)] {
            let at = at.index(packet.len());
            packet[at] ^= 1 << bit;
            let heard = if rtcp {
                matches!(ears.open_rtcp(&mut ledger, packet), HeardRtcp::Compound { .. })
            } else {
                matches!(ears.open(&mut ledger, packet), Heard::Frame { .. })
            };
            prop_assert!(heard, "and unflipped it is heard");
        }
    }

    #[test]
    fn a_cut_packet_is_refused(key in keys(), payload: Vec<u8>, keep: prop::sample::Index) {
        let (rtp, rtcp) = sealed(&key, &payload);
        let (mut ledger, mut ears) = ears(&key);
        prop_assert_eq!(ears.open(&mut ledger, &rtp[..keep.index(rtp.len())]), Heard::Refused);
        prop_assert_eq!(ears.open_rtcp(&mut ledger, &rtcp[..keep.index(rtcp.len())]), HeardRtcp::Refused);
        prop_assert!(untouched(&ledger, &ears, &key), "{:?} {:?}", ledger, ears);
    }

    #[test]
    fn what_is_sealed_is_opened(key in keys(), pt in 0u8..128, marker: bool, timestamp: u32, payload in prop::collection::vec(any::<u8>(), 0..1500)) {
        let mut ledger = Ledger::default();
        let mut sender = ledger.bind(&key, Ssrc(7)).unwrap().sender(&mut env(&mut Dice(9)));
        let (mut theirs, mut ears) = ears(&key);
        let frame = Frame { payload_type: pt, marker, timestamp, payload: &payload };
        let sealed = sender.seal(&mut ledger, frame).unwrap();
        let heard = ears.open(&mut theirs, sealed.bytes());
        let opened = matches!(heard, Heard::Frame { ssrc: Ssrc(7), frame: f, .. } if f == frame);
        prop_assert!(opened);
    }

    #[test]
    fn arbitrary_bytes_in_clear_never_panic(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..40)) {
        let mut ears = ClearReceiver::new(Policy { allow_clear: true, ..Policy::default() }.clear().unwrap());
        for bytes in packets {
            if let Some(heard) = ears.open(&bytes) {
                prop_assert!(heard.frame.payload.len() + 12 <= bytes.len());
            }
        }
    }
}

#[test]
fn clear_rtp_needs_a_permit_counts_on_past_a_wrap_and_is_no_srtp() {
    assert!(Policy::default().clear().is_none());
    let allowed = Policy { allow_clear: true, ..Policy::default() }.clear().unwrap();
    let mut mouth = ClearSender::new(allowed, Ssrc(7), &mut env(&mut Dice(1)));
    let mut clear = ClearReceiver::new(allowed);
    let (mut ledger, mut ears) = ears(&MasterKey::new(&[1; 16], &[2; 14], Suite::AesCm128HmacSha1_80).unwrap());
    let frame = Frame { payload_type: 0, marker: false, timestamp: 1, payload: b"in clear" };
    let mut first = None;
    for n in 0..70_000 {
        let packet = mouth.seal(frame).unwrap();
        let heard = clear.open(packet.bytes()).unwrap();
        assert_eq!((heard.ssrc, heard.frame), (Ssrc(7), frame));
        assert_eq!(heard.index, *first.get_or_insert(heard.index) + n);
    }
    let packet = mouth.seal(frame).unwrap().into_owned();
    assert_eq!(ears.open(&mut ledger, packet.bytes()), Heard::Refused);
    let long = Frame { payload: &[0; 2037], ..frame };
    assert_eq!(mouth.seal(long).unwrap_err(), SealError::TooLong { octets: 2049 });
    let report = hex::decode("80c9000100000007").unwrap();
    assert_eq!(mouth.seal_rtcp(&report).unwrap().bytes(), report);
    assert!(mouth.seal_rtcp(&report[..7]).is_err() && mouth.seal_rtcp(&[0x80, 202, 0, 1, 0, 0, 0, 7]).is_err());
}

#[test]
fn a_clear_receiver_follows_a_bounded_number_of_sources() {
    let mut ears = ClearReceiver::new(Policy { allow_clear: true, ..Policy::default() }.clear().unwrap());
    for ssrc in 0..100_000u32 {
        let packet = [&[0x80, 0, 0, 9, 0, 0, 0, 0][..], &ssrc.to_be_bytes()].concat();
        assert!(ears.open(&packet).is_some());
    }
    assert_eq!(format!("{ears:?}").matches("Ssrc").count(), ClearReceiver::MAX_SOURCES);
}

#[test]
fn an_authentic_packet_that_was_not_encrypted_is_still_checked() {
    for suite in Suite::encrypting() {
        let (mut ledger, mut ears) = ears(&key(suite));
        let (_, mut rtcp) = sealed(&key(suite), b"");
        let e = rtcp.len() - if suite.cipher() == Cipher::AesGcm { 4 } else { 14 };
        assert_eq!(rtcp[e] & 0x80, 0x80, "{suite}");
        rtcp[e] &= 0x7f;
        assert_eq!(ears.open_rtcp(&mut ledger, &rtcp), HeardRtcp::Refused, "the E flag is authenticated");
    }
}
