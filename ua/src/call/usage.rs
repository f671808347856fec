//! The INVITE usage of one dialog (RFC 5057), early or confirmed, the same for both sides: who the peer is, what it can
//! do, what we have asked it, and how far offer and answer are.

use super::Cx;
use super::change::Change;
use super::decline;
use super::exchange::Exchange;
use super::media::Media;
use super::refresh::Refresh;
use crate::dialog::Dialog;
use crate::event::CallId;
use crate::sip::{CSeq, Headers, Method, Request, Response, StatusCode};
use crate::transaction::ClientKey;
use std::collections::BTreeMap;

/// So often one request is sent with what servers ask for.
const MOST_TRIES: u8 = 4;

/// One dialog of a call.
pub(super) struct Usage {
    call: CallId,
    pub(super) dialog: Dialog,
    pub(super) exchange: Exchange,
    pub(super) peer: Abilities,
    /// It has refused UPDATE, whatever its Allow says.
    refuses_update: bool,
    pub(super) refresh: Refresh,
    /// Our requests that have no final response yet.
    ours: BTreeMap<ClientKey, Asked>,
    /// The last INVITE of ours inside the dialog that has its final response.
    last_invite: Option<ClientKey>,
    /// What it said of who we are: its ACK says so, too (RFC 3261 section 22.3).
    pub(super) credentials: Headers,
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
    /// As it left, but for its Via: whoever wants to know who we are gets it once more.
    request: Box<Request>,
    tries: u8,
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
    /// To acknowledge a reliable response; if it has an offer, to the branch with this tag, to say that we are keyed.
    Prack(Option<String>),
    /// To say so once more, to the branch with this tag that did not take it in the PRACK.
    Confirm(String),
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
        let mut usage = Self {
            call,
            dialog,
            exchange,
            peer,
            refuses_update: false,
            refresh,
            ours,
            last_invite: None,
            credentials: Headers::new(),
        };
        usage.learn(said);
        usage
    }

    /// The peer has refused UPDATE, although its Allow named it: it is not asked so again.
    pub(super) fn forget_update(&mut self) {
        self.refuses_update = true;
        self.peer.update = false;
    }

    /// Remembers what Allow and Supported of a message say; one without them says nothing new.
    pub(super) fn learn(&mut self, said: &Headers) {
        if said.get("Allow").is_some() {
            self.peer.update =
                !self.refuses_update && said.allow().is_ok_and(|methods| methods.contains(&Method::Update));
        }
        if said.get("Supported").is_some() {
            let supported = said.supported().unwrap_or_default();
            self.peer.timer = supported.iter().any(|tag| tag == "timer");
            self.peer.reliable = supported.iter().any(|tag| tag == "100rel");
        }
    }

    /// Tells the media what this early dialog has agreed on.
    pub(super) fn tell(&self, media: &mut Media, cx: &mut Cx<'_, '_>) {
        if let Some(agreed) = self.exchange.agreed() {
            media.proven(self.dialog.remote_tag(), self.exchange.voice, agreed, cx);
        }
    }

    /// Is the request from this dialog's peer and in order? Otherwise the status to answer it with.
    pub(super) fn takes(&mut self, request: &Request) -> Result<(), StatusCode> {
        if !self.dialog.is_from_peer(request) {
            return Err(StatusCode::CALL_DOES_NOT_EXIST);
        }
        // RFC 3261 section 12.2.2.
        self.dialog.takes(request).map_err(|_| StatusCode::SERVER_INTERNAL_ERROR)?;
        // A target refresh request says where the peer is from now on (RFC 3311 section 5.1, RFC 6665 sections 3.1 and 3.2).
        if matches!(request.method, Method::Invite | Method::Update | Method::Subscribe | Method::Notify) {
            self.dialog.refresh_target(&request.headers);
        }
        self.learn(&request.headers);
        Ok(())
    }

    /// What protects a request inside the dialog on its way to the next SIP entity.
    pub(super) fn hop(&self) -> keyphone_keying::Hop {
        self.dialog.next_hop().likely_transport().into()
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
        cx.auth.preempt(&mut request);
        self.send(Asked { purpose, request: Box::new(request), tries: 0 }, cx)
    }

    fn send(&mut self, asked: Asked, cx: &mut Cx<'_, '_>) -> Option<ClientKey> {
        let with_via = decline::with_via((*asked.request).clone(), cx);
        // All headers are ours, so that the transaction can read them.
        let key = cx.transactions.request(with_via, self.dialog.next_hop(), cx.env, cx.said).ok()?;
        cx.book.add_client(key, self.call);
        self.ours.insert(key, asked);
        Some(key)
    }

    /// Sends a request once more, with what a 401 or 407 asks for (RFC 3261 section 22). False if we have no answer.
    fn identify(&mut self, key: ClientKey, response: &Response, cx: &mut Cx<'_, '_>) -> bool {
        let Some(asked) = self.ours.get(&key).filter(|asked| asked.tries < MOST_TRIES) else { return false };
        let mut again = asked.request.clone();
        if let Err(error) = cx.auth.answer(&mut again, response, cx.env) {
            tracing::info!(call = %self.call, %error, "a request inside the call is not identified");
            return false;
        }
        let Some(Asked { purpose, tries, .. }) = self.ours.remove(&key) else { return false };
        cx.book.forget_client(key, self.call);
        let cseq = CSeq { seq: self.dialog.next_seq(), method: again.method.clone() };
        again.headers.set("CSeq", cseq.to_string());
        self.send(Asked { purpose, request: again, tries: tries + 1 }, cx).is_some()
    }

    /// Nobody waits any more for what becomes of our requests; all but INVITEs end on their own.
    pub(super) fn abandon(&mut self, cx: &mut Cx<'_, '_>) {
        for (key, asked) in std::mem::take(&mut self.ours) {
            if asked.request.method == Method::Invite {
                cx.transactions.abandon(key);
            }
        }
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
        if matches!(response.status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED)
            && self.identify(key, response, cx)
        {
            return Heard::Provisional;
        }
        if let Some(asked) = self.ours.get(&key)
            && let Err(error) = cx.auth.accepted(&asked.request, response)
        {
            tracing::warn!(call = %self.call, %error, "a server inside the call did not prove itself");
        }
        self.done(key, cx)
    }

    /// A request of ours came to nothing: nobody answered, or it could not be sent.
    pub(super) fn done(&mut self, key: ClientKey, cx: &mut Cx<'_, '_>) -> Heard {
        let Some(Asked { purpose, request, .. }) = self.ours.remove(&key) else { return Heard::Nothing };
        if request.method != Method::Invite {
            cx.book.forget_client(key, self.call);
        } else if let Some(old) = self.last_invite.replace(key) {
            // A 2xx to an INVITE may come again, and is ours to acknowledge: the last one's, not those before.
            cx.book.forget_client(old, self.call);
        }
        if request.method == Method::Invite {
            self.credentials = Headers::new();
            decline::copy_credentials(&request.headers, &mut self.credentials);
        }
        Heard::Final(purpose)
    }
}
