//! Transfer, the side that is asked: the peer has us call somebody, and we tell it what came of that (RFC 3515 section
//! 2.4). The new call is a call of its own: the endpoint places it, and says here how far it is.

use super::refused::Refused;
use super::usage::Purpose;
use super::{ALLOW, Ask, Call, Cx, Phase, decline, supported};
use crate::event::{Event, Side};
use crate::refer::{Notifier, Notify, PACKAGE, ReferTo, sipfrag};
use crate::sip::{Method, Request, StatusCode, make};
use crate::transaction::ServerKey;
use keyphone_media::env::Instant;

/// What the peer has asked us for.
#[derive(Default)]
pub(super) struct Follows {
    /// By the CSeq number of the REFER.
    running: Vec<Follow>,
    /// A REFER was accepted before: NOTIFYs of the next say which one they belong to (RFC 3515 section 2.4.6).
    any: bool,
}

struct Follow {
    seq: u32,
    /// Whom we call.
    to: String,
    /// What the new call had come to when that was told last.
    status: StatusCode,
    /// `None` if the peer does not want to be told (RFC 4488).
    notifier: Option<Notifier>,
}

impl Follows {
    /// So many REFERs of one call are followed at a time; the next is answered 503.
    const MOST: usize = 4;

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.notifiers().filter_map(Notifier::next_timeout).min()
    }

    fn notifiers(&self) -> impl Iterator<Item = &Notifier> {
        self.running.iter().filter_map(|follow| follow.notifier.as_ref())
    }

    fn of(&mut self, seq: u32) -> Option<&mut Notifier> {
        self.running.iter_mut().find(|follow| follow.seq == seq)?.notifier.as_mut()
    }
}

impl Call {
    /// REFER inside the dialog.
    pub(super) fn referred(&mut self, key: ServerKey, request: &Request, cx: &mut Cx<'_, '_>) {
        if let Err(refused) = self.follow(key, request, cx) {
            let response = refused.response(request, "", cx);
            cx.respond(key, &response);
        }
    }

    fn follow(&mut self, key: ServerKey, request: &Request, cx: &mut Cx<'_, '_>) -> Result<(), Refused> {
        let Self { id, phase: Phase::Talking(talking), plan, .. } = self else {
            return Err(Refused::new(StatusCode::DECLINE, "the call is not answered"));
        };
        let bad = |error| Refused::new(StatusCode::BAD_REQUEST, error);
        // Zero or two Refer-To: 400 (RFC 3515 section 2.4.2).
        let refer_to = request.headers.refer_to().map_err(bad)?;
        let refer_to = refer_to.ok_or_else(|| Refused::new(StatusCode::BAD_REQUEST, "Refer-To is missing"))?;
        let wants_news = request.headers.refer_sub().map_err(bad)?.unwrap_or(true);
        let mut referred_by = request.headers.referred_by().map_err(bad)?;
        // The body that it names as its proof is not passed on (RFC 3892 section 2.2).
        referred_by.iter_mut().for_each(|by| by.params.remove("cid"));
        if !cx.settings.rules.transfers {
            return Err(Refused::new(StatusCode::DECLINE, "this phone does not let itself be transferred"));
        }
        let refer_to = ReferTo::read(&refer_to.uri).map_err(|unfit| Refused::new(unfit.status, unfit.why))?;
        let follows = talking.follows.get_or_insert_default();
        if follows.running.len() >= Follows::MOST {
            return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, "other transfers are still under way"));
        }
        let seq = request.headers.cseq().map_err(bad)?.seq;
        let first = !std::mem::replace(&mut follows.any, true);
        let to = refer_to.target.to_string();
        let now = cx.env.now.mono;
        let (notifier, notify) = match wants_news {
            true => Some(Notifier::accept((!first).then_some(seq), now)).unzip(),
            false => (None, None),
        };
        follows.running.push(Follow { seq, to: to.clone(), status: StatusCode::TRYING, notifier });
        // 202 says what 200 does (RFC 6665 section 8.3.1), and is what RFC 3515 section 2.4.2 has peers expect.
        let mut accepted = make::response(request, StatusCode::ACCEPTED, None);
        accepted.headers.push("Contact", cx.settings.contact(decline::transport_of(request)));
        accepted.headers.push("Allow", ALLOW);
        accepted.headers.push("Supported", supported(cx.settings));
        if !wants_news {
            accepted.headers.push("Refer-Sub", "false");
        }
        cx.respond(key, &accepted);
        let (by, plan) = (*id, plan.clone());
        cx.event(Event::Transfer { call: by, by: Side::Peer, to, status: StatusCode::TRYING.code() });
        notify.into_iter().for_each(|notify| self.notify(seq, notify, cx));
        cx.asks.push(Ask::Follow { by, seq, refer_to, referred_by, plan });
        Ok(())
    }

    /// The call that REFER number `seq` made us place has come to this.
    pub(crate) fn followed(&mut self, seq: u32, status: StatusCode, cx: &mut Cx<'_, '_>) {
        let Phase::Talking(talking) = &mut self.phase else { return };
        let Some(follows) = &mut talking.follows else { return };
        let Some(follow) = follows.running.iter_mut().find(|follow| follow.seq == seq) else { return };
        if std::mem::replace(&mut follow.status, status) == status {
            return;
        }
        let notify = follow.notifier.as_mut().and_then(|notifier| notifier.progress(status, cx.env.now.mono));
        let (to, code) = (follow.to.clone(), status.code());
        cx.event(Event::Transfer { call: self.id, by: Side::Peer, to, status: code });
        if status.is_final() {
            follows.running.retain(|follow| follow.seq != seq || follow.notifier.is_some());
        }
        notify.into_iter().for_each(|notify| self.notify(seq, notify, cx));
    }

    /// A NOTIFY of ours has its final response, or will have none.
    pub(super) fn notify_answered(&mut self, seq: u32, status: Option<StatusCode>, cx: &mut Cx<'_, '_>) {
        let Phase::Talking(talking) = &mut self.phase else { return };
        let Some(follows) = &mut talking.follows else { return };
        let notify = follows.of(seq).and_then(|notifier| notifier.answered(status, cx.env.now.mono));
        follows.running.retain(|follow| follow.notifier.as_ref().is_none_or(|notifier| !notifier.is_over()));
        notify.into_iter().for_each(|notify| self.notify(seq, notify, cx));
    }

    pub(super) fn follows_timeout(&mut self, cx: &mut Cx<'_, '_>) {
        let Phase::Talking(talking) = &mut self.phase else { return };
        let now = cx.env.now.mono;
        let running = talking.follows.iter_mut().flat_map(|follows| follows.running.iter_mut());
        let due: Vec<_> =
            running.filter_map(|follow| Some((follow.seq, follow.notifier.as_mut()?.timeout(now)?))).collect();
        due.into_iter().for_each(|(seq, notify)| self.notify(seq, notify, cx));
    }

    /// SUBSCRIBE inside the dialog: to what a REFER began, and to nothing else (RFC 3515 section 2.4.4).
    pub(super) fn subscribed(&mut self, key: ServerKey, request: &Request, cx: &mut Cx<'_, '_>) {
        let (event, expires) = (request.headers.event(), request.headers.expires());
        let (Ok(Some(event)), Ok(expires)) = (event, expires) else {
            return cx.reply(key, request, StatusCode::BAD_REQUEST);
        };
        if event.package != PACKAGE {
            let mut response = decline::reply(request, StatusCode::BAD_EVENT, cx.env);
            response.headers.push("Allow-Events", PACKAGE);
            return cx.respond(key, &response);
        }
        let follows = match &mut self.phase {
            Phase::Talking(talking) => talking.follows.as_mut(),
            _ => None,
        };
        let id = event.id.map(|id| id.parse::<u32>().ok());
        let named = |notifier: &Notifier| id.map_or(notifier.id().is_none(), |id| id == notifier.id());
        let running = follows.into_iter().flat_map(|follows| follows.running.iter_mut());
        let found = running.filter_map(|follow| Some((follow.seq, follow.notifier.as_mut()?)));
        let Some((seq, notifier)) = found.into_iter().find(|(_, notifier)| named(notifier)) else {
            return cx.reply(key, request, StatusCode::FORBIDDEN);
        };
        let now = cx.env.now.mono;
        let notify = notifier.subscribed(expires, now);
        let left = notifier.lasts(now).as_secs();
        let mut ok = self.ok(request, vec![], cx);
        // RFC 6665 section 4.2.1.1.
        ok.headers.push("Expires", left.to_string());
        cx.respond(key, &ok);
        notify.into_iter().for_each(|notify| self.notify(seq, notify, cx));
    }

    fn notify(&mut self, seq: u32, notify: Notify, cx: &mut Cx<'_, '_>) {
        let Phase::Talking(talking) = &mut self.phase else { return };
        let fill = |request: &mut Request| {
            request.headers.push("Event", notify.event.to_string());
            request.headers.push("Subscription-State", notify.state.to_string());
            request.headers.push("Content-Type", sipfrag::CONTENT_TYPE);
            request.body = notify.body;
        };
        if talking.usage.request(Method::Notify, Purpose::Notify(seq), fill, cx).is_none() {
            self.notify_answered(seq, None, cx);
        }
    }
}
