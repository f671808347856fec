//! A SIP user agent: text in, text out; packets in, packets out.

pub mod sdp;
pub mod sip;
pub mod transaction;
