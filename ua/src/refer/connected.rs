//! Who answered (RFC 4916): whoever was reached under another name than To says tells the caller its own, in the From
//! of a request inside the dialog, if the caller can bear that.
//!
//! ```text
//! Untold --200 acknowledged--> Due --UPDATE or re-INVITE leaves--> Told
//! Silent: the caller knows whom it called, or cannot bear another From
//! ```

use crate::sip::{Headers, Uri};

/// The option tag of a user agent that bears it (RFC 4916 section 3).
pub(crate) const FROM_CHANGE: &str = "from-change";

/// The side that was called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Connected {
    /// There is nothing to tell.
    #[default]
    Silent,
    /// The caller called somebody else, and does not know that it is us.
    Untold(Box<Uri>),
}

impl Connected {
    /// As the INVITE says: `me` is the account that was reached.
    ///
    /// RFC 4916 section 4.2 has the callee say its name even where To has it already, so that a proxy may sign it
    /// (RFC 4474). Nobody signs here, and the caller would learn nothing: then no request is sent.
    pub(crate) fn called(invite: &Headers, me: &Uri) -> Self {
        let bears = invite.supported().is_ok_and(|tags| tags.iter().any(|tag| tag == FROM_CHANGE));
        let other = invite.to().is_ok_and(|to| !same_person(&to.uri, me));
        if bears && other { Self::Untold(Box::new(me.clone())) } else { Self::Silent }
    }

    /// The name to tell, once.
    pub(crate) fn take(&mut self) -> Option<Uri> {
        match std::mem::take(self) {
            Self::Silent => None,
            Self::Untold(me) => Some(*me),
        }
    }
}

/// Do both URIs name one person, whatever the port and the parameters?
pub(crate) fn same_person(a: &Uri, b: &Uri) -> bool {
    match (a, b) {
        (Uri::Sip(a), Uri::Sip(b)) => a.user_text() == b.user_text() && a.host().matches(b.host()),
        (a, b) => a.matches(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite(to: &str, supported: &str) -> Headers {
        let mut headers = Headers::new();
        headers.push("To", to);
        headers.push("Supported", supported);
        headers
    }

    #[test]
    fn a_retargeted_callee_says_once_who_it_is() {
        let carol: Uri = "sip:carol@example.com".parse().unwrap();
        let mut connected = Connected::called(&invite("Bob <sip:bob@example.com>", "timer, from-change"), &carol);
        assert_eq!((connected.take(), connected.take()), (Some(carol), None));
    }

    #[test]
    fn nothing_is_said_to_who_knows_or_cannot_bear_it() {
        let carol: Uri = "sip:carol@example.com".parse().unwrap();
        let knows = invite("<sip:carol@EXAMPLE.com:5070;transport=tcp>;tag=1", "from-change");
        let cannot = invite("<sip:bob@example.com>", "timer");
        for headers in [knows, cannot, Headers::new()] {
            assert_eq!(Connected::called(&headers, &carol).take(), None, "{headers:?}");
        }
    }
}
