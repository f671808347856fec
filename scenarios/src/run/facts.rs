//! What can be asked of a world when all is over.

use super::cast::Cast;
use crate::place::Place;
use crate::script::{Name, Script};
use crate::world::{Node, Sent, World};
use keyphone_media::env::Instant;
use keyphone_media::rtp::Header;
use keyphone_ua::event::{CallId, Event};
use keyphone_ua::sip::Message;
use std::collections::BTreeSet;

/// A world at its end, and who was who in it.
#[derive(Clone, Copy)]
pub struct Facts<'r> {
    /// What was run.
    pub script: &'r Script,
    /// Who was where.
    pub cast: &'r Cast,
    /// The world.
    pub world: &'r World,
}

impl<'r> Facts<'r> {
    /// The number of a phone.
    ///
    /// # Errors
    /// One sentence, if it is not there.
    pub fn number(&self, name: &Name) -> Result<usize, String> {
        self.cast.phone(name)
    }

    /// A phone of the world.
    ///
    /// # Errors
    /// As [`Facts::number`].
    pub fn node(&self, name: &Name) -> Result<&'r Node, String> {
        Ok(self.world.node(self.number(name)?))
    }

    /// What a phone told, in order.
    ///
    /// # Errors
    /// As [`Facts::number`].
    pub fn events(&self, name: &Name) -> Result<impl Iterator<Item = (Instant, &'r Event)> + use<'r>, String> {
        Ok(self.node(name)?.events.iter().map(|(at, event)| (*at, event)))
    }

    /// The RTP that one phone sent to another, whatever became of it.
    pub fn rtp(&self, from: usize, to: usize) -> impl Iterator<Item = (&'r Sent, Header)> + use<'r> {
        let (from, to) = (self.place(from), self.place(to));
        let between = move |sent: &&Sent| sent.media && from.has(sent.from) && to.has(sent.to);
        let rtp = self.world.log().iter().filter(between).filter(|sent| sent.to.port().is_multiple_of(2));
        rtp.filter_map(|sent| Some((sent, Header::parse(&sent.bytes).ok()?)))
    }

    /// The SSRCs under which one phone sent to another, as events write them.
    pub fn ssrcs(&self, from: usize, to: usize) -> BTreeSet<String> {
        self.rtp(from, to).map(|(_, header)| header.ssrc().to_string()).collect()
    }

    /// The tags by which a phone's dialogs know it: those that it sent itself (RFC 3261 section 12).
    pub fn tags(&self, number: usize) -> BTreeSet<String> {
        let by_it = self.world.log().iter().filter(|sent| !sent.media && self.place(number).has(sent.from));
        let tag = |message: Message| match message {
            Message::Request(request) => request.headers.tag("From").map(str::to_owned),
            Message::Response(response) => response.headers.tag("To").map(str::to_owned),
        };
        by_it.filter_map(|sent| tag(Message::parse(&sent.bytes).ok()?)).collect()
    }

    /// Where a phone is.
    pub fn place(&self, number: usize) -> &'r Place {
        &self.cast.phones[number].place
    }

    /// SIP's Call-ID of a phone's call.
    pub fn call_id(&self, number: usize, id: CallId) -> Option<&'r str> {
        self.world.node(number).events.iter().find_map(|(_, event)| match event {
            Event::Started { call, call_id, .. } if *call == id => Some(call_id.as_str()),
            _ => None,
        })
    }
}
