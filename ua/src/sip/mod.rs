//! SIP messages as they travel (RFC 3261): bytes in, a [`Message`] out, and back. Framing, splitting and reading are
//! strict where the RFC is, every text has a bound, and what is not understood is kept.

pub mod cseq;
pub mod digest;
pub mod error;
pub mod framer;
pub mod headers;
pub mod hop;
pub mod host;
mod lines;
pub mod make;
pub mod media_type;
pub mod message;
pub mod method;
pub mod name_addr;
mod names;
pub mod params;
pub mod reason;
pub mod rsip_edge;
mod scan;
pub mod status;
pub mod uri;
pub mod via;
pub mod warning;

pub use cseq::CSeq;
pub use error::SipError;
pub use framer::{Frame, Framer, FramerError};
pub use headers::Headers;
pub use hop::ResponseHop;
pub use host::Host;
pub use media_type::MediaType;
pub use message::{Message, Request, Response};
pub use method::Method;
pub use name_addr::NameAddr;
pub use params::Params;
pub use reason::Reason;
pub use status::StatusCode;
pub use uri::{SipUri, Uri};
pub use via::{Transport, Via};
pub use warning::Warning;
