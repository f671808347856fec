//! Where a registrar or a proxy is.

use crate::account::parse_hostport;
use std::fmt;
use std::str::FromStr;

/// `sip:host`, `sips:host:port`, `sip:host;transport=tcp`: a server's URI, without a user (RFC 3261 section 10.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUri(String);

impl ServerUri {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ServerUri {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mistake = |why: &str| Err(format!("{text:?} is not a server's URI such as sip:example.org: {why}"));
        let Some((scheme, rest)) = text.split_once(':') else { return mistake("it lacks sip:") };
        let scheme = scheme.to_ascii_lowercase();
        if !["sip", "sips"].contains(&scheme.as_str()) {
            return mistake("it lacks sip:");
        }
        if rest.contains('@') {
            return mistake("a server has no user@");
        }
        let mut parts = rest.split(';');
        if let Err(why) = parse_hostport(parts.next().unwrap_or_default()) {
            return mistake(why);
        }
        for part in parts {
            match part.to_ascii_lowercase().as_str() {
                "lr" => {}
                "transport=udp" | "transport=tcp" | "transport=tls" => {}
                _ => return mistake("its parameters may be ;lr and ;transport= with udp, tcp or tls"),
            }
        }
        Ok(Self(format!("{scheme}:{rest}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_perhaps_a_port_and_a_transport() {
        for uri in [
            "sip:example.org",
            "sips:example.org:5061",
            "sip:127.0.0.1:5090;transport=tcp",
            "sip:[::1]:5090;lr;transport=TLS",
        ] {
            assert_eq!(uri.parse::<ServerUri>().unwrap().as_str(), uri);
        }
        for bad in [
            "example.org",
            "tel:1",
            "sip:",
            "sip:alice@example.org",
            "sip:example.org;x=1",
            "sip:example.org;transport=sctp",
            "sip:example.org?a=b",
            "sip:example.org\r\nX: y",
            "sip:[::1",
            "sip:a:0",
        ] {
            let error = bad.parse::<ServerUri>().unwrap_err();
            assert!(error.starts_with(&format!("{bad:?} is not a server's URI such as")), "{error}");
        }
    }
}
