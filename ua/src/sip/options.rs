//! Option tags (RFC 3261 section 19.2): Supported, Require, Proxy-Require and Unsupported.

use super::error::SipError;
use super::headers::Headers;
use super::scan;

/// option-tags are tokens, so their case does not matter (RFC 3261 section 7.3.1).
fn option_tag(text: &str) -> Result<String, &'static str> {
    if scan::is_token(text) { Ok(text.to_ascii_lowercase()) } else { Err("an option tag is not a token") }
}

/// Which extensions are understood; all tags are given in lower case.
impl Headers {
    /// The extensions that the peer understands (RFC 3261 section 20.37).
    pub fn supported(&self) -> Result<Vec<String>, SipError> {
        self.words("Supported", option_tag)
    }

    /// Whether the peer understands this extension or even requires it; `tag` in lower case.
    pub fn supports(&self, tag: &str) -> bool {
        [self.supported(), self.require()].into_iter().flatten().any(|tags| tags.iter().any(|t| t == tag))
    }

    /// The extensions that we must understand (RFC 3261 section 20.32).
    pub fn require(&self) -> Result<Vec<String>, SipError> {
        self.list("Require", option_tag)
    }

    /// The extensions that a proxy must understand (RFC 3261 section 20.29).
    pub fn proxy_require(&self) -> Result<Vec<String>, SipError> {
        self.list("Proxy-Require", option_tag)
    }

    /// The extensions that the peer does not understand (RFC 3261 section 20.40).
    pub fn unsupported(&self) -> Result<Vec<String>, SipError> {
        self.list("Unsupported", option_tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_tags_are_compared_without_case() {
        let mut headers = Headers::new();
        headers.push("Supported", "100rel, Timer,replaces");
        headers.push("Require", "PATH");
        assert_eq!(headers.supported(), Ok(vec!["100rel".into(), "timer".into(), "replaces".into()]));
        assert!(["100rel", "timer", "path"].iter().all(|tag| headers.supports(tag)));
        assert!(!headers.supports("outbound"));
    }

    #[test]
    fn only_supported_may_be_empty() {
        for name in ["Require", "Proxy-Require", "Unsupported"] {
            for bad in ["", "a b", "a,,b", "\"a\""] {
                let mut headers = Headers::new();
                headers.push(name, bad);
                let read = [headers.require(), headers.proxy_require(), headers.unsupported()];
                assert_eq!(read.iter().filter(|read| read.is_err()).count(), 1, "{name}: {bad}");
            }
        }
        let mut headers = Headers::new();
        headers.push("Supported", "");
        assert_eq!(headers.supported(), Ok(vec![]));
    }
}
