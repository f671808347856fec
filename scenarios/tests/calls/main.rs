//! Calls in simulated time: what a user may rely on, whatever the peer, the link and somebody on the way do.

mod attack;
mod bad_day;
mod common;
mod downgrade;
mod dtmf;
mod fork;
mod hold;
mod identity;
mod info;
mod locate;
mod message;
mod prack;
mod refused;
mod replaces;
mod replay;
mod signalling;
mod talk;
mod timers;
mod transfer;
