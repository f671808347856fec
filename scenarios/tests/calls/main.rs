//! Calls in simulated time: what a user may rely on, whatever the peer, the link and somebody on the way do.

mod asked;
mod attack;
mod bad_day;
mod common;
mod downgrade;
mod dtmf;
mod fork;
mod hold;
mod identity;
mod info;
mod late_offer;
mod locate;
mod message;
mod offerless;
mod prack;
mod redirect;
mod refused;
mod registrar;
mod registration;
mod rekey;
mod replaces;
mod replay;
mod signalling;
mod talk;
mod timers;
mod transfer;
