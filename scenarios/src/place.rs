//! Where somebody is, so that what comes and goes can be said to be his.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

/// Where somebody is. SIP, and media, may come from other ports than where he takes SIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On a host of his own; this is where he takes SIP.
    Host(SocketAddr),
    /// On a host that he shares: this is where he takes SIP, and his media ports are these.
    Ports(SocketAddr, MediaPorts),
    /// Outside, with SIP there; his media may come from anywhere that is none of these places.
    Outside(SocketAddr, Vec<Place>),
}

/// All media ports that somebody has opened so far. Clones are the same ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaPorts(Rc<RefCell<BTreeSet<u16>>>);

impl MediaPorts {
    /// He has opened this one.
    pub fn add(&self, port: u16) {
        self.0.borrow_mut().insert(port);
    }

    fn has(&self, port: u16) -> bool {
        self.0.borrow().contains(&port)
    }
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
            Self::Ports(sip, media) => addr.ip() == sip.ip() && (addr.port() == sip.port() || media.has(addr.port())),
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

    fn alice(sip: &str) -> Place {
        let media = MediaPorts::default();
        media.add(40_000);
        Place::Ports(at(sip), media)
    }

    #[test]
    fn who_shares_a_host_has_its_sip_port_and_the_media_ports_that_it_has_opened() {
        let alice = alice("127.0.0.1:5062");
        assert!(alice.has(at("127.0.0.1:5062")) && alice.has(at("127.0.0.1:40000")));
        assert!(!alice.has(at("127.0.0.1:40002")) && !alice.has(at("127.0.0.2:40000")));
        if let Place::Ports(_, media) = &alice.clone() {
            media.add(40_002);
        }
        assert!(alice.has(at("127.0.0.1:40002")), "clones are the same ports");
    }

    #[test]
    fn who_is_outside_has_what_nobody_else_has() {
        let bob = Place::Outside(at("192.0.2.7:5060"), vec![alice("192.0.2.1:5062")]);
        assert!(bob.has(at("192.0.2.7:9000")) && bob.has(at("192.0.2.9:9000")) && bob.has(at("192.0.2.1:9000")));
        assert!(!bob.has(at("192.0.2.1:40000")));
    }
}
