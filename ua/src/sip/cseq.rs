//! CSeq (RFC 3261 section 20.16): `1*DIGIT LWS Method`.

use std::fmt;

use super::method::Method;
use super::scan::{self, Scan};

/// A request's number in its dialog, and its method.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// Below 2^31 (RFC 3261 section 8.1.1.5).
    pub seq: u32,
    /// The method of the request, also in its responses.
    pub method: Method,
}

impl CSeq {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut scan = Scan::new(text);
        let seq = scan::number(scan.run(|c| c.is_ascii_digit()));
        let seq = seq.filter(|seq| *seq < 1 << 31).ok_or("its number is not below 2^31")?;
        match scan.rest().starts_with(scan::is_blank) {
            true => Ok(Self { seq, method: Method::parse(scan.blanks().rest())? }),
            false => Err("no blank stands between number and method"),
        }
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.seq, self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_may_have_leading_zeros_and_stays_below_2_31() {
        assert_eq!(CSeq::parse("0009  INVITE"), Ok(CSeq { seq: 9, method: Method::Invite }));
        assert_eq!(CSeq::parse("2147483647 ACK").map(|c| c.to_string()).as_deref(), Ok("2147483647 ACK"));
        for bad in ["2147483648 ACK", "36893488147419103232 REGISTER", "-1 ACK", "1ACK", "1", "ACK", "1 A B"] {
            assert!(CSeq::parse(bad).is_err(), "{bad}");
        }
    }
}
