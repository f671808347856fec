//! Contact in registrations and redirections (RFC 3261 section 20.10): `*`, lists, `q` and `expires`.

use std::fmt;
use std::time::Duration;

use super::error::SipError;
use super::headers::Headers;
use super::name_addr::NameAddr;
use super::scan;
use super::times;

/// `qvalue` (RFC 3261 section 25.1): how much something is wanted, in thousandths from 0 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quality(u16);

impl Quality {
    /// Nothing is wanted more.
    pub const MOST: Self = Self(1000);

    /// So many thousandths; more than 1000 are 1000.
    pub fn new(thousandths: u16) -> Self {
        Self(thousandths.min(1000))
    }

    /// In thousandths.
    pub fn thousandths(self) -> u16 {
        self.0
    }

    /// `"0" ["." 0*3DIGIT]` or `"1" ["." 0*3("0")]`.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let is_part = part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit());
        match (whole, scan::number::<u16>(&format!("{part:0<3}"))) {
            ("0", Some(thousandths)) if is_part => Ok(Self(thousandths)),
            ("1", Some(0)) if is_part => Ok(Self::MOST),
            _ => Err("a q value is not from 0 to 1 with at most three decimals"),
        }
    }
}

impl Default for Quality {
    fn default() -> Self {
        Self::MOST
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1000 => f.write_str("1"),
            0 => f.write_str("0"),
            part => write!(f, "0.{}", format!("{part:03}").trim_end_matches('0')),
        }
    }
}

/// What the Contact fields of a message say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// `*`: all bindings of the address of record (RFC 3261 section 10.2.2).
    All,
    /// These; there may be none.
    These(Vec<NameAddr>),
}

impl NameAddr {
    /// How much this contact is wanted (RFC 3261 section 20.10); most, if it does not say.
    ///
    /// # Errors
    /// A sentence, if its `q` is not a qvalue.
    pub fn q(&self) -> Result<Quality, SipError> {
        let q = self.params.get("q").map_or(Ok(Quality::MOST), Quality::parse);
        q.map_err(|reason| SipError::Header { name: "Contact", reason })
    }

    /// For how long this contact is bound, in whole seconds, if it says so itself. A malformed value counts as 3600
    /// seconds (RFC 3261 section 10.2.1.1).
    pub fn expires(&self) -> Option<Duration> {
        const MALFORMED: Duration = Duration::from_secs(3600);
        self.params.has("expires").then(|| {
            let written = self.params.get("expires").and_then(|text| times::seconds(text).ok());
            written.unwrap_or(MALFORMED)
        })
    }
}

/// Contacts of registrations and redirections, and the routes that a registration leaves.
impl Headers {
    /// All contacts, or the `*` that stands for all bindings. The star stands alone (RFC 3261 section 10.3).
    pub fn bindings(&self) -> Result<Contacts, SipError> {
        match self.get("Contact") {
            Some("*") if self.all("Contact").count() == 1 => Ok(Contacts::All),
            _ => self.contacts().map(Contacts::These),
        }
    }

    /// The contacts of a redirection, most wanted first; those of one q keep their order (RFC 3261 section 8.1.3.4).
    pub fn contacts_by_q(&self) -> Result<Vec<NameAddr>, SipError> {
        let mut contacts =
            self.contacts()?.into_iter().map(|c| Ok((c.q()?, c))).collect::<Result<Vec<_>, SipError>>()?;
        contacts.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
        Ok(contacts.into_iter().map(|(_, contact)| contact).collect())
    }

    /// The proxies between registrar and client (RFC 3327 section 4).
    pub fn path(&self) -> Result<Vec<NameAddr>, SipError> {
        self.list("Path", NameAddr::parse_bracketed)
    }

    /// The proxies that requests of the registered client visit first (RFC 3608 section 5).
    pub fn service_route(&self) -> Result<Vec<NameAddr>, SipError> {
        self.list("Service-Route", NameAddr::parse_bracketed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::headers::tests::headers;

    #[test]
    fn a_q_value_has_three_decimals_at_most() {
        for (text, thousandths) in
            [("0", 0), ("0.", 0), ("0.7", 700), ("0.05", 50), ("0.001", 1), ("1", 1000), ("1.000", 1000)]
        {
            let q = Quality::parse(text).unwrap();
            assert_eq!(q.thousandths(), thousandths, "{text}");
            assert_eq!(Quality::parse(&q.to_string()), Ok(q));
        }
        for bad in ["", ".5", "1.001", "2", "0.1234", "00.1", "-0", "0.-1", "0.+1", "0.5x", "1.0000"] {
            assert!(Quality::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn contacts_say_how_long_they_are_bound_and_how_much_they_are_wanted() {
        // RFC 3261 section 20.10.
        let two = headers(
            "Contact",
            "\"Mr. Watson\" <mailto:watson@bell-telephone.com> ;q=0.1, \
             \"Mr. Watson\" <sip:watson@worcester.bell-telephone.com>;q=0.7; expires=3600, <sip:c@d>;expires=\"x\"",
        );
        let Ok(Contacts::These(contacts)) = two.bindings() else { panic!("three contacts") };
        let expires: Vec<_> = contacts.iter().map(|c| c.expires().map(|e| e.as_secs())).collect();
        assert_eq!(expires, [None, Some(3600), Some(3600)]);
        let order: Vec<_> = two.contacts_by_q().unwrap().iter().map(|c| c.uri.scheme().to_owned()).collect();
        assert_eq!(order, ["sip", "sip", "mailto"]);
        assert!(headers("Contact", "<sip:a@b>;q=2").contacts_by_q().is_err());
    }

    #[test]
    fn a_star_stands_alone() {
        assert_eq!(headers("Contact", "*").bindings(), Ok(Contacts::All));
        assert_eq!(Headers::new().bindings(), Ok(Contacts::These(vec![])));
        assert!(headers("Contact", "*, <sip:a@b>").bindings().is_err());
        assert!(headers("Contact", "<sip:a@b>, *").bindings().is_err());
    }

    #[test]
    fn the_routes_of_a_registration_are_read_in_their_order() {
        // RFC 3327 section 5.5.1 and RFC 3608 section 6.4.
        let path = headers("Path", "<sip:P3.EXAMPLEHOME.COM;lr>,<sip:P1.EXAMPLEVISITED.COM;lr>").path().unwrap();
        let hosts: Vec<_> = path.iter().map(|p| p.uri.sip().unwrap().host().to_string()).collect();
        assert_eq!(hosts, ["P3.EXAMPLEHOME.COM", "P1.EXAMPLEVISITED.COM"]);
        let route = headers("Service-Route", "<sip:P2.HOME.EXAMPLE.COM;lr>, <sip:HSP.HOME.EXAMPLE.COM;lr>");
        assert_eq!(route.service_route().unwrap().len(), 2);
        assert!(headers("Path", "sip:p.example.com;lr").path().is_err(), "a path-value is a name-addr");
    }
}
