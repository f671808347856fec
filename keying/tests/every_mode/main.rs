//! One test body for all modes of MIKEY: what is claimed here is claimed of each.

mod bidding;
mod certified;
mod damage;
mod flood;
mod modes;
mod pki;
mod plain;
mod replays;
#[path = "../support/mod.rs"]
mod shared;
mod side;
mod updates;
