//! The header section (RFC 3261 section 7.3): an ordered list of names and values that keeps what it does not know.
//!
//! Reading undoes folds and compact names, and gives each value of a list its own entry. Nothing is interpreted until
//! a typed getter asks; then a field that is missing, malformed or there twice is an error which names it.

use std::borrow::Cow;

use super::cseq::CSeq;
use super::error::SipError;
use super::lines;
use super::media_type::MediaType;
use super::method::Method;
use super::name_addr::{self, NameAddr};
use super::names::{Known, Times};
use super::reason::Reason;
use super::scan;
use super::via::{self, Transport, Via};
use super::warning::Warning;

/// The most entries that a message may have beside its Content-Length, counting each value of a list.
pub const MAX_FIELDS: usize = 256;
/// The longest field in bytes, folds included.
pub const MAX_FIELD: usize = 8 * 1024;

/// Lists whose values are words.
const WORDS: [&str; 6] = ["Allow", "Supported", "Require", "Proxy-Require", "Unsupported", "Allow-Events"];

/// Header fields in the order in which they were written. Names are compared without case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<Field>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    name: Cow<'static, str>,
    value: Cow<'static, str>,
}

impl Headers {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the lines of a header section, each with its CRLF, without the empty line at its end.
    pub(super) fn parse(section: &[u8]) -> Result<Self, SipError> {
        let mut headers = Self(Vec::with_capacity(16));
        for field in lines::fields(section) {
            let (name, value) = field?;
            let value = lines::unfold(value)?;
            headers.append(name, &value);
            let is_full = headers.0.len() > MAX_FIELDS;
            let has_length = is_full && headers.0.iter().any(|field| field.name == "Content-Length");
            if headers.0.len() > MAX_FIELDS + usize::from(has_length) {
                return Err(SipError::TooLarge { what: "the number of header fields", limit: MAX_FIELDS });
            }
        }
        Ok(headers)
    }

    /// Reads those fields of a faulty section that have one of these names and can be read: half of all that there may
    /// be, so that an answer to it has room for its own.
    pub(super) fn parse_some(section: &[u8], names: &[&str]) -> Self {
        let mut headers = Self::new();
        for (name, value) in lines::fields(section).flatten() {
            let is_wanted = Known::find(name).is_some_and(|known| names.contains(&known.name));
            if is_wanted && let Ok(value) = lines::unfold(value) {
                headers.append(name, &value);
            }
        }
        headers.0.truncate(MAX_FIELDS / 2);
        headers
    }

    /// Every field: its name in the usual spelling, and one value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|f| (f.name.as_ref(), f.value.as_ref()))
    }

    /// The first value of a field, as it was written.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a field, as they were written.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.0.iter().filter(move |f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value.as_ref())
    }

    /// Appends a field. Values of a list are divided at their commas; CR and LF become blanks, so that no value can
    /// write another field.
    pub fn push(&mut self, name: &'static str, value: impl AsRef<str>) {
        self.append(name, &lines::one_line(value.as_ref()));
    }

    /// Appends a field that always says the same, as one value even if it is a list: for what is only written.
    pub fn push_constant(&mut self, name: &'static str, value: &'static str) {
        self.0.push(Field { name: Cow::Borrowed(name), value: Cow::Borrowed(value) });
    }

    /// Appends a field whose name was not known when this was written.
    pub fn try_push(&mut self, name: &str, value: &str) -> Result<(), SipError> {
        if !scan::is_token(name) {
            return Err(SipError::Section("a field name is not a token"));
        }
        self.append(name, &lines::one_line(value));
        Ok(())
    }

    /// Puts one value before all others of its field: the next hop's Via or Route.
    pub fn push_front(&mut self, name: &'static str, value: impl AsRef<str>) {
        let at = self.position(name).unwrap_or(0);
        self.0.insert(at, Field::new(&Known::find(name), name, &lines::one_line(value.as_ref())));
    }

    /// Replaces all values of a field, where its first stands.
    pub fn set(&mut self, name: &'static str, value: impl AsRef<str>) {
        let at = self.position(name).unwrap_or(self.0.len());
        self.remove(name);
        let mut tail = self.0.split_off(at);
        self.push(name, value);
        self.0.append(&mut tail);
    }

    /// Replaces the first value of a field and leaves the others; appends it if there is none.
    pub fn set_first(&mut self, name: &'static str, value: impl AsRef<str>) {
        match self.position(name) {
            Some(at) => self.0[at] = Field::new(&Known::find(name), name, &lines::one_line(value.as_ref())),
            None => self.push(name, value),
        }
    }

    /// Takes all values of a field out.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|f| !f.name.eq_ignore_ascii_case(name));
    }

    /// Appends every value of a field that `from` has.
    pub fn copy(&mut self, name: &str, from: &Self) {
        self.0.extend(from.0.iter().filter(|f| f.name.eq_ignore_ascii_case(name)).cloned());
    }

    /// Writes every field on a line of its own, but words of one list on one line (RFC 3261 section 7.3.1): that is
    /// shorter, and some read no further than the first.
    pub(super) fn write_to(&self, out: &mut Vec<u8>) {
        let mut before = None;
        for field in &self.0 {
            let name = field.name.as_ref();
            // What is no word, an open quote for instance, would be read together with what follows.
            let is_word = WORDS.contains(&name) && scan::is_token(&field.value);
            if before == Some(name) && is_word {
                out.truncate(out.len() - 2);
                out.extend_from_slice(b", ");
            } else {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b": ");
            }
            out.extend_from_slice(field.value.as_bytes());
            out.extend_from_slice(b"\r\n");
            before = is_word.then_some(name);
        }
    }

    /// How many bytes [`Headers::write_to`] writes at most.
    pub(super) fn room(&self) -> usize {
        self.0.iter().map(|field| field.name.len() + field.value.len() + 4).sum()
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|f| f.name.eq_ignore_ascii_case(name))
    }

    fn append(&mut self, name: &str, value: &str) {
        let known = Known::find(name);
        match known.map(|k| k.times) {
            Some(Times::List) => self.0.extend(lines::split_list(value).map(|v| Field::new(&known, name, v))),
            // Of a field that nobody told us about nothing is divided.
            Some(Times::One | Times::Lines) | None => self.0.push(Field::new(&known, name, value)),
        }
    }
}

impl Field {
    /// A name in its usual spelling, or as it was written, with a value without the blanks around it.
    fn new(known: &Option<&'static Known>, name: &str, value: &str) -> Self {
        let name = known.map_or_else(|| Cow::Owned(name.to_owned()), |k| Cow::Borrowed(k.name));
        Self { name, value: Cow::Owned(value.trim_matches(scan::is_blank).to_owned()) }
    }
}

/// What the fields say. Each getter reads again: keep what you need twice.
impl Headers {
    /// The topmost Via (RFC 3261 section 20.42).
    pub fn via(&self) -> Result<Via, SipError> {
        read("Via", self.get("Via").ok_or(SipError::Missing("Via"))?, Via::parse)
    }

    /// What the topmost Via names, of a message that was [checked](super::Message::check).
    pub fn transport(&self) -> Option<Transport> {
        via::transport_in(self.get("Via")?)
    }

    /// All Vias, topmost first.
    pub fn vias(&self) -> Result<Vec<Via>, SipError> {
        self.list("Via", Via::parse)
    }

    /// Who sent the request (RFC 3261 section 20.20).
    pub fn from(&self) -> Result<NameAddr, SipError> {
        self.name_addr("From")?.ok_or(SipError::Missing("From"))
    }

    /// Whom the request was for (RFC 3261 section 20.39).
    pub fn to(&self) -> Result<NameAddr, SipError> {
        self.name_addr("To")?.ok_or(SipError::Missing("To"))
    }

    /// The tag of From or To (RFC 3261 section 19.3), of a message that was [checked](super::Message::check): the rest of
    /// the address is not read.
    pub fn tag(&self, name: &'static str) -> Option<&str> {
        name_addr::tag_in(self.single(name).ok()??)
    }

    /// The request's number and method (RFC 3261 section 20.16).
    pub fn cseq(&self) -> Result<CSeq, SipError> {
        self.one("CSeq", CSeq::parse)?.ok_or(SipError::Missing("CSeq"))
    }

    /// The name of the call (RFC 3261 section 20.8), compared byte for byte.
    pub fn call_id(&self) -> Result<&str, SipError> {
        let id = self.single("Call-ID")?.ok_or(SipError::Missing("Call-ID"))?;
        match is_call_id(id) {
            true => Ok(id),
            false => Err(SipError::Header { name: "Call-ID", reason: "it is not made of words" }),
        }
    }

    /// Where the peer can be reached directly (RFC 3261 section 20.10); inside a dialog there is one.
    pub fn contact(&self) -> Result<Option<NameAddr>, SipError> {
        let mut contacts = self.contacts()?;
        if contacts.len() > 1 {
            return Err(SipError::Duplicate("Contact"));
        }
        Ok(contacts.pop())
    }

    /// All contacts: of a registration or a redirection. The `*` that removes all bindings is not one of them.
    pub fn contacts(&self) -> Result<Vec<NameAddr>, SipError> {
        self.list("Contact", NameAddr::parse)
    }

    /// How long the body is said to be, in bytes (RFC 3261 section 20.14). Twice is an error even if both agree: two hops
    /// must not cut at different places.
    pub(super) fn content_length(&self) -> Result<Option<usize>, SipError> {
        self.one("Content-Length", |v| scan::number(v).ok_or("it is not a number of bytes"))
    }

    /// How many more hops the request may take (RFC 3261 section 20.22).
    pub fn max_forwards(&self) -> Result<Option<u8>, SipError> {
        self.one("Max-Forwards", |v| scan::number(v).ok_or("it is not a number below 256"))
    }

    /// What the body is (RFC 3261 section 20.15).
    pub fn content_type(&self) -> Result<Option<MediaType>, SipError> {
        self.one("Content-Type", MediaType::parse)
    }

    /// The proxies that stay in the path (RFC 3261 section 20.30), as they are written.
    pub fn record_route(&self) -> Result<Vec<NameAddr>, SipError> {
        self.list("Record-Route", NameAddr::parse)
    }

    /// The proxies still to visit (RFC 3261 section 20.34).
    pub fn route(&self) -> Result<Vec<NameAddr>, SipError> {
        self.list("Route", NameAddr::parse)
    }

    /// The methods that the peer takes (RFC 3261 section 20.5); none if it does not say.
    pub fn allow(&self) -> Result<Vec<Method>, SipError> {
        self.words("Allow", Method::parse)
    }

    /// What was not quite right (RFC 3261 section 20.43).
    pub fn warning(&self) -> Result<Vec<Warning>, SipError> {
        self.list("Warning", Warning::parse)
    }

    /// Why the request was sent.
    pub fn reason(&self) -> Result<Vec<Reason>, SipError> {
        self.list("Reason", Reason::parse)
    }

    /// A field that holds one number: Expires, Min-Expires, RSeq.
    pub fn number(&self, name: &'static str) -> Result<Option<u32>, SipError> {
        self.one(name, |v| scan::number(v).ok_or("it is not a number below 2^32"))
    }

    /// A field that holds one address: From, To, Refer-To, Referred-By, Reply-To.
    pub fn name_addr(&self, name: &'static str) -> Result<Option<NameAddr>, SipError> {
        self.one(name, NameAddr::parse)
    }

    /// The value of a field that may stand once, as it was written.
    pub fn single(&self, name: &'static str) -> Result<Option<&str>, SipError> {
        let mut all = self.all(name);
        match (all.next(), all.next()) {
            (_, Some(_)) => Err(SipError::Duplicate(name)),
            (value, None) => Ok(value),
        }
    }

    pub(super) fn one<T>(&self, name: &'static str, parse: Parse<T>) -> Result<Option<T>, SipError> {
        self.single(name)?.map(|v| read(name, v, parse)).transpose()
    }

    pub(super) fn list<T>(&self, name: &'static str, parse: Parse<T>) -> Result<Vec<T>, SipError> {
        self.all(name).map(|v| read(name, v, parse)).collect()
    }

    /// A list that may be empty: `Supported:` says that nothing is (RFC 3261 section 20.37).
    pub(super) fn words<T>(&self, name: &'static str, parse: Parse<T>) -> Result<Vec<T>, SipError> {
        self.all(name).filter(|v| !v.is_empty()).map(|v| read(name, v, parse)).collect()
    }
}

/// `word ["@" word]` (RFC 3261 section 25.1), and a little more: all but what divides lists and parameters.
pub(super) fn is_call_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|b| b.is_ascii_graphic() && !b",;=".contains(&b))
}

pub(super) type Parse<T> = fn(&str) -> Result<T, &'static str>;

fn read<T>(name: &'static str, value: &str, parse: Parse<T>) -> Result<T, SipError> {
    parse(value).map_err(|reason| SipError::Header { name, reason })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One field, for the tests of those who read it.
    pub(in crate::sip) fn headers(name: &'static str, value: &str) -> Headers {
        let mut headers = Headers::new();
        headers.push(name, value);
        headers
    }

    fn parse(section: &str) -> Headers {
        Headers::parse(section.as_bytes()).unwrap()
    }

    fn printed(headers: &Headers) -> String {
        let mut out = Vec::new();
        headers.write_to(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn folds_compact_names_and_blanks_before_the_colon_are_undone() {
        let headers = parse("s :\r\n a \t\r\n\t b\r\nX-Odd:  keeps  its\tblanks \r\nk:\r\n");
        assert_eq!(printed(&headers), "Subject: a b\r\nX-Odd: keeps  its\tblanks\r\nSupported: \r\n");
        assert_eq!(headers.supported(), Ok(vec![]));
    }

    #[test]
    fn a_list_is_divided_but_not_inside_quotes_or_brackets() {
        let headers = parse("m: \"a, \\\", b\" <sip:a,b@c>, <sip:d@e>\r\nSubject: a, b\r\n");
        let contacts: Vec<_> = headers.all("contact").collect();
        assert_eq!(contacts, ["\"a, \\\", b\" <sip:a,b@c>", "<sip:d@e>"]);
        assert_eq!(headers.get("Subject"), Some("a, b"));
    }

    #[test]
    fn a_line_end_other_than_crlf_is_refused() {
        for bad in [
            "A: b\n",
            "A: b\nB: c\r\n",
            "A: b\rB: c\r\n",
            "A: b",
            "A: b\r\n c\r d\r\n",
            "A b\r\n",
            ": b\r\n",
            " A: b\r\n",
        ] {
            assert!(matches!(Headers::parse(bad.as_bytes()), Err(SipError::Section(_))), "{bad:?}");
        }
    }

    #[test]
    fn a_value_cannot_write_another_field() {
        let mut headers = Headers::new();
        headers.push("Subject", "a\r\nVia: b");
        assert_eq!(printed(&headers), "Subject: a  Via: b\r\n");
        assert!(headers.try_push("A\r\nB", "c").is_err());
    }

    #[test]
    fn what_may_stand_once_and_stands_twice_is_an_error_that_names_it() {
        let headers = parse("CSeq: 1 INVITE\r\nCSeq: 2 INVITE\r\nFrom: x\r\n");
        assert_eq!(headers.cseq(), Err(SipError::Duplicate("CSeq")));
        assert_eq!(headers.to(), Err(SipError::Missing("To")));
        let sentence = headers.from().unwrap_err().to_string();
        assert!(sentence.starts_with("the From header is malformed: "), "{sentence}");
    }

    #[test]
    fn values_are_replaced_where_the_first_stood() {
        let mut headers = parse("Via: a\r\nTo: b\r\nVia: c\r\n");
        headers.push_front("Via", "0");
        headers.set_first("To", "x");
        assert_eq!(printed(&headers), "Via: 0\r\nVia: a\r\nTo: x\r\nVia: c\r\n");
        headers.set("Via", "d, e");
        assert_eq!(printed(&headers), "Via: d\r\nVia: e\r\nTo: x\r\n");
    }

    #[test]
    fn more_fields_or_longer_ones_than_we_take_are_refused() {
        let commas = format!("Via: {}\r\n", ",".repeat(MAX_FIELDS));
        assert!(matches!(Headers::parse(commas.as_bytes()), Err(SipError::TooLarge { .. })));
        // What was read without a Content-Length is written with one, and read again.
        let most = format!("Via: {}\r\n", ",".repeat(MAX_FIELDS - 1));
        assert!(Headers::parse(format!("{most}l: 0\r\n").as_bytes()).is_ok());
        assert!(Headers::parse(format!("{most}s: 0\r\n").as_bytes()).is_err());
        let long = format!("Subject: {}\r\n", "x".repeat(MAX_FIELD));
        assert!(matches!(Headers::parse(long.as_bytes()), Err(SipError::TooLarge { .. })));
    }
}
