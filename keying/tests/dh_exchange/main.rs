//! Exchanges of the two Diffie-Hellman modes, MIKEY-DHSIGN and MIKEY-DHHMAC, from SDP to SDP.

mod answers;
mod calls;
mod identities;
mod noise;
mod offers;
#[path = "../support/mod.rs"]
mod shared;
mod support;
mod updates;
