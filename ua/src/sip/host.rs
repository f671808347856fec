//! Hosts (RFC 3261 section 25.1): a domain name, an IPv4 address or an IPv6 reference.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use super::error::SipError;
use super::scan::{self, Scan};

/// Where somebody can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A domain name, as it was written; [`FromStr`] reads it.
    Name(String),
    /// An address; an IPv6 address is written in brackets.
    Ip(IpAddr),
}

impl Host {
    /// The address, unless it is a name.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::Ip(ip) => Some(*ip),
        }
    }

    /// Whether both are the same host. Names are compared without case, and not looked up (RFC 3261 section 19.1.4).
    pub fn matches(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a.eq_ignore_ascii_case(b),
            (a, b) => a == b,
        }
    }

    /// Reads a host at the cursor.
    pub(super) fn scan(scan: &mut Scan<'_>) -> Result<Self, &'static str> {
        if scan.eat('[') {
            let address = scan.run(|c| c != ']');
            if !scan.eat(']') {
                return Err("an IPv6 address lacks its closing bracket");
            }
            let address = parse_v6(address).ok_or("what stands in brackets is not an IPv6 address")?;
            return Ok(Self::Ip(address.into()));
        }
        Self::parse_bare(scan.run(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')))
    }

    /// Reads a `host [":" port]`; blanks may stand around the colon if `spaced` (in Via, not in a URI).
    pub(super) fn scan_port(scan: &mut Scan<'_>, spaced: bool) -> Result<(Self, Option<u16>), &'static str> {
        let host = Self::scan(scan)?;
        let has_port = if spaced { scan.eat_spaced(':') } else { scan.eat(':') };
        let port = match has_port {
            true => Some(scan::number(scan.run(|c| c.is_ascii_digit())).ok_or("the port is not a number below 65536")?),
            false => None,
        };
        Ok((host, port))
    }

    /// hostname / IPv4address (RFC 3261 section 25.1): the last label of a name begins with a letter.
    fn parse_bare(text: &str) -> Result<Self, &'static str> {
        if let Ok(ip) = text.parse() {
            return Ok(Self::Ip(IpAddr::V4(ip)));
        }
        let labels = text.strip_suffix('.').unwrap_or(text);
        let is_label = |l: &str| !l.is_empty() && !l.starts_with('-') && !l.ends_with('-');
        let top_is_alphabetic =
            labels.rsplit('.').next().is_some_and(|l| l.starts_with(|c: char| c.is_ascii_alphabetic()));
        match labels.split('.').all(is_label) && top_is_alphabetic {
            true => Ok(Self::Name(text.to_owned())),
            false => Err("the host is neither a domain name nor an address"),
        }
    }
}

/// RFC 3261 wrote one colon too many before an embedded IPv4 address; RFC 5118 section 4.10 asks to bear with it.
fn parse_v6(text: &str) -> Option<Ipv6Addr> {
    match text.split_once(":::") {
        Some((prefix, v4)) if v4.contains('.') => format!("{prefix}::{v4}").parse().ok(),
        _ => text.parse().ok(),
    }
}

impl FromStr for Host {
    type Err = SipError;

    fn from_str(text: &str) -> Result<Self, SipError> {
        let mut scan = Scan::new(text);
        let host = Self::scan(&mut scan).map_err(SipError::Uri)?;
        if scan.is_done() { Ok(host) } else { Err(SipError::Uri("there is more than a host")) }
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Self {
        Self::Ip(ip)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_both_kinds_of_address_are_read() {
        for good in
            ["example.com", "example.com.", "a", "x-1.example", "192.0.2.1", "[2001:db8::1]", "[::ffff:192.0.2.1]"]
        {
            assert_eq!(good.parse::<Host>().map(|h| h.to_string()).as_deref(), Ok(good));
        }
    }

    #[test]
    fn the_extra_colon_of_rfc_3261_is_borne_with() {
        assert_eq!("[2001:db8:::192.0.2.1]".parse::<Host>(), "[2001:db8::192.0.2.1]".parse());
        assert!("[2001:db8:::1]".parse::<Host>().is_err());
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in
            ["", ".", "-a.com", "a-.com", "a..b", "192.0.2.300", "1.2.3", "[::1", "[1.2.3.4]", "2001:db8::1", "a b"]
        {
            assert!(bad.parse::<Host>().is_err(), "{bad}");
        }
    }
}
