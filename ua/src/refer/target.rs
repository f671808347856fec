//! What Refer-To asks for (RFC 3515 section 2.1): a URI, and the headers that stand escaped in it (RFC 3261 sections
//! 19.1.1 and 19.1.5).

use crate::sip::{Replaces, SipUri, StatusCode, Uri};

/// A call that somebody asks us to place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReferTo {
    /// What the Request-URI and To will say: without headers and method.
    pub(crate) target: Uri,
    /// The Replaces header that the INVITE will have (RFC 3891).
    pub(crate) replaces: Option<Replaces>,
}

/// Why a Refer-To is not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unfit {
    pub(crate) status: StatusCode,
    pub(crate) why: &'static str,
}

impl ReferTo {
    /// Reads the URI of a Refer-To.
    ///
    /// Of the headers in it Replaces is honoured, and Require if it names what we can; all others could speak in our
    /// name, and are left out (RFC 3261 section 19.1.5).
    pub(crate) fn read(uri: &Uri) -> Result<Self, Unfit> {
        let unfit = |status, why| Unfit { status, why };
        // RFC 3515 section 2.4.2: who cannot reach other schemes should not accept them.
        let sip = uri.sip().ok_or(unfit(StatusCode::UNSUPPORTED_URI_SCHEME, "this phone calls sip and sips only"))?;
        if sip.param("method").is_some_and(|method| method != "INVITE") {
            return Err(unfit(StatusCode::NOT_IMPLEMENTED, "this phone follows a reference by INVITE only"));
        }
        let unreadable = unfit(StatusCode::BAD_REQUEST, "the Replaces in Refer-To cannot be read, or is there twice");
        let replaces = match times(sip, "Replaces") {
            0 => None,
            1 => Some(sip.header("Replaces").and_then(|value| value.parse().ok()).ok_or(unreadable)?),
            _ => return Err(unreadable),
        };
        // RFC 3261 section 19.1.5: no request may leave that requires what we do not have.
        let required = sip.header("Require").unwrap_or_default();
        let known = |tag: &str| tag.trim().is_empty() || tag.trim().eq_ignore_ascii_case("replaces");
        if times(sip, "Require") > 1 || !required.split(',').all(known) {
            return Err(unfit(
                StatusCode::BAD_EXTENSION,
                "the Require in Refer-To names what this phone does not have",
            ));
        }
        Ok(Self { target: Uri::Sip(sip.clone().for_request()), replaces })
    }

    /// The URI that a Refer-To of ours has.
    pub(crate) fn write(&self) -> Uri {
        match (&self.target, &self.replaces) {
            (Uri::Sip(sip), Some(replaces)) => {
                Uri::Sip(sip.clone().for_request().with_header("Replaces", &replaces.to_string()))
            }
            (target, _) => target.clone(),
        }
    }
}

/// How often a header stands in a URI.
fn times(uri: &SipUri, name: &str) -> usize {
    uri.headers().filter(|(written, _)| written.eq_ignore_ascii_case(name)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(uri: &str) -> Result<ReferTo, StatusCode> {
        ReferTo::read(&uri.parse().unwrap()).map_err(|unfit| unfit.status)
    }

    #[test]
    fn a_replaces_in_the_uri_is_taken_out_of_it_without_its_escapes() {
        // The first is of RFC 3515 section 2.1.
        let dave = "sip:dave@denver.example.org?Replaces=12345%40192.168.118.3%3Bto-tag%3D12345%3Bfrom-tag%3D5FFE-3994";
        let asked = read(dave).unwrap();
        assert_eq!(asked.target.to_string(), "sip:dave@denver.example.org");
        let replaces = asked.replaces.as_ref().map(ToString::to_string);
        assert_eq!(replaces.as_deref(), Some("12345@192.168.118.3;to-tag=12345;from-tag=5FFE-3994"));
        assert_eq!(asked.write().to_string(), dave);
        let plain = read("sips:carol@cleveland.example.org;transport=tcp;method=INVITE").unwrap();
        assert_eq!(plain.target.to_string(), "sips:carol@cleveland.example.org;transport=tcp");
        assert_eq!(plain.replaces, None);
    }

    #[test]
    fn a_call_id_with_every_character_that_it_may_have_comes_through() {
        // word of RFC 3261 section 25.1.
        let replaces = "a-.!%*_+`'~()<>:\\\"/[]?{}@b;to-tag=%41;from-tag=0;early-only".parse().unwrap();
        let asked = ReferTo { target: "sip:a@b;lr".parse().unwrap(), replaces: Some(replaces) };
        let written = asked.write().to_string();
        assert_eq!(read(&written), Ok(asked), "{written}");
        let in_brackets = crate::sip::NameAddr::new(written.parse().unwrap()).to_string();
        assert_eq!(in_brackets.parse::<crate::sip::NameAddr>().unwrap().uri.to_string(), written);
    }

    #[test]
    fn headers_that_would_speak_in_our_name_are_left_out() {
        let asked = read("sip:a@b?From=sip%3Ax%40y&Route=%3Csip%3Ac%3E&body=hello&Subject=x").unwrap();
        assert_eq!((asked.target.to_string().as_str(), asked.replaces), ("sip:a@b", None));
    }

    #[test]
    fn what_cannot_be_followed_is_refused_with_the_status_that_says_why() {
        for (uri, status) in [
            ("http://www.ietf.org", 416),
            ("tel:+12125551212", 416),
            ("sip:carol@cleveland.example.org;method=SUBSCRIBE", 501),
            ("sip:a@b?Replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3&Replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3", 400),
            ("sip:a@b?Replaces=1%3Bto-tag%3D2", 400),
            ("sip:a@b?replaces=%FF", 400),
            ("sip:a@b?Replaces=1%0D%0AVia:x", 400),
            ("sip:a@b?Require=telepathy", 420),
            ("sip:a@b?Require=replaces%2C100rel", 420),
        ] {
            assert_eq!(read(uri).unwrap_err().code(), status, "{uri}");
        }
        assert!(read("sip:a@b?Require=replaces&Replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3").is_ok());
    }
}
