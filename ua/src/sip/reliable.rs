//! RSeq and RAck (RFC 3262 sections 7.1 and 7.2): provisional responses that are numbered, and what acknowledges them.

use std::fmt;

use super::error::SipError;
use super::headers::Headers;
use super::method::Method;
use super::scan::{self, Scan};

/// `RAck = response-num LWS CSeq-num LWS Method` (RFC 3262 section 10): which response a PRACK is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RAck {
    /// The RSeq of the response.
    pub rseq: u32,
    /// The number in the response's CSeq, below 2^31.
    pub seq: u32,
    /// The method in the response's CSeq.
    pub method: Method,
}

impl RAck {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut scan = Scan::new(text);
        let rseq = response_num(digits(&mut scan))?;
        if !scan.rest().starts_with(scan::is_blank) {
            return Err("no blank follows its response number");
        }
        let seq = scan::number(digits(scan.blanks())).filter(|seq| *seq < 1 << 31);
        let seq = seq.ok_or("its CSeq number is not below 2^31")?;
        match scan.rest().starts_with(scan::is_blank) {
            true => Ok(Self { rseq, seq, method: Method::parse(scan.blanks().rest())? }),
            false => Err("no blank stands between number and method"),
        }
    }
}

fn digits<'a>(scan: &mut Scan<'a>) -> &'a str {
    scan.run(|c| c.is_ascii_digit())
}

/// From 1 to 2^32 - 1 (RFC 3262 section 7.1).
fn response_num(text: &str) -> Result<u32, &'static str> {
    scan::number(text).filter(|number| *number > 0).ok_or("its response number is not from 1 to 2^32 - 1")
}

super::error::header_text!(RAck, "RAck");

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.rseq, self.seq, self.method)
    }
}

/// What the fields of RFC 3262 say.
impl Headers {
    /// The number of a provisional response that wants a PRACK; at least 1 (RFC 3262 section 7.1).
    pub fn rseq(&self) -> Result<Option<u32>, SipError> {
        self.one("RSeq", response_num)
    }

    /// Which response a PRACK is for (RFC 3262 section 7.2).
    pub fn rack(&self) -> Result<Option<RAck>, SipError> {
        self.one("RAck", RAck::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rack_is_read_as_it_was_written() {
        // RFC 3262 section 7.2.
        let rack = RAck::parse("776656 1 INVITE").unwrap();
        assert_eq!(rack, RAck { rseq: 776656, seq: 1, method: Method::Invite });
        assert_eq!(rack.to_string(), "776656 1 INVITE");
        assert_eq!(RAck::parse("4294967295\t 2147483647  X"), "4294967295 2147483647 X".parse().map_err(|_| ""));
        for bad in ["", "1", "1 1", "1 1INVITE", "0 1 INVITE", "4294967296 1 INVITE", "1 2147483648 INVITE", "1 1 A B"]
        {
            assert!(RAck::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_rseq_is_never_zero() {
        let mut headers = Headers::new();
        assert_eq!(headers.rseq(), Ok(None));
        headers.push("RSeq", "988789");
        assert_eq!(headers.rseq(), Ok(Some(988789)));
        for bad in ["0", "-1", "4294967296", "1 2", ""] {
            headers.set("RSeq", bad);
            assert!(headers.rseq().is_err(), "{bad}");
        }
    }
}
