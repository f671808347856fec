//! In-Reply-To, Priority and Reply-To (RFC 3261 sections 20.21, 20.26 and 20.31): what people may want to know.

use std::fmt;

use super::error::SipError;
use super::headers::{self, Headers};
use super::name_addr::NameAddr;
use super::scan;

/// How urgent a request is to whoever receives it (RFC 3261 section 20.26).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Priority {
    /// Life, limb or property are in danger.
    Emergency,
    /// Soon.
    Urgent,
    /// What a request without the field is.
    Normal,
    /// Some time.
    NonUrgent,
    /// Any other token, in lower case.
    Other(String),
}

impl Priority {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        Ok(match text.to_ascii_lowercase() {
            name if name == "emergency" => Self::Emergency,
            name if name == "urgent" => Self::Urgent,
            name if name == "normal" => Self::Normal,
            name if name == "non-urgent" => Self::NonUrgent,
            name if scan::is_token(&name) => Self::Other(name),
            _ => return Err("it is not a token"),
        })
    }
}

super::error::header_text!(Priority, "Priority");

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Emergency => "emergency",
            Self::Urgent => "urgent",
            Self::Normal => "normal",
            Self::NonUrgent => "non-urgent",
            Self::Other(name) => name,
        })
    }
}

/// What people may want to know.
impl Headers {
    /// The calls that this one answers (RFC 3261 section 20.21).
    pub fn in_reply_to(&self) -> Result<Vec<String>, SipError> {
        self.list("In-Reply-To", |id| match headers::is_call_id(id) {
            true => Ok(id.to_owned()),
            false => Err("a Call-ID is not made of words"),
        })
    }

    /// How urgent the request is (RFC 3261 section 20.26).
    pub fn priority(&self) -> Result<Option<Priority>, SipError> {
        self.one("Priority", Priority::parse)
    }

    /// Whom to call back, if it is not who From says (RFC 3261 section 20.31).
    pub fn reply_to(&self) -> Result<Option<NameAddr>, SipError> {
        self.name_addr("Reply-To")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_and_the_calls_that_are_answered_are_read() {
        let mut headers = Headers::new();
        // RFC 3261 sections 20.21, 20.26 and 20.31.
        headers.push("In-Reply-To", "70710@saturn.bell-tel.com, 17320@saturn.bell-tel.com");
        headers.push("Reply-To", "Bob <sip:bob@biloxi.com>");
        headers.push("Priority", "Emergency");
        assert_eq!(headers.in_reply_to().unwrap()[1], "17320@saturn.bell-tel.com");
        assert_eq!(headers.reply_to().unwrap().unwrap().display.as_deref(), Some("Bob"));
        for text in ["emergency", "urgent", "normal", "non-urgent", "x-mine"] {
            assert_eq!(Priority::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(headers.priority(), Ok(Some(Priority::Emergency)));
        headers.set("In-Reply-To", "a b");
        assert!(headers.in_reply_to().is_err() && Priority::parse("a b").is_err());
    }
}
