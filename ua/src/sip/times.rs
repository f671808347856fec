//! Expires, Min-Expires and Retry-After (RFC 3261 sections 20.19, 20.23 and 20.33): how long something holds.

use std::fmt;
use std::time::Duration;

use super::error::SipError;
use super::headers::Headers;
use super::params::Params;
use super::scan::{self, Scan};

/// `delta-seconds`: a whole number of seconds below 2^32 (RFC 3261 section 20.19).
pub(super) fn seconds(text: &str) -> Result<Duration, &'static str> {
    scan::number::<u32>(text).map(|n| Duration::from_secs(n.into())).ok_or("it is not a number of seconds below 2^32")
}

/// Reads `delta-seconds` at the cursor.
pub(super) fn scan_seconds(scan: &mut Scan<'_>) -> Result<Duration, &'static str> {
    seconds(scan.run(|c| c.is_ascii_digit()))
}

/// `Retry-After = delta-seconds [comment] *(SEMI retry-param)` (RFC 3261 section 20.33).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryAfter {
    /// Try again after so long, in whole seconds.
    pub after: Duration,
    /// For people to read, without its outer parentheses and without escapes undone.
    pub comment: Option<String>,
    /// From then on somebody will be there for so long.
    pub duration: Option<Duration>,
}

impl RetryAfter {
    /// A time and nothing else.
    pub fn new(after: Duration) -> Self {
        Self { after, comment: None, duration: None }
    }

    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut scan = Scan::new(text);
        let after = scan_seconds(&mut scan)?;
        let comment = scan.blanks().comment()?.map(str::to_owned);
        let params = Params::scan(&mut scan)?;
        let duration = match params.get("duration") {
            Some(duration) => Some(seconds(duration)?),
            None => None,
        };
        Ok(Self { after, comment, duration })
    }
}

super::error::header_text!(RetryAfter, "Retry-After");

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.after.as_secs())?;
        if let Some(comment) = &self.comment {
            write!(f, " ({comment})")?;
        }
        match self.duration {
            Some(duration) => write!(f, ";duration={}", duration.as_secs()),
            None => Ok(()),
        }
    }
}

/// How long something holds.
impl Headers {
    /// After how long the message or its content is out of date (RFC 3261 section 20.19).
    pub fn expires(&self) -> Result<Option<Duration>, SipError> {
        self.one("Expires", seconds)
    }

    /// The shortest registration or subscription that a 423 takes (RFC 3261 section 20.23).
    pub fn min_expires(&self) -> Result<Option<Duration>, SipError> {
        self.one("Min-Expires", seconds)
    }

    /// When it is worth another try (RFC 3261 section 20.33).
    pub fn retry_after(&self) -> Result<Option<RetryAfter>, SipError> {
        self.one("Retry-After", RetryAfter::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::headers::tests::headers;

    #[test]
    fn seconds_are_whole_and_below_2_32() {
        assert_eq!(headers("Expires", "0005").expires(), Ok(Some(Duration::from_secs(5))));
        assert_eq!(headers("Min-Expires", "4294967295").min_expires(), Ok(Some(Duration::from_secs(4294967295))));
        for bad in ["", "4294967296", "-1", "1.5", "1 2", "1;x"] {
            assert!(headers("Expires", bad).expires().is_err(), "{bad}");
            assert!(headers("Min-Expires", bad).min_expires().is_err(), "{bad}");
        }
    }

    #[test]
    fn retry_after_may_say_why_and_for_how_long() {
        // RFC 3261 section 20.33.
        for text in ["18000;duration=3600", "120 (I'm in a meeting)", "5", r"7 (a (b) \) c);duration=1"] {
            assert_eq!(RetryAfter::parse(text).unwrap().to_string(), text);
        }
        let read = headers("Retry-After", "120(I'm (not) here) ; x ;Duration = 9").retry_after().unwrap().unwrap();
        assert_eq!((read.comment.as_deref(), read.duration), (Some("I'm (not) here"), Some(Duration::from_secs(9))));
        for bad in ["", "(x)", "949302838503028349304023988", "1 (x", "1 (x\\)", "1 x", "1 (a) (b)", "1;duration=x"] {
            assert!(RetryAfter::parse(bad).is_err(), "{bad}");
        }
    }
}
