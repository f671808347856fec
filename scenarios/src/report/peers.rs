//! Who is who: whose an address is, whose a branch, and who called.

use super::Page;
use keyphone_ua::event::{Direction, Event};
use std::net::SocketAddr;

/// Finds phones of a page. Phones go by their number in it.
pub(super) struct Peers<'a>(&'a Page<'a>);

impl<'a> Peers<'a> {
    pub(super) fn of(page: &'a Page<'a>) -> Self {
        Self(page)
    }

    /// The phone at that address; else the only phone on that host.
    pub(super) fn phone_at(&self, addr: SocketAddr) -> Option<usize> {
        let phones = || self.0.phones.iter().enumerate();
        if let Some((exact, _)) = phones().find(|(_, phone)| phone.at.contains(&addr)) {
            return Some(exact);
        }
        // Nor may it be anybody's who is no phone.
        let column = self.0.ladder.whose(addr)?;
        phones().find(|(_, phone)| phone.name == column.name).map(|(number, _)| number)
    }

    /// The phone that first answered under that To-tag.
    pub(super) fn owner(&self, tag: &str) -> Option<usize> {
        let column = self.0.ladder.owner(tag)?;
        self.0.phones.iter().position(|phone| phone.name == column.name)
    }

    /// The phone that began the call of that Call-ID.
    pub(super) fn caller(&self, wanted: &str) -> Option<usize> {
        let began = |event: &Event| match event {
            Event::Started { direction: Direction::Outgoing, call_id, .. } => call_id == wanted,
            _ => false,
        };
        self.0.phones.iter().position(|phone| phone.events.iter().any(|(_, event)| began(event)))
    }
}
