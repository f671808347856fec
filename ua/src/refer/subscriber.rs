//! We asked the peer to call somebody, and hear what came of it: the subscriber's side of the implicit subscription
//! (RFC 3515 section 2.4.4, RFC 6665 section 4.1).
//!
//! ```text
//! asked -> Asked --2xx--> Waiting --NOTIFY--> Told --a final status, or terminated--> Over
//!            |               |                  ^ |
//!            |               +-64*T1: Over      | +-expired: Over
//!            +--NOTIFY before the 2xx-----------+
//!            +--3xx..6xx, or nothing: Over
//! ```

use super::{PACKAGE, sipfrag};
use crate::sip::{Request, StatusCode, SubState};
use crate::transaction::Timers;
use keyphone_media::env::Instant;
use std::time::Duration;

/// How long we wait after a NOTIFY that does not say how long the subscription lasts (RFC 6665 section 4.2.2).
const UNTOLD: Duration = Duration::from_secs(600);

/// The longest that we wait for news, whatever the peer says.
const LONGEST: Duration = Duration::from_secs(3600);

/// One REFER of ours.
#[derive(Debug)]
pub(crate) struct Subscriber {
    /// The CSeq number of the REFER: Event's id may name it (RFC 3515 section 2.4.6). The number is a higher one if the
    /// REFER left again with credentials; a lower one is that of a REFER before.
    seq: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The REFER is not answered yet, and no NOTIFY has come.
    Asked,
    /// The REFER was accepted; the first NOTIFY must come by then.
    Waiting { until: Instant },
    /// A NOTIFY has come; the next must come by then.
    Told { status: StatusCode, until: Instant },
    /// The outcome is known.
    Over,
}

/// What a REFER has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// A provisional status of the new call.
    Progress(StatusCode),
    /// The final status of the new call.
    Final(StatusCode),
    /// The peer does not do what we ask: the final status of the REFER.
    Refused(StatusCode),
    /// It will never be known what came of it, and why.
    Unknown(&'static str),
}

/// A NOTIFY, as far as a subscription is concerned.
#[derive(Clone, Debug)]
pub(crate) struct Heard<'a> {
    /// Event's `id`.
    pub(crate) id: Option<String>,
    /// Subscription-State says `terminated`.
    pub(crate) terminated: bool,
    /// Subscription-State's `expires`.
    pub(crate) expires: Option<Duration>,
    /// The body is of type message/sipfrag.
    pub(crate) is_sipfrag: bool,
    pub(crate) body: &'a [u8],
}

impl<'a> Heard<'a> {
    /// Reads a NOTIFY; the status that refuses it if it is about another package or lacks what it must have (RFC 6665
    /// section 4.1.3).
    pub(crate) fn read(request: &'a Request) -> Result<Self, StatusCode> {
        let headers = &request.headers;
        let event = headers.event().map_err(|_| StatusCode::BAD_REQUEST)?;
        let event = event.filter(|event| event.package == PACKAGE).ok_or(StatusCode::BAD_EVENT)?;
        let state = headers.subscription_state().ok().flatten().ok_or(StatusCode::BAD_REQUEST)?;
        Ok(Self {
            id: event.id,
            terminated: state.state == SubState::Terminated,
            expires: state.expires,
            is_sipfrag: headers.content_type().is_ok_and(|t| t.is_some_and(|t| t.is("message", "sipfrag"))),
            body: &request.body,
        })
    }
}

impl Subscriber {
    /// A REFER with this CSeq number leaves.
    pub(crate) fn asked(seq: u32) -> Self {
        Self { seq, state: State::Asked }
    }

    /// The REFER was answered finally; `subscribed` is false if the peer will send no NOTIFY (RFC 4488 section 4).
    /// A 202 is a 200 (RFC 6665 section 8.3.1).
    pub(crate) fn answered(&mut self, status: StatusCode, subscribed: bool, now: Instant) -> Option<News> {
        match self.state {
            State::Over => None,
            _ if !status.is_success() => self.end(News::Refused(status)),
            State::Asked if !subscribed => self.end(News::Unknown("the peer said that it would not tell")),
            State::Asked => {
                // Timer N (RFC 6665 section 4.1.2.4).
                self.state = State::Waiting { until: now + Timers::default().give_up() };
                None
            }
            State::Waiting { .. } | State::Told { .. } => None,
        }
    }

    /// A NOTIFY has come: what it says, or the status that refuses it. A NOTIFY may come before the answer to the REFER
    /// (RFC 3515 section 2.4.4).
    pub(crate) fn heard(&mut self, notify: Heard<'_>, now: Instant) -> Result<Option<News>, StatusCode> {
        let ours = notify.id.as_deref().is_none_or(|id| id.parse::<u32>().is_ok_and(|seq| seq >= self.seq));
        if !ours {
            return Err(StatusCode::CALL_DOES_NOT_EXIST);
        }
        if !notify.is_sipfrag {
            // RFC 3515 section 2.4.5.
            return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        let status = sipfrag::read(notify.body).map_err(|_| StatusCode::BAD_REQUEST)?;
        let last = match self.state {
            State::Told { status, .. } => Some(status),
            State::Asked | State::Waiting { .. } => None,
            // A peer may say the outcome first, and that the subscription has ended in one NOTIFY more.
            State::Over => return Ok(None),
        };
        if status.is_final() {
            return Ok(self.end(News::Final(status)));
        }
        if notify.terminated {
            return Ok(self.end(News::Unknown("the peer stopped telling before it knew")));
        }
        let lasts = notify.expires.unwrap_or(UNTOLD).min(LONGEST);
        self.state = State::Told { status, until: now + lasts };
        Ok((last != Some(status)).then_some(News::Progress(status)))
    }

    pub(crate) fn timeout(&mut self, now: Instant) -> Option<News> {
        match self.state {
            State::Waiting { until } if until <= now => self.end(News::Unknown("the peer said yes, and nothing more")),
            State::Told { until, .. } if until <= now => self.end(News::Unknown("the peer never said how it ended")),
            _ => None,
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } | State::Told { until, .. } => Some(until),
            // The transaction of the REFER has its own timer.
            State::Asked | State::Over => None,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    fn end(&mut self, news: News) -> Option<News> {
        self.state = State::Over;
        Some(news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn notify(body: &str) -> Heard<'_> {
        Heard {
            id: None,
            terminated: false,
            expires: Some(Duration::from_secs(60)),
            is_sipfrag: true,
            body: body.as_bytes(),
        }
    }

    fn last(body: &str) -> Heard<'_> {
        Heard { terminated: true, expires: None, ..notify(body) }
    }

    #[test]
    fn an_accepted_transfer_is_told_to_its_end() {
        let mut subscriber = Subscriber::asked(7);
        assert_eq!(subscriber.answered(StatusCode::ACCEPTED, true, at(0)), None);
        assert_eq!(subscriber.heard(notify("SIP/2.0 100 Trying"), at(1)), Ok(Some(News::Progress(StatusCode::TRYING))));
        assert_eq!(subscriber.heard(notify("SIP/2.0 100 Trying"), at(2)), Ok(None), "nothing new");
        let ringing = Heard { id: Some("7".into()), ..notify("SIP/2.0 180 Ringing\r\n") };
        assert_eq!(subscriber.heard(ringing, at(3)), Ok(Some(News::Progress(StatusCode::RINGING))));
        assert_eq!(subscriber.heard(last("SIP/2.0 200 OK"), at(4)), Ok(Some(News::Final(StatusCode::OK))));
        assert!(subscriber.is_over());
        assert_eq!(subscriber.heard(last("SIP/2.0 200 OK"), at(5)), Ok(None), "once is enough");
    }

    #[test]
    fn a_notify_may_come_before_the_answer_to_the_refer() {
        let mut subscriber = Subscriber::asked(7);
        assert!(subscriber.heard(notify("SIP/2.0 100 Trying"), at(0)).is_ok());
        assert_eq!(subscriber.answered(StatusCode::ACCEPTED, true, at(1)), None);
        assert_eq!(subscriber.next_timeout(), Some(at(60)), "as the NOTIFY says");
        assert_eq!(
            subscriber.heard(last("SIP/2.0 486 Busy Here"), at(2)),
            Ok(Some(News::Final(StatusCode::BUSY_HERE)))
        );
    }

    #[test]
    fn a_refused_refer_is_over_at_once() {
        let mut subscriber = Subscriber::asked(7);
        let decline = StatusCode::DECLINE;
        assert_eq!(subscriber.answered(decline, true, at(0)), Some(News::Refused(decline)));
        assert!(subscriber.is_over() && subscriber.next_timeout().is_none());
    }

    #[test]
    fn a_peer_who_says_yes_and_nothing_more_is_waited_for_64_t1() {
        let mut subscriber = Subscriber::asked(7);
        subscriber.answered(StatusCode::OK, true, at(0));
        assert_eq!((subscriber.next_timeout(), subscriber.timeout(at(31))), (Some(at(32)), None));
        assert!(matches!(subscriber.timeout(at(32)), Some(News::Unknown(_))));
    }

    #[test]
    fn a_peer_who_stops_telling_leaves_the_outcome_unknown() {
        let mut subscriber = Subscriber::asked(7);
        subscriber.answered(StatusCode::OK, true, at(0));
        subscriber.heard(notify("SIP/2.0 180 Ringing"), at(1)).unwrap();
        assert!(matches!(subscriber.timeout(at(61)), Some(News::Unknown(_))));
        let mut subscriber = Subscriber::asked(7);
        assert!(matches!(subscriber.heard(last("SIP/2.0 100 Trying"), at(1)), Ok(Some(News::Unknown(_)))));
        let mut subscriber = Subscriber::asked(7);
        assert!(matches!(subscriber.answered(StatusCode::OK, false, at(0)), Some(News::Unknown(_))), "RFC 4488");
    }

    #[test]
    fn a_peer_cannot_have_us_wait_for_ever() {
        let mut subscriber = Subscriber::asked(7);
        let forever = Heard { expires: Some(Duration::from_secs(u32::MAX.into())), ..notify("SIP/2.0 180 Ringing") };
        subscriber.heard(forever, at(0)).unwrap();
        assert_eq!(subscriber.next_timeout(), Some(at(3600)));
    }

    #[test]
    fn a_notify_of_another_subscription_or_without_a_status_is_refused() {
        let mut subscriber = Subscriber::asked(7);
        let mut status = |heard| subscriber.heard(heard, at(0)).unwrap_err().code();
        assert_eq!(status(Heard { id: Some("6".into()), ..notify("SIP/2.0 200 OK") }), 481);
        assert_eq!(status(Heard { is_sipfrag: false, ..notify("SIP/2.0 200 OK") }), 415);
        assert_eq!(status(notify("it went well")), 400);
        assert!(!subscriber.is_over());
    }
}
