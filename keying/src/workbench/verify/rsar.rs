//! The checks of the public-key mode in reverse.

use super::pke::{envelope, named, store, time, with_padding};
use super::psk::{crypto_sessions, header, read};
use super::{Done, Stop, Vector};
use crate::mikey::derive::CsbLabel;
use crate::mikey::ids::identity;
use crate::mikey::mode::Initiated;
use crate::mikey::modes::rsar::{Init, Pending, signed_behind};
use crate::mikey::wire::{Id, T};
use crate::mikey::{Tolerance, Tolerances, signing};
use crate::{Credentials, Error};
use sha1::{Digest, Sha1};
use std::sync::Arc;
use zeroize::Zeroizing;

/// I_MESSAGE, R_MESSAGE, keys.
pub(super) fn exchange(vector: &Vector, tolerances: Tolerances, done: &mut Done) -> Result<(), Stop> {
    let (policy, expected) = (with_padding(vector, tolerances), &vector.expected);
    let message = read(&vector.i_message_b64, tolerances)?;
    let init = Init::read(&message)?;
    done.note("i_parse");
    let (sender, recipient) = (named(vector, "id_i"), named(vector, "id_r"));
    let now = time(init.t);
    let theirs = store(vector, "r", &sender, &recipient)?;
    let claimed = init.claimed()?;
    let peer = signing::signer(&message, claimed.as_ref(), &sender, &theirs, now)?;
    signing::verify(&message, &peer, &[])?;
    done.octets("i_signed_sha1", expected.i_signed_sha1.as_ref(), &Sha1::digest(message.before_signature()?))?;
    done.note("i_sign");

    let answer = vector.r_message_b64.as_ref().ok_or(Error::Misuse("the R_MESSAGE is missing"))?;
    let answer = read(answer, tolerances)?;
    done.note("r_parse");
    let ours = store(vector, "i", &sender, &recipient)?;
    let credentials = Arc::new(Credentials { certs: ours, ..Credentials::default() });
    let pending = Pending::new(&init, credentials.clone(), &recipient, &policy, Zeroizing::new(b"no secret".to_vec()));
    let agreed = pending.complete(&answer, now)?;
    let csb = CsbLabel { csb_id: message.hdr().csb_id, rand: agreed.csb.rand.clone() };
    header(vector, &csb, init.t, done)?;
    done.octets("csb_id_for_keys", expected.csb_id_for_keys.as_ref(), &agreed.csb.csb_id.to_be_bytes())?;
    let (idr, t) = (answer.maybe::<Id>()?, *answer.one::<T>()?);
    let without = agreed.tolerated.contains(&Tolerance::SignedWithoutIdi.text());
    let idi = init.ids.i.as_ref().filter(|_| !without);
    let signed = [answer.before_signature()?, &signed_behind(idi, idr, t)].concat();
    done.octets("r_signed_sha1", expected.r_signed_sha1.as_ref(), &Sha1::digest(&signed))?;
    done.note("r_sign");
    if let Some(expected) = expected.r_ts_equal {
        done.equal("r_ts_equal", &expected.to_string(), &(t == init.t).to_string())?;
    }
    let claimed = idr.map(identity).transpose()?;
    let responder = signing::signer(&answer, claimed.as_ref(), &recipient, &credentials.certs, now)?;
    envelope(vector, &answer, &credentials.certs, (&csb, t), &responder, &policy, done)?;
    let [key] = &agreed.keys[..] else { return Err(Error::Misuse("there is not one key").into()) };
    crypto_sessions(vector, key, &agreed.csb, &agreed.map, done)
}
