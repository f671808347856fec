//! `[account]`: who we are.

use crate::finding::Report;
use crate::section::Section;
use keyphone_keying::Identity;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// Who we are in SIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// What stands in From and Contact, and whom peers file our pre-shared key under.
    pub from: SipUri,
    /// What a peer may show beside it. Holds no control characters.
    pub display_name: Option<String>,
}

impl Default for Account {
    fn default() -> Self {
        Self { from: SipUri("sip:keyphone@127.0.0.1".to_owned()), display_name: None }
    }
}

impl Account {
    pub(crate) fn read(&mut self, mut section: Section<'_>, report: &mut Report<'_>) {
        section.parse("from", &mut self.from, report, str::parse);
        section.parse("display-name", &mut self.display_name, report, |text| {
            // A line end would start another header (RFC 3261 section 7.3).
            if text.chars().any(char::is_control) {
                Err("holds a control character, which no SIP header may".to_owned())
            } else {
                Ok((!text.is_empty()).then(|| text.to_owned()))
            }
        });
        section.finish(report);
    }
}

/// `sip:user@host`, `sip:user@host:port` or the same with `sips:`: a SIP URI as somebody's name, without parameters and headers
/// (RFC 3261 section 19.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipUri(String);

impl SipUri {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As keying compares it: without the port.
    pub fn identity(&self) -> Identity {
        Identity::new(&self.0)
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SipUri {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mistake = |why: &str| Err(format!("{text:?} is not a SIP URI such as sip:alice@example.org: {why}"));
        let Some((scheme, rest)) = text.split_once(':') else { return mistake("it lacks sip:") };
        let scheme = scheme.to_ascii_lowercase();
        if !["sip", "sips"].contains(&scheme.as_str()) {
            return mistake("it lacks sip:");
        }
        let Some((user, hostport)) = rest.split_once('@') else { return mistake("it lacks user@") };
        if !is_user(user) {
            return mistake("the user holds a character that must be escaped as %hh, or is empty");
        }
        let (host, port) = match hostport.strip_prefix('[').and_then(|h| h.split_once(']')) {
            Some((v6, "")) => (v6, None),
            Some((v6, after)) => (v6, Some(after.strip_prefix(':').unwrap_or("?"))),
            None => hostport.split_once(':').map_or((hostport, None), |(host, port)| (host, Some(port))),
        };
        let host_ok = if hostport.starts_with('[') { host.parse::<Ipv6Addr>().is_ok() } else { is_host(host) };
        if !host_ok {
            return mistake("the host is neither a name nor an address (and a name takes no parameters here)");
        }
        let port_ok = |p: &str| p.bytes().all(|b| b.is_ascii_digit()) && p.parse::<u16>().is_ok_and(|p| p != 0);
        if !port.is_none_or(port_ok) {
            return mistake("the port is not a number from 1 to 65535");
        }
        Ok(Self(format!("{scheme}:{rest}")))
    }
}

/// RFC 3261 section 25.1: user = 1*( unreserved / escaped / user-unreserved ).
fn is_user(user: &str) -> bool {
    let mut octets = user.bytes();
    while let Some(octet) = octets.next() {
        let ok = match octet {
            b'%' => {
                let mut hex = || octets.next().is_some_and(|o| o.is_ascii_hexdigit());
                hex() && hex()
            }
            _ => octet.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&octet),
        };
        if !ok {
            return false;
        }
    }
    !user.is_empty()
}

/// RFC 3261 section 25.1: hostname = *( domainlabel "." ) toplabel [ "." ]; an IPv4 address passes as well.
fn is_host(host: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty()
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.strip_suffix('.').unwrap_or(host).split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_kinds_are_taken() {
        for uri in [
            "sip:alice@example.org",
            "sip:alice@127.0.0.1:5070",
            "sips:alice@example.org",
            "sip:+4930123;ext=5@example.org.",
            "sip:a%20b@[2001:db8::1]:5060",
            "sip:a@[::1]",
        ] {
            assert_eq!(uri.parse::<SipUri>().unwrap().as_str(), uri);
        }
        assert_eq!("SIP:a@b".parse::<SipUri>().unwrap().as_str(), "sip:a@b");
        assert_eq!("sip:a@B:5070".parse::<SipUri>().unwrap().identity(), Identity::new("sip:a@b"));
    }

    #[test]
    fn a_name_cannot_smuggle_in_a_header_or_a_parameter() {
        for uri in [
            "alice@example.org",
            "tel:+4930",
            "sip:example.org",
            "sip:@example.org",
            "sip:alice@",
            "sip:alice@example.org\r\nX: y",
            "sip:al ice@example.org",
            "sip:a%2@example.org",
            "sip:alice@example.org;transport=tcp",
            "sip:alice@example.org?subject=x",
            "sip:alice@exam_ple.org",
            "sip:alice@-a.org",
            "sip:alice@[::1",
            "sip:alice@[::1]5060",
            "sip:alice@[nonsense]",
            "sip:alice@example.org:",
            "sip:alice@example.org:0",
            "sip:alice@example.org:+5060",
            "sip:alice@example.org:70000",
            "<sip:alice@example.org>",
        ] {
            let error = uri.parse::<SipUri>().unwrap_err();
            assert!(error.starts_with(&format!("{uri:?} is not a SIP URI such as")), "{error}");
        }
    }
}
