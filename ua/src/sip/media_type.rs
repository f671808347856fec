//! Content-Type (RFC 3261 section 20.15): `m-type SLASH m-subtype *(SEMI m-parameter)`.

use std::fmt;

use super::params::Params;
use super::scan::Scan;

/// What a body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// The type, in lower case: `application`.
    pub kind: String,
    /// The subtype, in lower case: `sdp`.
    pub subtype: String,
    /// Such as `boundary` or `charset`.
    pub params: Params,
}

impl MediaType {
    /// Whether it is `kind/subtype`, both given in lower case.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind == kind && self.subtype == subtype
    }

    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut scan = Scan::new(text);
        let kind = scan.token().ok_or("its type is not a token")?.to_ascii_lowercase();
        if !scan.eat_spaced('/') {
            return Err("it has no subtype");
        }
        let subtype = scan.token().ok_or("its subtype is not a token")?.to_ascii_lowercase();
        Ok(Self { kind, subtype, params: Params::scan(&mut scan)? })
    }
}

super::error::header_text!(MediaType, "Content-Type");

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.kind, self.subtype, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_read_without_case_and_keeps_its_parameters() {
        let mixed = MediaType::parse("Multipart / Mixed; boundary=\"7a;9\"").unwrap();
        assert!(mixed.is("multipart", "mixed"));
        assert_eq!(mixed.params.text("boundary").as_deref(), Some("7a;9"));
        for bad in ["", "text", "text/", "/sdp", "a/b c"] {
            assert!(MediaType::parse(bad).is_err(), "{bad}");
        }
    }
}
