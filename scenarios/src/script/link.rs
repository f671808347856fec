//! `[[link]]`: how what travels is lost, delayed and reordered. Of several that fit, the last counts.

use super::name::Name;
use super::what::What;
use keyphone_media::env::Instant;

/// The weather on some ways.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Which ways.
    pub on: Way,
    /// What of all that travels there.
    pub carries: What,
    /// What it does to it.
    pub weather: crate::link::Link,
    /// From when on.
    pub from: Instant,
}

/// Ways between phones, proxies and attackers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// All.
    Everywhere,
    /// From one to the other and back.
    Between(Name, Name),
    /// One way.
    From(Name, Name),
    /// All that one sends or gets.
    Of(Name),
}

impl Link {
    /// What every field is that a script does not write.
    pub fn new() -> Self {
        Self { on: Way::Everywhere, carries: What::Anything, weather: crate::link::Link::PERFECT, from: Instant::ZERO }
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}
