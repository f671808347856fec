//! What becomes of those who sent where nothing arrives (RFC 3261 section 17.1.4, RFC 3263 section 4.3).

use super::machine::Machine;
use super::waiting::Last;
use super::{ClientKey, Destination, Fate, Key, Output, ServerKey, Table, Transport};
use keyphone_media::env::Env;
use std::net::SocketAddr;

impl Table {
    /// So many responses to one address are told of one datagram that did not arrive, the latest first. A stranger could
    /// ask as often as the table is long, and have every answer come back by ICMP; each only waits for its timers in any
    /// case.
    pub const MOST_UNDELIVERED: usize = 64;

    /// The transport could not deliver to `to`. `why` says more, and may be empty.
    pub fn transport_failed(
        &mut self,
        to: SocketAddr,
        transport: Transport,
        why: &str,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) {
        let failed = Destination { addr: to, transport };
        let colon = if why.is_empty() { "" } else { ": " };
        let why = format!("{to} cannot be reached over {transport}{colon}{why}");
        for key in self.sending_to(failed) {
            if self.fall_back(key, env, out) {
                continue;
            }
            if let Some(entry) = self.entries.get_mut(&key)
                && let Some(search) = &mut entry.search
            {
                search.note(why.clone());
                let moved = match key {
                    Key::Client(_) => entry.machine.is_unanswered() && self.move_on(key, Last::Failed, env, out),
                    Key::Server(_) => {
                        self.advance(key, env, out);
                        self.entries.get(&key).is_some_and(|entry| entry.search.is_some())
                    }
                };
                if moved {
                    continue;
                }
            }
            self.step(key, env, out, |machine, step| match machine {
                Machine::ClientInvite(machine) => machine.transport_failed(&why, step),
                Machine::ClientOther(machine) => machine.transport_failed(&why, step),
                Machine::ServerInvite(machine) => {
                    machine.transport_failed(&why, step);
                    Fate::Stays
                }
                Machine::ServerOther(machine) => {
                    machine.transport_failed(&why, step);
                    Fate::Stays
                }
                Machine::Waiting(_) => Fate::Stays,
            });
        }
        self.acks_failed(failed, &why, env, out);
    }

    /// Who sends there: all requests of ours, and the responses on a connection, or [`Self::MOST_UNDELIVERED`] of them.
    fn sending_to(&self, Destination { addr, transport }: Destination) -> Vec<Key> {
        let (first, last) = (Key::Server(ServerKey(0)), Key::Server(ServerKey(u64::MAX)));
        let at = |key| (transport, addr, key);
        let ours = self.hops.range(at(Key::Client(ClientKey(0)))..at(first));
        let most = if transport == Transport::Udp { Self::MOST_UNDELIVERED } else { usize::MAX };
        let theirs = self.hops.range(at(first)..=at(last)).rev().take(most);
        ours.chain(theirs).map(|(_, _, key)| *key).collect()
    }
}
