//! Media for keyphone: audio frames in, sealed packets out, and back.
//!
//! The crate stands leftmost in the line `media <- keying <- config <- ua <- scenarios <- ua/cli` and knows nothing of
//! the others. Its heart is [`srtp`], in which a two-time pad cannot be written down; [`audio`] makes and plays
//! 20 ms frames; [`engine`] paces them; [`rtp`] and [`rtcp`] are what they look like on the wire.
//! Time and chance come in through [`env::Env`], and nowhere else.
//!
//! The engine deals in plain frames and whoever holds the keys seals them: so one engine serves a call whose branches
//! have keys of their own. A [`srtp::Sealed`] borrows its sender's buffer, and is made to own its bytes only where it has
//! to wait; sealing and opening allocate nothing.

pub mod audio;
pub mod demux;
pub mod engine;
pub mod env;
pub mod policy;
pub mod rtcp;
pub mod rtp;
pub mod srtp;
