//! Tools for whoever implements MIKEY.

pub mod verify;
