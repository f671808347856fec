//! Published packets come out of our sender, octet for octet, and go back into our receiver.
//!
//! The vectors are libsrtp's own (`srtp_validate` in its `test/srtp_driver.c`); their master key is the one of RFC 3711
//! appendix B.3.

use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_media::rtp::{Frame, Ssrc};
use keyphone_media::srtp::{Heard, HeardRtcp, Ledger, MasterKey, Mki, Receiver, SealError, Sender, Suite};

const SSRC: Ssrc = Ssrc(0xcafebabe);
const FRAME: Frame<'static> = Frame { payload_type: 0x0f, marker: false, timestamp: 0xdecafbad, payload: &[0xab; 16] };
const SRTP: &str = "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb";
const SRTCP: &str = "81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798";

/// Always throws 0x1234, so that the first sequence number is the vector's.
struct Loaded;

impl Rng for Loaded {
    fn fill(&mut self, buf: &mut [u8]) {
        buf.fill(0);
        if let [.., a, b] = buf {
            (*a, *b) = (0x12, 0x34);
        }
    }
}

fn key(suite: Suite) -> MasterKey {
    let bytes = |text| hex::decode(text).unwrap();
    let (key, salt) = (bytes("e1f97a0d3e018be0d64fa32c06de4139"), bytes("0ec675ad498afeebb6960b3aabe6"));
    MasterKey::new(&key, &salt, suite).unwrap()
}

fn sender(key: &MasterKey) -> (Ledger, Sender) {
    let mut ledger = Ledger::default();
    let env = &mut Env { now: Now { mono: Instant::ZERO, ntp: NtpTime(0) }, rng: &mut Loaded };
    let sender = ledger.bind(key, SSRC).unwrap().sender(env);
    (ledger, sender)
}

fn receiver(key: &MasterKey) -> (Ledger, Receiver) {
    let mut ears = Receiver::default();
    ears.add(key);
    (Ledger::default(), ears)
}

fn report() -> Vec<u8> {
    [&hex::decode("81c8000bcafebabe").unwrap()[..], &[0xab; 16]].concat()
}

#[test]
fn libsrtps_rtp_vector_is_sealed_and_opened() {
    let key = key(Suite::AesCm128HmacSha1_80);
    let (mut ledger, mut sender) = sender(&key);
    assert_eq!(hex::encode(sender.seal(&mut ledger, FRAME).unwrap().bytes()), SRTP);
    let (mut ledger, mut ears) = receiver(&key);
    let heard = Heard::Frame { ssrc: SSRC, key: key.id(), index: 0x1234, frame: FRAME };
    assert_eq!(ears.open(&mut ledger, &hex::decode(SRTP).unwrap()), heard);
}

#[test]
fn libsrtps_rtcp_vector_is_our_second_packet_because_the_first_has_index_zero() {
    let key = key(Suite::AesCm128HmacSha1_80);
    let (mut ledger, mut sender) = sender(&key);
    let first = sender.seal_rtcp(&mut ledger, &report()).unwrap().into_owned();
    assert_eq!(first.bytes()[24..28], [0x80, 0, 0, 0], "RFC 3711 section 3.4");
    assert_eq!(hex::encode(sender.seal_rtcp(&mut ledger, &report()).unwrap().bytes()), SRTCP);
    let (mut ledger, mut ears) = receiver(&key);
    let heard = HeardRtcp::Compound { ssrc: SSRC, key: key.id(), bytes: &report() };
    assert_eq!(ears.open_rtcp(&mut ledger, &hex::decode(SRTCP).unwrap()), heard);
    assert_eq!(ears.open_rtcp(&mut ledger, first.bytes()), heard, "out of order is no replay");
}

#[test]
fn the_short_tag_is_the_beginning_of_the_long_one_and_rtcp_keeps_the_long_one() {
    let (mut ledger, mut sender) = sender(&key(Suite::AesCm128HmacSha1_32));
    assert_eq!(hex::encode(sender.seal(&mut ledger, FRAME).unwrap().bytes()), SRTP[..SRTP.len() - 12]);
    sender.seal_rtcp(&mut ledger, &report()).unwrap();
    assert_eq!(hex::encode(sender.seal_rtcp(&mut ledger, &report()).unwrap().bytes()), SRTCP);
}

#[test]
fn an_mki_stands_before_the_tag_and_is_not_authenticated() {
    let key = key(Suite::AesCm128HmacSha1_80).with_mki(Mki::new(&[0xc0, 0x01]).unwrap());
    let (mut ledger, mut sender) = sender(&key);
    let at = |text: &str, tag: usize| {
        let (body, tag) = text.split_at(text.len() - tag);
        format!("{body}c001{tag}")
    };
    assert_eq!(hex::encode(sender.seal(&mut ledger, FRAME).unwrap().bytes()), at(SRTP, 20));
    sender.seal_rtcp(&mut ledger, &report()).unwrap();
    assert_eq!(hex::encode(sender.seal_rtcp(&mut ledger, &report()).unwrap().bytes()), at(SRTCP, 20));
    let (mut ledger, mut ears) = receiver(&key);
    assert_eq!(ears.open(&mut ledger, &hex::decode(SRTP).unwrap()), Heard::Refused, "no MKI");
    let other = at(SRTP, 20).replace("c001", "c002");
    assert_eq!(ears.open(&mut ledger, &hex::decode(other).unwrap()), Heard::Refused, "another MKI");
    assert!(matches!(ears.open(&mut ledger, &hex::decode(at(SRTP, 20)).unwrap()), Heard::Frame { .. }));
    assert!(matches!(ears.open_rtcp(&mut ledger, &hex::decode(at(SRTCP, 20)).unwrap()), HeardRtcp::Compound { .. }));
}

#[test]
fn what_cannot_be_sealed_is_an_error_and_costs_no_index() {
    let (mut ledger, mut sender) = sender(&key(Suite::AesCm128HmacSha1_80));
    let long = Frame { payload: &[0; 2048 - 12 - 10 + 1], ..FRAME };
    assert_eq!(sender.seal(&mut ledger, long).unwrap_err(), SealError::TooLong { octets: 2049 });
    let error = sender.seal(&mut ledger, Frame { payload_type: 128, ..FRAME }).unwrap_err();
    assert_eq!(error.to_string(), "128 is no RTP payload type: they end at 127");
    let error = sender.seal_rtcp(&mut ledger, &[0; 2048]).unwrap_err();
    assert_eq!(error, SealError::NotOurReport { ours: SSRC });
    let foreign = hex::decode("80c90001cafebabf").unwrap();
    assert_eq!(sender.seal_rtcp(&mut ledger, &foreign).unwrap_err(), SealError::NotOurReport { ours: SSRC });
    let long = [&report()[..], &[0; 2048]].concat();
    assert_eq!(sender.seal_rtcp(&mut ledger, &long).unwrap_err(), SealError::TooLong { octets: 24 + 2048 + 14 });
    let full = Frame { payload: &[0; 2048 - 12 - 10], ..FRAME };
    assert_eq!(sender.seal(&mut ledger, full).unwrap().bytes()[2..4], [0x12, 0x34]);
    assert_eq!(sender.left(&ledger), MasterKey::MAX_LIFETIME - 1);
}

#[test]
fn a_sender_seals_in_one_buffer() {
    let (mut ledger, mut sender) = sender(&key(Suite::AesCm128HmacSha1_80));
    let at = sender.seal(&mut ledger, FRAME).unwrap().bytes().as_ptr();
    let full = Frame { payload: &[0; 2000], ..FRAME };
    assert_eq!(sender.seal(&mut ledger, full).unwrap().bytes().as_ptr(), at);
    assert_eq!(sender.seal_rtcp(&mut ledger, &report()).unwrap().bytes().as_ptr(), at);
}
