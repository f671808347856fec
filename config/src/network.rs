//! `[network]`: where we listen.

use crate::finding::Report;
use crate::section::Section;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// Where we listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// For SIP; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// For RTP and RTCP.
    pub media_ports: PortRange,
    /// How SIP travels.
    pub transport: Transport,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 5060).into(),
            media_ports: PortRange { first: 40_000, last: 40_999 },
            transport: Transport::Udp,
        }
    }
}

impl Network {
    pub(crate) fn read(&mut self, mut section: Section<'_>, report: &mut Report<'_>) {
        section.parse("listen", &mut self.listen, report, parse_listen);
        section.parse("media-ports", &mut self.media_ports, report, str::parse);
        section.parse("transport", &mut self.transport, report, str::parse);
        let PortRange { first, last } = self.media_ports;
        if (first..=last).contains(&self.listen.port()) && self.transport == Transport::Udp {
            let message = format!("SIP's own port, {}, is among them", self.listen.port());
            let span = section.span_of("media-ports").or(section.span_of("listen"));
            report.warning(span, "network.media-ports", message);
        }
        section.finish(report);
    }
}

/// `127.0.0.1:5060` or `[::1]:5060`.
///
/// # Errors
/// One sentence that says what an address looks like.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is not an IP address and a port such as 127.0.0.1:5060 or [::1]:5060"))
}

/// Ports for media, both ends included; room for RTP on an even port and RTCP on the next (RFC 3550 section 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// `None` if there is no room for one pair of ports.
    pub fn new(first: u16, last: u16) -> Option<Self> {
        let range = Self { first, last };
        range.pairs().next().is_some().then_some(range)
    }

    /// The even ports for RTP whose next port, for RTCP, is in the range as well; lowest first.
    pub fn pairs(self) -> impl Iterator<Item = u16> {
        // Port 0 would mean any.
        (self.first.max(1)..self.last).filter(|port| port % 2 == 0)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ports = text.split_once('-').and_then(|(f, l)| Some((f.parse().ok()?, l.parse().ok()?)));
        let Some((first, last)) = ports else {
            return Err(format!("{text:?} is not a range of ports such as 40000-40999"));
        };
        Self::new(first, last)
            .ok_or_else(|| format!("{text:?} has no room for an even port (RTP) and the next one (RTCP)"))
    }
}

/// How SIP travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// A stream that nobody on the way can read.
    Tls,
}

impl Transport {
    /// As files and flags spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Transport {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = [Self::Udp, Self::Tcp, Self::Tls].into_iter().find(|t| t.name() == text);
        found.ok_or_else(|| format!("{text:?} is none of udp, tcp and tls"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_ports_is_even_and_odd_and_inside() {
        let pairs = |text: &str| text.parse::<PortRange>().unwrap().pairs().collect::<Vec<_>>();
        assert_eq!(pairs("40000-40003"), [40000, 40002]);
        assert_eq!(pairs("40001-40004"), [40002]);
        assert_eq!(pairs("0-3"), [2]);
        assert_eq!(pairs("65534-65535"), [65534]);
        assert_eq!("40000-40999".parse::<PortRange>().unwrap().to_string(), "40000-40999");
    }

    #[test]
    fn a_range_without_room_for_rtp_and_rtcp_is_refused() {
        for text in ["40000-40000", "40001-40002", "40002-40000", "0-1"] {
            let error = text.parse::<PortRange>().unwrap_err();
            assert_eq!(error, format!("{text:?} has no room for an even port (RTP) and the next one (RTCP)"));
        }
        for text in ["", "40000", "a-b", "40000-70000", "40000-40001-40002"] {
            let error = text.parse::<PortRange>().unwrap_err();
            assert_eq!(error, format!("{text:?} is not a range of ports such as 40000-40999"));
        }
    }

    #[test]
    fn an_address_without_a_port_is_refused() {
        assert!(parse_listen("[::1]:0").is_ok());
        for text in ["127.0.0.1", "localhost:5060", "127.0.0.1:70000"] {
            assert!(parse_listen(text).unwrap_err().starts_with(&format!("{text:?} is not an IP address and a port")));
        }
    }
}
