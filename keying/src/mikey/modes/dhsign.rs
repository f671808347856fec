//! MIKEY-DHSIGN, signed Diffie-Hellman (RFC 3830 section 3.3).
//!
//! ```text
//! Initiator                                   Responder
//!
//!    I_MESSAGE =
//!    HDR, T, RAND, [IDi|CERTi], [IDr],
//!         {SP}, DHi, SIGNi           --->
//!                                                R_MESSAGE =
//!                                                HDR, T, [IDr|CERTr], IDi,
//!                                   <---              DHr, DHi, SIGNr
//! ```
//! We send our ID, the peer's if nobody else is to answer, and our chain of certificates; what a peer leaves out is taken from what is pinned for whom SIP
//! names. SIGNr covers the R_MESSAGE alone, without the identities and the timestamp that V would add (section 5.2): T,
//! IDi and DHi stand in it instead, so that it answers this offer and no other.
//!
//! Who somebody is, the certificate says: an ID is a claim, and must be in it. For whom we called it is weighed when the
//! keys are released ([`crate::Expect`]).
//!
//! Certificates for ECDSA and groups on curves (RFC 5197 section 4.1) have no published code points; they work between
//! two of us, under numbers of the private range that [`SignType`](crate::mikey::wire::SignType) and
//! [`DhGroup`](crate::mikey::wire::DhGroup) name.
//!
//! The rest is in [`dh`](super::dh), the order of the checks too.

use super::dh::{DhMode, Method};
use crate::identity::{CertError, Certificate, Use};
use crate::mikey::derive::CsbLabel;
use crate::mikey::ids::Ids;
use crate::mikey::mode::{ModeName, Refused};
use crate::mikey::policy::MikeyPolicy;
use crate::mikey::signing;
use crate::mikey::wire::{Draft, ErrorNo, Message, Payload};
use crate::{Credentials, Error, Identity, Proof};
use keyphone_media::env::NtpTime;
use std::fmt;
use std::sync::Arc;

/// The mode.
pub type DhSignMode = DhMode<Signed>;

/// What we sign with, and how we know the peer.
#[derive(Clone)]
pub struct Signed {
    credentials: Arc<Credentials>,
    policy: MikeyPolicy,
    peer: Identity,
    /// What the peer sent in the first exchange, for its updates, which may leave it out (RFC 3830 section 4.5). It is
    /// checked each time: time passes, and lists change.
    chain: Vec<Certificate>,
}

impl Signed {
    /// To verify this peer's messages with, and to sign ours if we have a certificate.
    pub fn new(peer: &Identity, credentials: &Arc<Credentials>, policy: &MikeyPolicy) -> Self {
        Self { credentials: credentials.clone(), policy: policy.clone(), peer: peer.clone(), chain: vec![] }
    }
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed({})", self.peer)
    }
}

impl Method for Signed {
    const MODE: ModeName = ModeName::DhSign;
    const SECTION: &'static str = "RFC 3830 section 3.3";
    const UPDATE: &'static str = "RFC 3830 section 4.5";
    const NEEDS_IDR: bool = false;

    fn with(
        peer: &Identity,
        _: &CsbLabel,
        credentials: &Arc<Credentials>,
        policy: &MikeyPolicy,
    ) -> Result<Self, Error> {
        credentials.certs.signer()?;
        Ok(Self::new(peer, credentials, policy))
    }

    fn peer(&self) -> &Identity {
        &self.peer
    }

    fn takes(payload: &Payload) -> bool {
        matches!(payload, Payload::Cert(_) | Payload::Sign(_))
    }

    /// IDi and CERTi stand for each other and come before IDr: so a single ID is IDr if it comes behind a certificate, and
    /// IDi else.
    fn ids(init: &Message) -> Result<Ids, Refused> {
        let mut certified = false;
        let mut ids = vec![];
        for part in init.parts() {
            match &part.payload {
                Payload::Cert(_) => certified = true,
                Payload::Id(id) => ids.push((id.clone(), certified)),
                _ => {}
            }
        }
        match &ids[..] {
            [] => Ok(Ids::default()),
            [(r, true)] => Ok(Ids { i: None, r: Some(r.clone()) }),
            [(i, false)] => Ok(Ids { i: Some(i.clone()), r: None }),
            [(i, _), (r, _)] => Ok(Ids { i: Some(i.clone()), r: Some(r.clone()) }),
            _ => Err(Error::misbehaved("its message names more than two identities", Self::SECTION).into()),
        }
    }

    fn credentials(&self) -> Result<Vec<Payload>, Error> {
        Ok(signing::certs(self.credentials.certs.signer()?).map(Payload::from).collect())
    }

    fn seal(&self, draft: Draft) -> Result<Message, Error> {
        signing::sign(draft, self.credentials.certs.signer()?, &self.policy, &[])
    }

    fn verify(&self, message: &Message, claimed: Option<&Identity>, now: NtpTime) -> Result<(Self, Proof), Refused> {
        let sent = signing::chain(message)?;
        let chain = if sent.is_empty() { self.chain.clone() } else { sent };
        let (store, peer) = (&self.credentials.certs, claimed.unwrap_or(&self.peer));
        let trusted = match store.verify(&chain, Some(peer), Use::Signing, now) {
            _ if chain.is_empty() => {
                store.of_peer(peer, Use::Signing, now).map_err(|error| Refused::new(ErrorNo::InvalidCert, error))?
            }
            // Nobody claims that name in the message: then it is whom the certificate names, and policy weighs it.
            Err(CertError::NotNamed(..)) if claimed.is_none() => {
                store.verify(&chain, None, Use::Signing, now).map_err(signing::refused)?
            }
            trusted => trusted.map_err(signing::refused)?,
        };
        let proof = signing::verify(message, &trusted, &[])?;
        Ok((Self { peer: trusted.who().clone(), chain, ..self.clone() }, proof))
    }
}
