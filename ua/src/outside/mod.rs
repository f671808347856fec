//! What happens outside of calls: MESSAGE both ways (RFC 3428), and OPTIONS that we send (RFC 3261 section 11.1).
//!
//! Every request here is one transaction and nothing more: it makes no dialog, and what its final response says is an
//! event.

mod text;

pub(crate) use text::{ACCEPT, read};

use crate::call::{ALLOW, Cx, decline};
use crate::event::Event;
use crate::locate::Hop;
use crate::register::preload;
use crate::sip::{Headers, Method, NameAddr, Request, Response, StatusCode, Uri, make};
use crate::transaction::ClientKey;
use std::collections::BTreeMap;

/// Requests of ours outside any dialog that wait for their final response.
#[derive(Default)]
pub(crate) struct Outside {
    asked: BTreeMap<ClientKey, Asked>,
}

/// One request under way.
struct Asked {
    what: What,
    /// As the user named it.
    to: String,
    request: Request,
    hop: Hop,
    /// How often somebody on the way has asked who we are.
    challenges: u8,
}

#[derive(Clone, Copy)]
enum What {
    Message,
    Options,
}

impl Outside {
    /// Requests beyond this many are not sent: their event says 503.
    pub(crate) const MOST: usize = 256;

    /// Sends a text. One that would make the request longer than 1300 bytes is not sent (RFC 3428 section 8): 513.
    pub(crate) fn message(&mut self, to: Uri, text: &str, cx: &mut Cx<'_, '_>) {
        let mut request = request(Method::Message, &to, cx);
        // No Contact: nothing follows (RFC 3428 section 4).
        request.headers.push("Content-Type", text::CONTENT_TYPE);
        request.body = text.as_bytes().to_vec();
        self.send(What::Message, request, &to, cx);
    }

    /// Asks what somebody can do.
    pub(crate) fn options(&mut self, to: Uri, cx: &mut Cx<'_, '_>) {
        let mut request = request(Method::Options, &to, cx);
        request.headers.push("Accept", "application/sdp");
        request.headers.push("Allow", ALLOW);
        self.send(What::Options, request, &to, cx);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.asked.len()
    }

    /// Is this one of our requests here?
    pub(crate) fn has(&self, key: ClientKey) -> bool {
        self.asked.contains_key(&key)
    }

    /// A response has come.
    pub(crate) fn response(&mut self, key: ClientKey, response: &Response, cx: &mut Cx<'_, '_>) {
        if !response.status.is_final() {
            return;
        }
        let Some(mut asked) = self.asked.remove(&key) else { return };
        let challenge = matches!(response.status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        match challenge.then(|| asked.identify(response, cx)).flatten() {
            Some(key) => {
                self.asked.insert(key, asked);
            }
            None => asked.what.tell(asked.to, response.status, &response.headers, cx),
        }
    }

    /// No response will come; `status` is what a proxy would say of that (RFC 3261 section 8.1.3.1).
    pub(crate) fn unanswered(&mut self, key: ClientKey, status: StatusCode, cx: &mut Cx<'_, '_>) {
        if let Some(Asked { what, to, .. }) = self.asked.remove(&key) {
            what.tell(to, status, &Headers::new(), cx);
        }
    }

    fn send(&mut self, what: What, request: Request, to: &Uri, cx: &mut Cx<'_, '_>) {
        let name = to.to_string();
        match self.try_send(request, to, cx) {
            Ok((key, request, hop)) => {
                self.asked.insert(key, Asked { what, to: name, request, hop, challenges: 0 });
            }
            Err(status) => what.tell(name, status, &Headers::new(), cx),
        }
    }

    fn try_send(
        &self,
        mut request: Request,
        to: &Uri,
        cx: &mut Cx<'_, '_>,
    ) -> Result<(ClientKey, Request, Hop), StatusCode> {
        if self.asked.len() >= Self::MOST {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        if to.sip().is_none() {
            return Err(StatusCode::UNSUPPORTED_URI_SCHEME);
        }
        let hop = Hop::from(preload(&mut request, &cx.settings.accounts.routes()));
        cx.auth.preempt(&mut request);
        let sent = decline::with_via(request.clone(), cx);
        if request.method == Method::Message && sent.to_bytes().len() > text::MOST_SENT {
            return Err(StatusCode::MESSAGE_TOO_LARGE);
        }
        let key = cx.transactions.request(sent, hop.clone(), cx.env, cx.said);
        Ok((key.map_err(|_| StatusCode::BAD_REQUEST)?, request, hop))
    }
}

impl Asked {
    /// More realms than this do not ask one after the other.
    const MOST_CHALLENGES: u8 = 5;

    /// Says who we are, and asks again (RFC 3261 section 22).
    fn identify(&mut self, response: &Response, cx: &mut Cx<'_, '_>) -> Option<ClientKey> {
        self.challenges += 1;
        if self.challenges > Self::MOST_CHALLENGES {
            return None;
        }
        if let Err(error) = cx.auth.answer(&mut self.request, response, cx.env) {
            tracing::warn!(%error, to = %self.to, "a request is refused");
            return None;
        }
        let seq = self.request.headers.cseq().ok()?.seq + 1;
        self.request.headers.set("CSeq", format!("{seq} {}", self.request.method));
        let sent = decline::with_via(self.request.clone(), cx);
        cx.transactions.request(sent, self.hop.clone(), cx.env, cx.said).ok()
    }
}

impl What {
    fn tell(self, to: String, status: StatusCode, headers: &Headers, cx: &mut Cx<'_, '_>) {
        let status = status.code();
        cx.event(match self {
            Self::Message => Event::MessageSent { to, status },
            Self::Options => Event::OptionsAnswered {
                to,
                status,
                allow: headers.allow().unwrap_or_default().iter().map(ToString::to_string).collect(),
                supported: headers.supported().unwrap_or_default(),
                accept: headers.all("Accept").map(str::to_owned).collect(),
            },
        });
    }
}

/// A request that begins nothing (RFC 3261 section 8.1.1), without a Via.
fn request(method: Method, to: &Uri, cx: &mut Cx<'_, '_>) -> Request {
    let uri = match to {
        Uri::Sip(sip) => Uri::Sip(sip.clone().for_request()),
        other => other.clone(),
    };
    let from = NameAddr::new(cx.settings.account().me.clone()).with_tag(&cx.env.token::<4>());
    let from = NameAddr { display: cx.settings.account().display_name.clone(), ..from };
    let call_id = format!("{}@{}", cx.env.token::<8>(), cx.settings.sip.ip());
    let mut request = Request::new(method.clone(), uri.clone());
    let headers = &mut request.headers;
    headers.push("Max-Forwards", make::MAX_FORWARDS);
    headers.push("From", from.to_string());
    headers.push("To", NameAddr::new(uri).to_string());
    headers.push("Call-ID", call_id);
    headers.push("CSeq", format!("1 {method}"));
    request
}
