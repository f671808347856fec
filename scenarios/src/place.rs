//! Where somebody is, so that what comes and goes can be said to be his.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

/// Where somebody is. SIP, and media, may come from other ports than where he takes SIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On a host of his own; this is where he takes SIP.
    Host(SocketAddr),
    /// On a host that he shares: this is where he takes SIP, and his media ports are these.
    Ports(SocketAddr, RangeInclusive<u16>),
    /// Outside, with SIP there; his media may come from anywhere that is none of these places.
    Outside(SocketAddr, Vec<Place>),
}

impl Place {
    /// Where he takes SIP.
    pub fn sip(&self) -> SocketAddr {
        let (Self::Host(sip) | Self::Ports(sip, _) | Self::Outside(sip, _)) = self;
        *sip
    }

    /// His host.
    pub fn ip(&self) -> IpAddr {
        self.sip().ip()
    }

    /// Is that address his?
    pub fn has(&self, addr: SocketAddr) -> bool {
        match self {
            Self::Host(sip) => addr.ip() == sip.ip(),
            Self::Ports(sip, media) => {
                addr.ip() == sip.ip() && (addr.port() == sip.port() || media.contains(&addr.port()))
            }
            Self::Outside(sip, others) => addr == *sip || !others.iter().any(|other| other.has(addr)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn who_shares_a_host_has_its_sip_port_and_its_media_ports() {
        let alice = Place::Ports(at("127.0.0.1:5062"), 40_000..=40_099);
        assert!(alice.has(at("127.0.0.1:5062")) && alice.has(at("127.0.0.1:40099")));
        assert!(
            !alice.has(at("127.0.0.1:5063")) && !alice.has(at("127.0.0.1:40100")) && !alice.has(at("127.0.0.2:40000"))
        );
    }

    #[test]
    fn who_is_outside_has_what_nobody_else_has() {
        let alice = Place::Ports(at("192.0.2.1:5062"), 40_000..=40_099);
        let bob = Place::Outside(at("192.0.2.7:5060"), vec![alice]);
        assert!(bob.has(at("192.0.2.7:9000")) && bob.has(at("192.0.2.9:9000")) && bob.has(at("192.0.2.1:9000")));
        assert!(!bob.has(at("192.0.2.1:40000")));
    }
}
