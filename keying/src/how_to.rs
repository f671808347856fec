#![doc = include_str!("how_to/guide.md")]
//!
//! # One exchange of each mode, octet by octet
//!
//! The first vector of each file in `keying/vectors`. A test makes this part out of those files and compares, so that it
//! is what the code does.
//!
#![doc = include_str!("how_to/exchanges.md")]
