//! Who somebody is, whom policy accepts, and what we know others by: pre-shared keys and certificates.

mod cert;
mod chain;
mod psk;
mod store;

pub use cert::{CertError, Certificate, Use};
pub use chain::Crl;
pub use psk::{Filed, Psk, PskStore};
pub use store::{CertStore, Own, Trusted};

use crate::proof::How;
use std::fmt;
use std::sync::Arc;

/// A SIP URI as keying compares it: scheme, user and host, without port, parameters or headers. A SIPS URI names whom
/// the SIP URI names, and says how to get there (RFC 5630 section 4.1); in certificates only the latter counts (RFC 5922
/// section 7.1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(String);

impl Identity {
    /// Reduces a URI to what identities are compared by. The host is case-insensitive, the user is not
    /// (RFC 3261 section 19.1.4); sips: and sip: name the same resource (RFC 5630 section 4.1).
    pub fn new(uri: &str) -> Self {
        let uri = uri.trim().trim_start_matches('<').trim_end_matches('>');
        let (scheme, rest) = uri.split_once(':').unwrap_or(("sip", uri));
        // The user first: there ';' and '?' are letters like others (RFC 3261 section 25.1, user-unreserved).
        let (user, hostport) = rest.rsplit_once('@').map_or((None, rest), |(u, h)| (Some(u), h));
        let hostport = hostport.split(['?', ';']).next().unwrap_or(hostport);
        let host = match hostport.strip_prefix('[').and_then(|h| h.split_once(']')) {
            Some((v6, _)) => format!("[{}]", v6.to_ascii_lowercase()),
            None => hostport.split(':').next().unwrap_or(hostport).to_ascii_lowercase(),
        };
        let user = user.map(|u| format!("{u}@")).unwrap_or_default();
        let scheme = scheme.to_ascii_lowercase();
        let scheme = if scheme == "sips" { "sip" } else { &scheme };
        Self(format!("{scheme}:{user}{host}"))
    }

    /// `sip:alice@example.org`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the host, if it has one.
    pub fn user(&self) -> Option<&str> {
        let (user, _) = self.0.rsplit_once('@')?;
        user.split_once(':').map(|(_, user)| user)
    }

    /// What stands behind the first `@`: two of them make no URI, and so no domain that another has.
    fn domain(&self) -> &str {
        self.0.split_once('@').map_or(self.0.as_str(), |(_, d)| d)
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
    /// Whoever holds a key that we were given beforehand: that of a pinned certificate, or a pre-shared one.
    Pinned,
    /// Anybody in the same domain.
    SameDomain,
    /// Whoever proves to hold a key that we accept.
    #[default]
    Certified,
}

impl Expect {
    /// May `proven` be at the other end, where SIP names `named`?
    pub fn admits(self, named: &Identity, proven: &Identity, how: How) -> bool {
        match self {
            Self::Exactly => named == proven,
            Self::Pinned => matches!(how, How::Pinned | How::SharedKey),
            Self::SameDomain => named.domain() == proven.domain(),
            Self::Certified => true,
        }
    }
}

/// What we prove ourselves with, and what others prove themselves with to us.
#[derive(Debug, Default)]
pub struct Credentials {
    /// Pre-shared keys.
    pub psks: PskStore,
    /// Certificates: our own with its private key, those that we trust and those that we know.
    pub certs: CertStore,
}

impl From<PskStore> for Arc<Credentials> {
    fn from(psks: PskStore) -> Self {
        Self::new(psks.into())
    }
}

impl From<PskStore> for Credentials {
    fn from(psks: PskStore) -> Self {
        Self { psks, certs: CertStore::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_compared_without_port_and_parameters() {
        for uri in [
            "sip:bob@Example.org:5070;transport=tcp",
            "<sip:bob@example.org?a=b>",
            "SIP:bob@example.org",
            "sips:bob@example.org:5061",
        ] {
            assert_eq!(Identity::new(uri), Identity::new("sip:bob@example.org"), "{uri}");
        }
        assert_eq!(Identity::new("sip:alice;day=tuesday@atlanta.com;lr").as_str(), "sip:alice;day=tuesday@atlanta.com");
        assert_eq!(Identity::new("sip:bob@[2001:DB8::1]:5060").as_str(), "sip:bob@[2001:db8::1]");
        assert_eq!(Identity::new("sips:bob@example.org:5061").user(), Some("bob"));
        assert_eq!(Identity::new("sip:example.org").user(), None);
        assert_ne!(Identity::new("sip:Bob@example.org"), Identity::new("sip:bob@example.org"));
    }

    #[test]
    fn a_user_part_that_looks_like_another_address_is_none() {
        for (uri, other) in [
            ("sip:example.org;x@example.net", "sip:example.org"),
            ("sip:bob?x@example.net", "sip:bob"),
            ("sip:bob@example.org;x@example.net", "sip:bob@example.org"),
            ("sip:bob@example.net?x=y@example.org", "sip:bob@example.org"),
        ] {
            let (uri, other) = (Identity::new(uri), Identity::new(other));
            assert_ne!(uri, other);
            assert!(
                !Expect::SameDomain.admits(&other, &uri, How::Certificate),
                "{uri} is not of the domain of {other}"
            );
        }
    }
}
