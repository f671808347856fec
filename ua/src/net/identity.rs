//! Who a certificate is for, as SIP understands it (RFC 5922 section 7).

use std::fmt;
use std::net::IpAddr;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The SIP domain identities of a certificate (RFC 5922 section 7.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identities {
    names: Vec<String>,
    /// For URIs whose host is an address. RFC 5922 knows only names; an address proves what a name would.
    addresses: Vec<IpAddr>,
}

impl Identities {
    /// Those of a certificate, whose signatures are checked elsewhere.
    ///
    /// # Errors
    /// One sentence, if it is no certificate.
    pub fn of(der: &[u8]) -> Result<Self, String> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|e| format!("it cannot be read: {e}"))?;
        let alternatives = certificate.subject_alternative_name().map_err(|e| format!("it cannot be read: {e}"))?;
        let Some(alternatives) = alternatives else {
            // The subject counts if and only if there is no subjectAltName.
            let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
            let names = common.filter(|name| is_dns_name(name)).map(str::to_owned).collect();
            return Ok(Self { names, addresses: vec![] });
        };
        let (mut uris, mut names, mut addresses) = (vec![], vec![], vec![]);
        for name in &alternatives.value.general_names {
            match name {
                GeneralName::URI(uri) => uris.extend(domain_of(uri)),
                GeneralName::DNSName(name) => names.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) => addresses.extend(address(bytes)),
                _ => {}
            }
        }
        // DNS names count if and only if no sip URI is there.
        let names = if uris.is_empty() { names } else { uris };
        Ok(Self { names, addresses })
    }

    /// Is it for the host of a URI? Names are compared in their entirety and without case, and a wildcard means only
    /// itself (RFC 5922 section 7.2).
    pub fn is_for(&self, host: &str) -> bool {
        let plain = |name: &str| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let host = plain(host.trim_matches(['[', ']']));
        // A wildcard is no host, so that it cannot come in here; were it one, it would still mean only itself.
        self.names.iter().any(|name| plain(name) == host)
            || host.parse::<IpAddr>().is_ok_and(|ip| self.addresses.contains(&ip))
    }
}

impl fmt::Display for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.addresses.iter().map(ToString::to_string);
        // Whoever made the certificate wrote the names: they may hold anything.
        let names = self.names.iter().map(|name| name.escape_default().to_string());
        let all: Vec<_> = names.chain(addresses).take(8).collect();
        f.write_str(if all.is_empty() { "nobody" } else { "" })?;
        f.write_str(&all.join(", "))
    }
}

/// The host of `sip:host`. A URI with a user names a person, not a domain; `sips` is another scheme.
fn domain_of(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("sip") || rest.contains('@') {
        return None;
    }
    let end = rest.find([';', '?']).unwrap_or(rest.len());
    let host = &rest[..end];
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split_once(']')?.0,
        None => host.split(':').next()?,
    };
    (!host.is_empty()).then(|| host.to_owned())
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

fn is_dns_name(text: &str) -> bool {
    !text.is_empty()
        && text.split('.').all(|l| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn identities(sans: Vec<SanType>, common_name: &str) -> Identities {
        let mut params = CertificateParams::default();
        params.subject_alt_names = sans;
        params.distinguished_name = Default::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Identities::of(certificate.der()).unwrap()
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    fn dns(text: &str) -> SanType {
        SanType::DnsName(text.try_into().unwrap())
    }

    #[test]
    fn a_sip_uri_names_the_domain_and_then_no_dns_name_does() {
        let found = identities(vec![dns("other.example"), uri("SIP:Example.ORG")], "cn.example");
        assert!(found.is_for("example.org") && found.is_for("EXAMPLE.org."));
        assert!(!found.is_for("other.example") && !found.is_for("cn.example"));
    }

    #[test]
    fn neither_a_person_nor_another_scheme_is_a_domain() {
        let found = identities(vec![uri("sip:bob@example.org"), uri("sips:example.org"), dns("a.example")], "x");
        assert!(found.is_for("a.example") && !found.is_for("example.org"));
    }

    #[test]
    fn the_subject_counts_only_where_there_is_no_alternative_name() {
        assert!(identities(vec![], "example.org").is_for("example.org"));
        assert!(!identities(vec![uri("sip:bob@a.example")], "example.org").is_for("example.org"));
        assert!(!identities(vec![], "Bob at example.org").is_for("example.org"));
    }

    #[test]
    fn a_wildcard_and_a_suffix_match_nothing() {
        let found = identities(vec![dns("*.example.org"), dns("example.com")], "x");
        assert!(!found.is_for("foo.example.org") && !found.is_for("foo.example.com") && !found.is_for("com"));
        assert!(found.is_for("example.com"));
        assert_eq!(found.to_string(), "*.example.org, example.com");
    }

    #[test]
    fn an_address_proves_a_uri_with_that_address() {
        let found = identities(vec![SanType::IpAddress([192, 0, 2, 1].into())], "x");
        assert!(found.is_for("192.0.2.1") && !found.is_for("192.0.2.2"));
        let found = identities(vec![SanType::IpAddress("::1".parse().unwrap())], "x");
        assert!(found.is_for("[::1]") && found.is_for("::1"));
        assert!(Identities::of(b"nonsense").is_err());
    }
}
