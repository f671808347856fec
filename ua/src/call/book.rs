//! Who is meant: which call a transaction, a dialog or a media port belongs to.

use crate::event::CallId;
use crate::io::MediaPorts;
use crate::sip::Request;
use crate::transaction::{ClientKey, ServerKey};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// Every entry is made by a call and goes when that call is over, so the book is as bounded as the calls are.
#[derive(Default)]
pub(crate) struct Book {
    entries: BTreeMap<Entry, CallId>,
    made: BTreeMap<CallId, Vec<Entry>>,
    /// Dialogs that ended a while ago: Call-ID and our tag.
    ended: VecDeque<(String, String)>,
}

/// What a message or a packet is known by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    Client(ClientKey),
    Server(ServerKey),
    /// By Call-ID and our tag. The other tag tells branches apart, and that is the call's business.
    Dialog(String, String),
    Rtp(SocketAddr),
    Rtcp(SocketAddr),
}

impl Book {
    /// So many ended dialogs are remembered.
    const MOST_ENDED: usize = 64;

    pub(crate) fn len(&self) -> usize {
        self.entries.len() + self.made.len()
    }

    pub(crate) fn add_client(&mut self, key: ClientKey, call: CallId) {
        self.add(Entry::Client(key), call);
    }

    pub(crate) fn add_server(&mut self, key: ServerKey, call: CallId) {
        self.add(Entry::Server(key), call);
    }

    pub(crate) fn add_dialog(&mut self, call_id: &str, our_tag: &str, call: CallId) {
        self.add(Entry::Dialog(call_id.into(), our_tag.into()), call);
    }

    pub(crate) fn add_media(&mut self, ports: MediaPorts, call: CallId) {
        if ports.are_open() {
            self.add(Entry::Rtp(ports.rtp), call);
            self.add(Entry::Rtcp(ports.rtcp), call);
        }
    }

    /// The call that has this dialog, whoever is at its other end.
    pub(crate) fn dialog(&self, call_id: &str, our_tag: &str) -> Option<CallId> {
        self.entries.get(&Entry::Dialog(call_id.into(), our_tag.into())).copied()
    }

    /// Was there such a dialog, not long ago?
    pub(crate) fn has_ended(&self, call_id: &str, our_tag: &str) -> bool {
        self.ended.iter().any(|(id, tag)| id == call_id && tag == our_tag)
    }

    pub(crate) fn client(&self, key: ClientKey) -> Option<CallId> {
        self.entries.get(&Entry::Client(key)).copied()
    }

    pub(crate) fn server(&self, key: ServerKey) -> Option<CallId> {
        self.entries.get(&Entry::Server(key)).copied()
    }

    /// The call that a request inside a dialog belongs to: its To-tag is ours (RFC 3261 section 12.2.2).
    pub(crate) fn dialog_of(&self, request: &Request) -> Option<CallId> {
        let tag = request.headers.tag("To")?;
        let dialog = Entry::Dialog(request.headers.call_id().ok()?.to_owned(), tag.to_owned());
        self.entries.get(&dialog).copied()
    }

    /// The call whose media port this is, and whether it is RTCP's.
    pub(crate) fn media(&self, at: SocketAddr) -> Option<(CallId, bool)> {
        let of = |entry| self.entries.get(&entry).copied();
        of(Entry::Rtp(at)).map(|call| (call, false)).or_else(|| of(Entry::Rtcp(at)).map(|call| (call, true)))
    }

    /// A request has its final response, and no other is awaited.
    pub(crate) fn forget_client(&mut self, key: ClientKey, call: CallId) {
        let entry = Entry::Client(key);
        self.entries.remove(&entry);
        self.made.get_mut(&call).into_iter().for_each(|made| made.retain(|made| *made != entry));
    }

    /// The requests of a call that have no final response.
    pub(crate) fn clients(&self, call: CallId) -> Vec<ClientKey> {
        let client = |entry: &Entry| if let Entry::Client(key) = entry { Some(*key) } else { None };
        self.made.get(&call).into_iter().flatten().filter_map(client).collect()
    }

    pub(crate) fn forget(&mut self, call: CallId) {
        for entry in self.made.remove(&call).unwrap_or_default() {
            self.entries.remove(&entry);
            if let Entry::Dialog(call_id, our_tag) = entry {
                self.ended.push_back((call_id, our_tag));
            }
        }
        self.ended.drain(..self.ended.len().saturating_sub(Self::MOST_ENDED));
    }

    fn add(&mut self, entry: Entry, call: CallId) {
        self.entries.insert(entry.clone(), call);
        self.made.entry(call).or_default().push(entry);
    }
}
