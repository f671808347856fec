//! Transfer, the side that asks: REFER in the dialog, and what the peer tells of it (RFC 3515, RFC 5589).

use super::usage::Purpose;
use super::{ALLOW, Call, Cx, Phase, decline, supported};
use crate::event::{Event, Side};
use crate::refer::subscriber::Heard;
use crate::refer::{News, PACKAGE, ReferTo, Subscriber, sipfrag};
use crate::sip::{Method, NameAddr, Replaces, Request, Response, StatusCode};
use crate::transaction::ServerKey;

/// What we have asked the peer for.
pub(super) struct Asked {
    /// Whom it should call.
    to: String,
    pub(super) subscriber: Subscriber,
}

impl Call {
    /// Asks the peer to call somebody else; the call goes on until the peer says that this was answered.
    pub(crate) fn transfer(&mut self, refer_to: &ReferTo, cx: &mut Cx<'_, '_>) {
        let Phase::Talking(talking) = &mut self.phase else { return self.cannot("is not answered", cx) };
        if talking.asked.as_ref().is_some_and(|asked| !asked.subscriber.is_over()) {
            return self.cannot("is being transferred already", cx);
        }
        let (uri, me, ours) = (refer_to.write(), cx.settings.account().me.clone(), supported(cx.settings));
        let fill = |request: &mut Request| {
            request.headers.push("Refer-To", NameAddr::new(uri).to_string());
            // RFC 3892 section 2.1.
            request.headers.push("Referred-By", NameAddr::new(me).to_string());
            request.headers.push("Allow", ALLOW);
            request.headers.push("Supported", ours);
        };
        if talking.usage.request(Method::Refer, Purpose::Refer, fill, cx).is_none() {
            return self.cannot("has a peer whom nobody can find", cx);
        }
        let to = refer_to.target.to_string();
        let subscriber = Subscriber::asked(talking.usage.dialog.local_seq());
        talking.asked = Some(Box::new(Asked { to: to.clone(), subscriber }));
        cx.event(Event::Transfer { call: self.id, by: Side::Us, to, status: StatusCode::TRYING.code() });
    }

    /// What somebody must be asked for who is to take our place here (RFC 3891 section 4): the peer's Contact, so that
    /// no other phone is reached, and the dialog as the peer knows it (RFC 5589 section 7.3). `None` if the call is not
    /// answered.
    pub(crate) fn our_place(&self) -> Option<ReferTo> {
        let Phase::Talking(talking) = &self.phase else { return None };
        let dialog = &talking.usage.dialog;
        // A tag that is not there is a zero (RFC 3891 section 6.1).
        let to_tag = Some(dialog.remote_tag()).filter(|tag| !tag.is_empty()).unwrap_or("0");
        let replaces = Replaces {
            call_id: dialog.call_id().into(),
            to_tag: to_tag.into(),
            from_tag: dialog.local_tag().into(),
            early_only: false,
        };
        Some(ReferTo { target: dialog.target().clone(), replaces: Some(replaces) })
    }

    /// Our REFER has its final response, or will have none.
    pub(super) fn referred_answered(&mut self, status: StatusCode, response: Option<&Response>, cx: &mut Cx<'_, '_>) {
        let Phase::Talking(talking) = &mut self.phase else { return };
        let Some(asked) = &mut talking.asked else { return };
        // RFC 4488 section 4: we asked for the subscription, but a peer may not want it.
        let subscribed = response.is_none_or(|response| response.headers.refer_sub() != Ok(Some(false)));
        if let Some(news) = asked.subscriber.answered(status, subscribed, cx.env.now.mono) {
            self.transfer_news(news, cx);
        }
    }

    /// NOTIFY inside the dialog (RFC 6665 section 4.1.3).
    pub(super) fn notified(&mut self, key: ServerKey, request: &Request, cx: &mut Cx<'_, '_>) {
        let asked = match &mut self.phase {
            Phase::Talking(talking) => talking.asked.as_mut(),
            _ => None,
        };
        let heard = Heard::read(request).and_then(|heard| {
            let asked = asked.ok_or(StatusCode::CALL_DOES_NOT_EXIST)?;
            asked.subscriber.heard(heard, cx.env.now.mono)
        });
        match heard {
            Ok(news) => {
                let ok = self.ok(request, vec![], cx);
                cx.respond(key, &ok);
                news.into_iter().for_each(|news| self.transfer_news(news, cx));
            }
            Err(status) => {
                let mut response = decline::reply(request, status, cx.env);
                match status {
                    StatusCode::BAD_EVENT => response.headers.push("Allow-Events", PACKAGE),
                    StatusCode::UNSUPPORTED_MEDIA_TYPE => response.headers.push("Accept", sipfrag::CONTENT_TYPE),
                    _ => {}
                }
                cx.respond(key, &response);
            }
        }
    }

    pub(super) fn transfer_timeout(&mut self, cx: &mut Cx<'_, '_>) {
        let Phase::Talking(talking) = &mut self.phase else { return };
        let news = talking.asked.as_mut().and_then(|asked| asked.subscriber.timeout(cx.env.now.mono));
        news.into_iter().for_each(|news| self.transfer_news(news, cx));
    }

    fn transfer_news(&mut self, news: News, cx: &mut Cx<'_, '_>) {
        let Phase::Talking(talking) = &self.phase else { return };
        let Some(to) = talking.asked.as_ref().map(|asked| asked.to.clone()) else { return };
        let (status, trouble) = match news {
            // That nothing is known was told when the REFER left.
            News::Progress(StatusCode::TRYING) => return,
            News::Progress(status) | News::Final(status) => (status, None),
            News::Refused(status) => (status, Some(format!("will not be transferred: {status} {}", status.phrase()))),
            News::Unknown(why) => (StatusCode::REQUEST_TIMEOUT, Some(format!("may have been transferred: {why}"))),
        };
        cx.event(Event::Transfer { call: self.id, by: Side::Us, to, status: status.code() });
        if let Some(trouble) = trouble {
            self.cannot(&trouble, cx);
        }
        // The peer talks to somebody else now (RFC 5589 section 6.1); if that did not come about, we talk on.
        if matches!(news, News::Final(status) if status.is_success()) {
            self.hang_up(cx);
        }
    }
}
