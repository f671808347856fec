//! Who somebody is, whom policy accepts, and the pre-shared keys we hold with others.

use std::fmt;
use zeroize::Zeroizing;

/// A SIP URI as keying compares it: scheme, user and host, without port, parameters or headers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(String);

impl Identity {
    /// Reduces a URI to what identities are compared by. The host is case-insensitive, the user is not
    /// (RFC 3261 section 19.1.4).
    pub fn new(uri: &str) -> Self {
        let uri = uri.trim().trim_start_matches('<').trim_end_matches('>');
        let (scheme, rest) = uri.split_once(':').unwrap_or(("sip", uri));
        let rest = rest.split(['?', ';']).next().unwrap_or(rest);
        let (user, hostport) = rest.rsplit_once('@').map_or((None, rest), |(u, h)| (Some(u), h));
        let host = match hostport.strip_prefix('[').and_then(|h| h.split_once(']')) {
            Some((v6, _)) => format!("[{}]", v6.to_ascii_lowercase()),
            None => hostport.split(':').next().unwrap_or(hostport).to_ascii_lowercase(),
        };
        let user = user.map(|u| format!("{u}@")).unwrap_or_default();
        Self(format!("{}:{user}{host}", scheme.to_ascii_lowercase()))
    }

    /// `sip:alice@example.org`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or(self.0.as_str(), |(_, d)| d)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{self}>")
    }
}

/// Who may be at the other end, given whom SIP names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    /// The one that SIP names and nobody else.
    Exactly,
    /// Anybody in the same domain.
    SameDomain,
    /// Whoever proves to hold a key that we accept.
    #[default]
    Certified,
}

impl Expect {
    pub(crate) fn admits(self, named: &Identity, proven: &Identity) -> bool {
        match self {
            Self::Exactly => named == proven,
            Self::SameDomain => named.domain() == proven.domain(),
            Self::Certified => true,
        }
    }
}

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
    fn an_identity_is_compared_without_port_and_parameters() {
        for uri in ["sip:bob@Example.org:5070;transport=tcp", "<sip:bob@example.org?a=b>", "SIP:bob@example.org"] {
            assert_eq!(Identity::new(uri), Identity::new("sip:bob@example.org"), "{uri}");
        }
        assert_eq!(Identity::new("sip:bob@[2001:DB8::1]:5060").as_str(), "sip:bob@[2001:db8::1]");
        assert_ne!(Identity::new("sip:Bob@example.org"), Identity::new("sip:bob@example.org"));
    }

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
