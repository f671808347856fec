//! A SIP user agent: text in, text out; packets in, packets out.
//!
//! [`endpoint::Endpoint`] is the phone, sans-IO; [`net`] runs it over real sockets, `keyphone-scenarios` in simulated
//! time. [`sip`] and [`sdp`] read and write, [`transaction`] repeats and gives up, the private `call` and `dialog`
//! decide what happens next. Keys come from `keyphone-keying`, and what they protect is `keyphone-media`'s.

mod call;
mod dialog;
pub mod endpoint;
pub mod event;
mod io;
pub mod net;
pub mod sdp;
pub mod settings;
pub mod sip;
pub mod transaction;
