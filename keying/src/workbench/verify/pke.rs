//! The checks of the public-key mode.

use super::psk::{crypto_sessions, header, key_data, nobody, policy, read, transport};
use super::{Done, Stop, Vector};
use crate::crypto::{Envelope, PrivateKey};
use crate::identity::{CertStore, Certificate, Trusted, Use};
use crate::mikey::derive::{CsbLabel, TransportKeys};
use crate::mikey::envelope::{self, Opened};
use crate::mikey::mode::Initiated;
use crate::mikey::modes::rsa::{Init, Pending};
use crate::mikey::protection::decrypt;
use crate::mikey::signing;
use crate::mikey::wire::{Id, KeyData, Message, T};
use crate::mikey::{MikeyPolicy, Tolerances};
use crate::{Error, Identity};
use keyphone_media::env::NtpTime;
use sha1::{Digest, Sha1};
use std::sync::Arc;
use zeroize::Zeroizing;

/// I_MESSAGE, keys, R_MESSAGE.
pub(super) fn exchange(vector: &Vector, tolerances: Tolerances, done: &mut Done) -> Result<(), Stop> {
    let policy = with_padding(vector, tolerances);
    let message = read(&vector.i_message_b64, tolerances)?;
    let init = Init::read(&message)?;
    header(vector, &init.csb, init.t, done)?;
    done.note("i_parse");

    let (sender, recipient) = (named(vector, "id_i"), named(vector, "id_r"));
    let now = time(init.t);
    let store = store(vector, "r", &sender, &recipient)?;
    let claimed = init.claimed()?;
    let peer = signing::signer(&message, claimed.as_ref(), &sender, &store, now)?;
    signing::verify(&message, &peer, &[])?;
    done.octets("i_signed_sha1", vector.expected.i_signed_sha1.as_ref(), &Sha1::digest(message.before_signature()?))?;
    done.note("i_sign");
    let (transport, keys) = envelope(vector, &message, &store, (&init.csb, init.t), &peer, &policy, done)?;
    crypto_sessions(vector, &keys[0], &init.csb, &message.hdr().map, done)?;

    if let Some(answer) = &vector.r_message_b64 {
        let answer = read(answer, tolerances)?;
        done.note("r_parse");
        let responder = store.of_peer(&recipient, Use::Enciphering, now)?;
        Pending::first(&init, (&transport, &keys), &responder, Arc::default(), &policy).complete(&answer, now)?;
        if let Some(expected) = vector.expected.r_ts_equal {
            done.equal("r_ts_equal", &expected.to_string(), &(*answer.one::<T>()? == init.t).to_string())?;
        }
        done.note("v_mac");
    }
    Ok(())
}

/// Opens the envelope, and compares all that is in it.
pub(super) fn envelope(
    vector: &Vector,
    message: &Message,
    store: &CertStore,
    (csb, t): (&CsbLabel, T),
    peer: &Trusted,
    policy: &MikeyPolicy,
    done: &mut Done,
) -> Result<(TransportKeys, Vec<KeyData>), Stop> {
    let expected = &vector.expected;
    let own = envelope::opener(message, store)?;
    // Nobody learns anything here from whether it opens: the keys are in the file.
    let instead = Zeroizing::new(b"no envelope key".to_vec());
    let Opened { keys, secret, id, key_data: found } =
        envelope::open(message, own, (csb, t), peer.who(), policy, instead)?;
    done.octets("envelope_key", expected.envelope_key.as_ref(), &secret)?;
    done.note("pke_decrypt");
    transport(vector, &keys, done)?;
    done.note("kemac_mac");
    let plain = decrypt(message.one()?, Some(&keys), csb, t)?;
    done.octets("kemac_plaintext", expected.kemac_plaintext.as_ref(), &plain)?;
    if let Some(expected) = &expected.kemac_id {
        done.equal("kemac_id", expected, id.as_ref().and_then(Id::text).unwrap_or_default())?;
    }
    key_data(vector, &found, done)?;
    done.note("kemac_decrypt");
    Ok((keys, found))
}

/// What one side holds, `i` or `r`: its own certificate, and both as pinned, or as the file's authority issued them.
pub(super) fn store(vector: &Vector, side: &str, i: &Identity, r: &Identity) -> Result<CertStore, Stop> {
    let pem = |name: &str| vector.inputs.get(name).and_then(|value| value.as_str()).unwrap_or_default().as_bytes();
    let certificates = |name: &str| Certificate::read(pem(name)).map_err(Error::from);
    let mut store = CertStore::default();
    let key = PrivateKey::read(pem(&format!("key_{side}_pem")))?;
    store.add_own(certificates(&format!("cert_{side}_pem"))?, key)?;
    if vector.inputs.contains_key("ca_pem") {
        certificates("ca_pem")?.into_iter().for_each(|ca| store.trust(ca));
    } else {
        certificates("cert_i_pem")?.into_iter().for_each(|certificate| store.pin(i.clone(), certificate));
    }
    // The Initiator of the public-key mode must have it before.
    certificates("cert_r_pem")?.into_iter().for_each(|certificate| store.pin(r.clone(), certificate));
    Ok(store)
}

/// Who the file says that a side is, where its messages do not.
pub(super) fn named(vector: &Vector, id: &str) -> Identity {
    let text = |name: &str| vector.inputs.get(name).and_then(|value| value.as_str()).map(Identity::new);
    let inside = || if id == "id_i" { text("id_in_kemac") } else { None };
    text(id).or_else(inside).unwrap_or_else(nobody)
}

/// The file knows how its envelopes are padded; the wire does not say it.
pub(super) fn with_padding(vector: &Vector, tolerances: Tolerances) -> MikeyPolicy {
    let oaep = vector.inputs.get("pke_padding").and_then(|value| value.as_str()) == Some("oaep");
    let envelope = if oaep { Envelope::Oaep } else { Envelope::Pkcs1 };
    MikeyPolicy { envelope, ..policy(tolerances) }
}

/// The time of the exchange is that of its message.
pub(super) fn time(t: T) -> NtpTime {
    NtpTime(u64::from_be_bytes(t.octets()))
}
