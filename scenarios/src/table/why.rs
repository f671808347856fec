//! Why we do not find what an RFC says, and what the RFCs disagree on: one line each.

use super::Column;
use keyphone_keying::System;
use keyphone_keying::mikey::ModeName;

/// The line of a cell, if it needs one. A test sees to it that each that differs has one, and no other.
pub fn reason(column: Column, system: System) -> Option<&'static str> {
    let System::Mikey(mode) = system;
    REASONS.iter().find(|(of, modes, _)| *of == column && modes.contains(&mode)).map(|(_, _, why)| *why)
}

use ModeName::{DhHmac, DhSign, Null, Psk, Rsa, RsaR};

const REASONS: &[(Column, &[ModeName], &str)] = &[
    (
        Column::SecureForking,
        &[DhHmac],
        "RFC 5197 leaves the row blank, RFC 5479 A.4.1 says yes: phones that share the PSK each make a key of their own",
    ),
    (
        Column::SecureRetargeting,
        &[DhHmac],
        "RFC 5479 assumes one PSK for all whom a call may reach; even so the offer names whom it is for, and others refuse it",
    ),
    (
        Column::ForwardSecrecy,
        &[Null],
        "without a long-term secret nothing can be stolen later: whoever records the signalling reads the media at once",
    ),
    (
        Column::SharedKeyConference,
        &[Psk, Rsa, RsaR],
        "conferences are later work; the group form of RSA-R exists in the keying layer",
    ),
    (Column::SharedKeyConference, &[Null, DhSign, DhHmac], "conferences are later work"),
    (
        Column::BestEffort,
        &[Null, Psk, Rsa, DhSign, DhHmac, RsaR],
        "RFC 5479 A.5.3 prefers SDP capability negotiation (RFC 5939), which is not built: one offer has one profile",
    ),
];
