//! Header names: their usual spelling, compact forms, and how often a field may stand in a message.

/// How often a field may stand in a message (RFC 3261 section 7.3.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Times {
    /// Once.
    One,
    /// Any number of times; one line may carry several values between commas.
    List,
    /// Any number of times, one value on each line: commas mean something else in it.
    Lines,
}

/// A header that has a name here.
pub(super) struct Known {
    pub(super) name: &'static str,
    /// The one-letter form, in lower case (RFC 3261 section 7.3.3).
    compact: Option<u8>,
    pub(super) times: Times,
}

impl Known {
    /// Looks a name up, in any case, full or compact.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        match *name.as_bytes() {
            [letter] => KNOWN.iter().find(|k| k.compact == Some(letter.to_ascii_lowercase())),
            _ => KNOWN.iter().find(|k| k.name.eq_ignore_ascii_case(name)),
        }
    }
}

const fn one(name: &'static str) -> Known {
    Known { name, compact: None, times: Times::One }
}

const fn list(name: &'static str) -> Known {
    Known { name, compact: None, times: Times::List }
}

const fn lines(name: &'static str) -> Known {
    Known { name, compact: None, times: Times::Lines }
}

const fn short(letter: u8, known: Known) -> Known {
    Known { compact: Some(letter), ..known }
}

/// The most frequent stand first. RFC 3261 section 20, unless another RFC is named.
const KNOWN: &[Known] = &[
    short(b'v', list("Via")),
    short(b'f', one("From")),
    short(b't', one("To")),
    short(b'i', one("Call-ID")),
    one("CSeq"),
    one("Max-Forwards"),
    short(b'm', list("Contact")),
    list("Route"),
    list("Record-Route"),
    list("Allow"),
    short(b'k', list("Supported")),
    list("Require"),
    list("Proxy-Require"),
    list("Unsupported"),
    one("User-Agent"),
    one("Server"),
    short(b'c', one("Content-Type")),
    short(b'l', one("Content-Length")),
    one("Content-Disposition"),
    short(b'e', list("Content-Encoding")),
    list("Content-Language"),
    one("Expires"),
    one("Min-Expires"),
    list("Warning"),
    list("Reason"), // RFC 3326
    one("Retry-After"),
    one("RSeq"), // RFC 3262 section 7.1
    one("RAck"), // RFC 3262 section 7.2
    list("Accept"),
    list("Accept-Encoding"),
    list("Accept-Language"),
    list("Alert-Info"),
    lines("Authentication-Info"),
    lines("Authorization"),
    list("Call-Info"),
    one("Date"),
    list("Error-Info"),
    list("In-Reply-To"),
    one("MIME-Version"),
    one("Organization"),
    one("Priority"),
    lines("Proxy-Authenticate"),
    lines("Proxy-Authorization"),
    one("Reply-To"),
    short(b's', one("Subject")),
    one("Timestamp"),
    lines("WWW-Authenticate"),
    short(b'x', one("Session-Expires")),      // RFC 4028 section 4
    one("Min-SE"),                            // RFC 4028 section 5
    short(b'r', one("Refer-To")),             // RFC 3515 section 2.1
    short(b'b', one("Referred-By")),          // RFC 3892 section 3
    one("Refer-Sub"),                         // RFC 4488
    one("Replaces"),                          // RFC 3891 section 6.1
    short(b'o', one("Event")),                // RFC 6665 section 8.2.1
    short(b'u', list("Allow-Events")),        // RFC 6665 section 8.2.2
    one("Subscription-State"),                // RFC 6665 section 8.2.3
    list("Path"),                             // RFC 3327 section 4
    list("Service-Route"),                    // RFC 3608 section 5
    short(b'y', lines("Identity")),           // RFC 8224 section 4
    short(b'a', list("Accept-Contact")),      // RFC 3841 section 9.2
    short(b'j', list("Reject-Contact")),      // RFC 3841 section 9.2
    short(b'd', list("Request-Disposition")), // RFC 3841 section 9.1
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_in_any_case_and_by_its_letter() {
        for name in ["Call-ID", "call-id", "CALL-ID", "i", "I"] {
            assert_eq!(Known::find(name).map(|k| k.name), Some("Call-ID"));
        }
        assert!(["X-Mine", "z", ""].iter().all(|name| Known::find(name).is_none()));
    }

    #[test]
    fn no_name_or_letter_stands_in_the_table_twice() {
        for (at, known) in KNOWN.iter().enumerate() {
            let twin = |k: &Known| k.name == known.name || (k.compact.is_some() && k.compact == known.compact);
            assert!(!KNOWN[at + 1..].iter().any(twin), "{}", known.name);
        }
    }
}
