//! The headers of Digest authentication (RFC 7616, RFC 8760; ABNF in RFC 3261 section 25.1): what a server asks, what a
//! client answers, and what the server says to that. Only their writing: what they prove is [`crate::auth`]'s.
//!
//! ```text
//! challenge           = "Digest" LWS digest-cln *(COMMA digest-cln)
//! credentials         = "Digest" LWS dig-resp *(COMMA dig-resp)
//! Authentication-Info = ainfo *(COMMA ainfo)
//! ```

use std::fmt;

use super::scan::{self, Scan};

/// The most parameters that one of these headers may have; the RFCs know 11.
const MAX_PARAMS: usize = 32;

/// One WWW-Authenticate or Proxy-Authenticate value (RFC 7616 section 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Which user names and passwords are meant.
    pub realm: String,
    /// What the answer is made with.
    pub nonce: String,
    /// To be given back as it is.
    pub opaque: Option<String>,
    /// The last answer was right, and made with a nonce that is too old.
    pub stale: bool,
    /// The hash, as it is written; MD5 if nothing is.
    pub algorithm: Option<String>,
    /// What may be protected, in lower case; `None` if that is not said, as RFC 2069 did not.
    pub qop: Option<Vec<String>>,
    /// The user name may be hashed as well.
    pub userhash: bool,
}

/// One Authorization or Proxy-Authorization value (RFC 7616 section 3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestCredentials {
    /// Who it is, or a hash of that.
    pub username: String,
    /// As the challenge said.
    pub realm: String,
    /// As the challenge said.
    pub nonce: String,
    /// The Request-URI when it was sent.
    pub uri: String,
    /// The proof, in hexadecimal digits.
    pub response: String,
    /// As the challenge wrote it.
    pub algorithm: Option<String>,
    /// As the challenge said.
    pub opaque: Option<String>,
    /// What is protected, and the client's part of the proof; `None` is RFC 2069.
    pub protection: Option<Protection>,
    /// `username` is a hash.
    pub userhash: bool,
}

/// What came into Digest with RFC 2617: qop, cnonce and nc stand together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// `auth` or `auth-int`.
    pub qop: String,
    /// The client's nonce.
    pub cnonce: String,
    /// How often the client has used the server's nonce, this time included.
    pub nc: u32,
}

/// Authentication-Info or Proxy-Authentication-Info (RFC 7616 section 3.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthenticationInfo {
    /// The nonce for the next request.
    pub nextnonce: Option<String>,
    /// The server's own proof, in hexadecimal digits.
    pub rspauth: Option<String>,
    /// What that proof protects.
    pub qop: Option<String>,
    /// The client's nonce, given back.
    pub cnonce: Option<String>,
    /// The client's count, given back.
    pub nc: Option<u32>,
}

impl Challenge {
    /// Reads one value of WWW-Authenticate or Proxy-Authenticate.
    ///
    /// # Errors
    /// What is wrong with it; another scheme than Digest is.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let fields = Fields::after_scheme(text)?;
        let list = |text: &str| text.split(',').map(|q| q.trim_matches(scan::is_blank).to_ascii_lowercase()).collect();
        Ok(Self {
            realm: fields.need("realm", "it names no realm")?,
            nonce: fields.need("nonce", "it has no nonce")?,
            opaque: fields.text("opaque"),
            stale: fields.is_true("stale"),
            algorithm: fields.text("algorithm"),
            qop: fields.get("qop").map(list),
            userhash: fields.is_true("userhash"),
        })
    }
}

impl DigestCredentials {
    /// Reads one value of Authorization or Proxy-Authorization.
    ///
    /// # Errors
    /// What is wrong with it; another scheme than Digest is.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let fields = Fields::after_scheme(text)?;
        let protection = match fields.get("qop") {
            None => None,
            Some(qop) => Some(Protection {
                qop: qop.to_ascii_lowercase(),
                cnonce: fields.need("cnonce", "it has a qop without a cnonce")?,
                nc: fields.count()?.ok_or("it has a qop without a nonce count")?,
            }),
        };
        Ok(Self {
            username: fields.need("username", "it names no user")?,
            realm: fields.need("realm", "it names no realm")?,
            nonce: fields.need("nonce", "it has no nonce")?,
            uri: fields.need("uri", "it names no URI")?,
            response: fields.need("response", "it has no response")?,
            algorithm: fields.text("algorithm"),
            opaque: fields.text("opaque"),
            protection,
            userhash: fields.is_true("userhash"),
        })
    }
}

impl AuthenticationInfo {
    /// Reads a value of Authentication-Info or Proxy-Authentication-Info.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let fields = Fields::read(&mut Scan::new(text))?;
        Ok(Self {
            nextnonce: fields.text("nextnonce"),
            rspauth: fields.text("rspauth"),
            qop: fields.get("qop").map(str::to_ascii_lowercase),
            cnonce: fields.text("cnonce"),
            nc: fields.count()?,
        })
    }
}

/// `auth-param *(COMMA auth-param)`: names, and values without quotes and escapes (unq in RFC 7616 section 3.3).
struct Fields(Vec<(String, String)>);

impl Fields {
    fn after_scheme(text: &str) -> Result<Self, &'static str> {
        let mut scan = Scan::new(text);
        let scheme = scan.blanks().token().ok_or("it names no scheme")?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Err("its scheme is not Digest");
        }
        Self::read(&mut scan)
    }

    fn read(scan: &mut Scan<'_>) -> Result<Self, &'static str> {
        let mut fields = Self(vec![]);
        loop {
            let name = scan.blanks().token().ok_or("a parameter has no name")?;
            if !scan.eat_spaced('=') {
                return Err("a parameter has no value");
            }
            let value = match scan.quoted()? {
                Some(quoted) => scan::unquote(quoted),
                None => scan.token().ok_or("a parameter's value is neither a token nor quoted")?.to_owned(),
            };
            if fields.0.len() == MAX_PARAMS {
                return Err("there are more than 32 parameters");
            }
            if fields.get(name).is_some() {
                return Err("a parameter stands there twice");
            }
            fields.0.push((name.to_owned(), value));
            if !scan.eat_spaced(',') {
                break;
            }
        }
        match scan.blanks().is_done() {
            true => Ok(fields),
            false => Err("something other than a parameter stands at the end"),
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    fn need(&self, name: &str, missing: &'static str) -> Result<String, &'static str> {
        self.text(name).ok_or(missing)
    }

    /// stale and userhash: anything but true is false (RFC 7616 section 3.3).
    fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// nc-value = 8LHEX.
    fn count(&self) -> Result<Option<u32>, &'static str> {
        let Some(text) = self.get("nc") else { return Ok(None) };
        match text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            true => Ok(u32::from_str_radix(text, 16).ok()),
            false => Err("its nonce count is not eight hexadecimal digits"),
        }
    }
}

/// Writes `, name="value"`; the first one without the comma.
struct Writer<'a, 'f>(&'a mut fmt::Formatter<'f>, &'static str);

impl Writer<'_, '_> {
    fn quoted(&mut self, name: &str, value: &str) -> fmt::Result {
        self.token(name, &scan::quote(value))
    }

    fn token(&mut self, name: &str, value: &str) -> fmt::Result {
        let comma = std::mem::replace(&mut self.1, ", ");
        write!(self.0, "{comma}{name}={value}")
    }
}

/// What is quoted here and what is not, RFC 7616 sections 3.3 to 3.5 say: "for historical reasons".
impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Writer(f, "Digest ");
        out.quoted("realm", &self.realm)?;
        out.quoted("nonce", &self.nonce)?;
        self.opaque.iter().try_for_each(|opaque| out.quoted("opaque", opaque))?;
        if self.stale {
            out.token("stale", "true")?;
        }
        self.algorithm.iter().try_for_each(|algorithm| out.token("algorithm", &plain(algorithm)))?;
        self.qop.iter().try_for_each(|qop| out.quoted("qop", &qop.join(",")))?;
        if self.userhash { out.token("userhash", "true") } else { Ok(()) }
    }
}

impl fmt::Display for DigestCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Writer(f, "Digest ");
        out.quoted("username", &self.username)?;
        out.quoted("realm", &self.realm)?;
        out.quoted("nonce", &self.nonce)?;
        out.quoted("uri", &self.uri)?;
        out.quoted("response", &self.response)?;
        self.algorithm.iter().try_for_each(|algorithm| out.token("algorithm", &plain(algorithm)))?;
        if let Some(Protection { qop, cnonce, nc }) = &self.protection {
            out.quoted("cnonce", cnonce)?;
            out.token("qop", &plain(qop))?;
            out.token("nc", &format!("{nc:08x}"))?;
        }
        self.opaque.iter().try_for_each(|opaque| out.quoted("opaque", opaque))?;
        if self.userhash { out.token("userhash", "true") } else { Ok(()) }
    }
}

impl fmt::Display for AuthenticationInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Writer(f, "");
        self.nextnonce.iter().try_for_each(|nonce| out.quoted("nextnonce", nonce))?;
        self.qop.iter().try_for_each(|qop| out.token("qop", &plain(qop)))?;
        self.rspauth.iter().try_for_each(|proof| out.quoted("rspauth", proof))?;
        self.cnonce.iter().try_for_each(|cnonce| out.quoted("cnonce", cnonce))?;
        self.nc.iter().try_for_each(|nc| out.token("nc", &format!("{nc:08x}")))
    }
}

/// A token as it is; what somebody quoted because it is none stays quoted.
fn plain(text: &str) -> String {
    if scan::is_token(text) { text.to_owned() } else { scan::quote(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 section 3.9.1.
    const CHALLENGE: &str = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, \
        nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
        opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";

    #[test]
    fn the_challenge_of_rfc_7616_is_read() {
        let challenge = Challenge::parse(CHALLENGE).unwrap();
        assert_eq!(challenge.realm, "http-auth@example.org");
        assert_eq!(challenge.algorithm.as_deref(), Some("SHA-256"));
        assert_eq!(challenge.qop, Some(vec!["auth".into(), "auth-int".into()]));
        assert!(!challenge.stale && !challenge.userhash);
        assert_eq!(Challenge::parse(&challenge.to_string()), Ok(challenge));
    }

    #[test]
    fn case_blanks_quotes_and_unknown_parameters_do_not_matter() {
        let text = "DIGEST Realm = \"a \\\"b\\\", c\" ,\tNONCE=abc,Stale=\"TRUE\", x-new=1,domain=\"sip:a\",qop=auth";
        let challenge = Challenge::parse(text).unwrap();
        assert_eq!((challenge.realm.as_str(), challenge.nonce.as_str()), ("a \"b\", c", "abc"));
        assert!(challenge.stale);
        assert_eq!(challenge.qop, Some(vec!["auth".into()]));
        assert_eq!(Challenge::parse(&challenge.to_string()), Ok(challenge));
    }

    #[test]
    fn credentials_are_written_and_read() {
        // RFC 3261 section 22.2.
        let text = "Digest username=\"bob\", realm=\"biloxi.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
            uri=\"sip:bob@biloxi.com\", response=\"6629fae49393a05397450978507c4ef1\", cnonce=\"0a4f113b\", qop=auth, \
            nc=00000001, opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let credentials = DigestCredentials::parse(text).unwrap();
        assert_eq!(credentials.protection.as_ref().unwrap().nc, 1);
        assert_eq!(credentials.to_string(), text);
    }

    #[test]
    fn what_the_server_says_afterwards_is_written_and_read() {
        // RFC 3261 section 20.6.
        let info = AuthenticationInfo::parse("nextnonce=\"47364c23432d2e131a5fb210812c\"").unwrap();
        assert_eq!(info.nextnonce.as_deref(), Some("47364c23432d2e131a5fb210812c"));
        let text = "qop=auth, rspauth=\"6629fae49393a05397450978507c4ef1\", cnonce=\"0a4f113b\", nc=0000000a";
        let info = AuthenticationInfo::parse(text).unwrap();
        assert_eq!((info.nc, info.to_string().as_str()), (Some(10), text));
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for bad in [
            "",
            "Digest",
            "Digest realm",
            "Digest realm=",
            "Digest realm=\"a\"",
            "Digest nonce=\"a\"",
            "Digest realm=\"a\" nonce=\"b\"",
            "Digest realm=\"a\", nonce=\"b\",",
            "Digest realm=\"a\",, nonce=\"b\"",
            "Digest realm=\"a\", nonce=\"b\", Realm=\"c\"",
            "Digest realm=\"a, nonce=\"b\"",
            "Digest realm=\"a\", nonce=\"b\"; x=1",
            "Basic realm=\"a\", nonce=\"b\"",
        ] {
            assert!(Challenge::parse(bad).is_err(), "{bad}");
        }
        let many: String = (0..40).map(|n| format!(", p{n}=1")).collect();
        assert!(Challenge::parse(&format!("Digest realm=\"a\", nonce=\"b\"{many}")).is_err());
        for nc in ["1", "0000000g", "+0000001", "000000001"] {
            assert!(AuthenticationInfo::parse(&format!("nc={nc}")).is_err(), "{nc}");
        }
    }
}
