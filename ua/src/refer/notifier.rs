//! We were asked to call somebody, and tell the one who asked what came of it: the notifier's side of the implicit
//! subscription (RFC 3515 section 2.4, RFC 6665 section 4.2.2).
//!
//! ```text
//! accept --100--> Telling --answered--> Idle --progress--> Telling
//!                    |                   ^  \--too soon--> Held --> Telling
//!                    |                   |
//!                    +----a final status, or too late----> Closing --answered--> Over
//! ```
//! One NOTIFY is under way at a time, because two that overtake each other would be refused (RFC 3261 section 12.2.2),
//! and no two leave within a second (RFC 3515 section 3.10): what happens meanwhile is told together, the last of it.

use super::{PACKAGE, sipfrag};
use crate::sip::{EventType, StatusCode, SubscriptionState};
use keyphone_media::env::Instant;
use std::time::Duration;

/// How long the subscription is held: longer than an INVITE may ring (RFC 3515 section 3.4).
const LASTS: Duration = Duration::from_secs(600);

/// NOTIFYs are no closer than this (RFC 3515 section 3.10).
const APART: Duration = Duration::from_secs(1);

/// One subscription, to what one REFER made us do.
#[derive(Debug)]
pub(crate) struct Notifier {
    /// The CSeq number of the REFER, unless it was the first in its dialog (RFC 3515 section 2.4.6).
    id: Option<u32>,
    until: Instant,
    /// What the new call has come to.
    status: StatusCode,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A NOTIFY that left at `since` is under way; `news` if something happened after it.
    Telling { since: Instant, news: bool },
    /// All that happened was told, last at `since`.
    Idle { since: Instant },
    /// Something happened, and is told at `at`.
    Held { at: Instant },
    /// The last NOTIFY is under way.
    Closing,
    /// Nothing more is told.
    Over,
}

/// A NOTIFY to send inside the dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notify {
    pub(crate) event: EventType,
    pub(crate) state: SubscriptionState,
    /// Of type [`sipfrag::CONTENT_TYPE`].
    pub(crate) body: Vec<u8>,
}

impl Notifier {
    /// A REFER was accepted: the first NOTIFY leaves at once (RFC 6665 section 4.2.2).
    pub(crate) fn accept(id: Option<u32>, now: Instant) -> (Self, Notify) {
        let state = State::Telling { since: now, news: false };
        let notifier = Self { id, until: now + LASTS, status: StatusCode::TRYING, state };
        let notify = notifier.notify(notifier.active(now));
        (notifier, notify)
    }

    /// The new call has come to this.
    pub(crate) fn progress(&mut self, status: StatusCode, now: Instant) -> Option<Notify> {
        // After a final status there is none.
        if status == self.status || self.status.is_final() {
            return None;
        }
        self.status = status;
        match self.state {
            State::Telling { since, .. } => self.state = State::Telling { since, news: true },
            State::Idle { since } => return self.tell_after(since, now),
            State::Held { .. } | State::Closing | State::Over => {}
        }
        None
    }

    /// A NOTIFY of ours was answered; `None` if it was not, or could not be sent.
    pub(crate) fn answered(&mut self, status: Option<StatusCode>, now: Instant) -> Option<Notify> {
        if status.is_none_or(ends_subscription) {
            self.state = State::Over;
        }
        match self.state {
            State::Telling { since, news: true } => self.tell_after(since, now),
            State::Telling { since, news: false } => {
                self.state = State::Idle { since };
                None
            }
            State::Closing => {
                self.state = State::Over;
                None
            }
            State::Idle { .. } | State::Held { .. } | State::Over => None,
        }
    }

    /// The peer subscribes again, or takes its subscription back: `expires` is what it asks for, and may shorten but
    /// not lengthen what we chose (RFC 3515 section 2.4.4, RFC 6665 section 4.2.1.4).
    pub(crate) fn subscribed(&mut self, expires: Option<Duration>, now: Instant) -> Option<Notify> {
        let asked = expires.unwrap_or(LASTS).min(LASTS);
        self.until = now + asked;
        match &mut self.state {
            State::Telling { news, .. } => {
                *news = true;
                None
            }
            // Every SUBSCRIBE is followed by a NOTIFY at once.
            State::Idle { .. } | State::Held { .. } => Some(self.tell(now)),
            State::Closing | State::Over => None,
        }
    }

    pub(crate) fn timeout(&mut self, now: Instant) -> Option<Notify> {
        match self.state {
            State::Held { at } if at <= now => Some(self.tell(now)),
            State::Idle { .. } | State::Held { .. } if self.until <= now => Some(self.tell(now)),
            _ => None,
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle { .. } => Some(self.until),
            State::Held { at } => Some(at.min(self.until)),
            // The transaction of the NOTIFY has its own timers.
            State::Telling { .. } | State::Closing | State::Over => None,
        }
    }

    /// Which REFER it belongs to, as Event's id says.
    pub(crate) fn id(&self) -> Option<u32> {
        self.id
    }

    /// How long it lasts from now on.
    pub(crate) fn lasts(&self, now: Instant) -> Duration {
        self.until.since(now)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    fn tell_after(&mut self, since: Instant, now: Instant) -> Option<Notify> {
        let at = since + APART;
        if at <= now {
            return Some(self.tell(now));
        }
        self.state = State::Held { at };
        None
    }

    fn tell(&mut self, now: Instant) -> Notify {
        if self.status.is_final() || self.until <= now {
            self.state = State::Closing;
            // RFC 3515 section 2.4.7; RFC 6665 section 4.1.3.
            let reason = if self.status.is_final() { "noresource" } else { "timeout" };
            return self.notify(SubscriptionState::terminated(reason));
        }
        self.state = State::Telling { since: now, news: false };
        self.notify(self.active(now))
    }

    /// How long it lasts must be said (RFC 6665 section 4.2.2).
    fn active(&self, now: Instant) -> SubscriptionState {
        SubscriptionState::active(Duration::from_secs(self.until.since(now).as_secs()))
    }

    fn notify(&self, state: SubscriptionState) -> Notify {
        let event = EventType { package: PACKAGE.into(), id: self.id.map(|id| id.to_string()) };
        Notify { event, state, body: sipfrag::write(self.status) }
    }
}

/// Does this answer to a NOTIFY end the subscription (RFC 6665 section 4.2.2)?
fn ends_subscription(status: StatusCode) -> bool {
    matches!(status.code(), 404 | 405 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: Option<StatusCode> = Some(StatusCode::OK);

    fn at(milliseconds: u64) -> Instant {
        Instant::from_micros(milliseconds * 1000)
    }

    fn said(notify: Option<Notify>) -> (String, String) {
        let notify = notify.expect("a NOTIFY leaves");
        (notify.state.to_string(), String::from_utf8(notify.body).unwrap())
    }

    #[test]
    fn the_first_notify_leaves_at_once_and_the_last_says_how_it_ended() {
        let (mut notifier, first) = Notifier::accept(None, at(0));
        assert_eq!((first.event.to_string(), first.state.to_string()), ("refer".into(), "active;expires=600".into()));
        assert_eq!(first.body, b"SIP/2.0 100 Trying\r\n");
        assert_eq!(notifier.answered(OK, at(20)), None);
        let ringing = said(notifier.progress(StatusCode::RINGING, at(1500)));
        assert_eq!(ringing, ("active;expires=598".into(), "SIP/2.0 180 Ringing\r\n".into()));
        assert_eq!(notifier.answered(OK, at(1520)), None);
        let last = said(notifier.progress(StatusCode::OK, at(9000)));
        assert_eq!(last, ("terminated;reason=noresource".into(), "SIP/2.0 200 OK\r\n".into()));
        assert!(!notifier.is_over(), "its answer is still to come");
        assert_eq!((notifier.answered(OK, at(9020)), notifier.is_over()), (None, true));
    }

    #[test]
    fn what_happens_within_a_second_is_told_together() {
        let (mut notifier, _) = Notifier::accept(None, at(0));
        notifier.answered(OK, at(10));
        assert_eq!(notifier.progress(StatusCode::RINGING, at(100)), None);
        assert_eq!(notifier.progress(StatusCode::SESSION_PROGRESS, at(200)), None);
        assert_eq!(
            (notifier.next_timeout(), notifier.timeout(at(999))),
            (Some(at(1000)), None),
            "RFC 3515 section 3.10"
        );
        assert_eq!(said(notifier.timeout(at(1000))).1, "SIP/2.0 183 Session Progress\r\n");
    }

    #[test]
    fn a_notify_waits_for_the_answer_to_the_one_before() {
        let (mut notifier, _) = Notifier::accept(None, at(0));
        assert_eq!(notifier.progress(StatusCode::RINGING, at(5000)), None);
        assert_eq!(notifier.progress(StatusCode::DECLINE, at(6000)), None);
        assert_eq!(notifier.progress(StatusCode::OK, at(6500)), None, "a final status is final");
        assert_eq!(said(notifier.answered(OK, at(7000))).1, "SIP/2.0 603 Decline\r\n");
    }

    #[test]
    fn a_second_refer_in_a_dialog_is_told_apart_by_its_number() {
        let (_, first) = Notifier::accept(Some(93_809_824), at(0));
        assert_eq!(first.event.to_string(), "refer;id=93809824", "RFC 3515 section 4.2");
    }

    #[test]
    fn a_subscriber_who_is_gone_is_told_nothing_more() {
        for answer in [None, Some(StatusCode::CALL_DOES_NOT_EXIST), Some(StatusCode::BAD_EVENT)] {
            let (mut notifier, _) = Notifier::accept(None, at(0));
            notifier.progress(StatusCode::RINGING, at(100));
            assert_eq!((notifier.answered(answer, at(2000)), notifier.is_over()), (None, true), "{answer:?}");
            assert_eq!((notifier.progress(StatusCode::OK, at(9000)), notifier.next_timeout()), (None, None));
        }
        // Any other failure is the NOTIFY's own.
        let (mut notifier, _) = Notifier::accept(None, at(0));
        notifier.answered(Some(StatusCode::SERVER_INTERNAL_ERROR), at(100));
        assert!(notifier.progress(StatusCode::OK, at(2000)).is_some());
    }

    #[test]
    fn a_call_that_takes_too_long_is_not_told_to_its_end() {
        let (mut notifier, _) = Notifier::accept(None, at(0));
        notifier.answered(OK, at(10));
        assert_eq!(notifier.next_timeout(), Some(at(600_000)));
        let last = said(notifier.timeout(at(600_000)));
        assert_eq!(last, ("terminated;reason=timeout".into(), "SIP/2.0 100 Trying\r\n".into()));
        notifier.answered(OK, at(600_010));
        assert!(notifier.is_over());
    }

    #[test]
    fn a_subscription_can_be_taken_back_and_cannot_be_lengthened() {
        let (mut notifier, _) = Notifier::accept(None, at(0));
        notifier.answered(OK, at(10));
        assert_eq!(said(notifier.subscribed(Some(Duration::from_secs(86_400)), at(2000))).0, "active;expires=600");
        notifier.answered(OK, at(2010));
        assert_eq!(said(notifier.subscribed(Some(Duration::ZERO), at(5000))).0, "terminated;reason=timeout");
        notifier.answered(OK, at(5010));
        assert!(notifier.is_over());
    }
}
