//! The two sides of every test here.

use crate::modes::{ALICE, BOB, Case};
pub(crate) use crate::shared::*;
use keyphone_keying::Credentials;

/// Alice calls bob.
pub(crate) fn pair(case: &Case) -> (Side, Side) {
    (side(case, (ALICE, BOB), case.credentials(ALICE, BOB), 0xa11ce), bob(case))
}

pub(crate) fn bob(case: &Case) -> Side {
    side(case, (BOB, ALICE), case.credentials(BOB, ALICE), 0xb0b)
}

pub(crate) fn side(case: &Case, names: (&str, &str), credentials: Credentials, ssrc: u32) -> Side {
    Side { hop: case.hop, ..Side::new(names, credentials, case.policy(), ssrc) }
}
