//! `[account]`, or `[[account]]` for several: who we are.

use crate::duration::parse_between;
use crate::finding::Report;
use crate::login::{Login, Password};
use crate::section::Section;
use crate::server::ServerUri;
use keyphone_keying::Identity;
use std::fmt;
use std::net::Ipv6Addr;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;
use zeroize::Zeroizing;

/// Who we are in SIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// What stands in From and Contact, and whom peers file our pre-shared key under.
    pub from: SipUri,
    /// What a peer may show beside it. Holds no control characters.
    pub display_name: Option<String>,
    /// What servers that ask are answered with.
    pub login: Option<Login>,
    /// Where we register; `None`: we do not.
    pub registrar: Option<ServerUri>,
    /// Through which proxy requests go, whomever they are for.
    pub proxy: Option<ServerUri>,
    /// How long a registration is to hold; the registrar may decide otherwise.
    pub expires: Duration,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            from: SipUri("sip:keyphone@127.0.0.1".to_owned()),
            display_name: None,
            login: None,
            registrar: None,
            proxy: None,
            expires: Duration::from_secs(3600),
        }
    }
}

impl Account {
    /// The part of `from` before the @: what a server is told if no other user name is given.
    pub fn user(&self) -> &str {
        self.from.0.split_once(':').and_then(|(_, rest)| rest.split_once('@')).map_or("", |(user, _)| user)
    }

    pub(crate) fn read(&mut self, mut section: Section<'_>, directory: &Path, report: &mut Report<'_>) {
        let named = section.span_of("from");
        section.parse("from", &mut self.from, report, str::parse);
        section.parse("display-name", &mut self.display_name, report, |text| {
            // A line end would start another header (RFC 3261 section 7.3).
            if text.chars().any(char::is_control) {
                Err("holds a control character, which no SIP header may".to_owned())
            } else {
                Ok((!text.is_empty()).then(|| text.to_owned()))
            }
        });
        section.parse("registrar", &mut self.registrar, report, |text| text.parse().map(Some));
        section.parse("proxy", &mut self.proxy, report, |text| text.parse().map(Some));
        section.parse("expires", &mut self.expires, report, |text| parse_between(text, "60s", "1440m"));
        self.read_login(&mut section, directory, report);
        if self.registrar.is_some() && named.is_none() {
            let message = "a registrar needs to know whom it registers: give from";
            report.error(section.span.clone().unwrap_or_default(), "account.from", message);
        }
        section.finish(report);
    }

    fn read_login(&mut self, section: &mut Section<'_>, directory: &Path, report: &mut Report<'_>) {
        let realm = section.string("realm", report);
        let username = section.string("username", report);
        let text = section.string("password", report);
        let file = section.string("password-file", report);
        let password = match (text, file) {
            (Some((text, _)), None) => Some(Password::new(Zeroizing::new(text.to_owned()))),
            (None, Some((path, span))) => match Password::from_file(&directory.join(path)) {
                Ok(password) => Some(password),
                Err(message) => return report.error(span, "account.password-file", message),
            },
            (Some(_), Some((_, span))) => {
                let message = "stands beside password, and only one of the two may";
                return report.error(span, "account.password-file", message);
            }
            (None, None) => None,
        };
        match (password, realm.as_ref().or(username.as_ref())) {
            (Some(password), _) => {
                self.login = Some(Login {
                    realm: realm.map(|(realm, _)| realm.to_owned()),
                    username: username.map_or(self.user(), |(name, _)| name).to_owned(),
                    password,
                });
            }
            // A field of the wrong type has been reported; only where there is none is one missing.
            (None, Some((_, span))) if section.span_of("password").or(section.span_of("password-file")).is_none() => {
                report.error(span.clone(), "account.password", "there is neither password nor password-file");
            }
            _ => {}
        }
    }
}

/// `sip:user@host`, `sip:user@host:port` or the same with `sips:`: a SIP URI as somebody's name, without parameters and
/// headers (RFC 3261 section 19.1.1).
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
        match parse_hostport(hostport) {
            Ok(()) => Ok(Self(format!("{scheme}:{rest}"))),
            Err(why) => mistake(why),
        }
    }
}

/// `host` or `host:port`.
pub(crate) fn parse_hostport(hostport: &str) -> Result<(), &'static str> {
    let (host, port) = match hostport.strip_prefix('[').and_then(|h| h.split_once(']')) {
        Some((v6, "")) => (v6, None),
        Some((v6, after)) => (v6, Some(after.strip_prefix(':').unwrap_or("?"))),
        None => hostport.split_once(':').map_or((hostport, None), |(host, port)| (host, Some(port))),
    };
    let host_ok = if hostport.starts_with('[') { host.parse::<Ipv6Addr>().is_ok() } else { is_host(host) };
    if !host_ok {
        return Err("the host is neither a name nor an address (and a name takes no parameters here)");
    }
    let port_ok = |p: &str| p.bytes().all(|b| b.is_ascii_digit()) && p.parse::<u16>().is_ok_and(|p| p != 0);
    if port.is_none_or(port_ok) { Ok(()) } else { Err("the port is not a number from 1 to 65535") }
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
