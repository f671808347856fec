//! What the responses to our INVITE mean, branch by branch (RFC 3261 sections 13.2.2 and 8.1.3).

use super::outgoing::{Calling, Cancel, Reason, nobody_answered};
use super::retry::is_not_acceptable;
use super::{Call, Cx, Phase, supported};
use crate::event::{CallId, Event, Outcome};
use crate::settings::Reliable;
use crate::sip::{Request, Response, SessionExpires, StatusCode};

impl Call {
    pub(super) fn invite_answered(&mut self, response: &Response, cx: &mut Cx<'_, '_>) {
        match response.status.class() {
            1 => self.provisional(response, cx),
            2 => self.accepted(response, cx),
            _ => self.rejected(response, cx),
        }
    }

    fn provisional(&mut self, response: &Response, cx: &mut Cx<'_, '_>) {
        let Self { id, phase: Phase::Calling(calling), media, numbers, .. } = self else { return };
        calling.proceeding = true;
        if let Cancel::WhenProvisional(why) = calling.cancel {
            calling.send_cancel(why, cx);
        }
        let Some(tag) = response.headers.to().ok().and_then(|to| to.tag().map(str::to_owned)) else { return };
        if response.status == StatusCode::TRYING || !calling.has_room_for(&tag) {
            return;
        }
        // RFC 6228 section 4: this branch has nothing more to say; another one may be heard.
        let reliable = cx.settings.rules.reliable != Reliable::Never;
        let mut branch = std::mem::take(calling.branch(&tag));
        let taken = branch.take(*id, &calling.first, response, reliable, media, cx);
        if response.status == StatusCode::EARLY_DIALOG_TERMINATED {
            calling.branches.remove(&tag);
            // Should it answer all the same, our BYE goes on from there.
            numbers.extend(branch.usage.map(|usage| (tag.clone(), usage.dialog.local_seq())));
            media.part_with(&tag, cx);
            media.turn_back(cx);
            let (call, status) = (*id, response.status.code());
            cx.event(Event::Progress { call, branch: tag, status, reliable: false, early_media: false });
            return self.seek(cx);
        }
        let rings = taken && branch.rings(response);
        let refused = branch.refused.clone();
        calling.refused = calling.refused.take().or(refused);
        calling.branches.insert(tag.clone(), branch);
        calling.tell(&tag, media, cx);
        media.turn_back(cx);
        if !taken {
            return;
        }
        let (call, branch) = (*id, tag);
        if rings {
            cx.event(Event::Ringing { call, branch: branch.clone() });
        }
        let sure = reliable && response.headers.require().is_ok_and(|tags| tags.iter().any(|tag| tag == "100rel"));
        cx.event(Event::Progress {
            call,
            branch,
            status: response.status.code(),
            reliable: sure,
            // What an unreliable response says of a session that we have not offered, we do not take.
            early_media: !response.body.is_empty() && (sure || !cx.settings.rules.late_offer),
        });
        self.seek(cx);
    }

    fn rejected(&mut self, response: &Response, cx: &mut Cx<'_, '_>) {
        if let Self { id, phase: Phase::Calling(calling), media, .. } = self
            && calling.offer_next(*id, response, media, cx)
        {
            return;
        }
        if self.tried_again(response, cx) {
            return self.media.part_with_all(cx);
        }
        let Phase::Calling(calling) = std::mem::replace(&mut self.phase, Phase::Over) else { return };
        if let Cancel::Sent(Reason::NobodyAnswered) = calling.cancel {
            return self.end(nobody_answered(cx.settings.rules.ring_limit), cx);
        }
        // Whoever offered what we cannot take was sent away, and this is what came of it.
        if let Some(bad) = calling.refused {
            let (_, outcome) = bad.outcome(self.id, cx);
            return self.end(outcome, cx);
        }
        let warnings = response.headers.warning().unwrap_or_default();
        let said = warnings.into_iter().map(|w| w.text).collect::<Vec<_>>().join("; ");
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let why = format!("{} {}{said}", response.status, response.reason);
        let why = match response.headers.unsupported() {
            // RFC 3261 section 8.1.3.5.
            Ok(unknown) if response.status == StatusCode::BAD_EXTENSION && !unknown.is_empty() => {
                format!("{why}: the peer cannot do what this call requires ({})", unknown.join(", "))
            }
            _ => why,
        };
        let outcome = match calling.keyed {
            // 488 and 606 say that the session was not acceptable, and ours was keyed (RFC 4567 section 4.1.2). Without
            // an offer of ours it is that the peer has no key for us.
            true if is_not_acceptable(response.status) => {
                let hint = calling.first.hint(response);
                if let Some(hint) = &hint {
                    tracing::warn!(call = %self.id, %hint, "an error message that nobody authenticated");
                }
                cx.event(Event::Refused { call: self.id, why: why.clone(), hint });
                Outcome::KeyingRefused { why }
            }
            _ => Outcome::Failed { status: Some(response.status.code()), why },
        };
        self.end(outcome, cx);
    }

    /// Not the end, if there is another way: a longer session, or another target.
    fn tried_again(&mut self, response: &Response, cx: &mut Cx<'_, '_>) -> bool {
        let Self { id, phase: Phase::Calling(calling), media, .. } = self else { return false };
        if calling.cancel != Cancel::No {
            return false;
        }
        match response.status {
            // RFC 4028 section 7.3.
            StatusCode::SESSION_INTERVAL_TOO_SMALL => {
                let (Ok(Some(least)), true) = (response.headers.min_se(), calling.tries < MOST_TRIES) else {
                    return false;
                };
                calling.tries += 1;
                let asked = calling.invite.headers.session_expires().ok().flatten().map(|asked| asked.interval);
                let interval = asked.unwrap_or_default().max(least);
                let longer = |invite: &mut Request| {
                    let longer = SessionExpires { interval, refresher: None };
                    invite.headers.set("Session-Expires", longer.to_string());
                    invite.headers.set("Min-SE", least.as_secs().to_string());
                };
                calling.send_again(*id, None, longer, cx).is_ok()
            }
            // RFC 3261 section 21.4.16: what our INVITE kept quiet about.
            StatusCode::EXTENSION_REQUIRED => {
                let all = supported(cx.settings);
                let wants = response.headers.require().unwrap_or_default();
                let can = !wants.is_empty() && wants.iter().all(|tag| all.split(", ").any(|ours| ours == tag));
                let news = wants.iter().any(|tag| !calling.invite.headers.supports(tag));
                if !can || !news || calling.tries >= MOST_TRIES {
                    return false;
                }
                calling.tries += 1;
                calling.send_again(*id, None, |invite| invite.headers.set("Supported", all), cx).is_ok()
            }
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => calling
                .identify(*id, response, cx)
                .map_err(|what| cx.event(Event::CallTrouble { call: *id, what }))
                .is_ok(),
            // Everywhere is everywhere (RFC 3261 section 21.6).
            status if status.class() == 6 => false,
            _ => {
                let added = calling.targets.add(response);
                if !added.is_empty() {
                    let to = added.iter().map(ToString::to_string).collect();
                    cx.event(Event::Redirected { call: *id, to });
                }
                calling.next_target(*id, media, cx)
            }
        }
    }

    pub(super) fn invite_unanswered(&mut self, status: StatusCode, why: String, cx: &mut Cx<'_, '_>) {
        if let Self { id, phase: Phase::Calling(calling), media, .. } = self
            && calling.cancel == Cancel::No
            && calling.next_target(*id, media, cx)
        {
            return self.media.part_with_all(cx);
        }
        self.end(Outcome::Failed { status: Some(status.code()), why }, cx);
    }
}

impl Calling {
    /// Says who we are, and calls again (RFC 3261 section 22).
    fn identify(&mut self, call: CallId, response: &Response, cx: &mut Cx<'_, '_>) -> Result<(), String> {
        if self.tries >= MOST_TRIES {
            return Err("the servers on the way do not stop asking who we are".into());
        }
        self.tries += 1;
        let mut answered = self.invite.clone();
        cx.auth.answer(&mut answered, response, cx.env).map_err(|error| error.to_string())?;
        let identified = |invite: &mut Request| {
            for name in ["Authorization", "Proxy-Authorization"] {
                invite.headers.remove(name);
                invite.headers.copy(name, &answered.headers);
            }
        };
        self.send_again(call, None, identified, cx)
    }
}

/// So often one call is sent anew with what a server asks for.
const MOST_TRIES: u8 = 5;
