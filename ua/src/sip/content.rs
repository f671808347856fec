//! Content-Disposition, Content-Encoding, Content-Language and MIME-Version (RFC 3261 sections 20.11 to 20.13, 20.24):
//! what a body is for. A part of a multipart body has the same fields.

use std::fmt;

use super::accept;
use super::error::SipError;
use super::headers::Headers;
use super::params::Params;
use super::scan::{self, Scan};

/// `Content-Disposition = disp-type *(SEMI disp-param)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposition {
    /// What it is for, in lower case: `session`, `render`, `early-session`, ...
    pub kind: String,
    /// May whoever does not understand it ignore it? If nothing is said, it may not (RFC 3261 section 20.11).
    pub is_optional: bool,
}

impl Disposition {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut scan = Scan::new(text);
        let kind = scan.token().ok_or("its type is not a token")?.to_ascii_lowercase();
        let params = Params::scan(&mut scan)?;
        // Another token is allowed, and means nothing to us: then it is required.
        Ok(Self { kind, is_optional: params.get("handling").is_some_and(|h| h.eq_ignore_ascii_case("optional")) })
    }
}

super::error::header_text!(Disposition, "Content-Disposition");

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if self.is_optional { f.write_str(";handling=optional") } else { Ok(()) }
    }
}

/// What the body is for.
impl Headers {
    /// What the body is for, and whether it must be understood (RFC 3261 section 20.11).
    pub fn content_disposition(&self) -> Result<Option<Disposition>, SipError> {
        self.one("Content-Disposition", Disposition::parse)
    }

    /// How the body is encoded, in lower case, in the order in which it was done (RFC 3261 section 20.12).
    pub fn content_encoding(&self) -> Result<Vec<String>, SipError> {
        self.list("Content-Encoding", |text| match scan::is_token(text) {
            true => Ok(text.to_ascii_lowercase()),
            false => Err("a coding is not a token"),
        })
    }

    /// The languages of the body (RFC 3261 section 20.13).
    pub fn content_language(&self) -> Result<Vec<String>, SipError> {
        self.list("Content-Language", |text| match accept::is_language(text) {
            true => Ok(text.to_ascii_lowercase()),
            false => Err("it is not a language tag"),
        })
    }

    /// The version of MIME: major and minor (RFC 3261 section 20.24).
    pub fn mime_version(&self) -> Result<Option<(u32, u32)>, SipError> {
        self.one("MIME-Version", |text| {
            let numbers = text.split_once('.').map(|(major, minor)| (scan::number(major), scan::number(minor)));
            match numbers {
                Some((Some(major), Some(minor))) => Ok((major, minor)),
                _ => Err("it is not two numbers with a dot between them"),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::sip::headers::tests::headers;

    #[test]
    fn a_body_is_required_unless_it_says_otherwise() {
        let read = |text| headers("Content-Disposition", text).content_disposition().map(Option::unwrap);
        for (text, kind, is_optional) in [
            ("session", "session", false),
            ("Render; filename=\"a;b\"; Handling = Optional", "render", true),
            ("signal;handling=required", "signal", false),
            ("icon;handling=other", "icon", false),
        ] {
            let disposition = read(text).unwrap();
            assert_eq!((disposition.kind.as_str(), disposition.is_optional), (kind, is_optional));
            assert_eq!(disposition.to_string().parse(), Ok(disposition));
        }
        assert!(read("").is_err() && read("a b").is_err() && read("a;").is_err());
    }

    #[test]
    fn codings_languages_and_the_version_of_mime_are_read() {
        assert_eq!(headers("e", "Gzip, deflate").content_encoding(), Ok(vec!["gzip".into(), "deflate".into()]));
        assert_eq!(headers("Content-Language", "fr, en-GB").content_language().unwrap()[1], "en-gb");
        assert_eq!(headers("MIME-Version", "1.0").mime_version(), Ok(Some((1, 0))));
        for (name, bad) in [("e", "a b"), ("Content-Language", "e_n"), ("MIME-Version", "1"), ("MIME-Version", "1.-1")]
        {
            let headers = headers(name, bad);
            let read = [
                headers.content_encoding().is_err(),
                headers.content_language().is_err(),
                headers.mime_version().is_err(),
            ];
            assert!(read.contains(&true), "{name}: {bad}");
        }
    }
}
