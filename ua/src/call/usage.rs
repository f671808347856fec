//! The INVITE usage of one dialog (RFC 5057), early or confirmed, the same for both sides: who the peer is, what it can
//! do, what we have asked it, and how far offer and answer are.

use super::Cx;
use super::change::Change;
use super::decline;
use super::exchange::Exchange;
use super::refresh::Refresh;
use crate::dialog::Dialog;
use crate::event::CallId;
use crate::sip::{Headers, Method, Request, Response, StatusCode};
use crate::transaction::ClientKey;
use std::collections::BTreeMap;

/// One dialog of a call.
pub(super) struct Usage {
    call: CallId,
    pub(super) dialog: Dialog,
    pub(super) exchange: Exchange,
    pub(super) peer: Abilities,
    pub(super) refresh: Refresh,
    /// Our requests that have no final response yet.
    ours: BTreeMap<ClientKey, Asked>,
    /// The last INVITE of ours inside the dialog that has its final response.
    last_invite: Option<ClientKey>,
}

/// What the peer has said that it can do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Abilities {
    /// It takes UPDATE (RFC 3311).
    pub(super) update: bool,
    /// It knows session timers (RFC 4028).
    pub(super) timer: bool,
    /// It knows reliable provisional responses (RFC 3262).
    pub(super) reliable: bool,
}

/// A request of ours under way.
struct Asked {
    purpose: Purpose,
}

/// Why we sent a request inside the dialog: what its final response is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To end the call.
    Bye,
    /// To change the session, or to refresh it.
    Change(Change),
    /// To have the peer call somebody else.
    Refer,
    /// To tell what the REFER of that number has come to.
    Notify(u32),
    /// To tell something that is not the session's.
    Info,
    /// To tell who we are.
    Name,
    /// To acknowledge a reliable response.
    Prack,
}

/// What a response to one of our requests means to the usage.
pub(super) enum Heard {
    /// It is to no request of this usage that still waits.
    Nothing,
    /// A provisional response.
    Provisional,
    /// The final response to the request with this purpose, or that there is none.
    Final(Purpose),
}

impl Usage {
    /// `said` are the headers of the message that began the dialog.
    pub(super) fn new(call: CallId, dialog: Dialog, exchange: Exchange, said: &Headers) -> Self {
        let (peer, refresh, ours) = (Abilities::default(), Refresh::default(), BTreeMap::new());
        let mut usage = Self { call, dialog, exchange, peer, refresh, ours, last_invite: None };
        usage.learn(said);
        usage
    }

    /// Remembers what Allow and Supported of a message say; one without them says nothing new.
    pub(super) fn learn(&mut self, said: &Headers) {
        if said.get("Allow").is_some() {
            self.peer.update = said.allow().is_ok_and(|methods| methods.contains(&Method::Update));
        }
        if said.get("Supported").is_some() {
            let supported = said.supported().unwrap_or_default();
            self.peer.timer = supported.iter().any(|tag| tag == "timer");
            self.peer.reliable = supported.iter().any(|tag| tag == "100rel");
        }
    }

    /// Is the request from this dialog's peer and in order? Otherwise the status to answer it with.
    pub(super) fn takes(&mut self, request: &Request) -> Result<(), StatusCode> {
        if !self.dialog.is_from_peer(request) {
            return Err(StatusCode::CALL_DOES_NOT_EXIST);
        }
        // RFC 3261 section 12.2.2.
        self.dialog.takes(request).map_err(|_| StatusCode::SERVER_INTERNAL_ERROR)?;
        // A target refresh request says where the peer is from now on.
        if matches!(request.method, Method::Invite | Method::Update) {
            self.dialog.refresh_target(&request.headers);
        }
        self.learn(&request.headers);
        Ok(())
    }

    /// Sends a request inside the dialog; `fill` adds its headers and its body. `None` if it cannot be sent.
    pub(super) fn request(
        &mut self,
        method: Method,
        purpose: Purpose,
        fill: impl FnOnce(&mut Request),
        cx: &mut Cx<'_, '_>,
    ) -> Option<ClientKey> {
        let hop = self.dialog.next_hop();
        // RFC 3261 sections 12.2.1.1 and 20.10: what refreshes the target says where we are.
        let names_us = matches!(method, Method::Invite | Method::Update | Method::Refer | Method::Notify);
        let mut request = self.dialog.request(method);
        if names_us {
            request.headers.push("Contact", cx.settings.contact(hop.likely_transport()));
        }
        fill(&mut request);
        let with_via = decline::with_via(request, cx);
        // All headers are ours, so that the transaction can read them.
        let key = cx.transactions.request(with_via, hop, cx.env, cx.said).ok()?;
        cx.book.add_client(key, self.call);
        self.ours.insert(key, Asked { purpose });
        Some(key)
    }

    /// Does this request of ours wait for its response?
    pub(super) fn has(&self, key: ClientKey) -> bool {
        self.ours.contains_key(&key)
    }

    /// Takes a response to a request of ours.
    pub(super) fn answered(&mut self, key: ClientKey, response: &Response, cx: &mut Cx<'_, '_>) -> Heard {
        if !self.ours.contains_key(&key) {
            return Heard::Nothing;
        }
        if !response.status.is_final() {
            return Heard::Provisional;
        }
        self.done(key, cx)
    }

    /// A request of ours came to nothing: nobody answered, or it could not be sent.
    pub(super) fn done(&mut self, key: ClientKey, cx: &mut Cx<'_, '_>) -> Heard {
        let Some(Asked { purpose }) = self.ours.remove(&key) else { return Heard::Nothing };
        // A 2xx to an INVITE may come again, and is ours to acknowledge.
        if let Some(old) = self.last_invite.take_if(|_| matches!(purpose, Purpose::Change(_))) {
            cx.book.forget_client(old, self.call);
        }
        match purpose {
            Purpose::Change(_) => self.last_invite = Some(key),
            _ => cx.book.forget_client(key, self.call),
        }
        Heard::Final(purpose)
    }
}
