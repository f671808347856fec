//! What is known of a call before it is offered.

use super::properties::Side;
use crate::crypto::KeyType;
use crate::identity::Use;
use crate::mikey::wire::registry::DhGroup;
use crate::{Credentials, Error, Hop, Identity};
use keyphone_media::env::NtpTime;

/// What is known of a call before it is offered. What we have is `Ok`; what we lack says what would help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// A key that we share with the callee.
    pub shared_key: Result<(), Lack>,
    /// The envelope key of an earlier call is kept: MIKEY-PSK goes by it as by a shared one (RFC 3830 section 3.2), and
    /// MIKEY-DHHMAC does not.
    pub cached_envelope: bool,
    /// The callee's certificate, with a key that can be encrypted to.
    pub their_certificate: Result<(), Lack>,
    /// A certificate of our own with its private key, to sign with.
    pub our_certificate: Result<(), Lack>,
    /// One with an RSA key, which a peer can encrypt to.
    pub our_rsa_certificate: Result<(), Lack>,
    /// Somebody whose certificates we believe.
    pub trust: Result<(), Lack>,
    /// How the next SIP entity is reached.
    pub hop: Hop,
    /// Our Diffie-Hellman group.
    pub group: DhGroup,
    /// The call is to a conference that has one key for all, or from it; this is our side.
    pub conference: Option<Side>,
}

/// Something that we do not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// A key or a certificate.
    #[error("{0}")]
    Credential(#[from] Error),
    /// A certificate for whom we say that we are.
    #[error("our certificate is for {names}, and we are {me}: no peer would believe it (RFC 3830 section 4.3.1)")]
    Name {
        /// Whom the certificate names.
        names: String,
        /// Who we are.
        me: Identity,
    },
    /// A certificate with an RSA key: only such a one can be encrypted to.
    #[error("{0} has no RSA key, to which alone a key can be encrypted")]
    Rsa(Holder),
    /// Somebody to trust.
    #[error("we trust nobody's certificates: give --ca FILE or --peer-cert FILE")]
    Trust,
}

/// Whose certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Ours.
    We,
    /// The callee's.
    Callee,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::We => "our certificate",
            Self::Callee => "the callee's certificate",
        })
    }
}

impl Facts {
    /// Of a call from `me` to `callee` that is no conference, as far as our credentials tell.
    pub fn of(
        credentials: &Credentials,
        (me, callee): (&Identity, &Identity),
        (hop, group): (Hop, DhGroup),
        now: NtpTime,
    ) -> Self {
        let Credentials { psks, certs } = credentials;
        let shared_key = psks.with(callee).map(drop).ok_or(Error::NoKey(callee.clone()).into());
        let their_certificate = match certs.of_peer(callee, Use::Enciphering, now) {
            Ok(trusted) if matches!(trusted.key().key_type(), KeyType::Rsa(_)) => Ok(()),
            Ok(_) => Err(Lack::Rsa(Holder::Callee)),
            Err(error) => Err(error.into()),
        };
        let our_certificate = certs.signer().map_err(Lack::from).and_then(|own| {
            let certificate = own.certificate();
            match certificate.names().contains(me) {
                true => Ok(()),
                false => Err(Lack::Name { names: certificate.shown(), me: me.clone() }),
            }
        });
        let our_rsa_certificate = match certs.openers().next() {
            Some(_) => our_certificate.clone(),
            None => our_certificate.clone().and(Err(Lack::Rsa(Holder::We))),
        };
        let trust = if certs.trusts_somebody() { Ok(()) } else { Err(Lack::Trust) };
        Self {
            shared_key,
            cached_envelope: false,
            their_certificate,
            our_certificate,
            our_rsa_certificate,
            trust,
            hop,
            group,
            conference: None,
        }
    }
}
