//! One function per fuzz target: bytes of a stranger in, a panic out if a promise is broken.
//!
//! cargo-fuzz drives them from `fuzz/fuzz_targets`, and `tests/replay.rs` with every seed and with all that fuzzing ever
//! found (`fuzz/regressions`). Each is a pure function of its bytes.

mod dice;
mod endpoint;
mod mikey;
mod modes;
mod rtcp;
mod sdp;
mod sip;
mod sip_headers;
mod srtp;

pub use endpoint::endpoint;
pub use mikey::mikey;
pub use modes::modes;
pub use rtcp::rtcp;
pub use sdp::sdp;
pub use sip::{sip_framer, sip_message};
pub use sip_headers::sip_headers;
pub use srtp::srtp;
