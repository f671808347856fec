//! Where 3xx responses send us, and whom they may (RFC 3261 section 8.1.3.4).

use crate::sip::{Response, StatusCode, Uri};

/// The targets of one call.
pub(super) struct Targets {
    /// All that were tried or wait to be. None is taken twice.
    known: Vec<Uri>,
    /// How many of them were tried.
    tried: usize,
    /// How many more may be taken.
    left: usize,
    /// The call was to a sips URI, and stays secure (RFC 5630 section 3.1).
    secure: bool,
}

impl Targets {
    /// `most` is how many contacts one call may try in all.
    pub(super) fn new(first: Uri, most: usize) -> Self {
        let secure = first.sip().is_some_and(|uri| uri.is_secure());
        Self { known: vec![first], tried: 1, left: most, secure }
    }

    /// Takes the contacts of a 3xx, most wanted first; gives those that are new and may be tried.
    pub(super) fn add(&mut self, response: &Response) -> Vec<Uri> {
        // 305 and 380 mean something else than "call this one instead" (RFC 3261 sections 21.3.4 and 21.3.5).
        let moved = [StatusCode::MULTIPLE_CHOICES, StatusCode::MOVED_PERMANENTLY, StatusCode::MOVED_TEMPORARILY];
        if !moved.contains(&response.status) {
            return vec![];
        }
        let mut added = vec![];
        for contact in response.headers.contacts_by_q().unwrap_or_default() {
            let Some(sip) = contact.uri.sip() else { continue };
            if self.left == 0 || (self.secure && !sip.is_secure()) {
                continue;
            }
            let uri = Uri::Sip(sip.clone().for_request());
            if self.known.iter().chain(&added).any(|known| known.matches(&uri)) {
                continue;
            }
            self.left -= 1;
            added.push(uri);
        }
        // What the last one said is tried before what others said earlier: the set is walked depth first.
        self.known.splice(self.tried..self.tried, added.iter().cloned());
        added
    }

    /// The next that was not tried yet.
    pub(super) fn next(&mut self) -> Option<Uri> {
        let next = self.known.get(self.tried)?.clone();
        self.tried += 1;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(contacts: &str) -> Response {
        let mut response = Response::new(StatusCode::MOVED_TEMPORARILY);
        response.headers.push("Contact", contacts);
        response
    }

    fn all(targets: &mut Targets) -> Vec<String> {
        std::iter::from_fn(|| targets.next()).map(|uri| uri.to_string()).collect()
    }

    #[test]
    fn contacts_are_tried_by_q_and_none_twice() {
        let mut targets = Targets::new("sip:a@x.org".parse().unwrap(), 5);
        let response = moved("<sip:b@x.org>;q=0.3, <sip:c@x.org>;q=0.9, <sip:a@X.ORG>, <tel:+1>, <sip:b@x.org>");
        assert_eq!(targets.add(&response).len(), 2);
        assert_eq!(all(&mut targets), ["sip:b@x.org", "sip:c@x.org"], "without q it is 1");
        assert!(targets.add(&response).is_empty() && targets.next().is_none());
    }

    #[test]
    fn there_are_no_more_than_allowed() {
        let mut targets = Targets::new("sip:a@x.org".parse().unwrap(), 2);
        assert_eq!(targets.add(&moved("<sip:b@x.org>, <sip:c@x.org>, <sip:d@x.org>")).len(), 2);
        assert!(targets.add(&moved("<sip:e@x.org>")).is_empty());
    }

    #[test]
    fn a_secure_call_is_not_sent_where_it_would_not_be() {
        let mut targets = Targets::new("sips:a@x.org".parse().unwrap(), 5);
        targets.add(&moved("<sip:b@x.org>, <sips:c@x.org>"));
        assert_eq!(all(&mut targets), ["sips:c@x.org"]);
    }

    #[test]
    fn only_those_who_moved_are_looked_for_elsewhere() {
        let mut targets = Targets::new("sip:a@x.org".parse().unwrap(), 5);
        let response = Response { status: StatusCode::USE_PROXY, ..moved("<sip:b@x.org>") };
        assert!(targets.add(&response).is_empty());
    }
}
