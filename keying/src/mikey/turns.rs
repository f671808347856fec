//! Whose turn it is: the timestamps and MKIs of a bundle that is updated (RFC 3830 section 4.5), whatever the mode.
//!
//! Our timestamps are even if we began the bundle and odd if the peer did, so that two updates that cross never share
//! AES-CM's keystream, whose IV is made of the CSB ID and T.

use super::mode::Refused;
use super::policy::MikeyPolicy;
use super::wire::{KeyData, Kv, T};
use crate::Error;
use keyphone_media::env::NtpTime;

const SECTION: &str = "RFC 3830 section 4.5";

/// The last timestamps of a bundle.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    /// We made the first I_MESSAGE.
    ours: bool,
    /// The last timestamp of ours, and the peer's last one.
    sent: Option<T>,
    heard: Option<T>,
}

impl Turns {
    /// Of a bundle that we began with this T.
    pub fn began(t: T) -> Self {
        Self { ours: true, sent: Some(t), heard: None }
    }

    /// Of a bundle that the peer began with this T.
    pub fn joined(t: T) -> Self {
        Self { ours: false, sent: None, heard: Some(t) }
    }

    /// The T of our next update: later than all of ours before, and of our parity.
    pub fn next(&mut self, now: NtpTime) -> T {
        let after = match self.sent {
            Some(T::NtpUtc(last)) if last.wrapping_sub(now.0) < 1 << 40 => last.wrapping_add(1),
            _ => now.0,
        };
        let odd = u64::from(!self.ours);
        let t = if after & 1 == odd { after } else { after.wrapping_add(1) };
        *self.sent.insert(T::NtpUtc(t))
    }

    /// The peer's update of this T is proven.
    pub fn hear(&mut self, t: T) {
        self.heard = Some(t);
    }

    /// Is this timestamp a new one (RFC 3830 sections 4.5 and 5.4)? It must be later than all that were heard in the
    /// bundle: so an old update, or the first message, is never taken again.
    ///
    /// # Errors
    /// It is not, or it is too far from our clock.
    pub fn check(&self, t: T, policy: &MikeyPolicy, now: NtpTime) -> Result<(), Error> {
        let bad = |what: &'static str| Err(Error::misbehaved(what, SECTION));
        if self.sent == Some(t) {
            return bad("its update has the timestamp of ours");
        }
        let later = match (self.heard, t) {
            (_, T::Counter(_)) if !policy.allow_counter => {
                let what = "its timestamp is a COUNTER, which policy does not allow (RFC 3830 section 6.6)";
                return Err(Error::incompatible(what));
            }
            (None, _) => true,
            (Some(T::Counter(last)), T::Counter(t)) => t > last,
            (Some(T::NtpUtc(last)), T::NtpUtc(t)) | (Some(T::Ntp(last)), T::Ntp(t)) => {
                (1..=u64::MAX / 2).contains(&t.wrapping_sub(last))
            }
            (Some(_), _) => return bad("its update tells the time in another way than its message before"),
        };
        if !later {
            return bad(
                "its update is not later than its message before: it is a replay, or its clock was turned back",
            );
        }
        match t {
            T::NtpUtc(t) | T::Ntp(t) if NtpTime(t).distance(now) > policy.max_skew => {
                let limit = policy.max_skew.as_secs();
                let what = format!("its update is dated more than the {limit} s that are allowed away from our clock");
                Err(Error::misbehaved(what, "RFC 3830 section 5.4"))
            }
            _ => Ok(()),
        }
    }
}

/// The MKI that is in use, if one is: it can neither appear nor go later (RFC 3711 section 3.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InUse(Option<Vec<u8>>);

impl InUse {
    /// The MKI of the first of these keys.
    pub fn of(keys: &[KeyData]) -> Self {
        Self(keys.first().and_then(|key| if let Kv::Spi(spi) = &key.kv { Some(spi.clone()) } else { None }))
    }

    /// The same after an update with these keys; one without keys changes nothing.
    #[must_use]
    pub fn then(self, keys: &[KeyData]) -> Self {
        if keys.is_empty() { self } else { Self::of(keys) }
    }

    /// The MKI of our next key.
    pub fn next(&self) -> Kv {
        let Some(mut mki) = self.0.clone() else { return Kv::Null };
        for octet in mki.iter_mut().rev() {
            *octet = octet.wrapping_add(1);
            if *octet != 0 {
                break;
            }
        }
        Kv::Spi(mki)
    }

    /// May these keys follow?
    ///
    /// # Errors
    /// They have an MKI where there was none, none where there was one, one of another length, or the same.
    pub fn check(&self, keys: &[KeyData]) -> Result<(), Refused> {
        let bad = |what: &'static str| Err(Error::misbehaved(what, "RFC 3711 section 3.2.1").into());
        for key in keys {
            match (&self.0, &key.kv) {
                (None, Kv::Spi(_)) => return bad("its update brings an MKI, and the keys before had none"),
                (Some(_), Kv::Null | Kv::Interval { .. }) => return bad("its update brings a key without MKI"),
                (Some(now), Kv::Spi(spi)) if now.len() != spi.len() => {
                    return bad("its update changes the MKI's length");
                }
                (Some(now), Kv::Spi(spi)) if now == spi => {
                    return bad("its update brings a key with the MKI of another");
                }
                _ => {}
            }
        }
        Ok(())
    }
}
