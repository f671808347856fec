//! What we want to change in a running call, one thing at a time: hold, new keys (RFC 3261 section 14.1).

use super::decline::{self, Ack};
use super::handshake::Handshake;
use super::late;
use super::usage::{Purpose, Usage};
use super::{ALLOW, Call, Cx, Phase, supported_in_invite};
use crate::event::{Event, Outcome, Side};
use crate::sip::{Headers, Method, Request, Response, StatusCode};
use crate::transaction::ClientKey;
use keyphone_keying::mikey::policy::FailedRekey;
use keyphone_media::env::Instant;
use std::time::Duration;

/// What the user wants, and has not got yet.
#[derive(Default)]
pub(super) struct Wishes {
    hold: Option<bool>,
    rekey: bool,
    refresh: bool,
    /// Not before then: the peer was busy with a change of its own.
    not_before: Option<Instant>,
    /// How often the peer has put us off.
    tries: u8,
    under_way: Option<ClientKey>,
    /// What is under way is an INVITE.
    inviting: bool,
}

/// One change under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Puts the peer on hold, or takes it back.
    hold: Option<bool>,
    rekey: bool,
    refresh: bool,
}

impl Change {
    /// The session is refreshed as it is.
    fn only_refreshes(self) -> bool {
        self.hold.is_none() && !self.rekey
    }
}

impl Wishes {
    /// Whoever is put off more often than this is told so.
    const MOST_TRIES: u8 = 10;

    /// An INVITE of ours is under way.
    pub(super) fn invites(&self) -> bool {
        self.inviting && self.under_way.is_some()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.not_before.filter(|_| self.under_way.is_none() && self.wants())
    }

    fn wants(&self) -> bool {
        self.hold.is_some() || self.rekey || self.refresh
    }

    /// The session timer asks for it (RFC 4028 section 10).
    pub(super) fn refresh(&mut self) {
        self.refresh = true;
    }

    /// Something else is under way, and its end will have us look again: a time that has passed must not wake us again
    /// and again until then.
    fn wait_for_an_end(&mut self, now: Instant) {
        self.not_before = self.not_before.filter(|at| *at > now);
    }

    /// Takes what is wanted next.
    fn next(&mut self, holding: bool, now: Instant) -> Option<Change> {
        if self.under_way.is_some() || self.not_before.is_some_and(|at| at > now) {
            return None;
        }
        self.not_before = None;
        let hold = self.hold.take().filter(|hold| *hold != holding);
        let rekey = std::mem::take(&mut self.rekey);
        let refresh = std::mem::take(&mut self.refresh);
        (hold.is_some() || rekey || refresh).then_some(Change { hold, rekey, refresh })
    }

    /// Wants it again, unless something else was asked for meanwhile.
    fn again(&mut self, change: Change) {
        self.hold = self.hold.or(change.hold);
        self.rekey |= change.rekey;
        self.refresh |= change.refresh;
    }
}

impl Call {
    /// The user wants the peer on hold, or back.
    pub(crate) fn hold(&mut self, hold: bool, cx: &mut Cx<'_, '_>) {
        let Phase::Talking(talking) = &mut self.phase else { return self.cannot("is not answered", cx) };
        talking.wishes.hold = Some(hold);
        self.change(cx);
    }

    /// The user wants new keys.
    pub(crate) fn rekey(&mut self, cx: &mut Cx<'_, '_>) {
        let Phase::Talking(talking) = &mut self.phase else { return self.cannot("is not answered", cx) };
        talking.wishes.rekey = true;
        self.change(cx);
    }

    pub(super) fn cannot(&mut self, why: &str, cx: &mut Cx<'_, '_>) {
        cx.event(Event::CallTrouble { call: self.id, what: format!("the call {why}") });
    }

    /// Begins the next change, if none is under way on either side.
    pub(super) fn change(&mut self, cx: &mut Cx<'_, '_>) {
        let Self { id, phase: Phase::Talking(talking), media, .. } = self else { return };
        // One INVITE at a time, whoever sent it (RFC 3261 section 14.1).
        if talking.handshake.awaits_ack() || talking.usage.exchange.is_free().is_err() {
            return talking.wishes.wait_for_an_end(cx.env.now.mono);
        }
        let holding = talking.usage.exchange.is_holding();
        let Some(change) = talking.wishes.next(holding, cx.env.now.mono) else { return };
        // A refresh by UPDATE needs no offer (RFC 4028 section 7.4).
        let (method, offered) = match change.only_refreshes() && talking.usage.peer.update {
            true => (Method::Update, Ok(vec![])),
            false => {
                let holding = change.hold.unwrap_or(holding);
                let hop = talking.usage.hop();
                (Method::Invite, talking.usage.exchange.offer((holding, change.rekey), hop, media, cx))
            }
        };
        let sent = offered.and_then(|body| {
            talking.wishes.inviting = method == Method::Invite;
            let key = send(&mut talking.usage, method, change, body, cx);
            key.ok_or_else(|| "the request cannot be written".to_owned())
        });
        match sent {
            Ok(key) => talking.wishes.under_way = Some(key),
            Err(why) => {
                talking.usage.exchange.rejected(media, cx);
                let call = *id;
                if change.rekey && self.cannot_cure(&why, cx) {
                    return;
                }
                cx.event(Event::CallTrouble { call, what: why });
            }
        }
    }

    /// A change of ours has its final response.
    pub(super) fn changed(
        &mut self,
        change: Change,
        status: StatusCode,
        response: Option<&Response>,
        cx: &mut Cx<'_, '_>,
    ) {
        let accepted = response.filter(|response| response.status.is_success());
        let Self { phase, media, .. } = self;
        let talking = match phase {
            Phase::Talking(talking) => talking,
            // We have left meanwhile: a 2xx wants its ACK all the same.
            Phase::Leaving(leaving) => {
                if let Some(ack) = accepted.and_then(|response| acknowledge(&mut leaving.usage, response, cx)) {
                    cx.gone.insert(&leaving.usage.dialog, ack, cx.env.now.mono);
                }
                return;
            }
            _ => return,
        };
        talking.wishes.under_way = None;
        let Some(response) = accepted else { return self.not_changed(change, status, response, cx) };
        talking.usage.dialog.refresh_target(&response.headers);
        talking.usage.learn(&response.headers);
        let seq = response.headers.cseq().map(|cseq| cseq.seq).unwrap_or_default();
        if let Some(ack) = acknowledge(&mut talking.usage, response, cx) {
            talking.handshake = Handshake::ack_sent(ack, seq, cx.env.now.mono);
        }
        talking.usage.refresh.heard(response, cx.settings, cx.env.now.mono);
        talking.wishes.tries = 0;
        match talking.usage.exchange.answered(late::session(&response.headers, &response.body), media, cx) {
            Ok(held) => {
                if change.refresh {
                    cx.event(Event::Refreshed { call: self.id, by: Side::Us });
                }
                self.held(change.hold, Side::Us, cx);
                self.held(held, Side::Peer, cx);
                self.change(cx);
            }
            Err(bad) => {
                let why = bad.why.clone();
                let (status, outcome) = bad.outcome(self.id, cx);
                self.leave(Some(decline::reason(status, &why)), outcome, cx);
            }
        }
    }

    /// A change was refused: the session is as it was (RFC 3261 section 14.1).
    fn not_changed(&mut self, change: Change, status: StatusCode, response: Option<&Response>, cx: &mut Cx<'_, '_>) {
        let Self { id, phase: Phase::Talking(talking), media, we_called, .. } = self else { return };
        talking.usage.exchange.rejected(media, cx);
        // The dialog is gone, and so is the call (RFC 3261 section 12.2.1.2, RFC 5057 section 5.1).
        if matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::CALL_DOES_NOT_EXIST) {
            let why = format!("the peer does not know this call any more: {status} {}", status.phrase());
            return self.leave(None, Outcome::Failed { status: Some(status.code()), why }, cx);
        }
        // Whoever does not take UPDATE takes a re-INVITE (RFC 3311 section 5.1, RFC 4028 section 7.4).
        if matches!(status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED) && !talking.wishes.inviting {
            talking.usage.forget_update();
            talking.wishes.again(change);
            return self.change(cx);
        }
        if status == StatusCode::SESSION_INTERVAL_TOO_SMALL {
            response.iter().for_each(|response| talking.usage.refresh.at_least(&response.headers));
        }
        if let Some(wait) = put_off(status, response, *we_called, cx)
            && talking.wishes.tries < Wishes::MOST_TRIES
        {
            talking.wishes.tries += 1;
            talking.wishes.not_before = Some(cx.env.now.mono + wait);
            talking.wishes.again(change);
            return;
        }
        talking.wishes.tries = 0;
        let what = format!("the peer refused a change: {status} {}", status.phrase());
        if change.rekey && cx.settings.policy.mikey.failed_rekey == FailedRekey::End {
            let why = format!("the keys could not be changed, which ends the call (RFC 4567 section 4.1.2): {what}");
            let reason = decline::reason(StatusCode::NOT_ACCEPTABLE_HERE, &why);
            return self.leave(Some(reason), Outcome::KeyingRefused { why }, cx);
        }
        let call = *id;
        if change.rekey && self.cannot_cure(&what, cx) {
            return;
        }
        cx.event(Event::CallTrouble { call, what });
        self.change(cx);
    }
}

/// How long to wait before a change is tried again; `None` if it is not.
fn put_off(status: StatusCode, response: Option<&Response>, we_called: bool, cx: &mut Cx<'_, '_>) -> Option<Duration> {
    match status {
        // RFC 3261 section 14.1, in units of 10 ms: whoever owns the Call-ID waits longer.
        StatusCode::REQUEST_PENDING => {
            let (least, most) = if we_called { (210, 400) } else { (0, 200) };
            Some(Duration::from_millis(10 * (least + cx.env.random() % (most - least + 1))))
        }
        // With the interval that was named, it may be asked for at once (RFC 4028 section 7.3).
        StatusCode::SESSION_INTERVAL_TOO_SMALL => Some(Duration::ZERO),
        StatusCode::SERVER_INTERNAL_ERROR | StatusCode::SERVICE_UNAVAILABLE => {
            let after = response?.headers.retry_after().ok()??.after;
            Some(after).filter(|after| *after <= LONGEST_WAIT)
        }
        _ => None,
    }
}

/// A peer that wants us to wait longer than this has refused.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

fn send(usage: &mut Usage, method: Method, change: Change, body: Vec<u8>, cx: &mut Cx<'_, '_>) -> Option<ClientKey> {
    let mut said = Headers::new();
    said.push("Allow", ALLOW);
    said.push("Supported", supported_in_invite(cx.settings));
    usage.refresh.ask(&mut said);
    let fill = |request: &mut Request| {
        for name in ["Allow", "Supported", "Session-Expires", "Min-SE"] {
            request.headers.copy(name, &said);
        }
        if !body.is_empty() {
            request.headers.push("Content-Type", "application/sdp");
            request.body = body;
        }
    };
    usage.request(method, Purpose::Change(change), fill, cx)
}

/// The ACK for a 2xx to our INVITE inside the dialog; an UPDATE has none.
fn acknowledge(usage: &mut Usage, response: &Response, cx: &mut Cx<'_, '_>) -> Option<Ack> {
    let cseq = response.headers.cseq().ok().filter(|cseq| cseq.method == Method::Invite)?;
    let credentials = |ack: &mut Request| decline::copy_credentials(&usage.credentials, &mut ack.headers);
    let ack = Ack::new(&usage.dialog, cseq.seq, credentials, cx);
    ack.send(cx);
    Some(ack)
}
