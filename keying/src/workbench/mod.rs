//! For people: what a MIKEY message says, whoever wrote it.

pub mod decode;
