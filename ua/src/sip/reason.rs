//! Reason (RFC 3326): `protocol *(SEMI reason-params)`, such as `SIP ;cause=488 ;text="Not Acceptable Here"`.

use std::fmt;

use super::params::Params;
use super::scan::{self, Scan};

/// Why a request was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Whose cause it is: `SIP` for a status code, `Q.850` for an ISDN cause.
    pub protocol: String,
    /// The number.
    pub cause: Option<u16>,
    /// For people to read.
    pub text: Option<String>,
}

impl Reason {
    pub(super) fn parse(value: &str) -> Result<Self, &'static str> {
        let mut scan = Scan::new(value);
        let protocol = scan.token().ok_or("its protocol is not a token")?.to_owned();
        let params = Params::scan(&mut scan)?;
        let cause = match params.get("cause") {
            Some(cause) => Some(scan::number(cause).ok_or("its cause is not a number below 65536")?),
            None => None,
        };
        Ok(Self { protocol, cause, text: params.text("text") })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, " ;cause={cause}")?;
        }
        match &self.text {
            Some(text) => write!(f, " ;text={}", scan::quote(text)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_as_it_was_written() {
        let line = "SIP ;cause=488 ;text=\"No, \\\"thanks\\\"\"";
        let reason = Reason::parse(line).unwrap();
        assert_eq!((reason.cause, reason.text.as_deref()), (Some(488), Some("No, \"thanks\"")));
        assert_eq!(reason.to_string(), line);
        for bad in ["", ";cause=1", "SIP;cause=x", "SIP;cause=99999", "SIP cause=1"] {
            assert!(Reason::parse(bad).is_err(), "{bad}");
        }
    }
}
