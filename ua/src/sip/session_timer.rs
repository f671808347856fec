//! Session-Expires and Min-SE (RFC 4028 sections 4 and 5): how long a session may go without a refresh.

use std::fmt;
use std::time::Duration;

use super::error::SipError;
use super::headers::Headers;
use super::params::Params;
use super::scan::Scan;
use super::times;

/// Who refreshes the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refresher {
    /// Whoever sent the request that this header, or the response with it, belongs to.
    Uac,
    /// Whoever answered it.
    Uas,
}

/// `Session-Expires = delta-seconds *(SEMI se-params)` (RFC 4028 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionExpires {
    /// The session ends so long after the last refresh, in whole seconds.
    pub interval: Duration,
    /// Who refreshes it; a request may leave that open.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut scan = Scan::new(text);
        let interval = times::scan_seconds(&mut scan)?;
        let params = Params::scan(&mut scan)?;
        let refresher = match params.get("refresher").map(str::to_ascii_lowercase).as_deref() {
            None if !params.has("refresher") => None,
            Some("uac") => Some(Refresher::Uac),
            Some("uas") => Some(Refresher::Uas),
            _ => return Err("its refresher is neither uac nor uas"),
        };
        Ok(Self { interval, refresher })
    }
}

super::error::header_text!(SessionExpires, "Session-Expires");

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.interval.as_secs())?;
        match self.refresher {
            Some(Refresher::Uac) => f.write_str(";refresher=uac"),
            Some(Refresher::Uas) => f.write_str(";refresher=uas"),
            None => Ok(()),
        }
    }
}

/// What the fields of RFC 4028 say.
impl Headers {
    /// How long the session may go without a refresh (RFC 4028 section 4).
    pub fn session_expires(&self) -> Result<Option<SessionExpires>, SipError> {
        self.one("Session-Expires", SessionExpires::parse)
    }

    /// The shortest such time that somebody on the way takes (RFC 4028 section 5). Without it 90 seconds are.
    pub fn min_se(&self) -> Result<Option<Duration>, SipError> {
        self.one("Min-SE", |text| {
            let mut scan = Scan::new(text);
            let shortest = times::scan_seconds(&mut scan)?;
            Params::scan(&mut scan).map(|_| shortest)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_interval_is_read_as_it_was_written() {
        // RFC 4028 section 12.
        for text in ["4000", "4000;refresher=uac", "4000;refresher=uas"] {
            assert_eq!(SessionExpires::parse(text).unwrap().to_string(), text);
        }
        let spaced = SessionExpires::parse("1800 ; x=y; Refresher = UAS").unwrap();
        assert_eq!(spaced, SessionExpires { interval: Duration::from_secs(1800), refresher: Some(Refresher::Uas) });
        for bad in ["", "x", "-1", "4294967296", "90;refresher", "90;refresher=proxy", "90 90", "90;"] {
            assert!(SessionExpires::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn min_se_may_have_parameters() {
        let mut headers = Headers::new();
        headers.push("Min-SE", "3600;lr");
        assert_eq!(headers.min_se(), Ok(Some(Duration::from_secs(3600))));
        headers.set("Min-SE", "3600 3600");
        assert!(headers.min_se().is_err());
    }
}
