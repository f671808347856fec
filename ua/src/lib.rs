//! A SIP user agent: text in, text out; packets in, packets out.
//!
//! [`endpoint::Endpoint`] is the phone, sans-IO; [`net`] runs it over real sockets, `keyphone-scenarios` in simulated
//! time. [`sip`] and [`sdp`] read and write, [`transaction`] repeats and gives up, the private `call` and `dialog`
//! decide what happens next. Keys come from `keyphone-keying`, and what they protect is `keyphone-media`'s.
//!
//! Media comes in by the port of ours that it arrived at: an endpoint has many calls, and a port is the only name that a
//! datagram has. The ports themselves are handed in ready for use ([`endpoint::Input::Ports`]), because an SDP must name
//! them before anything can go wrong. Which keying systems a call may use is a list in [`settings::Settings`], preferred
//! first; a call offers the first and answers any.
//!
//! What an offer inside a running call cannot do: it is answered at once, also where it brings new keys under a
//! precondition that is not met yet, although RFC 3312 section 6 (and RFC 5027 section 3) would have both sides wait with
//! them; and it changes the codec only to one of the same clock, because what is played and recorded goes on.

pub mod account;
pub mod auth;
mod call;
mod dialog;
pub mod endpoint;
pub mod event;
mod io;
pub mod locate;
pub mod net;
mod outside;
mod refer;
mod register;
pub mod sdp;
pub mod settings;
pub mod sip;
pub mod transaction;
