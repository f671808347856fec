//! What holds of every suite, what is special in some, and what a key derivation rate does.

use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_media::rtp::{Frame, Ssrc};
use keyphone_media::srtp::{
    Cipher, DerivationRate, Heard, HeardRtcp, Ledger, MasterKey, Mki, Receiver, SealError, Sealed, Sender, Suite,
};

const SSRC: Ssrc = Ssrc(0xcafe_babe);
const FRAME: Frame<'static> = Frame { payload_type: 8, marker: false, timestamp: 160, payload: b"nobody reads this" };

/// Always throws the same octet.
struct Loaded(u8);

impl Rng for Loaded {
    fn fill(&mut self, buf: &mut [u8]) {
        buf.fill(self.0);
    }
}

fn key(suite: Suite) -> MasterKey {
    let (key, salt): (Vec<_>, Vec<_>) =
        ((1..).take(suite.key_len()).collect(), (101..).take(suite.salt_len()).collect());
    MasterKey::new(&key, &salt, suite).unwrap()
}

fn sender(key: &MasterKey) -> (Ledger, Sender) {
    let mut ledger = Ledger::default();
    let env = &mut Env { now: Now { mono: Instant::ZERO, ntp: NtpTime(0) }, rng: &mut Loaded(0) };
    let sender = ledger.bind(key, SSRC).unwrap().sender(env);
    (ledger, sender)
}

fn receiver(key: &MasterKey) -> (Ledger, Receiver) {
    let mut ears = Receiver::default();
    ears.add(key);
    (Ledger::default(), ears)
}

fn report() -> Vec<u8> {
    [&[0x81, 201, 0, 7], &SSRC.0.to_be_bytes()[..], &[0x5a; 24]].concat()
}

fn rate(packets: u64) -> DerivationRate {
    DerivationRate::new(packets).unwrap()
}

fn has(packet: &[u8], part: &[u8]) -> bool {
    packet.windows(part.len()).any(|window| window == part)
}

#[test]
fn every_suite_carries_rtp_and_rtcp_and_hides_them_unless_it_has_no_cipher() {
    for suite in Suite::ALL {
        for key in [key(suite), key(suite).with_mki(Mki::new(&[9, 9]).unwrap())] {
            let mki = key.mki().map_or(0, |mki| mki.bytes().len());
            let ((mut ledger, mut mouth), (mut theirs, mut ears)) = (sender(&key), receiver(&key));
            let rtp = mouth.seal(&mut ledger, FRAME).unwrap().into_owned();
            assert_eq!(rtp.bytes().len(), 12 + FRAME.payload.len() + mki + suite.rtp_tag_len(), "{suite}");
            assert_eq!(has(rtp.bytes(), FRAME.payload), !suite.encrypts(), "{suite}");
            let heard = Heard::Frame { ssrc: SSRC, key: key.id(), index: 0, frame: FRAME };
            assert_eq!(ears.open(&mut theirs, rtp.bytes()), heard, "{suite}");
            assert_eq!(ears.open(&mut theirs, rtp.bytes()), Heard::Replayed, "{suite}");

            let rtcp = mouth.seal_rtcp(&mut ledger, &report()).unwrap().into_owned();
            assert_eq!(rtcp.bytes().len(), report().len() + 4 + mki + suite.rtcp_tag_len(), "{suite}");
            assert_eq!(has(rtcp.bytes(), &[0x5a; 24]), !suite.encrypts(), "{suite}");
            let heard = HeardRtcp::Compound { ssrc: SSRC, key: key.id(), bytes: &report() };
            assert_eq!(ears.open_rtcp(&mut theirs, rtcp.bytes()), heard, "{suite}");
            assert_eq!(ears.open_rtcp(&mut theirs, rtcp.bytes()), HeardRtcp::Replayed, "{suite}");
        }
    }
}

#[test]
fn a_packet_under_one_suite_is_nothing_under_another() {
    for (sent, heard) in Suite::ALL.iter().flat_map(|a| Suite::ALL.map(|b| (*a, b))) {
        let same_keys = sent.key_len() == heard.key_len() && sent.cipher() == heard.cipher();
        if same_keys && sent.rtp_tag_len() == heard.rtp_tag_len() {
            continue;
        }
        let ((mut ledger, mut mouth), (mut theirs, mut ears)) = (sender(&key(sent)), receiver(&key(heard)));
        let rtp = mouth.seal(&mut ledger, FRAME).unwrap();
        assert!(!matches!(ears.open(&mut theirs, rtp.bytes()), Heard::Frame { frame, .. } if frame == FRAME));
    }
}

#[test]
fn the_longest_packet_counts_the_tag_of_its_suite() {
    for suite in Suite::ALL {
        let (mut ledger, mut mouth) = sender(&key(suite));
        let full = Sealed::MAX_LEN - 12 - suite.rtp_tag_len();
        let zeros = vec![0; full + 1];
        assert!(mouth.seal(&mut ledger, Frame { payload: &zeros[..full], ..FRAME }).is_ok(), "{suite}");
        let error = mouth.seal(&mut ledger, Frame { payload: &zeros, ..FRAME }).unwrap_err();
        assert_eq!(error, SealError::TooLong { octets: Sealed::MAX_LEN + 1 }, "{suite}");
    }
}

#[test]
fn rtcp_in_clear_is_readable_on_the_way_and_authentic_all_the_same() {
    for suite in Suite::ALL {
        let ((mut ledger, mut mouth), (mut theirs, mut ears)) =
            (sender(&key(suite).with_rtcp_in_clear()), receiver(&key(suite)));
        let packet = mouth.seal_rtcp(&mut ledger, &report()).unwrap().into_owned();
        assert!(has(packet.bytes(), &report()), "{suite}");
        for octet in 0..packet.bytes().len() {
            let mut changed = packet.bytes().to_vec();
            changed[octet] ^= 1;
            assert_eq!(ears.open_rtcp(&mut theirs, &changed), HeardRtcp::Refused, "{suite}, octet {octet}");
        }
        let heard = HeardRtcp::Compound { ssrc: SSRC, key: key(suite).id(), bytes: &report() };
        assert_eq!(ears.open_rtcp(&mut theirs, packet.bytes()), heard, "{suite}");
        let voice = mouth.seal(&mut ledger, FRAME).unwrap();
        assert_eq!(has(voice.bytes(), FRAME.payload), !suite.encrypts(), "{suite}: SRTP is what it was");
    }
}

/// The first epoch is that of a rate of zero (RFC 3711 section 4.3.1: `0 DIV r = 0`); from the next on all is another.
#[test]
fn session_keys_change_where_index_div_rate_does() {
    for suite in Suite::ALL {
        let (mut plain, mut fast) = (sender(&key(suite)), sender(&key(suite).with_derivation_rate(rate(4))));
        for n in 0..10 {
            let [a, b] = [&mut plain, &mut fast].map(|(ledger, mouth)| mouth.seal(ledger, FRAME).unwrap().into_owned());
            assert_eq!(a.bytes() == b.bytes(), n < 4, "{suite}, packet {n}");
            let [a, b] =
                [&mut plain, &mut fast].map(|(ledger, mouth)| mouth.seal_rtcp(ledger, &report()).unwrap().into_owned());
            assert_eq!(a.bytes() == b.bytes(), n < 4, "{suite}, report {n}");
        }
    }
}

#[test]
fn a_derivation_rate_is_followed_over_losses_stragglers_and_a_wrap() {
    for (suite, packets) in Suite::ALL.into_iter().flat_map(|suite| [1, 16].map(|n| (suite, n))) {
        let key = key(suite).with_derivation_rate(rate(packets));
        let ((mut ledger, mut mouth), (mut theirs, mut ears)) = (sender(&key), receiver(&key));
        let mut late: Option<(u64, Sealed<'static>)> = None;
        for n in 0..66_000 {
            let packet = mouth.seal(&mut ledger, FRAME).unwrap();
            if !(n % 500 < 40 || (65_500..65_600).contains(&n)) {
                continue; // nobody hears it: whole epochs are lost
            }
            if n % 500 == 3 || n == 65_530 {
                late.get_or_insert((n, packet.into_owned()));
                continue;
            }
            let heard = Heard::Frame { ssrc: SSRC, key: key.id(), index: n, frame: FRAME };
            assert_eq!(ears.open(&mut theirs, packet.bytes()), heard, "{suite} at {packets}, packet {n}");
            if let Some((index, packet)) = late.take_if(|(index, _)| n > *index + 20) {
                let heard = Heard::Frame { ssrc: SSRC, key: key.id(), index, frame: FRAME };
                assert_eq!(ears.open(&mut theirs, packet.bytes()), heard, "{suite} at {packets}, straggler {index}");
            }
        }
        for n in 0..40 {
            let report_ = mouth.seal_rtcp(&mut ledger, &report()).unwrap();
            if n % 5 != 2 {
                let heard = HeardRtcp::Compound { ssrc: SSRC, key: key.id(), bytes: &report() };
                assert_eq!(ears.open_rtcp(&mut theirs, report_.bytes()), heard, "{suite} at {packets}, report {n}");
            }
        }
    }
}

#[test]
fn our_own_packets_come_back_as_reflections_whatever_the_suite_and_rate() {
    for suite in Suite::ALL {
        let key = key(suite).with_derivation_rate(rate(2));
        let (mut ledger, mut mouth) = sender(&key);
        let mut ears = Receiver::default();
        ears.add(&key);
        for _ in 0..9 {
            let packet = mouth.seal(&mut ledger, FRAME).unwrap().into_owned();
            assert_eq!(ears.open(&mut ledger, packet.bytes()), Heard::Reflected, "{suite}");
            let packet = mouth.seal_rtcp(&mut ledger, &report()).unwrap().into_owned();
            assert_eq!(ears.open_rtcp(&mut ledger, packet.bytes()), HeardRtcp::Reflected, "{suite}");
        }
    }
}

#[test]
fn two_who_send_on_one_ssrc_under_one_gcm_key_are_found_out() {
    for suite in [Suite::AeadAes128Gcm, Suite::AeadAes256Gcm] {
        let (mut a, mut b) = (sender(&key(suite)), sender(&key(suite)));
        let (mut theirs, mut ears) = receiver(&key(suite));
        let first = a.1.seal(&mut a.0, FRAME).unwrap();
        assert!(matches!(ears.open(&mut theirs, first.bytes()), Heard::Frame { .. }));
        let twin = b.1.seal(&mut b.0, Frame { payload: b"another", ..FRAME }).unwrap();
        let clash = Heard::Clash { key: key(suite).id(), ssrc: SSRC, index: 0, ours: false };
        assert_eq!(ears.open(&mut theirs, twin.bytes()), clash, "{suite}");
    }
}

#[test]
fn a_key_of_another_suites_length_is_refused_and_every_suite_has_a_name_of_its_own() {
    for suite in Suite::ALL {
        assert_eq!(Suite::from_name(suite.name()), Some(suite));
        let (key, salt) = (vec![0; suite.key_len()], vec![0; suite.salt_len()]);
        assert!(MasterKey::new(&key, &[&salt[..], &[0]].concat(), suite).is_err(), "{suite}");
        assert!(MasterKey::new(&key[1..], &salt, suite).is_err(), "{suite}");
        assert_eq!(suite.encrypts(), suite.cipher() != Cipher::Null);
    }
    assert_eq!(Suite::encrypting().count(), Suite::ALL.len() - 2);
    assert_eq!(Suite::from_name("AES_CM_128_NULL_AUTH"), None);
}
