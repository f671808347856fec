//! Session descriptions (RFC 8866): what is offered, what is answered, and where media goes.
//!
//! [`block`] keeps the text, line by line and without loss; [`media`] reads one audio block of it, with webrtc-sdp
//! behind a cleaned text; [`key_mgmt`] carries keying's lines (RFC 4567); [`make_offer`], [`answer()`] and
//! [`read_answer()`] are the three steps of RFC 3264, and [`SdpSession`] keeps one dialog's. webrtc-sdp never sees a
//! whole session: it drops attributes and m-lines that it does not know, and gives their `c=` lines to the m-line
//! before, so that media would go to the wrong address.

pub mod answer;
pub mod block;
pub mod key_events;
pub mod key_mgmt;
pub mod media;
pub mod offer;
pub mod precondition;
pub mod read_answer;
pub mod session;

pub use answer::{Answer, AnswerAsk, Rejection, Unfit, answer, refusal};
pub use block::{Block, MLine, RawLine, Sdp, SdpError};
pub use key_events::KeyEvents;
pub use media::{Audio, CodecLine, Direction, Profile};
pub use offer::{OfferAsk, Origin, capabilities, make_offer};
pub use read_answer::{AnswerError, Negotiated, read_answer};
pub use session::{Reply, SdpSession};
