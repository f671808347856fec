//! The public-key modes: who gets a key, and who does not.

mod attacks;
mod caching;
#[path = "../certificates/pki.rs"]
mod pki;
mod reverse;
mod support;
mod variants;
