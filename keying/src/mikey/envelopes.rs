//! Envelope keys that are to be cached (RFC 3830 table 6.3, "Cache"): pre-shared keys of their own making, for later
//! calls between the same two.

use super::derive::Secret;
use crate::{How, Identity};
use keyphone_media::env::NtpTime;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// The latest envelope key with each of so many peers; the oldest goes first.
#[derive(Default)]
pub(super) struct Envelopes(VecDeque<Kept>);

struct Kept {
    peer: Identity,
    how: How,
    secret: Secret,
    since: NtpTime,
}

impl Envelopes {
    /// So many peers; only who was proven by a certificate can come in.
    const CAPACITY: usize = 256;

    /// It is not recommended to cache one indefinitely (RFC 3830 section 3.2): a certificate that proved the peer may be
    /// revoked meanwhile.
    const LIFETIME: Duration = Duration::from_secs(24 * 3600);

    pub(super) fn keep(&mut self, peer: &Identity, how: How, secret: Secret, now: NtpTime) {
        self.0.retain(|kept| kept.peer != *peer && kept.since.distance(now) <= Self::LIFETIME);
        self.0.truncate(Self::CAPACITY - 1);
        self.0.push_front(Kept { peer: peer.clone(), how, secret, since: now });
    }

    pub(super) fn find(&self, peer: &Identity, now: NtpTime) -> Option<(&Secret, How)> {
        let found = self.0.iter().find(|kept| kept.peer == *peer)?;
        (found.since.distance(now) <= Self::LIFETIME).then_some((&found.secret, found.how))
    }
}

impl fmt::Debug for Envelopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envelopes(of {} peers)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: usize) -> Identity {
        Identity::new(&format!("sip:{n}@example.org"))
    }

    #[test]
    fn the_latest_key_with_each_of_the_latest_peers_is_kept_for_a_day() {
        let (mut kept, now) = (Envelopes::default(), NtpTime(0xed00_0000_0000_0000));
        for n in 0..300 {
            kept.keep(&peer(n), How::Certificate, Secret::new(vec![n as u8]), now);
        }
        kept.keep(&peer(299), How::Pinned, Secret::new(vec![7]), now);
        assert_eq!(kept.find(&peer(299), now), Some((&Secret::new(vec![7]), How::Pinned)));
        assert_eq!(format!("{kept:?}"), "Envelopes(of 256 peers)");
        assert!(kept.find(&peer(43), now).is_none() && kept.find(&peer(44), now).is_some());
        let day = Envelopes::LIFETIME;
        assert!(kept.find(&peer(299), now + day).is_some());
        assert!(kept.find(&peer(299), now + day + Duration::from_secs(1)).is_none());
        kept.keep(&peer(1), How::Pinned, Secret::new(vec![1]), now + day + Duration::from_secs(1));
        assert_eq!(kept.0.len(), 1, "what is too old goes");
    }
}
