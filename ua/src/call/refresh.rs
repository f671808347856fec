//! Session timers (RFC 4028): a session that nobody refreshes is over, so that no call outlives its peer.
//!
//! ```text
//!   2xx --- half the interval ---> whoever refreshes sends UPDATE or re-INVITE --- 2xx ---> from the beginning
//!    +----- the interval less 32 s or a third -----> BYE
//! ```

use super::usage::Abilities;
use crate::settings::Settings;
use crate::sip::{Headers, Refresher, Request, Response, SessionExpires};
use keyphone_media::env::Instant;
use std::time::Duration;

/// The session timer of one dialog.
#[derive(Default)]
pub(super) struct Refresh {
    running: Option<Running>,
    /// The largest Min-SE that the peer or a proxy has asked for (RFC 4028 section 7.4).
    least: Option<Duration>,
}

struct Running {
    interval: Duration,
    we_refresh: bool,
    /// When the last 2xx came or went.
    since: Instant,
    /// We have asked for a refresh since then.
    asked: bool,
}

/// What a session timer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It is for us to refresh the session.
    Refresh,
    /// Nobody has refreshed it in this time: the call is over.
    Expired(Duration),
}

/// The peer asks for a session interval below what we take: 422, with this Min-SE (RFC 4028 section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooSmall(pub(super) Duration);

impl Refresh {
    /// The value of Min-SE where nobody says another (RFC 4028 section 5).
    const DEFAULT_LEAST: Duration = Duration::from_secs(90);

    /// Writes what we want into a re-INVITE or UPDATE (RFC 4028 section 7.4).
    pub(super) fn ask(&self, headers: &mut Headers) {
        if let Some(Running { interval, we_refresh, .. }) = self.running {
            let interval = interval.max(self.least.unwrap_or_default());
            let refresher = if we_refresh { Refresher::Uac } else { Refresher::Uas };
            let asked = SessionExpires { interval, refresher: Some(refresher) };
            headers.push("Session-Expires", asked.to_string());
        }
        if let Some(least) = self.least {
            headers.push("Min-SE", least.as_secs().to_string());
        }
    }

    /// A 422, or a request with Min-SE, names the shortest interval.
    pub(super) fn at_least(&mut self, said: &Headers) {
        if let Ok(Some(least)) = said.min_se() {
            self.least = Some(self.least.map_or(least, |before| before.max(least)));
        }
    }

    /// A 2xx to an INVITE or UPDATE of ours: it says whether there is a timer from now on (RFC 4028 section 7.2).
    pub(super) fn heard(&mut self, response: &Response, settings: &Settings, now: Instant) {
        self.running = response.headers.session_expires().ok().flatten().map(|said| Running {
            // Who answers may not go below Min-SE. A peer that does so all the same must not keep us busy.
            interval: said.interval.max(settings.rules.min_se),
            we_refresh: said.refresher != Some(Refresher::Uas),
            since: now,
            asked: false,
        });
    }

    /// Reads what an INVITE or UPDATE of the peer's asks for, and writes into its 2xx what holds (RFC 4028 section 9).
    pub(super) fn answer(
        &mut self,
        request: &Request,
        peer: Abilities,
        response: &mut Response,
        settings: &Settings,
        now: Instant,
    ) {
        self.at_least(&request.headers);
        let asked = request.headers.session_expires().ok().flatten();
        let least = request.headers.min_se().ok().flatten().unwrap_or(Self::DEFAULT_LEAST);
        let ours = settings.rules.session_expires.map(|ours| ours.max(least).max(settings.rules.min_se));
        let interval = match (asked, ours) {
            // It may be made shorter, but not below Min-SE, and never longer. Who asks for less than we take and cannot be
            // told so must not keep us busy.
            (Some(asked), Some(ours)) => Some(asked.interval.max(settings.rules.min_se).min(ours)),
            (Some(asked), None) => Some(asked.interval.max(settings.rules.min_se)),
            (None, ours) => ours.filter(|_| peer.timer),
        };
        let Some(interval) = interval else {
            self.running = None;
            return;
        };
        // RFC 4028 table 2. Where it is left to us, whoever asked goes on asking.
        let refresher = match asked.and_then(|asked| asked.refresher) {
            _ if !peer.timer => Refresher::Uas,
            Some(refresher) => refresher,
            None => Refresher::Uac,
        };
        if refresher == Refresher::Uac {
            response.headers.push("Require", "timer");
        }
        let holds = SessionExpires { interval, refresher: Some(refresher) };
        response.headers.push("Session-Expires", holds.to_string());
        self.running = Some(Running { interval, we_refresh: refresher == Refresher::Uas, since: now, asked: false });
    }

    /// A timer runs.
    pub(super) fn runs(&self) -> bool {
        self.running.is_some()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.running.as_ref().map(|running| match running.we_refresh && !running.asked {
            true => running.refresh_at(),
            false => running.expires_at(),
        })
    }

    /// What is due now; a refresh is asked for once.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        let running = self.running.as_mut()?;
        if running.expires_at() <= now {
            return Some(Due::Expired(running.interval));
        }
        let refresh = running.we_refresh && !running.asked && running.refresh_at() <= now;
        running.asked |= refresh;
        refresh.then_some(Due::Refresh)
    }
}

impl Running {
    /// RFC 4028 section 10.
    fn refresh_at(&self) -> Instant {
        self.since + self.interval / 2
    }

    /// RFC 4028 section 10: BYE leaves before the session has expired, by a third of the interval or 32 seconds.
    fn expires_at(&self) -> Instant {
        self.since + (self.interval - (self.interval / 3).min(Duration::from_secs(32)))
    }
}

/// Does the request ask for a session interval that is too small? Who does not know timers cannot be told so
/// (RFC 4028 section 9).
pub(super) fn check(request: &Request, settings: &Settings) -> Result<(), TooSmall> {
    let least = settings.rules.min_se;
    match request.headers.session_expires() {
        Ok(Some(asked)) if asked.interval < least && request.headers.supports("timer") => Err(TooSmall(least)),
        _ => Ok(()),
    }
}
