//! Security preconditions in calls (RFC 3312, RFC 4032, RFC 5027): no phone rings before it is keyed.
//!
//! ```text
//! INVITE, sec mandatory          -------------->
//!                                <-------------- 183, reliable, with the answer: keyed here, please confirm
//! PRACK or UPDATE: keyed here    -------------->
//!                                <-------------- 200, and now 180
//! ```

use super::exchange::Exchange;
use super::media::Media;
use super::refused::Refused;
use super::ringing::Ringing;
use super::usage::{Purpose, Usage};
use super::{Call, Cx, Phase, late};
use crate::event::{Event, Outcome};
use crate::sdp::precondition::{SEC, StatusTable, Strength, failure};
use crate::sdp::{Profile, Sdp};
use crate::settings::{Preconditions, Reliable, Rules, Settings, System};
use crate::sip::{Method, Request, Response, StatusCode};
use keyphone_media::env::Instant;
use std::time::Duration;

/// The option tag (RFC 3312 section 11).
pub(super) const TAG: &str = "precondition";

/// So long a caller may take to confirm that it is keyed: as long as it may take to acknowledge a response.
const LONGEST: Duration = Duration::from_secs(32);

/// Do we take part? Preconditions need responses that are sure to arrive (RFC 3312 section 11).
pub(super) fn are_supported(rules: &Rules) -> bool {
    rules.preconditions != Preconditions::Never && rules.reliable != Reliable::Never
}

/// What the first offer of a call that we place says.
///
/// # Errors
/// One sentence, if what is required of the peer is nothing that we can do.
pub(super) fn of_our_offer(settings: &Settings) -> Result<StatusTable, String> {
    match (settings.rules.preconditions, settings.keying.first()) {
        (Preconditions::Never | Preconditions::Supported, _) => Ok(StatusTable::default()),
        _ if !are_supported(&settings.rules) => {
            Err("preconditions need reliable responses (RFC 3312 section 11)".into())
        }
        _ if settings.rules.late_offer => {
            Err("whoever requires preconditions makes the offer, and leaves it to nobody".into())
        }
        (Preconditions::Required, Some(System::Mikey(_))) => Ok(StatusTable::security(Strength::Mandatory)),
        (Preconditions::Required, _) => Err("a call in the clear is never secure, so that nobody would ring".into()),
    }
}

/// What our offer says to a caller who makes none: nothing, so that whoever insists turns the caller away.
pub(super) fn of_no_offer(settings: &Settings) -> Result<StatusTable, Refused> {
    match settings.rules.preconditions {
        Preconditions::Required => {
            let why = "this phone does not ring before the call is keyed, and the invitation has no offer";
            Err(Refused::new(StatusCode::NOT_ACCEPTABLE_HERE, why))
        }
        Preconditions::Never | Preconditions::Supported => Ok(StatusTable::default()),
    }
}

/// Our view of a first offer whose audio we would take.
///
/// # Errors
/// It asks for what cannot be: 580 (RFC 3312 section 8).
pub(super) fn of_their_offer(
    invite: &Request,
    offer: &Sdp,
    line: u8,
    profile: Profile,
    cx: &mut Cx<'_, '_>,
) -> Result<StatusTable, Refused> {
    let mut table = match cx.settings.rules.preconditions {
        Preconditions::Required => StatusTable::security(Strength::Mandatory),
        Preconditions::Never | Preconditions::Supported => StatusTable::default(),
    };
    if !are_supported(&cx.settings.rules) {
        return Ok(StatusTable::default());
    }
    let theirs = read(offer, line)?;
    let knows = |tag| invite.headers.supports(tag);
    if theirs.is_beyond_us() {
        return Err(unmet(offer, "the offer has a precondition that this phone does not know", cx));
    }
    table.hear(&theirs, |_, _, _| false);
    // Our keys are made with the answer; whether the caller can use them, only the caller can say (RFC 5027 section 4.1).
    table.set_security(false, profile == Profile::Savp);
    if !table.is_met() {
        if profile == Profile::Avp && table.wants_security() {
            return Err(unmet(offer, "the caller wants security first, and offers a call in the clear", cx));
        }
        if !knows("100rel") {
            let why = "the caller has a precondition, and does not know reliable responses";
            return Err(unmet(offer, why, cx));
        }
        table.ask_for_confirmation();
    }
    Ok(table)
}

/// What an SDP of the peer's says of our audio.
pub(super) fn read(sdp: &Sdp, line: u8) -> Result<StatusTable, Refused> {
    let table = sdp.media().get(usize::from(line)).map(StatusTable::read).transpose();
    table.map(Option::unwrap_or_default).map_err(|error| Refused::new(StatusCode::BAD_REQUEST, error))
}

/// 580, with what failed (RFC 3312 section 8).
pub(super) fn unmet(offer: &Sdp, why: &str, cx: &mut Cx<'_, '_>) -> Refused {
    let body = failure(offer, &cx.origin(), cx.settings.sip.ip());
    Refused::new(StatusCode::PRECONDITION_FAILURE, why).with_body(body.bytes())
}

/// A call that comes in and may not ring yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quiet {
    /// Who has not confirmed by then is refused.
    pub(super) until: Instant,
    /// How long it then rings before it is answered; `None` if the user answers it.
    rings_for: Option<Duration>,
}

impl Quiet {
    /// From now on; it was to be answered at `answer_at`.
    pub(super) fn new(answer_at: Option<Instant>, now: Instant) -> Self {
        Self { until: now + LONGEST, rings_for: answer_at.map(|at| at.since(now)) }
    }
}

impl Exchange {
    /// Takes what the peer says of preconditions. An answer to us (`all`) shows that both know all keys, an offer that we
    /// do (RFC 5027 section 3).
    pub(super) fn hear_status(&mut self, line: u8, theirs: &Sdp, all: bool, cx: &Cx<'_, '_>) -> Result<(), Refused> {
        if !are_supported(&cx.settings.rules) {
            return Ok(());
        }
        let theirs = read(theirs, line)?;
        let (mut status, keyed) = (self.sdp.status().clone(), self.session.is_some());
        // Who never spoke of preconditions is not told of them.
        if theirs.is_empty() && status.is_met() {
            status = StatusTable::default();
        } else {
            status.hear(&theirs, |kind, _, _| kind == SEC && keyed);
            if all {
                status.set_security(keyed, keyed);
            }
            status.ask_no_more();
        }
        self.sdp.set_status(status);
        Ok(())
    }

    /// Is everything so that must be before anybody rings?
    pub(super) fn may_ring(&self) -> bool {
        self.sdp.status().is_met()
    }

    /// The peer wants to hear that security is complete here, and it is (RFC 3312 section 7).
    pub(super) fn must_confirm(&self) -> bool {
        self.sdp.status().confirmation_is_due()
    }
}

impl Call {
    /// After an offer of the caller's: if now everything is so that must be, the phone rings.
    pub(super) fn ring_if_met(&mut self, cx: &mut Cx<'_, '_>) {
        let Phase::Ringing(ringing) = &mut self.phase else { return };
        if !ringing.usage.exchange.may_ring() {
            return;
        }
        let Some(quiet) = ringing.quiet.take() else { return };
        ringing.answer_at = quiet.rings_for.map(|rings_for| cx.env.now.mono + rings_for);
        match ringing.picked_up {
            true => self.pick_up(cx),
            false => self.ring(cx),
        }
    }

    /// The caller never confirmed that it is keyed: 580, and nobody was rung.
    pub(super) fn never_met(&mut self, cx: &mut Cx<'_, '_>) {
        let Phase::Ringing(ringing) = &self.phase else { return };
        let Ringing { key, invite, usage, .. } = &**ringing;
        let (key, why) = (*key, "the caller had a precondition, and never said that it is met");
        let offer = invite.session_body().ok().flatten().and_then(|body| Sdp::parse(body).ok());
        let refused = match offer {
            Some(offer) => unmet(&offer, why, cx),
            None => Refused::new(StatusCode::PRECONDITION_FAILURE, why),
        };
        let response = refused.response(invite, usage.dialog.local_tag(), cx);
        cx.respond(key, &response);
        self.end(Outcome::Failed { status: Some(response.status.code()), why: why.into() }, cx);
    }

    /// What became of our offer that says that we are keyed, to the branch with this tag. What did not come through in a
    /// PRACK is said once more, in an UPDATE, if the peer takes one (RFC 3312 section 7 names both).
    pub(super) fn confirmed(&mut self, branch: &str, by: Method, response: Option<&Response>, cx: &mut Cx<'_, '_>) {
        let Self { id, phase, media, .. } = self;
        let early = matches!(phase, Phase::Calling(_));
        let usage = match phase {
            Phase::Calling(calling) => calling.usages().find(|usage| usage.dialog.remote_tag() == branch),
            Phase::Talking(talking) => Some(&mut talking.usage).filter(|usage| usage.dialog.remote_tag() == branch),
            _ => None,
        };
        let Some(usage) = usage else { return };
        media.turn_to(branch);
        let accepted = response.filter(|response| response.status.is_success());
        let said = accepted.map(|response| late::session(&response.headers, &response.body));
        let told = match said.filter(|answer| !answer.is_empty()) {
            Some(answer) => usage.exchange.answered(answer, media, cx).map(|_| ()).map_err(|bad| bad.why),
            None => {
                usage.exchange.rejected(media, cx);
                let status = response.map_or_else(|| "nothing".to_owned(), |response| response.status.to_string());
                Err(format!("it answered {status} and no more"))
            }
        };
        // Whoever has answered the call rings no more.
        if let Err(why) = told
            && early
            && (by != Method::Prack || !usage.confirm(media, cx))
        {
            let what = format!("the peer did not take it that the call is keyed here, and may never ring: {why}");
            cx.event(Event::CallTrouble { call: *id, what });
        }
        self.early_change(branch, cx);
        self.change(cx);
    }
}

impl Usage {
    /// Says in an UPDATE that we are keyed (RFC 3312 sections 7 and 11); false if the peer takes none.
    fn confirm(&mut self, media: &mut Media, cx: &mut Cx<'_, '_>) -> bool {
        if !self.peer.update {
            return false;
        }
        let body = self.exchange.offer((self.exchange.is_holding(), false), self.hop(), media, cx).unwrap_or_default();
        let fill = |update: &mut Request| {
            update.headers.push("Require", TAG);
            late::carry(update, body);
        };
        let purpose = Purpose::Confirm(self.dialog.remote_tag().to_owned());
        let sent = self.request(Method::Update, purpose, fill, cx).is_some();
        if !sent {
            self.exchange.rejected(media, cx);
        }
        sent
    }
}
