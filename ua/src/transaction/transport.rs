//! UDP, TCP or TLS, and what the length of a request has to do with it (RFC 3261 section 18.1.1).

use super::Destination;
use crate::sip::{self, Headers, Request, SipUri, Uri};
use std::fmt;
use std::net::IpAddr;

/// What carries our messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams, which may be lost.
    Udp,
    /// A connection.
    Tcp,
    /// A connection that nobody on the way can read or change.
    Tls,
}

impl Transport {
    /// All that we have.
    pub const ALL: [Self; 3] = [Self::Udp, Self::Tcp, Self::Tls];

    /// What is sent arrives, or the connection fails.
    pub fn is_reliable(self) -> bool {
        self != Self::Udp
    }

    /// Where a server listens if nothing else is said (RFC 3261 section 19.1.2).
    pub fn default_port(self) -> u16 {
        if self == Self::Tls { 5061 } else { 5060 }
    }

    /// As a `transport` parameter spells it.
    pub fn param(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// The one that a Via names.
    pub fn of_via(named: &sip::Transport) -> Option<Self> {
        match named {
            sip::Transport::Udp => Some(Self::Udp),
            sip::Transport::Tcp => Some(Self::Tcp),
            sip::Transport::Tls => Some(Self::Tls),
            sip::Transport::Other(_) => None,
        }
    }
}

impl From<Transport> for keyphone_keying::Hop {
    /// As keying sees it.
    fn from(transport: Transport) -> Self {
        if transport == Transport::Tls { Self::Tls } else { Self::Clear }
    }
}

/// The longest request that goes over UDP, in bytes, because we do not know the path's MTU (RFC 3261 section 18.1.1).
pub const MAX_UDP_REQUEST: usize = 1300;

/// What a request of `len` bytes goes over that wanted to go over `wanted`.
pub fn choose_transport(len: usize, wanted: Transport) -> Transport {
    if len > MAX_UDP_REQUEST && wanted == Transport::Udp { Transport::Tcp } else { wanted }
}

/// Makes a request ready to go to `dest` or, if it is too long for that, over TCP; its top Via says which.
pub(super) fn prepare(request: &mut Request, dest: Destination, local: Option<Local>) -> (Destination, Vec<u8>) {
    set_via(request, dest.transport, local);
    let bytes = request.to_bytes();
    let transport = choose_transport(bytes.len(), dest.transport);
    if transport == dest.transport {
        return (dest, bytes);
    }
    set_via(request, transport, local);
    (Destination { transport, ..dest }, request.to_bytes())
}

/// Where we are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// Our address.
    pub ip: IpAddr,
    /// The port for UDP and TCP.
    pub port: u16,
    /// The port for TLS, if there is one.
    pub tls: Option<u16>,
}

impl Local {
    fn port_for(self, transport: Transport) -> u16 {
        self.tls.filter(|_| transport == Transport::Tls).unwrap_or(self.port)
    }

    fn is(self, uri: &SipUri) -> bool {
        uri.host().ip() == Some(self.ip) && uri.port().is_some_and(|port| port == self.port || Some(port) == self.tls)
    }
}

/// Writes the transport, and our port for it, into the top Via, and into a Contact of ours.
pub(super) fn set_via(request: &mut Request, transport: Transport, local: Option<Local>) {
    let Ok(mut via) = request.headers.via() else { return };
    let port =
        local.filter(|local| via.host.ip() == Some(local.ip)).map(|local| local.port_for(transport)).or(via.port);
    let named = transport.into();
    if via.transport != named || via.port != port {
        (via.transport, via.port) = (named, port);
        request.headers.set_first("Via", via.to_string());
    }
    if let Some(local) = local {
        let secure = is_secure(request);
        set_contact(&mut request.headers, transport, secure, local);
    }
}

/// Is the Request-URI or the top Route a sips URI? Then so must our Contact be (RFC 3261 section 8.1.1.8).
fn is_secure(request: &Request) -> bool {
    let secure = |uri: &Uri| uri.sip().is_some_and(SipUri::is_secure);
    secure(&request.uri) || request.headers.route().is_ok_and(|routes| routes.first().is_some_and(|r| secure(&r.uri)))
}

/// Must the Contact of our responses be a sips URI (RFC 3261 section 12.1.1)?
pub(super) fn asks_for_sips(request: &Request) -> bool {
    let secure = |uri: &Uri| uri.sip().is_some_and(SipUri::is_secure);
    let headers = &request.headers;
    secure(&request.uri)
        || match headers.record_route().unwrap_or_default().first() {
            Some(route) => secure(&route.uri),
            None => headers.contact().is_ok_and(|contact| contact.is_some_and(|contact| secure(&contact.uri))),
        }
}

/// Rewrites the Contact, if it is ours, so that it names us over this transport. Without sips it never says that TLS is
/// meant (RFC 5630 sections 5.1.1 and 5.1.1.2): what the connection is for is then for it alone to say.
pub(super) fn set_contact(headers: &mut Headers, transport: Transport, secure: bool, local: Local) {
    let Ok(Some(mut contact)) = headers.contact() else { return };
    let Some(old) = contact.uri.sip().filter(|uri| local.is(uri)) else { return };
    let port = local.port_for(if secure { Transport::Tls } else { Transport::Tcp });
    let mut uri = SipUri::new(secure, old.host().clone()).with_port(port);
    if let Some(user) = old.user_text() {
        uri = uri.with_user(&user);
    }
    if !secure && transport.is_reliable() {
        uri = uri.with_param("transport", Some("tcp"));
    }
    for (name, value) in old.params().filter(|(name, _)| !name.eq_ignore_ascii_case("transport")) {
        uri = uri.with_param(name, value);
    }
    if *old != uri {
        contact.uri = Uri::Sip(uri);
        headers.set_first("Contact", contact.to_string());
    }
}

impl From<Transport> for sip::Transport {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Udp => Self::Udp,
            Transport::Tcp => Self::Tcp,
            Transport::Tls => Self::Tls,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_1300_bytes_go_over_tcp() {
        assert_eq!(choose_transport(1300, Transport::Udp), Transport::Udp);
        assert_eq!(choose_transport(1301, Transport::Udp), Transport::Tcp);
        assert_eq!(choose_transport(10, Transport::Tcp), Transport::Tcp);
        assert_eq!(choose_transport(1301, Transport::Tls), Transport::Tls);
    }
}
