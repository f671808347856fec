//! What can be wrong with a SIP message, in one sentence each.

use super::message;
use super::multipart::Lack;
use super::status::StatusCode;

/// Lets the value of a header be read by itself, with an error that names the header.
macro_rules! header_text {
    ($type:ty, $name:literal) => {
        impl std::str::FromStr for $type {
            type Err = $crate::sip::SipError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text).map_err(|reason| $crate::sip::SipError::Header { name: $name, reason })
            }
        }
    };
}
pub(super) use header_text;

/// Why bytes or text are not the SIP that they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SipError {
    /// Nothing but line ends: a keep-alive (RFC 5626 section 3.5), not a message.
    #[error("the datagram is a keep-alive, not a SIP message")]
    KeepAlive,
    /// The first line is neither a Request-Line nor a Status-Line (RFC 3261 section 7).
    #[error("the start line is malformed: {0}")]
    StartLine(&'static str),
    /// The message speaks another version of SIP (RFC 3261 section 7.1): a request is answered with 505.
    #[error("the message is not SIP/2.0")]
    Version,
    /// The header section cannot be divided into fields (RFC 3261 section 7.3).
    #[error("the header section is malformed: {0}")]
    Section(&'static str),
    /// A URI that breaks its grammar (RFC 3261 section 19.1).
    #[error("the URI is malformed: {0}")]
    Uri(&'static str),
    /// A header field that breaks its grammar.
    #[error("the {name} header is malformed: {reason}")]
    Header {
        /// The field's name.
        name: &'static str,
        /// What is wrong with its value.
        reason: &'static str,
    },
    /// A header field that must be there is not (RFC 3261 section 8.1.1).
    #[error("the {0} header is missing")]
    Missing(&'static str),
    /// A header field that may be there once is there more often (RFC 3261 section 7.3.1).
    #[error("the {0} header may be there only once")]
    Duplicate(&'static str),
    /// The body is shorter than its Content-Length (RFC 3261 section 18.3).
    #[error("the body has {has} bytes, its Content-Length says {says}")]
    ShortBody {
        /// Bytes that arrived.
        has: usize,
        /// Bytes that were announced.
        says: usize,
    },
    /// A body in several parts that breaks its grammar (RFC 2046 section 5.1).
    #[error("the body is malformed: {0}")]
    Body(&'static str),
    /// A body that we do not understand and may not ignore (RFC 3261 section 8.2.3).
    #[error("this phone does not understand the body: {0}")]
    Unsupported(Lack),
    /// A part of the message is larger than we take.
    #[error("{what} is larger than {limit}")]
    TooLarge {
        /// The part.
        what: &'static str,
        /// What we take, in bytes, or fields.
        limit: usize,
    },
    /// rsip's types cannot hold the message, or hold one that is not SIP.
    #[error("rsip does not take this: {0}")]
    Rsip(String),
}

impl SipError {
    /// The status that a request with this fault is refused with (RFC 3261 section 21.4, 21.5).
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Version => StatusCode::VERSION_NOT_SUPPORTED,
            Self::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            // The body alone (RFC 3261 section 21.4.11), or all of it (section 21.5.7).
            Self::TooLarge { what: message::BODY, .. } => StatusCode::REQUEST_ENTITY_TOO_LARGE,
            Self::TooLarge { .. } => StatusCode::MESSAGE_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}
