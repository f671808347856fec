//! The public-key modes: who gets a key, and who does not.

mod attacks;
mod caching;
#[path = "../certificates/pki.rs"]
mod pki;
mod reverse;
#[path = "../support/mod.rs"]
mod shared;
mod support;
mod variants;
