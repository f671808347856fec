//! The certificates we know: our own, our trust anchors, and those of peers that are pinned.

use super::chain::{self, Anchors, Crl};
use super::{CertError, Certificate, Identity, Use};
use crate::crypto::{KeyType, PrivateKey, PublicKey};
use crate::proof::How;
use crate::{Error, Url};
use keyphone_media::env::NtpTime;

/// Our certificates and keys, and whose certificates we accept.
///
/// A peer's certificate is accepted in one of two ways (RFC 3830 section 4.3.2). It is *pinned*: somebody gave us this
/// very certificate for that name, and so it may be self-signed. Or a chain leads from it to a *trust anchor*, and its
/// names say whose it is. For a name that has pinned certificates no other is accepted, whoever issued it and whatever
/// it is for: if a peer signs with one certificate and opens envelopes with another, pin both.
#[derive(Debug, Default)]
pub struct CertStore {
    own: Vec<Own>,
    anchors: Anchors,
    pinned: Vec<(Identity, Certificate)>,
    crls: Vec<Crl>,
}

/// A certificate of ours with its private key.
#[derive(Clone, Debug)]
pub struct Own {
    chain: Vec<Certificate>,
    key: PrivateKey,
    url: Option<Url>,
}

impl Own {
    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.chain[0]
    }

    /// The certificate and its issuers', the certificate first, without the root.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// Where others can fetch the certificate: then our messages say that in its place (RFC 4738 section 3.8).
    pub fn url(&self) -> Option<&Url> {
        self.url.as_ref()
    }

    /// The private key.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }
}

/// A peer's certificate that was accepted, and who that peer therefore is. Made by [`CertStore`] and nobody else.
#[derive(Clone, Debug)]
pub struct Trusted {
    who: Identity,
    how: How,
    certificate: Certificate,
    key: PublicKey,
}

impl Trusted {
    /// Whose it is.
    pub fn who(&self) -> &Identity {
        &self.who
    }

    /// Why it is trusted.
    pub fn how(&self) -> How {
        self.how
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// May it be used so as well?
    ///
    /// # Errors
    /// It may not.
    pub fn also(&self, used: Use) -> Result<Self, CertError> {
        self.certificate.check_use(used).map(|()| self.clone())
    }
}

impl CertStore {
    /// A chain from a peer has at most so many certificates.
    pub const MAX_CHAIN: usize = 6;

    /// Files a certificate of ours: a chain, the certificate first, and its key. The first one filed for a use is the
    /// one that is used; a root at the end of the chain is left out, for who trusts it has it.
    ///
    /// # Errors
    /// The key is not the certificate's, or is of a kind that we cannot use.
    pub fn add_own(&mut self, mut chain: Vec<Certificate>, key: PrivateKey) -> Result<(), Error> {
        let Some(leaf) = chain.first() else { return Err(Error::Misuse("a certificate of our own is missing")) };
        if !leaf.key()?.fits(&key) {
            return Err(Error::Misuse(
                "the private key is not that of the certificate: give the two that belong together",
            ));
        }
        if chain.len() > 1 && chain.last().is_some_and(|root| root.subject() == root.issuer()) {
            chain.pop();
        }
        if chain.len() > Self::MAX_CHAIN {
            return Err(Error::Misuse("our own chain has more than 6 certificates: peers would not read it"));
        }
        self.own.push(Own { chain, key, url: None });
        Ok(())
    }

    /// The certificate of ours that was filed last can be fetched there: our messages name the URL instead.
    pub fn publish(&mut self, url: Url) {
        if let Some(own) = self.own.last_mut() {
            own.url = Some(url);
        }
    }

    /// Trusts whatever this certificate's key has signed. One that can be nobody's issuer changes nothing.
    pub fn trust(&mut self, anchor: Certificate) {
        self.anchors.trust(&anchor);
    }

    /// Accepts this certificate, and those pinned before, as the peer's.
    pub fn pin(&mut self, peer: Identity, certificate: Certificate) {
        if !self.pinned.iter().any(|(who, cert)| *who == peer && *cert == certificate) {
            self.pinned.push((peer, certificate));
        }
    }

    /// Refuses what is in this list.
    pub fn revoke(&mut self, list: Crl) {
        self.crls.push(list);
    }

    /// The certificate that we sign with.
    ///
    /// # Errors
    /// There is none.
    pub fn signer(&self) -> Result<&Own, Error> {
        let own = self.own.iter().find(|own| own.certificate().check_use(Use::Signing).is_ok());
        own.ok_or(Error::Misuse("we have no certificate of our own to sign with: give one with --cert FILE --key FILE"))
    }

    /// The certificates that a peer may encrypt an envelope key to.
    pub fn openers(&self) -> impl Iterator<Item = &Own> {
        self.own.iter().filter(|own| {
            own.certificate().check_use(Use::Enciphering).is_ok() && matches!(own.key.key_type(), KeyType::Rsa(_))
        })
    }

    /// Have we any certificate of our own?
    pub fn has_own(&self) -> bool {
        !self.own.is_empty()
    }

    /// Do we know anybody's certificate, or anybody who issues them?
    pub fn trusts_somebody(&self) -> bool {
        !self.anchors.is_empty() || !self.pinned.is_empty()
    }

    /// The certificate that is pinned for a peer, for when it does not send one.
    ///
    /// # Errors
    /// There is none, or none that is valid now and for this use.
    pub fn of_peer(&self, peer: &Identity, used: Use, now: NtpTime) -> Result<Trusted, Error> {
        let mut refused = None;
        for (_, certificate) in self.pinned.iter().filter(|(who, _)| who == peer) {
            match self.check_pinned(certificate, used, now).and_then(|()| accept(peer, How::Pinned, certificate)) {
                Ok(trusted) => return Ok(trusted),
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.map_or_else(|| Error::NoCertificate(peer.clone()), Error::from))
    }

    /// How many certificates are pinned for a peer.
    pub fn pinned(&self, peer: &Identity) -> usize {
        self.pinned.iter().filter(|(who, _)| who == peer).count()
    }

    /// Is it that peer's, as far as it says itself, or as it is pinned?
    pub fn is_for(&self, certificate: &Certificate, peer: &Identity) -> bool {
        let mut pinned = self.pinned.iter().filter(|(_, cert)| cert == certificate).peekable();
        match pinned.peek() {
            Some(_) => pinned.any(|(who, _)| who == peer),
            None => certificate.names().contains(peer),
        }
    }

    /// Accepts a peer's certificate, or says which check failed. `chain` begins with it; `claimed` is who the peer says
    /// that it is, or `None` to learn it from the certificate, whose first name it then is.
    ///
    /// What costs nothing is checked first: time, name and use; the signatures of the chain come last.
    ///
    /// # Errors
    /// Expired, not valid yet, revoked, somebody else's, not for this use, not the pinned one, by an unknown issuer.
    pub fn verify(
        &self,
        chain: &[Certificate],
        claimed: Option<&Identity>,
        used: Use,
        now: NtpTime,
    ) -> Result<Trusted, CertError> {
        let Some(leaf) = chain.first() else { return Err(CertError::Unreadable("there is none".into())) };
        let pinned: Vec<_> = self.pinned.iter().filter(|(_, cert)| cert == leaf).map(|(who, _)| who).collect();
        if !pinned.is_empty() {
            let who = match claimed {
                Some(claimed) if pinned.contains(&claimed) => claimed,
                Some(claimed) => {
                    let names: Vec<_> = pinned.iter().map(|who| who.as_str()).collect();
                    return Err(CertError::NotNamed(claimed.clone(), names.join(", ")));
                }
                None => pinned[0],
            };
            self.check_pinned(leaf, used, now)?;
            return accept(who, How::Pinned, leaf);
        }
        if chain.len() > Self::MAX_CHAIN {
            return Err(CertError::Unreadable(format!("its chain has more than {} certificates", Self::MAX_CHAIN)));
        }
        leaf.check_time(now)?;
        let who = match claimed {
            Some(claimed) if leaf.names().contains(claimed) => claimed,
            Some(claimed) => return Err(CertError::NotNamed(claimed.clone(), leaf.shown())),
            None => leaf.names().first().ok_or_else(|| {
                CertError::Invalid(leaf.shown(), "it names no SIP identity in its subjectAltName".into())
            })?,
        };
        if self.pinned.iter().any(|(pinned, _)| pinned == who) {
            return Err(CertError::NotPinned(who.clone()));
        }
        leaf.check_use(used)?;
        chain::check(chain, &self.anchors, &self.crls, now)?;
        accept(who, How::Certificate, leaf)
    }

    fn check_pinned(&self, certificate: &Certificate, used: Use, now: NtpTime) -> Result<(), CertError> {
        certificate.check_time(now)?;
        certificate.check_use(used)?;
        chain::check_listed(certificate, &self.crls)
    }
}

fn accept(who: &Identity, how: How, certificate: &Certificate) -> Result<Trusted, CertError> {
    let key = certificate.key()?.clone();
    Ok(Trusted { who: who.clone(), how, certificate: certificate.clone(), key })
}
