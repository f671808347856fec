//! Where certificates may be fetched that a message only points to (RFC 3830 section 6.7, RFC 4738 section 3.8).
//!
//! Who sends a URL has us make a connection. So nothing is fetched but what the configuration lists, and what is fetched
//! proves nothing: the certificate is checked as if it had come in the message.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use url::Host;

/// A URL of a certificate: `http` or `https` (RFC 4738 section 3.8 wants the former; FTP is not required).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url(url::Url);

impl Url {
    /// Longer ones are not followed, in octets.
    pub const LONGEST: usize = 1024;

    /// Is the certificate asked for over TLS?
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host; an IPv6 address has brackets.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The host, if it is an address and no name.
    pub fn address(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Ipv4(ip) => Some(ip.into()),
            Host::Ipv6(ip) => Some(ip.into()),
            Host::Domain(_) => None,
        }
    }

    /// The port: 80 or 443 if it names none.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or_default()
    }

    /// What the server is asked for.
    pub fn path_and_query(&self) -> String {
        match self.0.query() {
            Some(query) => format!("{}?{query}", self.0.path()),
            None => self.0.path().into(),
        }
    }

    /// As it stands in a message.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Of the octets of a CERT payload: "plain ASCII URL to the location of the Cert" (RFC 3830 table 6.7.b).
    pub(crate) fn of_octets(octets: &[u8]) -> Option<Self> {
        std::str::from_utf8(octets).ok()?.parse().ok()
    }
}

impl FromStr for Url {
    type Err = String;

    /// Says in one sentence why it is none that we would follow.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > Self::LONGEST {
            return Err(format!("a URL of {} octets is longer than {}", text.len(), Self::LONGEST));
        }
        // The parser would pass over white space, and write what is not ASCII in another way.
        if !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(format!("{text:?} is no plain ASCII URL (RFC 3830 table 6.7.b)"));
        }
        let url = url::Url::parse(text).map_err(|why| format!("{text:?} is no URL: {why}"))?;
        match url.scheme() {
            "http" | "https" => {}
            other => {
                return Err(format!("{text:?} has the scheme {other}, and certificates are fetched by http or https"));
            }
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(format!("{text:?} has a user or a fragment, which certificates do not need"));
        }
        // A server may take it for one, and then the path is none below what a list allows.
        let path = url.path().to_ascii_lowercase();
        if path.contains("%2f") || path.contains("%5c") {
            return Err(format!("{text:?} has an escaped slash in its path, which certificates do not need"));
        }
        Ok(Self(url))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{self}>")
    }
}

/// From where certificates may be fetched: nowhere by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchList(Vec<Url>);

impl FetchList {
    /// Nothing is fetched at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// May it be fetched? An entry stands for itself and, if it ends with a slash, for all below it: the same scheme, host
    /// and port. `..` was resolved when the URL was read, also where it was escaped.
    pub fn allows(&self, url: &Url) -> bool {
        self.0.iter().any(|entry| match entry.as_str().ends_with('/') {
            true => url.as_str().starts_with(entry.as_str()),
            false => url == entry,
        })
    }

    /// May a connection be made to that address? One that the whole world can reach may; one of this machine or of a
    /// network that is not public only if an entry names it as its host. So nobody has us ask around behind our firewall
    /// by what a name server says.
    pub fn reaches(&self, address: IpAddr) -> bool {
        is_public(address) || self.0.iter().any(|entry| entry.address() == Some(address))
    }
}

impl FromIterator<Url> for FetchList {
    fn from_iter<I: IntoIterator<Item = Url>>(urls: I) -> Self {
        Self(urls.into_iter().collect())
    }
}

/// Is it globally reachable, as the special-purpose registries say (RFC 6890)? What is in doubt is not.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            let special = ip.is_unspecified()
                || ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_documentation()
                || ip.is_broadcast()
                || ip.is_multicast();
            // This network; shared address space (RFC 6598); IETF assignments; 6to4 relays (RFC 7526); benchmarks
            // (RFC 2544); reserved.
            let more = a == 0
                || a == 100 && b & 0xc0 == 64
                || (a, b, c) == (192, 0, 0)
                || (a, b, c) == (192, 88, 99)
                || a == 198 && b & 0xfe == 18
                || a >= 240;
            !special && !more
        }
        IpAddr::V6(ip) => {
            let segments = ip.segments();
            // Global unicast is 2000::/3 (RFC 4291 section 2.4); in it are 6to4 and, in the block for IETF assignments
            // (2001::/23), Teredo, which lead to IPv4 addresses, and the blocks for documentation (RFC 3849, RFC 9637).
            // Mapped IPv4 addresses are outside of it.
            segments[0] & 0xe000 == 0x2000
                && segments[0] != 0x2002
                && (segments[0] != 0x2001 || segments[1] & 0xfe00 != 0)
                && (segments[0], segments[1]) != (0x2001, 0x0db8)
                && (segments[0] != 0x3fff || segments[1] & 0xf000 != 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> FetchList {
        entries.iter().map(|entry| entry.parse().unwrap()).collect()
    }

    fn allows(list: &FetchList, url: &str) -> bool {
        list.allows(&url.parse().unwrap())
    }

    #[test]
    fn a_url_is_what_its_parts_say() {
        let url: Url = "HTTPS://Certs.Example.org/a/b.cer?x=1".parse().unwrap();
        assert_eq!((url.is_https(), url.host(), url.port()), (true, "certs.example.org", 443));
        assert_eq!((url.path_and_query().as_str(), url.address()), ("/a/b.cer?x=1", None));
        let url: Url = "http://[2001:db8::1]:8080/x".parse().unwrap();
        assert_eq!((url.host(), url.port()), ("[2001:db8::1]", 8080));
        assert_eq!(url.address(), Some("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_url_of_a_certificate_is_said() {
        for (text, why) in [
            ("ftp://example.org/a.cer", "the scheme ftp"),
            ("file:///etc/passwd", "the scheme file"),
            ("a.cer", "is no URL"),
            ("http://", "is no URL"),
            ("http://user@example.org/a.cer", "has a user"),
            ("http://example.org/a.cer#b", "or a fragment"),
            ("http://example.org/pki/..%2Fother/a.cer", "an escaped slash"),
            ("http://example.org/pki/..%5cother/a.cer", "an escaped slash"),
            ("http://example.org/a b", "no plain ASCII"),
            (" http://example.org/", "no plain ASCII"),
            ("http://example.org/\u{e4}", "no plain ASCII"),
        ] {
            let error = text.parse::<Url>().unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        assert!(format!("http://example.org/{}", "a".repeat(1006)).parse::<Url>().unwrap_err().contains("longer"));
        assert!(Url::of_octets(b"http://example.org/\xff").is_none());
    }

    #[test]
    fn nothing_is_fetched_but_what_the_list_has() {
        let list = list(&["https://certs.example.org/pki/", "http://example.net:8080/one.cer"]);
        for good in [
            "https://certs.example.org/pki/a.cer",
            "https://CERTS.example.org:443/pki/sub/a.cer?b",
            "http://example.net:8080/one.cer",
        ] {
            assert!(allows(&list, good), "{good}");
        }
        for bad in [
            "http://certs.example.org/pki/a.cer",
            "https://certs.example.org:8443/pki/a.cer",
            "https://certs.example.org/other/a.cer",
            "https://certs.example.org/pki/../other/a.cer",
            "https://certs.example.org/pki/%2e%2E/other/a.cer",
            "https://certs.example.org/pki\\..\\other/a.cer",
            "https://certs.example.org.evil.example/pki/a.cer",
            "https://evil.example/?https://certs.example.org/pki/",
            "http://example.net:8080/one.cer?more",
            "http://example.net:8080/two.cer",
            "http://example.net/one.cer",
        ] {
            assert!(!allows(&list, bad), "{bad}");
        }
        assert!(!allows(&FetchList::default(), "https://certs.example.org/pki/a.cer"));
    }

    #[test]
    fn an_address_that_is_not_public_is_reached_only_if_the_list_names_it() {
        let named = list(&["http://127.0.0.1:8080/", "https://certs.example.org/", "http://[fd00::1]/"]);
        let reaches = |ip: &str| named.reaches(ip.parse().unwrap());
        for good in ["127.0.0.1", "fd00::1", "93.184.216.34", "2606:2800:220:1::1", "100.128.0.1", "198.20.0.1"] {
            assert!(reaches(good), "{good}");
        }
        for bad in [
            "127.0.0.2",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:0:1::",
            "2001:2::1",
            "2001:20::1",
            "3fff:1::1",
            "2001:db8::1",
            "fd00::2",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!reaches(bad), "{bad}");
        }
    }
}
