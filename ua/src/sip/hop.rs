//! The way back of a response (RFC 3261 section 18.2, RFC 3581 section 4).

use std::net::SocketAddr;

use super::host::Host;
use super::message::Request;
use super::via::Via;

/// Where a response goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseHop {
    /// Over the connection that the request came on; if that is closed, over a new one to this address.
    Connection(Option<SocketAddr>),
    /// In a datagram to this address, from where the request was received (RFC 3581 section 4).
    Datagram(SocketAddr),
    /// In a datagram to a name that must be looked up first (RFC 3263 section 5).
    Lookup(Host, Option<u16>),
}

/// Writes into a request's top Via where it came from: `received` if the sender is not where it says (RFC 3261 section
/// 18.2.1), `received` and `rport` if it asks (RFC 3581 section 4).
///
/// What the sender wrote there itself is replaced, so that nobody can point our responses at somebody else.
///
/// `via` is the request's top Via as it was; it is given back as it is now.
pub fn stamp(request: &mut Request, mut via: Via, source: SocketAddr) -> Via {
    let before = via.params.clone();
    via.params.remove("received");
    let asks = via.params.has("rport");
    if asks {
        via.params.set("rport", Some(&source.port().to_string()));
    }
    if asks || via.host.ip() != Some(source.ip()) {
        via.params.set("received", Some(&source.ip().to_string()));
    }
    if via.params != before {
        request.headers.set_first("Via", via.to_string());
    }
    via
}

/// Where the response goes that has this Via on top (RFC 3261 section 18.2.2).
pub fn response_hop(via: &Via) -> ResponseHop {
    let port = via.port.unwrap_or(via.transport.default_port());
    if via.transport.is_reliable() {
        let address = via.received().or(via.host.ip());
        return ResponseHop::Connection(address.map(|ip| SocketAddr::new(ip, port)));
    }
    match (via.maddr(), via.received(), &via.host) {
        (Some(Host::Ip(ip)), ..) => ResponseHop::Datagram(SocketAddr::new(ip, port)),
        (Some(name), ..) => ResponseHop::Lookup(name, via.port),
        (None, Some(ip), _) => ResponseHop::Datagram(SocketAddr::new(ip, via.rport().unwrap_or(port))),
        (None, None, Host::Ip(ip)) => ResponseHop::Datagram(SocketAddr::new(*ip, port)),
        (None, None, name) => ResponseHop::Lookup(name.clone(), via.port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::method::Method;

    fn stamped(via: &str, source: &str) -> Via {
        let mut request = Request::new(Method::Options, "sip:a@b.com".parse().unwrap());
        request.headers.push("Via", via);
        request.headers.push("Via", "SIP/2.0/UDP below.com");
        let via = request.headers.via().unwrap();
        let via = stamp(&mut request, via, source.parse().unwrap());
        assert_eq!(request.headers.via().as_ref(), Ok(&via));
        assert_eq!(request.headers.all("Via").nth(1), Some("SIP/2.0/UDP below.com"));
        via
    }

    #[test]
    fn a_sender_that_is_where_it_says_is_not_stamped() {
        let via = stamped("SIP/2.0/UDP 192.0.2.4:5070;branch=z9hG4bKa", "192.0.2.4:9");
        assert_eq!(via.to_string(), "SIP/2.0/UDP 192.0.2.4:5070;branch=z9hG4bKa");
        assert_eq!(response_hop(&via), ResponseHop::Datagram("192.0.2.4:5070".parse().unwrap()));
    }

    #[test]
    fn a_sender_that_names_itself_gets_its_address() {
        let via = stamped("SIP/2.0/UDP bobspc.biloxi.com:5060", "192.0.2.4:9");
        assert_eq!(via.to_string(), "SIP/2.0/UDP bobspc.biloxi.com:5060;received=192.0.2.4");
        assert_eq!(response_hop(&via), ResponseHop::Datagram("192.0.2.4:5060".parse().unwrap()));
    }

    #[test]
    fn a_sender_behind_a_nat_is_answered_where_it_came_from() {
        // RFC 3581 section 6.
        let via = stamped("SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff", "192.0.2.1:9988");
        assert_eq!((via.received(), via.rport()), (Some("192.0.2.1".parse().unwrap()), Some(9988)));
        assert_eq!(response_hop(&via), ResponseHop::Datagram("192.0.2.1:9988".parse().unwrap()));
        let v6 = stamped("SIP/2.0/UDP [2001:db8::1];rport", "[2001:db8::2]:7");
        assert_eq!(response_hop(&v6), ResponseHop::Datagram("[2001:db8::2]:7".parse().unwrap()));
    }

    #[test]
    fn nobody_can_point_our_responses_at_somebody_else() {
        let via = stamped("SIP/2.0/UDP 192.0.2.4;received=198.51.100.1;rport=7", "192.0.2.4:9");
        assert_eq!(response_hop(&via), ResponseHop::Datagram("192.0.2.4:9".parse().unwrap()));
    }

    #[test]
    fn a_stream_answers_on_its_connection_and_multicast_on_maddr() {
        let hop = |via: &str| response_hop(&via.parse().unwrap());
        let address = "192.0.2.9:5061".parse().unwrap();
        assert_eq!(hop("SIP/2.0/TLS a.com;received=192.0.2.9;rport=4"), ResponseHop::Connection(Some(address)));
        assert_eq!(hop("SIP/2.0/TCP a.com"), ResponseHop::Connection(None));
        let group = "224.0.1.75:5060".parse().unwrap();
        assert_eq!(hop("SIP/2.0/UDP a.com;maddr=224.0.1.75;received=192.0.2.9"), ResponseHop::Datagram(group));
        assert_eq!(hop("SIP/2.0/UDP a.com"), ResponseHop::Lookup("a.com".parse().unwrap(), None));
    }
}
