//! Calls in simulated time: what a user may rely on, whatever the peer, the link and somebody on the way do.

mod common;
mod downgrade;
mod fork;
mod refused;
mod replay;
mod talk;
