//! MIKEY-PSK through the keying socket: what callers and callees get, and what attackers do not.

mod attacks;
mod calls;
mod dialects;
mod errors;
mod forks;
mod maps;
#[path = "../support/mod.rs"]
mod shared;
mod support;
