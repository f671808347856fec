//! The modes of MIKEY, one file each.

pub mod psk;
