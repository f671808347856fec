//! Exchanges of the two Diffie-Hellman modes, MIKEY-DHSIGN and MIKEY-DHHMAC, from SDP to SDP.

mod answers;
mod calls;
mod identities;
mod noise;
mod offers;
mod support;
mod updates;
