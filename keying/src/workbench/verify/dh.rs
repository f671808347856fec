//! The checks of the Diffie-Hellman modes, signed and under a pre-shared key.

use super::psk::{crypto_sessions, header, nobody, policy, read, transport_keys};
use super::{Done, Stop, Vector};
use crate::identity::Certificate;
use crate::mikey::Tolerances;
use crate::mikey::dh::Half;
use crate::mikey::ids::identity;
use crate::mikey::mode::Initiated;
use crate::mikey::modes::dh::{Init, Method, Pending};
use crate::mikey::modes::dhhmac::Hmac;
use crate::mikey::modes::dhsign::Signed;
use crate::mikey::wire::{Dh, Message, T};
use crate::{CertStore, Credentials, Error, Identity};
use keyphone_media::env::NtpTime;
use sha1::{Digest, Sha1};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Diffie-Hellman under a pre-shared key.
pub(super) fn hmac(vector: &Vector, tolerances: Tolerances, done: &mut Done) -> Result<(), Stop> {
    let init = read(&vector.i_message_b64, tolerances)?;
    let csb = Init::read::<Hmac>(&init, None, &weak(tolerances))?.csb;
    let keys = transport_keys(vector, &csb, done)?.ok_or(Error::Misuse("inputs.psk is missing"))?;
    exchange(vector, tolerances, done, &init, "mac", |who| Hmac::new(keys.auth.clone(), who.clone(), false))
}

/// Signed Diffie-Hellman. The certificates are taken as what they are: the file vouches for them.
pub(super) fn signed(vector: &Vector, tolerances: Tolerances, done: &mut Done) -> Result<(), Stop> {
    let init = read(&vector.i_message_b64, tolerances)?;
    let mut certs = CertStore::default();
    for name in ["cert_i_pem", "cert_r_pem"] {
        let pem = vector.inputs.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        for certificate in Certificate::read(pem.as_bytes()).map_err(Error::from)? {
            certs.pin(certificate.names().first().cloned().unwrap_or_else(nobody), certificate);
        }
    }
    let credentials = Arc::new(Credentials { certs, ..Credentials::default() });
    let policy = weak(tolerances);
    let method = |who: &Identity| Signed::new(who, &credentials, &policy);
    exchange(vector, tolerances, done, &init, "sign", method)?;
    let (expected, hash) =
        (&vector.expected, |message: &Message| Ok::<_, Stop>(Sha1::digest(message.before_signature()?)));
    done.octets("i_signed_sha1", expected.i_signed_sha1.as_ref(), &hash(&init)?)?;
    if let Some(answer) = &vector.r_message_b64 {
        done.octets("r_signed_sha1", expected.r_signed_sha1.as_ref(), &hash(&read(answer, tolerances)?)?)?;
    }
    Ok(())
}

/// Every group is allowed, for this is about being right, not about being careful.
fn weak(tolerances: Tolerances) -> crate::mikey::MikeyPolicy {
    crate::mikey::MikeyPolicy { group: crate::mikey::wire::DhGroup::Oakley1, ..policy(tolerances) }
}

/// I_MESSAGE, R_MESSAGE, keys. `with` gives what is shared with somebody.
fn exchange<M: Method>(
    vector: &Vector,
    tolerances: Tolerances,
    done: &mut Done,
    message: &Message,
    seal: &str,
    with: impl Fn(&Identity) -> M,
) -> Result<(), Stop> {
    let (policy, expected) = (weak(tolerances), &vector.expected);
    let init = Init::read::<M>(message, None, &policy)?;
    header(vector, &init.csb, init.t, done)?;
    done.note("i_parse");
    let sender = init.ids.i.as_ref().map(identity).transpose()?;
    let recipient = init.ids.r.as_ref().map(identity).transpose()?;
    let named = |who: &Option<Identity>| who.clone().unwrap_or_else(nobody);
    let now = NtpTime(u64::from_be_bytes(init.t.octets()));
    with(&named(&sender)).verify(message, sender.as_ref(), now)?;
    done.note(&format!("i_{seal}"));

    let half = |name: &str, dh: &Dh, done: &mut Done| -> Result<Half, Stop> {
        let secret = vector.input(name)?.ok_or(Error::Misuse("an exponent is missing among the inputs"))?;
        let half = Half::of(dh.group, Zeroizing::new(secret))?;
        done.equal(format!("g^{name}"), &hex::encode(&dh.value), &hex::encode(half.public()))?;
        Ok(half)
    };
    let dhi = init.dh.ok_or(Error::Misuse("it brings no half of a key"))?;
    let ours = half("dh_priv_i", dhi, done)?;
    let Some(answer) = &vector.r_message_b64 else { return Ok(()) };
    let answer = read(answer, tolerances)?;
    done.note("r_parse");
    let pending = Pending::of(with(&named(&recipient)), &init, ours, named(&sender), &policy);
    let agreed = pending.complete(&answer, now)?;
    done.note(&format!("r_{seal}"));
    if let Some(expected) = expected.r_ts_equal {
        done.equal("r_ts_equal", &expected.to_string(), &(*answer.one::<T>()? == init.t).to_string())?;
    }
    let halves: Vec<_> = answer.many::<Dh>().collect();
    let first = halves.first().is_some_and(|dh| *dh != dhi);
    if let Some(expected) = expected.dh_r_first {
        done.equal("dh_r_first", &expected.to_string(), &first.to_string())?;
    }
    if let Some(dhr) = halves.into_iter().find(|dh| *dh != dhi) {
        let theirs = half("dh_priv_r", dhr, done)?.agree(&dhi.value)?;
        done.octets("tgk of the Responder", expected.tgk.as_ref(), &theirs)?;
    }
    let [key] = &agreed.keys[..] else { return Err(Error::Misuse("there is not one key").into()) };
    done.octets("tgk", expected.tgk.as_ref(), key.key.bytes())?;
    done.note("dh");
    crypto_sessions(vector, key, &agreed.csb, &agreed.map, done)
}
