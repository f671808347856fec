//! The proxies of a world.

use super::{Dice, World};
use crate::proxy::Proxy;

/// A proxy of this world.
pub(super) struct Between {
    pub(super) proxy: Proxy,
    pub(super) dice: Dice,
}

impl World {
    /// A proxy of this world.
    pub fn proxy(&self, proxy: usize) -> &Proxy {
        &self.proxies[proxy].proxy
    }

    /// All of them.
    pub fn proxies(&self) -> impl Iterator<Item = &Proxy> {
        self.proxies.iter().map(|between| &between.proxy)
    }
}
