//! Via (RFC 3261 section 20.42): `sent-protocol LWS sent-by *( SEMI via-params )`, the way back.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::error::SipError;
use super::host::Host;
use super::params::Params;
use super::scan::{self, Scan};

/// What carries a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// SCTP, WS, and any other token, in upper case.
    Other(String),
}

impl Transport {
    /// Whether a sent message arrives or the connection fails. Of a transport that we do not know we think so, because
    /// UDP is the only unreliable one that has a name.
    pub fn is_reliable(&self) -> bool {
        *self != Self::Udp
    }

    /// Where a server listens if nothing else is said (RFC 3261 section 18.2.1).
    pub fn default_port(&self) -> u16 {
        if *self == Self::Tls { 5061 } else { 5060 }
    }

    /// The name as Via writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Other(name) => name,
        }
    }

    fn of(token: &str) -> Self {
        match token {
            name if name.eq_ignore_ascii_case("UDP") => Self::Udp,
            name if name.eq_ignore_ascii_case("TCP") => Self::Tcp,
            name if name.eq_ignore_ascii_case("TLS") => Self::Tls,
            name => Self::Other(name.to_ascii_uppercase()),
        }
    }
}

impl FromStr for Transport {
    type Err = SipError;

    fn from_str(text: &str) -> Result<Self, SipError> {
        match scan::is_token(text) {
            true => Ok(Self::of(text)),
            false => Err(SipError::Header { name: "Via", reason: "its transport is not a token" }),
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One hop of the way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// What the request was sent over.
    pub transport: Transport,
    /// Where its sender says that it is.
    pub host: Host,
    /// The port there.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport`, `maddr`, `ttl` and others.
    pub params: Params,
}

impl Via {
    /// What every branch of an RFC 3261 element begins with (section 8.1.1.7).
    pub const MAGIC_COOKIE: &'static str = "z9hG4bK";

    /// A hop of our own. It asks for symmetric responses (RFC 3581 section 3).
    pub fn new(transport: Transport, host: Host, port: Option<u16>, branch: &str) -> Self {
        let mut params = Params::new();
        params.set("branch", Some(branch));
        params.set("rport", None);
        Self { transport, host, port, params }
    }

    /// The name of the transaction.
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch")
    }

    /// The address that the request really came from.
    pub fn received(&self) -> Option<IpAddr> {
        self.params.get("received").and_then(address)
    }

    /// The port that the request really came from (RFC 3581 section 4); nothing if only asked for.
    pub fn rport(&self) -> Option<u16> {
        self.params.get("rport").and_then(scan::number)
    }

    /// Where the sender wants its responses instead.
    pub fn maddr(&self) -> Option<Host> {
        let maddr = self.params.get("maddr")?;
        address(maddr).map(Host::Ip).or_else(|| maddr.parse().ok())
    }

    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut scan = Scan::new(text);
        let transport = scan_transport(&mut scan)?;
        if !scan.rest().starts_with(scan::is_blank) {
            return Err("no blank stands between transport and host");
        }
        let (host, port) = Host::scan_port(scan.blanks(), true)?;
        let via = Self { transport, host, port, params: Params::scan(&mut scan)? };
        if via.params.has("received") && via.received().is_none() {
            return Err("its received parameter is not an address");
        }
        if via.params.get("rport").is_some() && via.rport().is_none() {
            return Err("its rport parameter is not a port");
        }
        if via.params.has("maddr") && via.maddr().is_none() {
            return Err("its maddr parameter is not a host");
        }
        Ok(via)
    }
}

/// What a Via says that its message came over; the rest of it is not read.
pub(super) fn transport_in(text: &str) -> Option<Transport> {
    scan_transport(&mut Scan::new(text)).ok()
}

/// `protocol-name SLASH protocol-version SLASH transport`.
fn scan_transport(scan: &mut Scan<'_>) -> Result<Transport, &'static str> {
    let is_sip = scan.blanks().token().is_some_and(|t| t.eq_ignore_ascii_case("SIP"))
        && scan.eat_spaced('/')
        && scan.token() == Some("2.0")
        && scan.eat_spaced('/');
    if !is_sip {
        return Err("it does not begin with SIP/2.0/");
    }
    Ok(Transport::of(scan.token().ok_or("it names no transport")?))
}

/// An address with or without brackets: both stand in received parameters (RFC 5118 section 4.5).
fn address(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        Some(v6) => v6.parse().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

impl FromStr for Via {
    type Err = SipError;

    fn from_str(text: &str) -> Result<Self, SipError> {
        Self::parse(text).map_err(|reason| SipError::Header { name: "Via", reason })
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.params.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_may_stand_wherever_the_grammar_has_them() {
        let via = Via::parse("SIP  / 2.0  / tcp     spindle.example.com : 5070  ; branch  =   z9hG4bK9ikj8").unwrap();
        assert_eq!(via.to_string(), "SIP/2.0/TCP spindle.example.com:5070;branch=z9hG4bK9ikj8");
        assert_eq!(Via::parse(&via.to_string()), Ok(via));
    }

    #[test]
    fn ipv6_is_read_with_brackets_and_in_received_also_without() {
        for received in ["2001:db8::9:255", "[2001:db8::9:255]"] {
            let text = format!("SIP/2.0/UDP [2001:db8::9:1]:6050;received={received};branch=z9hG4bKas3;rport=1");
            let via = Via::parse(&text).unwrap();
            assert_eq!(via.received(), Some("2001:db8::9:255".parse().unwrap()));
            assert_eq!((via.port, via.rport(), via.branch()), (Some(6050), Some(1), Some("z9hG4bKas3")));
        }
    }

    #[test]
    fn malformed_hops_are_refused() {
        for bad in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP 192.0.2.15;;",
            "SIP/7.0/UDP a.com",
            "SIP/2.0/UDPa.com:x",
            "SIP/2.0/UDP a.com:65536",
            "SIP/2.0/UDP a.com:",
            "SIP/2.0/UDP 2001:db8::1",
            "SIP/2.0/UDP a.com;received=b.com",
            "SIP/2.0/UDP a.com;rport=x",
            "SIP/2.0/UDP a.com b",
        ] {
            assert!(Via::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn our_own_hop_asks_for_symmetric_responses() {
        let via = Via::new(Transport::Udp, "192.0.2.1".parse().unwrap(), Some(5060), "z9hG4bKx");
        assert_eq!(via.to_string(), "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx;rport");
        assert_eq!(via.rport(), None);
    }
}
