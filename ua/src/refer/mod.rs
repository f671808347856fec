//! Transfer: REFER and the subscription that it makes (RFC 3515), Replaces (RFC 3891), and who the peer turns out to
//! be (RFC 4916). Each file is one small machine or one table, and sends nothing itself: the call does.

pub(crate) mod connected;
pub(crate) mod notifier;
pub(crate) mod replaces;
pub(crate) mod sipfrag;
pub(crate) mod subscriber;
pub(crate) mod target;

pub(crate) use notifier::{Notifier, Notify};
pub(crate) use subscriber::{News, Subscriber};
pub(crate) use target::ReferTo;

/// The event package of a referred request (RFC 3515 section 3.1).
pub(crate) const PACKAGE: &str = "refer";
