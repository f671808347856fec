//! What the 200 to a REGISTER says (RFC 3261 section 10.2.4, RFC 3608 section 6.1).

use crate::sip::headers::Headers;
use crate::sip::{Contacts, NameAddr, Uri};
use std::time::Duration;

/// What a registrar has for us.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bindings {
    /// All contacts of the address of record, ours among them: what people are told.
    pub(super) contacts: Vec<String>,
    /// For how long ours holds. Zero: it does not.
    pub(super) expires: Duration,
    /// The proxies that our requests visit first; none if the registrar names too many.
    pub(super) routes: Vec<NameAddr>,
}

impl Bindings {
    /// The most contacts that are told.
    const MOST_CONTACTS: usize = 64;
    /// The most proxies that a Service-Route may name.
    const MOST_ROUTES: usize = 16;
    /// What is registered for longer is refreshed as if it were for a day.
    const LONGEST: Duration = Duration::from_secs(86_400);

    /// Reads them. `ours` is the contact that we asked for, and `asked` for how long.
    pub(super) fn read(headers: &Headers, ours: &Uri, asked: Duration) -> Self {
        let contacts = match headers.bindings() {
            Ok(Contacts::These(contacts)) => contacts,
            Ok(Contacts::All) | Err(_) => vec![],
        };
        // Of a registrar that writes our contact in its own way we take its word for the whole response, or ours.
        let own = contacts.iter().find(|contact| contact.uri.matches(ours)).and_then(NameAddr::expires);
        let expires = own.or(headers.expires().unwrap_or_default()).unwrap_or(asked);
        let mut routes = headers.service_route().unwrap_or_default();
        if routes.len() > Self::MOST_ROUTES {
            tracing::warn!(routes = routes.len(), "a Service-Route that is too long is not used");
            routes.clear();
        }
        Self {
            contacts: contacts.iter().take(Self::MOST_CONTACTS).map(|contact| contact.uri.to_string()).collect(),
            expires: expires.min(Self::LONGEST),
            routes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&'static str, &str)]) -> Bindings {
        let mut headers = Headers::new();
        fields.iter().for_each(|(name, value)| headers.push(name, value));
        Bindings::read(&headers, &"sip:alice@192.0.2.1:5060".parse().unwrap(), Duration::from_secs(3600))
    }

    #[test]
    fn our_contact_is_found_among_others() {
        let two = "<sip:alice@192.0.2.9>;expires=7, <sip:alice@192.0.2.1:5060;x=1>;expires=60;received=\"sip:1.2.3.4\"";
        let bindings = read(&[("Contact", two), ("Expires", "300")]);
        assert_eq!(bindings.expires.as_secs(), 60);
        assert_eq!(bindings.contacts, ["sip:alice@192.0.2.9", "sip:alice@192.0.2.1:5060;x=1"]);
    }

    #[test]
    fn without_our_contact_the_expires_header_counts_and_without_that_what_we_asked_for() {
        assert_eq!(read(&[("Contact", "<sip:alice@192.0.2.9>;expires=7"), ("Expires", "300")]).expires.as_secs(), 300);
        assert_eq!(read(&[("Contact", "what?")]).expires.as_secs(), 3600);
        assert_eq!(read(&[("Expires", "4294967295")]).expires, Bindings::LONGEST);
    }

    #[test]
    fn a_service_route_keeps_its_order_and_is_not_endless() {
        let routes = read(&[("Service-Route", "<sip:a;lr>, <sip:b;lr>"), ("Service-Route", "<sip:c;lr>")]).routes;
        let routes: Vec<_> = routes.iter().map(ToString::to_string).collect();
        assert_eq!(routes, ["<sip:a;lr>", "<sip:b;lr>", "<sip:c;lr>"]);
        assert_eq!(read(&[("Service-Route", &vec!["<sip:a;lr>"; 17].join(","))]).routes, []);
    }
}
