//! Certificates, read from the files that `[tls]` and `[[peer-cert]]` or the flags name, as MIKEY asks for them.

use crate::tls::Tls;
use keyphone_keying::crypto::PrivateKey;
use keyphone_keying::{CertStore, Certificate, Crl, Identity, Url};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// More than any sensible file of certificates or revocations holds, in octets.
const FILE_LIMIT: u64 = 16 << 20;

/// What the files hold, checked.
#[derive(Clone, Debug, Default)]
pub struct Certs {
    own: Option<(Vec<Certificate>, PrivateKey)>,
    url: Option<Url>,
    trusted: Vec<Certificate>,
    pinned: Vec<(Identity, Certificate)>,
    lists: Vec<Arc<[u8]>>,
}

impl Certs {
    /// Reads them all.
    ///
    /// # Errors
    /// One sentence that names the file and what is wrong with it; no secret is in it.
    pub fn read(tls: &Tls) -> Result<Self, String> {
        let mut certs = Self::default();
        if let Some((cert, key)) = tls.own()? {
            let chain = certificates(cert)?;
            let private = PrivateKey::read(&octets(key)?).map_err(|e| at(key, e))?;
            CertStore::default().add_own(chain.clone(), private.clone()).map_err(|e| at(cert, e))?;
            certs.own = Some((chain, private));
            certs.url.clone_from(&tls.cert_url);
        }
        if let Some(ca) = &tls.ca {
            certs.trusted = certificates(ca)?;
        }
        for pin in &tls.peer_certs {
            let certificate = certificates(&pin.file)?.swap_remove(0);
            let users: Vec<_> =
                certificate.names().iter().filter(|name| name.as_str().contains('@')).cloned().collect();
            if pin.peer.is_none() && users.is_empty() {
                let why =
                    "names no SIP user: say whose it is, --peer-cert sip:user@host=FILE or peer = \"sip:user@host\"";
                return Err(format!("the certificate in {} {why}", pin.file.display()));
            }
            let whose = pin.peer.clone().map_or(users, |peer| vec![peer]);
            certs.pinned.extend(whose.into_iter().map(|who| (who, certificate.clone())));
        }
        if let Some(path) = &tls.crl {
            let list = octets(path)?;
            Crl::read(&list).map_err(|e| at(path, e))?;
            certs.lists.push(list[..].into());
        }
        Ok(certs)
    }

    /// In the form in which keying asks for them.
    pub fn store(&self) -> CertStore {
        let mut store = CertStore::default();
        if let Some((chain, key)) = self.own.clone() {
            store.add_own(chain, key).expect("they were tried when they were read");
            self.url.iter().for_each(|url| store.publish(url.clone()));
        }
        self.trusted.iter().for_each(|anchor| store.trust(anchor.clone()));
        self.pinned.iter().for_each(|(who, certificate)| store.pin(who.clone(), certificate.clone()));
        let lists = self.lists.iter().flat_map(|list| Crl::read(list).expect("it was tried when it was read"));
        lists.for_each(|list| store.revoke(list));
        store
    }

    /// Our own certificate, if we have one.
    pub fn own(&self) -> Option<&Certificate> {
        self.own.as_ref()?.0.first()
    }

    /// Do we know anybody's certificate, or anybody who issues them?
    pub fn trusts_somebody(&self) -> bool {
        !self.trusted.is_empty() || !self.pinned.is_empty()
    }

    /// Is there a certificate of that peer's?
    pub fn has_peer(&self, peer: &Identity) -> bool {
        self.pinned.iter().any(|(who, _)| who == peer)
    }

    /// The SIP user that our certificate is for, if it is for one.
    pub fn user(&self) -> Option<&Identity> {
        self.own()?.names().iter().find(|name| name.as_str().contains('@'))
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, String> {
    Certificate::read(&octets(path)?).map_err(|e| at(path, e))
}

fn octets(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let cannot = |e: std::io::Error| format!("{} cannot be read: {e}", path.display());
    let file = File::open(path).map_err(cannot)?;
    // Room for all of it from the start: a growing buffer would leave copies of a key behind.
    let length = file.metadata().map_or(0, |data| data.len()).min(FILE_LIMIT);
    let mut content = Zeroizing::new(Vec::with_capacity(length as usize + 1));
    file.take(FILE_LIMIT + 1).read_to_end(&mut content).map_err(cannot)?;
    if content.len() as u64 > FILE_LIMIT {
        return Err(format!("{} is longer than {FILE_LIMIT} octets", path.display()));
    }
    Ok(content)
}

fn at(path: &Path, error: impl std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}
