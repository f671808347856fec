//! Replay handling (RFC 3830 section 5.4): MIKEY has no challenge, so old messages are told by their timestamp and
//! recent ones by memory.
//!
//! A message is fresh if its T is within `max_skew` of our clock, not older than the memory reaches back, and not in
//! the memory. Only messages whose MAC was verified enter it, so only a peer that we share a key with can fill it
//! (section 9.5); the checks that cost nothing come first and the MAC after them (section 5.3). When it is full the
//! oldest entry goes and takes the window with it: what is older than that is refused from then on.
//! What policy lets in without a MAC has a memory of its own ([`super::station`]).
//!
//! The memory does not survive a restart, so what is dated before the start is refused: after a restart, a peer whose
//! clock is half a minute behind must wait half a minute. A peer whose clock is ahead may have sent, before the
//! restart, what is dated after it; that is the one gap, as wide as the clocks are apart.
//!
//! NTP-UTC, NTP and COUNTER are three clocks, each with its own memory: one message cannot pass for another's. A COUNTER
//! counts for somebody, so a message with one must say in itself whose it is.

use super::derive::HASH_LEN;
use super::wire::{Cert, CertType, Message, Payload, T};
use crate::{Error, Identity};
use keyphone_media::env::NtpTime;
use sha1::{Digest, Sha1};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What a message is remembered by: its MAC.
pub type Fingerprint = [u8; HASH_LEN];

const SECTION: &str = "RFC 3830 section 5.4";

/// What the replay cache knows an I_MESSAGE by: its MAC if that covers all of it; what its signature covers, hashed,
/// because a signature may have several forms; without either, all that was read of it, hashed.
pub fn fingerprint(message: &Message) -> Fingerprint {
    let hash = |octets: &[u8]| Sha1::digest(octets).into();
    let Some(last) = message.parts().last() else { return hash(message.bytes()) };
    match &last.payload {
        Payload::Kemac(kemac) => Fingerprint::try_from(&kemac.mac[..]).ok(),
        Payload::Sign(_) => message.before_signature().ok().map(hash),
        _ => None,
    }
    .unwrap_or_else(|| hash(message.bytes().get(..last.range.end).unwrap_or_default()))
}

/// The messages that were accepted lately.
#[derive(Debug)]
pub struct ReplayCache {
    capacity: usize,
    utc: Window,
    ntp: Window,
    /// The last COUNTER of each sender, who is known by a hash: see [`counts_for`].
    counters: BTreeMap<Fingerprint, u32>,
}

impl ReplayCache {
    /// Entries of each memory: some 0.7 MB in all when the two windows and the counters are full.
    pub const DEFAULT_CAPACITY: usize = 8192;

    /// `started` is now: what is dated before it is refused. `capacity` bounds each of the three memories. An entry of
    /// a window is 28 octets, 8 of T and 20 of MAC, and a full window of 8192 has no room besides, which makes 229 kB
    /// (measured: `a_full_window_takes_28_octets_an_entry`); while it grows it may have as much again to spare. A
    /// counter is 24 octets and its part of a tree, about 40.
    pub fn new(started: NtpTime, capacity: usize) -> Self {
        let window = || Window { started, floor: 0, seen: VecDeque::new() };
        Self { capacity: capacity.max(1), utc: window(), ntp: window(), counters: BTreeMap::new() }
    }

    /// Is a message with this T and MAC fresh? Nothing is remembered yet, for nothing is proven yet.
    ///
    /// # Errors
    /// Whose clock is how far off, or that it is a replay.
    pub fn check(
        &self,
        sender: Option<Fingerprint>,
        (t, fingerprint): (T, Fingerprint),
        now: NtpTime,
        max_skew: Duration,
    ) -> Result<(), Error> {
        match t {
            T::NtpUtc(t) => self.utc.check(NtpTime(t), &fingerprint, now, max_skew),
            T::Ntp(t) => self.ntp.check(NtpTime(t), &fingerprint, now, max_skew),
            T::Counter(n) => match sender.map(|sender| self.counters.get(&sender)) {
                None => Err(Error::misbehaved("it counts its messages and does not say in them who it is", SECTION)),
                Some(Some(&last)) if n <= last => Err(Error::misbehaved(
                    format!("its COUNTER is {n}, which is not above its last one, {last}: a replay"),
                    SECTION,
                )),
                Some(None) if self.counters.len() >= self.capacity => Err(Error::misbehaved(
                    "it counts its messages, and we remember as many counters as we can",
                    SECTION,
                )),
                Some(_) => Ok(()),
            },
        }
    }

    /// Remembers a message that passed [`Self::check`] and whose MAC was verified since.
    pub fn insert(
        &mut self,
        sender: Option<Fingerprint>,
        (t, fingerprint): (T, Fingerprint),
        now: NtpTime,
        max_skew: Duration,
    ) {
        match t {
            T::NtpUtc(t) => self.utc.insert(NtpTime(t), fingerprint, now, max_skew, self.capacity),
            T::Ntp(t) => self.ntp.insert(NtpTime(t), fingerprint, now, max_skew, self.capacity),
            T::Counter(n) => {
                self.counters.extend(sender.map(|sender| (sender, n)));
            }
        }
    }
}

/// Whose COUNTER a message has: that of the name in its IDi, or of the certificate that it is signed with. Both are proven
/// with the message; whom SIP names is not, so under another From the same message would be a new one; nor is a
/// certificate for encryption, of which one sender could make any number. `None` if it says neither.
pub fn counts_for(claimed: Option<&Identity>, init: &Message) -> Option<Fingerprint> {
    let name = claimed.map(|claimed| claimed.as_str().as_bytes());
    let mut certs = init.many::<Cert>().filter(|cert| cert.cert_type != CertType::X509Encr);
    let own = name.or_else(|| certs.next().map(|cert| &cert.data[..]));
    own.map(|own| Sha1::digest(own).into())
}

/// The memory of one clock. Times in it are offsets from the start, so that 2036 is a year like any other
/// (RFC 3830 section 4.2.8: the counter overflows every 136 years).
#[derive(Debug)]
struct Window {
    started: NtpTime,
    /// What is older than this may be forgotten, and is refused.
    floor: u64,
    /// Sorted. Messages come about in the order of their times, so an insertion moves few entries.
    seen: VecDeque<Entry>,
}

/// An offset, most significant octet first, and a fingerprint: 28 octets without a gap.
type Entry = [u8; 8 + HASH_LEN];

fn entry(offset: u64, fingerprint: &Fingerprint) -> Entry {
    let mut entry = [0; 8 + HASH_LEN];
    entry[..8].copy_from_slice(&offset.to_be_bytes());
    entry[8..].copy_from_slice(fingerprint);
    entry
}

fn offset_of(entry: &Entry) -> u64 {
    entry[..8].iter().fold(0, |offset, &octet| offset << 8 | u64::from(octet))
}

impl Window {
    fn offset(&self, t: NtpTime) -> Option<u64> {
        let offset = t.0.wrapping_sub(self.started.0);
        (offset <= u64::MAX / 2).then_some(offset)
    }

    fn check(&self, t: NtpTime, fingerprint: &Fingerprint, now: NtpTime, max_skew: Duration) -> Result<(), Error> {
        let skew = t.distance(now);
        if skew > max_skew {
            let side = if t.0.wrapping_sub(now.0) > u64::MAX / 2 { "behind" } else { "ahead of" };
            let (skew, limit) = (seconds(skew), max_skew.as_secs());
            let what = format!("its clock is {skew} s {side} ours, or the message is old: {limit} s are allowed");
            return Err(Error::misbehaved(what, SECTION));
        }
        let Some(offset) = self.offset(t) else {
            let early = seconds(t.distance(self.started));
            let what = format!("its message is dated {early} s before we started, and we do not know what came then");
            return Err(Error::misbehaved(what, SECTION));
        };
        if offset < self.floor {
            let what =
                format!("its message is {} s old, and our replay cache does not reach back so far", seconds(skew));
            return Err(Error::misbehaved(what, SECTION));
        }
        if self.seen.binary_search(&entry(offset, fingerprint)).is_ok() {
            return Err(Error::misbehaved("it is a replay of a message that we have accepted before", SECTION));
        }
        Ok(())
    }

    fn insert(&mut self, t: NtpTime, fingerprint: Fingerprint, now: NtpTime, max_skew: Duration, capacity: usize) {
        // What the skew alone refuses need not be remembered, unless somebody turns our clock back: hence the floor.
        let oldest = self.offset(now).unwrap_or(0).saturating_sub(ntp(max_skew));
        if oldest > self.floor {
            self.raise(oldest);
        }
        let Some(offset) = self.offset(t) else { return };
        let new = entry(offset, &fingerprint);
        let Err(mut at) = self.seen.binary_search(&new) else { return };
        if self.seen.len() >= capacity {
            // The oldest goes, which may be this one, and its twins of the same T too: a floor cannot tell them apart.
            let gone = self.seen.front().map_or(offset, offset_of).min(offset);
            let before = self.seen.len();
            self.raise(gone.saturating_add(1));
            if offset < self.floor {
                return;
            }
            at -= before - self.seen.len();
        }
        self.seen.insert(at, new);
    }

    /// Forgets what is older, and refuses it from now on.
    fn raise(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
        let old = self.seen.partition_point(|entry| offset_of(entry) < self.floor);
        self.seen.drain(..old);
    }
}

/// A duration as NTP counts: 32 bits of seconds, 32 of a fraction.
fn ntp(d: Duration) -> u64 {
    d.as_secs().saturating_mul(1 << 32).saturating_add((u64::from(d.subsec_nanos()) << 32) / 1_000_000_000)
}

/// To a tenth: `720` or `0.3`.
fn seconds(d: Duration) -> f64 {
    (d.as_secs_f64() * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const START: NtpTime = NtpTime(u64::MAX - (100 << 32)); // 100 s before the era of 2036
    const SKEW: Duration = Duration::from_secs(300);

    const BOB: Option<Fingerprint> = Some([b'b'; 20]);

    fn at(seconds: u64) -> NtpTime {
        START + Duration::from_secs(seconds)
    }

    /// Offers a message to the cache; true if it is taken.
    fn take(cache: &mut ReplayCache, t: T, mac: u8, now: NtpTime) -> Result<(), String> {
        cache.check(BOB, (t, [mac; 20]), now, SKEW).map_err(|e| e.to_string())?;
        cache.insert(BOB, (t, [mac; 20]), now, SKEW);
        Ok(())
    }

    #[test]
    fn one_sender_has_one_counter_whatever_certificates_for_encryption_it_sends() {
        use crate::mikey::wire::{CsMap, DataType, Draft, Hdr, Prf};
        let map = CsMap::Srtp(vec![]);
        let hdr = Hdr { data_type: DataType::DhInit, v: false, prf: Prf::Mikey1, csb_id: 9, map };
        let init = |certs: [(CertType, u8); 2]| {
            let certs = certs.map(|(cert_type, octet)| Cert { cert_type, data: vec![octet] });
            counts_for(None, &certs.into_iter().fold(Draft::new(&hdr), Draft::push).finish().unwrap())
        };
        let [one, same] = [1, 2].map(|n| init([(CertType::X509Encr, n), (CertType::X509, 7)]));
        assert!(one.is_some() && one == same);
        assert_ne!(one, init([(CertType::X509Encr, 1), (CertType::X509Sign, 8)]));
        assert_eq!(init([(CertType::X509Encr, 1), (CertType::X509Encr, 2)]), None);
    }

    #[test]
    fn a_replay_is_refused_across_the_era_of_2036() {
        let mut cache = ReplayCache::new(START, 10);
        for t in [50, 100, 150] {
            assert_eq!(take(&mut cache, T::NtpUtc(at(t).0), 1, at(t)), Ok(()), "{t}");
        }
        for t in [50, 100, 150] {
            assert!(take(&mut cache, T::NtpUtc(at(t).0), 1, at(160)).unwrap_err().contains("replay"), "{t}");
        }
    }

    #[test]
    fn clock_skew_is_measured_and_named_both_ways() {
        let mut cache = ReplayCache::new(START, 10);
        let behind = take(&mut cache, T::NtpUtc(at(1000).0), 1, at(1720)).unwrap_err();
        assert!(behind.starts_with("its clock is 720 s behind ours") && behind.contains("5.4"), "{behind}");
        let ahead = take(&mut cache, T::Ntp(at(1301).0), 1, at(1000)).unwrap_err();
        assert!(ahead.starts_with("its clock is 301 s ahead of ours"), "{ahead}");
        assert_eq!(take(&mut cache, T::NtpUtc(at(1300).0), 1, at(1000)), Ok(()));
        assert_eq!(take(&mut cache, T::NtpUtc(at(1000).0), 2, at(1300)), Ok(()));
    }

    #[test]
    fn what_is_older_than_the_start_is_refused() {
        let mut cache = ReplayCache::new(at(10), 10);
        let early = take(&mut cache, T::NtpUtc(at(8).0), 1, at(11)).unwrap_err();
        assert!(early.contains("2 s before we started"), "{early}");
        assert_eq!(take(&mut cache, T::NtpUtc(at(10).0), 1, at(11)), Ok(()));
    }

    #[test]
    fn a_full_cache_shrinks_the_window_and_never_forgets_silently() {
        let mut cache = ReplayCache::new(START, 3);
        for t in [1, 2, 3, 4] {
            assert_eq!(take(&mut cache, T::NtpUtc(at(t).0), 1, at(5)), Ok(()));
        }
        for t in [1, 2, 3, 4] {
            assert!(take(&mut cache, T::NtpUtc(at(t).0), 1, at(5)).is_err(), "{t} came back");
        }
        assert!(take(&mut cache, T::NtpUtc(at(1).0), 9, at(5)).unwrap_err().contains("does not reach back"));
        assert_eq!(take(&mut cache, T::NtpUtc(at(5).0), 1, at(5)), Ok(()));
    }

    #[test]
    fn a_full_window_takes_28_octets_an_entry() {
        let mut cache = ReplayCache::new(START, ReplayCache::DEFAULT_CAPACITY);
        for t in 0..30_000 {
            let t = NtpTime(at(1).0.wrapping_add(t << 20)); // 4096 a second
            assert_eq!(take(&mut cache, T::NtpUtc(t.0), 1, t), Ok(()));
        }
        let window = &cache.utc.seen;
        assert_eq!((size_of::<Entry>(), window.len(), window.capacity()), (28, 8192, 8192));
    }

    #[test]
    fn a_clock_that_is_turned_back_opens_no_door() {
        let mut cache = ReplayCache::new(START, 10);
        assert_eq!(take(&mut cache, T::NtpUtc(at(10).0), 1, at(10)), Ok(()));
        assert_eq!(take(&mut cache, T::NtpUtc(at(1000).0), 2, at(1000)), Ok(())); // forgets the first
        assert!(take(&mut cache, T::NtpUtc(at(10).0), 1, at(20)).unwrap_err().contains("does not reach back"));
    }

    #[test]
    fn each_clock_has_its_own_memory_and_a_counter_must_rise() {
        let mut cache = ReplayCache::new(START, 1);
        assert_eq!(take(&mut cache, T::NtpUtc(at(5).0), 1, at(5)), Ok(()));
        assert_eq!(take(&mut cache, T::Ntp(at(5).0), 1, at(5)), Ok(()));
        assert_eq!(take(&mut cache, T::Counter(7), 1, at(5)), Ok(()));
        assert!(take(&mut cache, T::Counter(7), 2, at(5)).unwrap_err().contains("a replay"));
        assert_eq!(take(&mut cache, T::Counter(8), 1, at(5)), Ok(()));
        let carol = Some([b'c'; 20]);
        assert!(cache.check(carol, (T::Counter(1), [0; 20]), at(5), SKEW).is_err(), "bounded");
        assert!(cache.check(None, (T::Counter(9), [0; 20]), at(5), SKEW).is_err(), "nobody's");
    }

    proptest! {
        #[test]
        fn nothing_is_ever_accepted_twice(
            capacity in 1usize..6,
            steps in proptest::collection::vec((0u64..900, 0u64..40, 0u8..3), 1..60),
        ) {
            let mut cache = ReplayCache::new(START, capacity);
            let (mut now, mut accepted) = (0, BTreeSet::new());
            for (t, wait, mac) in steps {
                now += wait;
                if take(&mut cache, T::NtpUtc(at(t).0), mac, at(now)).is_ok() {
                    prop_assert!(accepted.insert((t, mac)), "{t} {mac} twice");
                }
                prop_assert!(cache.utc.seen.len() <= capacity);
            }
        }
    }
}
