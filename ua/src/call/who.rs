//! Who was called, who answered, and how we know (RFC 5197 section 5.3): told before policy judges it, and before any key.

use super::Cx;
use super::media::Media;
use crate::event::Event;
use keyphone_keying::Assurance;

impl Media {
    /// Tells who the peer proved to be and, if it is somebody else than we called, that as well.
    pub(super) fn named(&self, peer: &Assurance, cx: &mut Cx<'_, '_>) {
        let (call, proven, how) = (self.call, peer.proven.to_string(), peer.how.to_string());
        cx.event(Event::Peer { call, named: peer.named.to_string(), proven: proven.clone(), how: how.clone() });
        if let Some(asked) = self.asked.as_ref().filter(|asked| **asked != peer.proven) {
            cx.event(Event::Retargeted { call, asked: asked.to_string(), answered: proven, how });
        }
    }
}
