//! What the user wants of the keying, whoever is called.

use super::properties::Properties;
use crate::System;

/// Which keying systems may be used, in which order, and what they must be able to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preferences {
    /// What decides between those that can be used.
    pub order: Order,
    /// Those that are allowed, preferred first. What is left out is never used, nor is clear RTP instead of them.
    pub systems: Vec<System>,
    /// What is required.
    pub needs: Needs,
    /// What is to be expected.
    pub expected: Expected,
    /// How often one call may be offered anew in another way.
    pub retries: u8,
}

/// What decides between keying systems that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The rules of RFC 5197 section 5.
    Auto,
    /// The place in the list.
    Listed,
}

/// What is required: what cannot do it is neither offered nor accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Perfect forward secrecy.
    pub pfs: bool,
    /// A key that both sides have contributed to.
    pub both_contribute: bool,
}

/// What is to be expected: what does not suit it comes last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The call may fork.
    pub fork: bool,
    /// Somebody else than the one who is called may answer.
    pub retarget: bool,
    /// There may be something to hear before the answer.
    pub early_media: bool,
}

impl Preferences {
    /// So often one call is offered anew unless somebody says otherwise.
    pub const RETRIES: u8 = 2;

    /// May an offer of this system be made, or taken from a peer? Whether we have what it takes is another matter.
    pub fn allow(&self, system: System) -> bool {
        let System::Mikey(mode) = system;
        self.systems.contains(&system) && self.needs.met_by(&Properties::of(mode))
    }
}

impl Default for Preferences {
    fn default() -> Self {
        let (needs, expected) = (Needs::default(), Expected::default());
        Self { order: Order::Auto, systems: System::AUTO.to_vec(), needs, expected, retries: Self::RETRIES }
    }
}

impl Expected {
    /// Is anything expected?
    pub fn any(self) -> bool {
        self.fork || self.retarget || self.early_media
    }
}

impl Needs {
    /// Is anything required?
    pub fn any(self) -> bool {
        self.pfs || self.both_contribute
    }

    fn met_by(self, mode: &Properties) -> bool {
        (mode.pfs || !self.pfs) && (mode.both || !self.both_contribute)
    }
}
