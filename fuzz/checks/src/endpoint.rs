//! x

/// x
pub fn endpoint(_: &[u8]) {}
