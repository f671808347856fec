//! For people: what a MIKEY message says, whoever wrote it, what is wrong with it, and whether implementations agree on
//! what it means.
//!
//! ```text
//! what a person has --input--> Found --decode----> every field, with its octets and section
//!                                    --lint------> every rule that it breaks
//!               with the keys:       --open------> what is in it
//!                                    --diagnose--> what its maker does otherwise
//! a file of exchanges ----------------verify-----> does this implementation agree?
//! ```
//!
//! # Messages of the field
//!
//! What [`lint`] and [`diagnose`] say of the messages in `tests/data/wild.json`, whose pre-shared keys were given where
//! they are known. Keys in clear and missing MACs, which are warnings and the custom of cameras, are left out.
//!
#![doc = include_str!("wild.md")]

pub mod decode;
pub mod diagnose;
mod exchange;
pub mod input;
pub mod lint;
pub mod open;
pub mod stream;
pub mod verify;
