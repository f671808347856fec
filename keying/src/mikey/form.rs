//! What a message must be like before anything in it is verified, the same for all modes: comparisons, the cheapest
//! checks that there are, and so the first (RFC 3830 section 5.3).

use super::derive::CsbLabel;
use super::ids::{Ids, identity};
use super::mode::{Refused, hint};
use super::tolerance::{Tolerance, Tolerances};
use super::wire::{DataType, ErrorNo, Message, Payload, Prf, Rand, T};
use crate::{Error, Identity};

/// An I_MESSAGE of this type, with these payloads and no others; `section` says where that stands.
///
/// # Errors
/// An octet that cannot be read, another data type or PRF, a payload that does not belong.
pub(crate) fn check_init(
    message: &Message,
    data_type: DataType,
    fits: impl Fn(&Payload) -> bool,
    section: &'static str,
) -> Result<(), Refused> {
    message.complete()?;
    let hdr = message.hdr();
    if hdr.data_type != data_type {
        let error = Error::incompatible(format!("its message is {}, not {data_type}", hdr.data_type));
        return Err(Refused::new(ErrorNo::InvalidDt, error));
    }
    if hdr.prf != Prf::Mikey1 {
        let what = format!("its PRF is {}, and we know MIKEY-1 (RFC 3830 table 6.1.c)", hdr.prf);
        return Err(Refused::new(ErrorNo::InvalidPrf, Error::incompatible(what)));
    }
    Ok(check_payloads(message, "an I_MESSAGE", fits, section)?)
}

/// An R_MESSAGE of the second type to an I_MESSAGE of the first, about this bundle, with these payloads and no others.
///
/// # Errors
/// What differs; what an error message says.
pub(crate) fn check_resp(
    message: &Message,
    (asked, data_type): (DataType, DataType),
    csb_id: u32,
    fits: impl Fn(&Payload) -> bool,
    section: &'static str,
) -> Result<(), Error> {
    message.complete()?;
    let hdr = message.hdr();
    if hdr.data_type == DataType::Error {
        return Err(hint(message));
    }
    let wrong = |what| Err(Error::misbehaved(what, "RFC 3830 section 6.1"));
    if hdr.data_type != data_type {
        return wrong(format!("it answers a message of type {asked} with {}", hdr.data_type));
    }
    if hdr.prf != Prf::Mikey1 {
        return wrong(format!("it answers with another PRF, {} instead of MIKEY-1", hdr.prf));
    }
    if hdr.csb_id != csb_id {
        return wrong(format!("it answers CSB {csb_id:08x} with CSB {:08x}", hdr.csb_id));
    }
    check_payloads(message, "an R_MESSAGE", fits, section)
}

fn check_payloads(
    message: &Message,
    what: &str,
    fits: impl Fn(&Payload) -> bool,
    section: &'static str,
) -> Result<(), Error> {
    let stray = message.parts().iter().map(|part| &part.payload).find(|payload| !fits(payload));
    stray.map_or(Ok(()), |stray| {
        let what = format!("{} has no place in {what} of type {}", stray.name(), message.hdr().data_type);
        Err(Error::misbehaved(what, section))
    })
}

/// An R_MESSAGE repeats the Initiator's timestamp `t`; `section` says where that stands. What was let pass in it comes out,
/// of its timestamp and of its form.
///
/// # Errors
/// It has another timestamp, and that is not let pass.
pub(crate) fn check_t(
    resp: &Message,
    t: T,
    tolerances: Tolerances,
    section: &'static str,
) -> Result<Vec<Tolerance>, Error> {
    let mut tolerated: Vec<_> = resp.tolerated().into_iter().collect();
    if *resp.one::<T>()? != t {
        if !tolerances.allows(Tolerance::FreshTimestamp) {
            return Err(Error::misbehaved("its R_MESSAGE has a timestamp of its own instead of ours", section));
        }
        tolerated.push(Tolerance::FreshTimestamp);
    }
    Ok(tolerated)
}

/// An update is about the bundle that runs, `ours`, and between the same two, as far as it says; `section` says where that
/// stands.
///
/// # Errors
/// It is about another, or names somebody else.
pub(crate) fn check_update(
    (theirs, ours): (&CsbLabel, &CsbLabel),
    ids: &Ids,
    (peer, me): (&Identity, &Identity),
    section: &'static str,
) -> Result<(), Refused> {
    if theirs.csb_id != ours.csb_id {
        let what = format!("its update is for CSB {:08x}, and this is CSB {:08x}", theirs.csb_id, ours.csb_id);
        return Err(Error::misbehaved(what, section).into());
    }
    for (id, who) in [(&ids.i, peer), (&ids.r, me)] {
        let named = id.as_ref().map(identity).transpose()?;
        if let Some(named) = named.filter(|named| named != who) {
            let what = format!("its update names {named} where the bundle has {who}");
            return Err(Refused::new(ErrorNo::InvalidId, Error::misbehaved(what, section)));
        }
    }
    Ok(())
}

/// The RAND that the keys of an I_MESSAGE are derived with: its own, or the one of the bundle that it updates.
///
/// # Errors
/// It lacks one; an update has one (RFC 3830 section 4.5).
pub(crate) fn rand(message: &Message, updated: Option<&[u8]>) -> Result<Vec<u8>, Refused> {
    match (updated, message.maybe::<Rand>()?) {
        (None, _) => Ok(message.one::<Rand>()?.0.clone()),
        (Some(rand), None) => Ok(rand.to_vec()),
        (Some(_), Some(_)) => {
            let what = "its message has a RAND, which an update must not have: it is old, or begins another bundle";
            Err(Error::misbehaved(what, "RFC 3830 section 4.5").into())
        }
    }
}
