//! Who is meant: which call a transaction, a dialog or a media port belongs to.

use super::MediaPorts;
use crate::event::CallId;
use crate::sip::Request;
use crate::transaction::{ClientKey, ServerKey};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Every entry is made by a call and goes when that call is over, so the book is as bounded as the calls are.
#[derive(Default)]
pub(crate) struct Book {
    clients: BTreeMap<ClientKey, CallId>,
    servers: BTreeMap<ServerKey, CallId>,
    /// By Call-ID and our tag. The other tag tells branches apart, and that is the call's business.
    dialogs: BTreeMap<(String, String), CallId>,
    media: BTreeMap<SocketAddr, (CallId, bool)>,
}

impl Book {
    pub(crate) fn add_client(&mut self, key: ClientKey, call: CallId) {
        self.clients.insert(key, call);
    }

    pub(crate) fn add_server(&mut self, key: ServerKey, call: CallId) {
        self.servers.insert(key, call);
    }

    pub(crate) fn add_dialog(&mut self, call_id: &str, our_tag: &str, call: CallId) {
        self.dialogs.insert((call_id.into(), our_tag.into()), call);
    }

    pub(crate) fn add_media(&mut self, ports: MediaPorts, call: CallId) {
        self.media.insert(ports.rtp, (call, false));
        self.media.insert(ports.rtcp, (call, true));
    }

    pub(crate) fn client(&self, key: ClientKey) -> Option<CallId> {
        self.clients.get(&key).copied()
    }

    pub(crate) fn server(&self, key: ServerKey) -> Option<CallId> {
        self.servers.get(&key).copied()
    }

    /// The call that a request inside a dialog belongs to: its To-tag is ours (RFC 3261 section 12.2.2).
    pub(crate) fn dialog_of(&self, request: &Request) -> Option<CallId> {
        let to = request.headers.to().ok()?;
        let key = (request.headers.call_id().ok()?.to_owned(), to.tag()?.to_owned());
        self.dialogs.get(&key).copied()
    }

    /// The call whose media port this is, and whether it is RTCP's.
    pub(crate) fn media(&self, at: SocketAddr) -> Option<(CallId, bool)> {
        self.media.get(&at).copied()
    }

    pub(crate) fn forget(&mut self, call: CallId) {
        self.clients.retain(|_, c| *c != call);
        self.servers.retain(|_, c| *c != call);
        self.dialogs.retain(|_, c| *c != call);
        self.media.retain(|_, (c, _)| *c != call);
    }
}
