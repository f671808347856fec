//! The pre-shared keys we hold with others.

use super::Identity;
use std::fmt;
use zeroize::Zeroizing;

/// A pre-shared key. Its bytes are zeroized when dropped and never shown.
#[derive(Clone)]
pub struct Psk(Zeroizing<Vec<u8>>);

impl Psk {
    /// `None` if it is empty.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (!bytes.is_empty()).then(|| Self(Zeroizing::new(bytes)))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Psk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Psk(..)")
    }
}

/// A pre-shared key that was found, and what it says of whoever holds it.
#[derive(Clone, Copy, Debug)]
pub enum Filed<'a> {
    /// It is this peer's own: whoever holds it is that peer.
    Own(&'a Psk),
    /// It is everybody's: whoever holds it is one of those it was given to, and may say who.
    Common(&'a Psk),
}

impl<'a> Filed<'a> {
    pub(crate) fn psk(self) -> &'a Psk {
        match self {
            Self::Own(psk) | Self::Common(psk) => psk,
        }
    }
}

/// The pre-shared keys that we hold: one per peer, and perhaps one for everybody else.
#[derive(Clone, Debug, Default)]
pub struct PskStore {
    peers: Vec<(Identity, Psk)>,
    anybody: Option<Psk>,
}

impl PskStore {
    /// Files a key under a peer, or for everybody who has none of their own. A later key replaces an earlier one.
    pub fn insert(&mut self, peer: Option<Identity>, psk: Psk) {
        match peer {
            Some(peer) => {
                self.peers.retain(|(p, _)| *p != peer);
                self.peers.push((peer, psk));
            }
            None => self.anybody = Some(psk),
        }
    }

    /// The key that we share with this peer.
    pub fn with(&self, peer: &Identity) -> Option<&Psk> {
        self.find(peer).map(Filed::psk)
    }

    /// The same, and whether it is the peer's own: only then does holding it prove who somebody is.
    pub fn find(&self, peer: &Identity) -> Option<Filed<'_>> {
        let own = self.peers.iter().find(|(p, _)| p == peer).map(|(_, psk)| Filed::Own(psk));
        own.or(self.anybody.as_ref().map(Filed::Common))
    }

    /// Do we hold any key at all?
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty() && self.anybody.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_own_key_goes_before_the_common_one() {
        let mut store = PskStore::default();
        assert!(store.is_empty());
        store.insert(None, Psk::new(vec![1]).unwrap());
        store.insert(Some(Identity::new("sip:bob@example.org")), Psk::new(vec![2]).unwrap());
        assert_eq!(store.with(&Identity::new("sip:bob@example.org:5070")).unwrap().bytes(), [2]);
        assert_eq!(store.with(&Identity::new("sip:carol@example.org")).unwrap().bytes(), [1]);
        assert!(matches!(store.find(&Identity::new("sip:bob@example.org")), Some(Filed::Own(_))));
        assert!(matches!(store.find(&Identity::new("sip:carol@example.org")), Some(Filed::Common(_))));
        assert!(Psk::new(vec![]).is_none());
        assert_eq!(format!("{store:?}").matches("[2]").count(), 0);
    }
}
