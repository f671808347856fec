//! A seeded world of clocks and links that drives many endpoints, and what can be told of a call afterwards: the
//! ladder and the page.
//!
//! The same [`keyphone_ua::endpoint::Endpoint`] runs here in simulated time and in `keyphone_ua::net` over real
//! sockets. A world run twice from one seed gives the same bytes.
//!
//! [`live`] gives the same [`world::World`] real sockets instead of a queue of deliveries, so that scripts, links,
//! attackers, checks, ladder and page are there only once. What it cannot do: TLS between phones, and to forge the
//! address of somebody who is not ours.

pub mod attacker;
pub mod book;
pub mod demo;
pub mod fate;
pub mod ladder;
pub mod link;
pub mod live;
pub mod observer;
pub mod pki;
pub mod place;
pub mod proxy;
pub mod random;
pub mod report;
pub mod run;
pub mod script;
mod shelf;
mod streams;
pub mod table;
pub mod web;
pub mod world;
pub mod zone;
