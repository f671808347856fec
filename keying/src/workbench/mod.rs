//! For people: what a MIKEY message says, whoever wrote it, and whether implementations agree on what it means.

pub mod decode;
pub mod diagnose;
mod exchange;
pub mod input;
pub mod lint;
pub mod open;
pub mod verify;
