//! Accept, Accept-Encoding and Accept-Language (RFC 3261 sections 20.1 to 20.3): what may come back.

use std::fmt;

use super::contacts::Quality;
use super::error::SipError;
use super::headers::Headers;
use super::media_type::MediaType;
use super::params::Params;
use super::scan::{self, Scan};

/// `accept-range`: a kind of body (RFC 3261 section 25.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRange {
    /// The type in lower case; `*` is any.
    pub kind: String,
    /// The subtype in lower case; `*` is any.
    pub subtype: String,
    /// How much it is wanted; 0 is not at all.
    pub q: Quality,
}

impl MediaRange {
    /// Whether it takes `kind/subtype`, both given in lower case.
    pub fn takes(&self, kind: &str, subtype: &str) -> bool {
        self.names(kind, subtype) && self.q > Quality::new(0)
    }

    /// Whether it says something of `kind/subtype`.
    fn names(&self, kind: &str, subtype: &str) -> bool {
        let is = |range: &str, value| range == "*" || range == value;
        is(&self.kind, kind) && is(&self.subtype, subtype)
    }

    /// 2 for `type/subtype`, 1 for `type/*`, 0 for `*/*`.
    fn narrowness(&self) -> u8 {
        u8::from(self.kind != "*") + u8::from(self.subtype != "*")
    }

    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        // A `*` is a token (RFC 3261 section 25.1).
        let MediaType { kind, subtype, params } = MediaType::parse(text)?;
        if kind == "*" && subtype != "*" {
            return Err("any type has a subtype");
        }
        Ok(Self { kind, subtype, q: q(&params)? })
    }
}

super::error::header_text!(MediaRange, "Accept");

impl fmt::Display for MediaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.subtype)?;
        write_q(self.q, f)
    }
}

/// A content-coding or a language range, or `*` for any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// In lower case.
    pub name: String,
    /// How much it is wanted; 0 is not at all.
    pub q: Quality,
}

impl Choice {
    fn parse(text: &str, is: fn(&str) -> bool) -> Result<Self, &'static str> {
        let mut scan = Scan::new(text);
        let name = scan.token().filter(|name| is(name)).ok_or("its name is malformed")?.to_ascii_lowercase();
        Ok(Self { name, q: q(&Params::scan(&mut scan)?)? })
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        write_q(self.q, f)
    }
}

fn q(params: &Params) -> Result<Quality, &'static str> {
    params.get("q").map_or(Ok(Quality::MOST), Quality::parse)
}

fn write_q(q: Quality, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if q == Quality::MOST { Ok(()) } else { write!(f, ";q={q}") }
}

/// `1*8ALPHA *("-" 1*8ALPHA)`, or `*` in an Accept-Language. Digits, too: RFC 5646 has them in subtags.
pub(super) fn is_language(text: &str) -> bool {
    let is_tag = |tag: &str| (1..=8).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric());
    text.split('-').all(is_tag)
}

/// What may come back.
impl Headers {
    /// The kinds of body that may come back (RFC 3261 section 20.1). Without the field it is application/sdp alone; a
    /// field without values takes no body at all.
    pub fn accept(&self) -> Result<Option<Vec<MediaRange>>, SipError> {
        let ranges = self.words("Accept", MediaRange::parse)?;
        Ok(self.get("Accept").map(|_| ranges))
    }

    /// Whether a body of this type may come back, both names in lower case. The narrowest range decides.
    pub fn accepts(&self, kind: &str, subtype: &str) -> Result<bool, SipError> {
        let Some(ranges) = self.accept()? else { return Ok((kind, subtype) == ("application", "sdp")) };
        let named = ranges.iter().filter(|range| range.names(kind, subtype));
        let narrowest = named.max_by_key(|range| range.narrowness());
        Ok(narrowest.is_some_and(|range| range.takes(kind, subtype)))
    }

    /// The encodings that may come back (RFC 3261 section 20.2); identity alone, without the field.
    pub fn accept_encoding(&self) -> Result<Vec<Choice>, SipError> {
        self.words("Accept-Encoding", |text| Choice::parse(text, scan::is_token))
    }

    /// The languages that may come back (RFC 3261 section 20.3); any, without the field.
    pub fn accept_language(&self) -> Result<Vec<Choice>, SipError> {
        self.words("Accept-Language", |text| Choice::parse(text, |name| name == "*" || is_language(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::headers::tests::headers;

    #[test]
    fn without_accept_a_session_description_may_come_back() {
        assert_eq!(Headers::new().accepts("application", "sdp"), Ok(true));
        assert_eq!(Headers::new().accepts("text", "plain"), Ok(false));
        assert_eq!(headers("Accept", "").accepts("application", "sdp"), Ok(false));
    }

    #[test]
    fn the_narrowest_range_decides() {
        // RFC 3261 section 20.1.
        let accept = headers("Accept", "application/sdp;level=1, application/x-private, text/html");
        assert_eq!(accept.accepts("application", "sdp"), Ok(true));
        assert_eq!(accept.accepts("text", "plain"), Ok(false));
        let accept = headers("Accept", "*/*;q=0.1, Application / SDP ;q=0, text/*");
        assert_eq!(accept.accepts("application", "sdp"), Ok(false));
        assert_eq!(accept.accepts("application", "json"), Ok(true));
        let printed: Vec<_> = accept.accept().unwrap().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(printed, ["*/*;q=0.1", "application/sdp;q=0", "text/*"]);
        for bad in ["text", "text/", "*/sdp", "a/b;q=2", "a/b c"] {
            assert!(headers("Accept", bad).accept().is_err(), "{bad}");
        }
    }

    #[test]
    fn encodings_and_languages_have_an_order() {
        // RFC 3261 section 20.3.
        let languages = headers("Accept-Language", "da, en-gb;q=0.8, en;q=0.7").accept_language().unwrap();
        let printed: Vec<_> = languages.iter().map(ToString::to_string).collect();
        assert_eq!(printed, ["da", "en-gb;q=0.8", "en;q=0.7"]);
        assert_eq!(headers("Accept-Encoding", "gzip, *;q=0").accept_encoding().unwrap().len(), 2);
        assert_eq!(headers("Accept-Encoding", "").accept_encoding(), Ok(vec![]));
        assert!(headers("Accept-Language", "toolonganame").accept_language().is_err());
        assert!(headers("Accept-Encoding", "a b").accept_encoding().is_err());
    }
}
