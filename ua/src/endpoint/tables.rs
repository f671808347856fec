//! How full an endpoint's tables are: nothing may grow for ever, and nothing may stay when all is over.

use super::Endpoint;
use super::fetching::Fetching;
use crate::call::Waiting;
use crate::outside::Outside;
use crate::transaction::Table;
use keyphone_media::env::Instant;

/// How full a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// What stands in it.
    pub table: &'static str,
    /// How many entries it has; those that are past their time and wait to be swept do not count.
    pub entries: usize,
    /// How many it may have.
    pub most: usize,
}

impl Endpoint {
    /// Every table, as it is at `now`. Spare media ports are no entries.
    pub fn tables(&self, now: Instant) -> Vec<Fill> {
        let calls = Self::MAX_CALLS;
        // A call has a few transactions, dialogs, ports and keys at a time.
        let book = calls * 64;
        [
            ("calls", self.calls.len(), calls),
            ("timers of calls", self.due.len(), calls),
            ("peers of calls", self.peers.len(), calls),
            ("bytes of calls", self.weight, Self::MAX_CALL_BYTES),
            ("transfers", self.follows.len(), calls),
            ("calls that take another's place", self.replacing.len(), calls),
            ("what calls ask for", self.asks.len(), calls),
            ("who is meant", self.book.len(), book),
            ("keys in use", self.ledger.open_keys(), book),
            ("packets that wait for their keys", self.waiting.packets(), Waiting::MAX_PACKETS),
            ("bytes of packets that wait", self.waiting.bytes(), Waiting::MAX_BYTES),
            ("calls that were left", self.gone.len(now), book),
            ("requests outside of calls", self.outside.len(), Outside::MOST),
            ("requests that came by two ways", self.merged.len(&self.transactions), 2 * Table::MOST),
            ("messages that wait for certificates", self.fetching.held(), Fetching::MOST_HELD),
            ("certificates under way", self.fetching.under_way(), Fetching::MOST_UNDER_WAY),
            ("transactions", self.transactions.len(), Table::MOST),
            ("bytes of transactions", self.transactions.weight(), Table::MOST_BYTES + (1 << 20)),
        ]
        .map(|(table, entries, most)| Fill { table, entries, most })
        .into()
    }
}
