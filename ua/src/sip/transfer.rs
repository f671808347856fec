//! Refer-To (RFC 3515 section 2.1), Referred-By (RFC 3892 section 3), Replaces (RFC 3891 section 6.1) and Refer-Sub (RFC
//! 4488): one call that changes another.

use std::fmt;

use super::error::SipError;
use super::headers::Headers;
use super::name_addr::NameAddr;
use super::params::Params;
use super::scan::Scan;

/// `Replaces = callid *(SEMI replaces-param)`: the dialog whose place the new one takes, as its target knows it. It also
/// stands, escaped, among the headers of a Refer-To URI ([`SipUri::header`](super::SipUri::header)).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replaces {
    /// The dialog's Call-ID.
    pub call_id: String,
    /// The tag of whoever receives the header. `0` stands for no tag, too (RFC 3891 section 6.1).
    pub to_tag: String,
    /// The tag of the other side.
    pub from_tag: String,
    /// Only if that dialog is not yet answered (RFC 3891 section 3).
    pub early_only: bool,
}

impl Replaces {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut scan = Scan::new(text);
        let call_id = scan.run(is_call_id_char).to_owned();
        if call_id.is_empty() {
            return Err("it names no Call-ID");
        }
        // Exactly one of each (RFC 3891 section 6.1); a parameter never stands twice.
        let params = Params::scan(&mut scan)?;
        let tag = |name| params.get(name).filter(|tag| super::scan::is_token(tag)).map(str::to_owned);
        let to_tag = tag("to-tag").ok_or("it has no to-tag")?;
        let from_tag = tag("from-tag").ok_or("it has no from-tag")?;
        Ok(Self { call_id, to_tag, from_tag, early_only: params.has("early-only") })
    }
}

/// As a Call-ID is read elsewhere: without what divides parameters and lists.
fn is_call_id_char(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, ',' | ';' | '=')
}

super::error::header_text!(Replaces, "Replaces");

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let early = if self.early_only { ";early-only" } else { "" };
        write!(f, "{};to-tag={};from-tag={}{early}", self.call_id, self.to_tag, self.from_tag)
    }
}

/// What one call says about another.
impl Headers {
    /// Whom to contact (RFC 3515 section 2.1). What the new request should carry stands in the URI's headers.
    pub fn refer_to(&self) -> Result<Option<NameAddr>, SipError> {
        self.name_addr("Refer-To")
    }

    /// Who asked for it (RFC 3892 section 3). Its `cid` parameter names the body part that proves it.
    pub fn referred_by(&self) -> Result<Option<NameAddr>, SipError> {
        self.name_addr("Referred-By")
    }

    /// The dialog whose place the INVITE takes (RFC 3891 section 6.1).
    pub fn replaces(&self) -> Result<Option<Replaces>, SipError> {
        self.one("Replaces", Replaces::parse)
    }

    /// Whether a REFER is to make a subscription (RFC 4488); it is if nothing is said.
    pub fn refer_sub(&self) -> Result<Option<bool>, SipError> {
        self.one("Refer-Sub", |text| {
            let mut scan = Scan::new(text);
            let word = scan.token().ok_or("it is neither true nor false")?.to_ascii_lowercase();
            Params::scan(&mut scan)?;
            word.parse().map_err(|_| "it is neither true nor false")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_is_read_as_it_was_written() {
        // RFC 3891 section 6.1.
        for text in [
            "98732@sip.example.com;to-tag=ff87ff;from-tag=r33th4x0r",
            "12adf2f34456gs5;to-tag=12345;from-tag=54321;early-only",
            "425928@phone.example.org;to-tag=7743;from-tag=6472",
        ] {
            let replaces = Replaces::parse(text).unwrap();
            assert_eq!(replaces.to_string(), text);
            assert_eq!(replaces.early_only, text.ends_with("early-only"));
        }
        let spaced = Replaces::parse("87134@171.161.34.23 ;from-tag=24796; To-Tag=0;x=y").unwrap();
        assert_eq!((spaced.to_tag.as_str(), spaced.from_tag.as_str()), ("0", "24796"));
        for bad in [
            "",
            "a;to-tag=1",
            "a;from-tag=1",
            "a;to-tag;from-tag=1",
            "a;to-tag=1;from-tag=2;to-tag=3",
            ";to-tag=1;from-tag=2",
            "a b;to-tag=1;from-tag=2",
            "a;to-tag=\"1\";from-tag=2",
        ] {
            assert!(Replaces::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refer_to_carries_what_the_new_call_replaces() {
        let mut headers = Headers::new();
        // RFC 3515 section 2.1 and RFC 3892 section 3.
        headers.push(
            "Refer-To",
            "<sip:dave@denver.example.org?Replaces=12345%40192.168.118.3%3Bto-tag%3D12345%3Bfrom-tag%3D5FFE-3994>",
        );
        headers.push("Referred-By", "sip:r@ref.example;cid=\"2UWQFN309shb3@ref.example\"");
        let uri = headers.refer_to().unwrap().unwrap().uri;
        let replaces: Replaces = uri.sip().unwrap().header("replaces").unwrap().parse().unwrap();
        assert_eq!(replaces.to_string(), "12345@192.168.118.3;to-tag=12345;from-tag=5FFE-3994");
        let by = headers.referred_by().unwrap().unwrap();
        assert_eq!(by.params.text("cid").as_deref(), Some("2UWQFN309shb3@ref.example"));
    }

    #[test]
    fn refer_sub_is_true_or_false() {
        let read = |text: &str| {
            let mut headers = Headers::new();
            headers.push("Refer-Sub", text);
            headers.refer_sub()
        };
        assert_eq!([read("false"), read("TRUE;x=1")], [Ok(Some(false)), Ok(Some(true))]);
        assert!(read("no").is_err() && read("").is_err());
    }
}
