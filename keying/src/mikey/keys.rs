//! From what was agreed on to master keys and the streams they are for.

use super::bundle::{Agreed, Material, SessionKeys};
use super::mode::Refused;
use super::streams::Layout;
use super::suite::{self, Protection};
use super::tolerance::Tolerance;
use super::wire::{CsMap, ErrorNo, KeyData, Kv, Message, Sp, SrtpId};
use crate::{Dir, Error, Policy, Stream};
use keyphone_media::srtp::{MasterKey, Mki, Receiver, Suite};
use std::borrow::Cow;

/// The crypto sessions of a message. Those of an empty map are what SDP says: two for each m-line (RFC 4567 section 7.1),
/// under SRTP's default policy, and no SSRC is named.
///
/// # Errors
/// There are none, or the map is of a type that we do not know.
pub(super) fn crypto_sessions(map: &CsMap) -> Result<Cow<'_, [SrtpId]>, Refused> {
    match map {
        CsMap::Srtp(_) | CsMap::Empty { .. } if map.count() == 0 => {
            Err(Error::incompatible("it has no crypto session, so there is nothing to key (RFC 3830 section 6.1)")
                .into())
        }
        CsMap::Srtp(ids) => Ok(Cow::Borrowed(ids)),
        CsMap::Empty { count } => Ok(Cow::Owned(vec![SrtpId::default(); usize::from(*count)])),
        CsMap::Unknown { .. } => {
            let what = format!(
                "its CS ID map is of type {}, and we know SRTP-ID and the empty map (RFC 3830 section 6.1, RFC 4563 section 5)",
                map.map_type()
            );
            Err(Error::incompatible(what).into())
        }
    }
}

/// A message with an empty map has no policies: they are conveyed outside of MIKEY too.
///
/// # Errors
/// It has.
pub(super) fn check_empty_map(message: &Message) -> Result<(), Refused> {
    match message.hdr().map {
        CsMap::Empty { .. } if message.many::<Sp>().next().is_some() => {
            let what = "its CS ID map is empty, and it has a security policy all the same";
            Err(Refused::new(ErrorNo::InvalidSp, Error::misbehaved(what, "RFC 4563 section 5")))
        }
        _ => Ok(()),
    }
}

/// The suite of the first crypto session; SRTP's default if its policy is one that will be refused.
pub(super) fn suite(policies: &[Sp], sessions: &[SrtpId], policy: &Policy) -> Suite {
    let policy_no = sessions.first().map_or(0, |id| id.policy_no);
    let found = suite::of_policy(policies, policy_no, policy);
    found.map_or(Suite::AesCm128HmacSha1_80, |(protection, _)| protection.suite)
}

/// An update without new keys cannot change how those that there are protect packets.
///
/// # Errors
/// It does.
pub(super) fn check_same_suites(before: &Material, now: &Agreed, policy: &Policy) -> Result<(), Refused> {
    let Some(map) = &before.map else { return Ok(()) };
    let protection =
        |policies: &[Sp], id: &SrtpId| suite::of_policy(policies, id.policy_no, policy).map(|(found, _)| found);
    for (was, is) in crypto_sessions(map)?.iter().zip(&*crypto_sessions(&now.map)?) {
        if protection(&before.policies, was)? != protection(&now.policies, is)? {
            let what = "its update changes a security policy and brings no new key";
            return Err(Refused::new(ErrorNo::InvalidSp, Error::misbehaved(what, "RFC 3830 section 4.5")));
        }
    }
    Ok(())
}

/// Keys, each with what it is for.
pub(super) type Keys = Vec<(MasterKey, Vec<Stream>)>;

/// Every key with its streams. Each crypto session has its own TEK and salt; a TEK that was sent as such, or a single
/// crypto session for both ways, is one key with several streams.
///
/// # Errors
/// A policy that we cannot follow, or a key that does not fit its suite.
pub(super) fn master_keys(
    agreed: &Agreed,
    layout: Layout,
    streams: &[Stream],
    policy: &Policy,
) -> Result<(Keys, Option<Tolerance>), Refused> {
    let map = crypto_sessions(&agreed.map)?;
    check_several(&agreed.keys)?;
    let mut keys = Keys::new();
    let mut tolerated = None;
    for stream in streams {
        let place = layout.place(stream);
        let missing = || Error::incompatible(format!("it has no crypto session {}", place + 1));
        let id = map.get(place).ok_or_else(missing)?;
        let (protection, why) = suite::of_policy(&agreed.policies, id.policy_no, policy)?;
        tolerated = tolerated.or(why);
        // Of several keys the first is sent with, and all are heard with.
        let usable = if stream.dir == Dir::Send { 1 } else { agreed.keys.len() };
        for data in &agreed.keys[..usable.min(agreed.keys.len())] {
            let cs_id = u8::try_from(place + 1).map_err(|_| missing())?;
            let key = master_key(data, cs_id, agreed, protection)?;
            match keys.iter_mut().find(|(known, _)| known.id() == key.id()) {
                Some((_, streams)) => streams.push(*stream),
                None => keys.push((key, vec![*stream])),
            }
        }
    }
    Ok((keys, tolerated))
}

/// So many keys a message may bring: half of what a receiver can hold ([`Receiver::MAX_KEYS`]), so that a rekeying may
/// bring as many while the old ones are still heard.
const MAX_KEYS: usize = Receiver::MAX_KEYS / 2;

/// May so many keys come together, each with its own MKI?
///
/// # Errors
/// They are too many, or cannot be told apart.
fn check_several(keys: &[KeyData]) -> Result<(), Error> {
    if keys.len() > MAX_KEYS {
        return Err(Error::incompatible(format!("it brings {} keys at once, and we take {MAX_KEYS}", keys.len())));
    }
    for (at, key) in keys.iter().enumerate().filter(|_| keys.len() > 1) {
        if !matches!(key.kv, Kv::Spi(_)) {
            let what = "it brings several keys and no MKI that tells them apart (RFC 3830 section 6.13)";
            return Err(Error::incompatible(what));
        }
        if keys[..at].iter().any(|before| before.kv == key.kv) {
            return Err(Error::misbehaved("it brings two keys with the same MKI", "RFC 3711 section 3.2.1"));
        }
    }
    Ok(())
}

fn master_key(data: &KeyData, cs_id: u8, agreed: &Agreed, protection: Protection) -> Result<MasterKey, Refused> {
    let suite = protection.suite;
    let lengths @ (key_len, salt_len) = (suite.key_len(), suite.salt_len());
    let keys = SessionKeys::new(data, cs_id, &agreed.csb, lengths);
    // Cameras, GStreamer and live555 send key || salt as a TEK; the RFC's own form is TEK+SALT.
    let (tek, salt) = match &keys.salt {
        Some(salt) => (&keys.tek[..], &salt[..]),
        None if keys.tek.len() == key_len + salt_len => keys.tek.split_at(key_len),
        None => {
            let what = "its TEK comes without a salt, which SRTP needs (RFC 3830 section 6.13)";
            return Err(Refused::new(ErrorNo::InvalidSpPar, Error::incompatible(what)));
        }
    };
    let key = MasterKey::new(tek, salt, suite).map_err(|bad| Error::incompatible(bad.to_string()))?;
    let key = protection.apply(key);
    match &data.kv {
        Kv::Null => Ok(key),
        Kv::Spi(spi) => Mki::new(spi).map(|mki| key.with_mki(mki)).ok_or_else(|| {
            let what = format!("its MKI has {} octets, not 1 to {}", spi.len(), Mki::MAX_LEN);
            Error::misbehaved(what, "RFC 3830 section 6.14").into()
        }),
        Kv::Interval { from, to } => Ok(key.with_lifetime(lifetime(from, to)?)),
    }
}

/// An interval of SRTP indexes from zero is a lifetime. One that begins later belongs to a stream that runs already,
/// which we do not join.
fn lifetime(from: &[u8], to: &[u8]) -> Result<u64, Error> {
    let index = |octets: &[u8]| {
        let fits = octets.len() <= 8;
        fits.then(|| octets.iter().fold(0, |n: u64, &octet| n << 8 | u64::from(octet)))
    };
    match (index(from), index(to)) {
        (Some(0), Some(to)) => Ok(to.saturating_add(1)),
        (Some(_), Some(_)) => {
            Err(Error::incompatible("its key is valid from a later packet on than the first (RFC 3830 section 6.14)"))
        }
        _ => Err(Error::misbehaved("its key validity interval is no SRTP index", "RFC 3830 section 6.14")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_from_zero_is_a_lifetime() {
        assert_eq!(lifetime(&[0; 6], &[0, 0, 0xff, 0xff, 0xff, 0xff]), Ok(1 << 32));
        assert_eq!(lifetime(&[], &[0xff; 8]), Ok(u64::MAX));
        assert!(lifetime(&[1], &[2]).is_err());
        assert!(lifetime(&[0], &[0; 9]).is_err());
    }
}
