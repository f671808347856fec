//! SRTP as the RFCs write it, for the observer alone: nothing of it is shared with what the phones send and hear with,
//! so that a mistake of theirs is not made here again.
//!
//! ```text
//! SRTP   AES-CM:  header | payload (encrypted)     | MKI | tag over all before the MKI, and the ROC  RFC 3711 3.1
//!        GCM:     header | payload (encrypted) | tag | MKI     the header is associated data         RFC 7714 8
//! SRTCP  AES-CM:  8 octets | rest (encrypted)  | E, index | MKI | tag over all before the MKI        RFC 3711 3.4
//!        GCM:     8 octets | rest (encrypted)  | tag | E, index | MKI                                RFC 7714 9
//! ```

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;
use aes_gcm::{AesGcm, KeyInit as _};
use cipher::{KeyIvInit, StreamCipher};
use ctr::Ctr128BE;
use hmac::{Hmac, Mac};
use keyphone_media::srtp::{Cipher, Suite};
use sha1::Sha1;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// SRTP's packets and SRTCP's have session keys, and so key streams, of their own (RFC 3711 section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// SRTP.
    Rtp,
    /// SRTCP.
    Rtcp,
}

/// What an RTP header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rtp {
    pub(super) payload_type: u8,
    pub(super) sequence: u16,
    pub(super) ssrc: u32,
    /// Octets before the payload.
    pub(super) header: usize,
}

impl Rtp {
    /// RFC 3550 sections 5.1 and 5.3.1.
    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_be_bytes(packet.get(at..at + 4)?.try_into().ok()?));
        let (first, ssrc) = (word(0)?, word(8)?);
        if first >> 30 != 2 {
            return None;
        }
        let mut header = 12 + 4 * (first >> 24 & 0x0f) as usize;
        if first >> 28 & 1 == 1 {
            header += 4 + 4 * (word(header)? & 0xffff) as usize;
        }
        let payload_type = (first >> 16 & 0x7f) as u8;
        (header <= packet.len()).then_some(Self { payload_type, sequence: first as u16, ssrc, header })
    }
}

/// RFC 5761 section 4: packet types of RTCP are 192 to 223.
pub(super) fn is_rtcp(packet: &[u8]) -> bool {
    packet.get(1).is_some_and(|octet| (192..=223).contains(octet))
}

/// The SSRC of the sender of an RTCP compound.
pub(super) fn rtcp_ssrc(packet: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(packet.get(4..8)?.try_into().ok()?))
}

/// A master key, and the session keys that came out of it so far.
pub(super) struct Master {
    suite: Suite,
    key: Zeroizing<Vec<u8>>,
    /// As a number of 112 bits.
    salt: Zeroizing<u128>,
    mki: Vec<u8>,
    /// The key derivation rate.
    rate: u64,
    sessions: BTreeMap<(Kind, u64), Session>,
}

struct Session {
    key: Zeroizing<Vec<u8>>,
    auth: Hmac<Sha1>,
    salt: Zeroizing<u128>,
}

impl Master {
    /// `None` if the octets are not key and salt of such a suite.
    pub(super) fn new(suite: Suite, octets: &[u8], mki: &[u8], rate: u64) -> Option<Self> {
        if octets.len() != suite.key_len() + suite.salt_len() {
            return None;
        }
        let (key, salt) = octets.split_at(suite.key_len());
        let salt = Zeroizing::new(number(&pad(salt)));
        Some(Self { suite, key: Zeroizing::new(key.into()), salt, mki: mki.into(), rate, sessions: BTreeMap::new() })
    }

    pub(super) fn suite(&self) -> Suite {
        self.suite
    }

    /// The payload of an SRTP packet, if under this index it is authentic.
    pub(super) fn open_rtp(&mut self, packet: &[u8], rtp: &Rtp, index: u64) -> Option<Vec<u8>> {
        let (suite, ssrc) = (self.suite, rtp.ssrc);
        match suite.cipher() {
            Cipher::AesGcm => {
                let rest = packet.strip_suffix(&self.mki[..])?;
                let (rest, tag) = rest.split_at_checked(rest.len().checked_sub(16)?)?;
                let (header, payload) = rest.split_at_checked(rtp.header)?;
                self.session(Kind::Rtp, index).gcm(nonce(ssrc, index), header, payload, tag)
            }
            Cipher::AesCm | Cipher::Null => {
                let (rest, tag) = packet.split_at_checked(packet.len().checked_sub(suite.rtp_tag_len())?)?;
                let authenticated = rest.strip_suffix(&self.mki[..])?;
                let mut plain = authenticated.get(rtp.header..)?.to_vec();
                let session = self.session(Kind::Rtp, index);
                // RFC 3711 section 4.2: M = Authenticated Portion || ROC.
                let roc = (index >> 16) as u32;
                session.verifies(&[authenticated, &roc.to_be_bytes()], tag).then_some(())?;
                session.decrypt(suite, ssrc, index, &mut plain);
                Some(plain)
            }
        }
    }

    /// The index of an SRTCP packet, if it is authentic; and whether it is encrypted, which the packet says.
    pub(super) fn open_rtcp(&mut self, packet: &[u8]) -> Option<(u64, bool)> {
        let (suite, ssrc) = (self.suite, rtcp_ssrc(packet)?);
        match suite.cipher() {
            Cipher::AesGcm => {
                let (rest, word) = packet.strip_suffix(&self.mki[..])?.split_last_chunk::<4>()?;
                let (compound, tag) = rest.split_at_checked(rest.len().checked_sub(16)?)?;
                let (index, encrypted) = srtcp_word(*word);
                let session = self.session(Kind::Rtcp, index);
                let (clear, secret) = match encrypted {
                    true => compound.split_at_checked(8)?,
                    false => (compound, &[][..]),
                };
                session.gcm(nonce(ssrc, index), &[clear, word].concat(), secret, tag).map(|_| (index, encrypted))
            }
            Cipher::AesCm | Cipher::Null => {
                let (rest, tag) = packet.split_at_checked(packet.len().checked_sub(suite.rtcp_tag_len())?)?;
                let authenticated = rest.strip_suffix(&self.mki[..])?;
                let (_, word) = authenticated.split_last_chunk::<4>()?;
                let (index, encrypted) = srtcp_word(*word);
                let authentic = self.session(Kind::Rtcp, index).verifies(&[authenticated], tag);
                authentic.then_some((index, encrypted && suite.encrypts()))
            }
        }
    }

    /// RFC 3711 section 4.3.1: `r = index DIV key_derivation_rate`, where `a DIV 0 = 0`.
    fn session(&mut self, kind: Kind, index: u64) -> &Session {
        let r = index.checked_div(self.rate).unwrap_or(0);
        let Self { suite, key, salt, sessions, .. } = self;
        sessions.entry((kind, r)).or_insert_with(|| {
            let first_label = if kind == Kind::Rtp { 0 } else { 3 };
            let derive = |label: u128, len: usize| {
                let x = ((first_label + label) << 48 | u128::from(r)) ^ **salt;
                let mut octets = Zeroizing::new(vec![0; len]);
                counter_mode(key, x << 16, &mut octets);
                octets
            };
            let salt_len = suite.salt_len();
            Session {
                key: derive(0, suite.key_len()),
                auth: Hmac::new_from_slice(&derive(1, 20)).expect("HMAC takes a key of any length"),
                salt: Zeroizing::new(number(&derive(2, salt_len))),
            }
        })
    }
}

impl Session {
    fn verifies(&self, pieces: &[&[u8]], tag: &[u8]) -> bool {
        let mac = pieces.iter().fold(self.auth.clone(), |mac, piece| mac.chain_update(piece));
        mac.verify_truncated_left(tag).is_ok()
    }

    /// RFC 3711 section 4.1.1: `IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16)`.
    fn decrypt(&self, suite: Suite, ssrc: u32, index: u64, data: &mut [u8]) {
        if suite.encrypts() {
            counter_mode(&self.key, *self.salt << 16 ^ u128::from(ssrc) << 64 ^ u128::from(index) << 16, data);
        }
    }

    fn gcm(&self, nonce: u128, associated: &[u8], encrypted: &[u8], tag: &[u8]) -> Option<Vec<u8>> {
        let iv: [u8; 12] = (nonce ^ *self.salt).to_be_bytes()[4..].try_into().ok()?;
        let (iv, tag, mut plain) = (iv.into(), <[u8; 16]>::try_from(tag).ok()?.into(), encrypted.to_vec());
        let opened = match self.key.len() {
            16 => AesGcm::<Aes128, U12>::new_from_slice(&self.key).ok()?.decrypt_inout_detached(
                &iv,
                associated,
                plain.as_mut_slice().into(),
                &tag,
            ),
            _ => AesGcm::<Aes256, U12>::new_from_slice(&self.key).ok()?.decrypt_inout_detached(
                &iv,
                associated,
                plain.as_mut_slice().into(),
                &tag,
            ),
        };
        opened.ok().map(|()| plain)
    }
}

/// A salt of 96 bits stands left in 112: so libsrtp and others derive from it.
pub(super) fn pad(salt: &[u8]) -> [u8; 14] {
    std::array::from_fn(|at| salt.get(at).copied().unwrap_or_default())
}

/// RFC 7714 sections 8.1 and 9.1: `00 00 || SSRC || ROC || SEQ`, or `00 00 || SSRC || 00 00 || SRTCP index`.
fn nonce(ssrc: u32, index: u64) -> u128 {
    u128::from(ssrc) << 48 | u128::from(index)
}

/// The index, and is the packet encrypted?
fn srtcp_word(word: [u8; 4]) -> (u64, bool) {
    let word = u32::from_be_bytes(word);
    (u64::from(word & 0x7fff_ffff), word >> 31 == 1)
}

fn number(octets: &[u8]) -> u128 {
    octets.iter().fold(0, |n, octet| n << 8 | u128::from(*octet))
}

/// RFC 3711 section 4.1.1, with keys of RFC 6188, too.
fn counter_mode(key: &[u8], iv: u128, data: &mut [u8]) {
    let iv = iv.to_be_bytes();
    match key.len() {
        16 => Ctr128BE::<Aes128>::new_from_slices(key, &iv).expect("its length").apply_keystream(data),
        24 => Ctr128BE::<Aes192>::new_from_slices(key, &iv).expect("its length").apply_keystream(data),
        _ => Ctr128BE::<Aes256>::new_from_slices(key, &iv).expect("its length").apply_keystream(data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
    use keyphone_media::rtp::{Frame, Ssrc};
    use keyphone_media::srtp::{DerivationRate, Ledger, MasterKey, Mki};

    struct Dice;
    impl Rng for Dice {
        fn fill(&mut self, buf: &mut [u8]) {
            buf.fill(0x77);
        }
    }

    /// What the phones' own SRTP seals is what the observer reads, and only under the right key and index.
    #[test]
    fn what_a_phone_seals_in_any_suite_is_read_here() {
        let env = &mut Env { now: Now { mono: Instant::ZERO, ntp: NtpTime(0) }, rng: &mut Dice };
        for suite in Suite::ALL {
            for (mki, rate) in [(&[][..], 0), (&[1, 2], 0), (&[], 16)] {
                let octets: Vec<u8> = (7..).take(suite.key_len() + suite.salt_len()).collect();
                let (key, salt) = octets.split_at(suite.key_len());
                let mut ours = MasterKey::new(key, salt, suite).unwrap();
                ours = ours.with_derivation_rate(DerivationRate::new(rate).unwrap());
                if let Some(mki) = Mki::new(mki) {
                    ours = ours.with_mki(mki);
                }
                let mut ledger = Ledger::default();
                let mut sender = ledger.bind(&ours, Ssrc(9)).unwrap().sender(env);
                let mut master = Master::new(suite, &octets, mki, rate).unwrap();
                let mut other = Master::new(suite, &[&[1], &octets[1..]].concat(), mki, rate).unwrap();
                for _ in 0..40 {
                    let frame = Frame { payload_type: 0, marker: false, timestamp: 5, payload: b"what alice says" };
                    let sealed = sender.seal(&mut ledger, frame).unwrap().bytes().to_vec();
                    let rtp = Rtp::read(&sealed).unwrap();
                    assert_eq!((rtp.ssrc, rtp.payload_type, rtp.header), (9, 0, 12));
                    let index = u64::from(rtp.sequence);
                    assert_eq!(master.open_rtp(&sealed, &rtp, index).as_deref(), Some(&b"what alice says"[..]));
                    assert_eq!(other.open_rtp(&sealed, &rtp, index), None);
                    assert_eq!(master.open_rtp(&sealed, &rtp, index + 0x1_0000), None, "{suite}");
                }
                let compound =
                    [&[0x80, 201, 0, 1, 0, 0, 0, 9][..], &[0x81, 202, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0]].concat();
                for index in 0..3 {
                    let sealed = sender.seal_rtcp(&mut ledger, &compound).unwrap().bytes().to_vec();
                    assert!(is_rtcp(&sealed) && rtcp_ssrc(&sealed) == Some(9));
                    assert_eq!(master.open_rtcp(&sealed), Some((index, suite.encrypts())), "{suite}");
                    assert_eq!(other.open_rtcp(&sealed), None);
                }
            }
        }
    }

    #[test]
    fn no_packet_is_too_short_to_be_read() {
        for suite in Suite::ALL {
            let mut master = Master::new(suite, &vec![3; suite.key_len() + suite.salt_len()], &[1], 0).unwrap();
            let packet: Vec<u8> = [0x90, 200].into_iter().chain(std::iter::repeat_n(1, 60)).collect();
            for end in 0..packet.len() {
                assert_eq!(master.open_rtcp(&packet[..end]), None);
                if let Some(rtp) = Rtp::read(&packet[..end]) {
                    assert_eq!(master.open_rtp(&packet[..end], &rtp, 0), None);
                }
            }
        }
    }
}
