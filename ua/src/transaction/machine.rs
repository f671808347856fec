//! One transaction, whichever of the four machines it is.

use super::client_invite::ClientInvite;
use super::client_other::ClientOther;
use super::sent::Sent;
use super::server_invite::ServerInvite;
use super::server_other::ServerOther;
use super::waiting::Waiting;
use super::{Destination, Step};
use crate::locate::Candidate;
use keyphone_media::env::Instant;

/// A transaction, or a request that has yet to become one.
#[derive(Debug)]
pub(super) enum Machine {
    Waiting(Box<Waiting>),
    // Boxed: most are those that others sent, and these are three times as large.
    ClientInvite(Box<ClientInvite>),
    ClientOther(Box<ClientOther>),
    ServerInvite(ServerInvite),
    ServerOther(ServerOther),
}

impl Machine {
    /// When its earliest timer fires.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Waiting(waiting) => Some(waiting.until),
            Self::ClientInvite(machine) => machine.deadline(),
            Self::ClientOther(machine) => Some(machine.deadline()),
            Self::ServerInvite(machine) => machine.deadline(),
            Self::ServerOther(machine) => machine.deadline(),
        }
    }

    /// The bytes of its messages, about.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::ServerInvite(machine) => machine.weight(),
            Self::ServerOther(machine) => machine.weight(),
            // As read and as written.
            Self::ClientInvite(_) | Self::ClientOther(_) => self.sent().map_or(0, |sent| 2 * sent.weight()),
            // Ours, and soon on its way or gone.
            Self::Waiting(_) => 0,
        }
    }

    /// A request of ours that is on its way.
    pub(super) fn sent(&self) -> Option<&Sent> {
        match self {
            Self::ClientInvite(machine) => Some(machine.sent()),
            Self::ClientOther(machine) => Some(machine.sent()),
            Self::Waiting(_) | Self::ServerInvite(_) | Self::ServerOther(_) => None,
        }
    }

    /// Where it sends.
    pub(super) fn hop(&self) -> Option<Destination> {
        match self {
            Self::ServerInvite(machine) => Some(machine.hop()),
            Self::ServerOther(machine) => Some(machine.hop()),
            _ => self.sent().map(Sent::hop),
        }
    }

    /// A request of ours to which no response has come.
    pub(super) fn is_unanswered(&self) -> bool {
        match self {
            Self::ClientInvite(machine) => machine.is_unanswered(),
            Self::ClientOther(machine) => machine.is_unanswered(),
            Self::Waiting(_) | Self::ServerInvite(_) | Self::ServerOther(_) => false,
        }
    }

    /// A request of ours that may go elsewhere.
    pub(super) fn may_move(&self) -> bool {
        match self {
            Self::ClientInvite(machine) => machine.may_move(),
            Self::ClientOther(machine) => machine.may_move(),
            Self::Waiting(_) | Self::ServerInvite(_) | Self::ServerOther(_) => false,
        }
    }

    /// Nobody will answer it where it went.
    pub(super) fn is_hopeless(&self, now: Instant) -> bool {
        match self {
            Self::ClientInvite(machine) => machine.is_hopeless(now),
            Self::ClientOther(machine) => machine.is_hopeless(now),
            Self::Waiting(_) | Self::ServerInvite(_) | Self::ServerOther(_) => false,
        }
    }

    /// A response of ours goes there from now on, the last one at once.
    pub(super) fn move_to(&mut self, to: Candidate, step: &mut Step<'_>) {
        match self {
            Self::ServerInvite(machine) => machine.move_to(to, step),
            Self::ServerOther(machine) => machine.move_to(to, step),
            Self::Waiting(_) | Self::ClientInvite(_) | Self::ClientOther(_) => {}
        }
    }
}
