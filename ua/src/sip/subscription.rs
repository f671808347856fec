//! Event, Allow-Events and Subscription-State (RFC 6665 section 8.2): what is subscribed to, and how it stands.

use std::fmt;
use std::time::Duration;

use super::error::SipError;
use super::headers::Headers;
use super::params::Params;
use super::scan::{self, Scan};
use super::times;

/// `Event = event-type *(SEMI event-param)` (RFC 6665 section 8.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventType {
    /// The package and its templates, such as `refer` or `presence.winfo`. Compared with its letters' case.
    pub package: String,
    /// Tells two subscriptions of one dialog apart; for REFER the CSeq number (RFC 3515 section 2.4.6).
    pub id: Option<String>,
}

impl EventType {
    /// A package without an id.
    pub fn new(package: &str) -> Self {
        Self { package: package.into(), id: None }
    }

    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut scan = Scan::new(text);
        let package = package(scan.token().unwrap_or_default())?;
        let params = Params::scan(&mut scan)?;
        let id = match params.get("id") {
            Some(id) if scan::is_token(id) => Some(id.to_owned()),
            None if !params.has("id") => None,
            _ => return Err("its id is not a token"),
        };
        Ok(Self { package, id })
    }
}

/// `token-nodot *("." token-nodot)` (RFC 6665 section 8.4).
fn package(text: &str) -> Result<String, &'static str> {
    match scan::is_token(text) && text.split('.').all(|part| !part.is_empty()) {
        true => Ok(text.to_owned()),
        false => Err("it names no event package"),
    }
}

super::error::header_text!(EventType, "Event");

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.package)?;
        match &self.id {
            Some(id) => write!(f, ";id={id}"),
            None => Ok(()),
        }
    }
}

/// How a subscription stands (RFC 6665 section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubState {
    /// It was accepted.
    Active,
    /// Nobody has decided yet.
    Pending,
    /// It is over.
    Terminated,
    /// Any other token, in lower case.
    Other(String),
}

/// `Subscription-State = substate-value *(SEMI subexp-params)` (RFC 6665 section 8.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionState {
    /// How it stands.
    pub state: SubState,
    /// For how long, if it is not over.
    pub expires: Option<Duration>,
    /// Why it is over: `noresource`, `timeout`, `rejected`, ...
    pub reason: Option<String>,
    /// When it is worth another try.
    pub retry_after: Option<Duration>,
}

impl SubscriptionState {
    /// Active for so long.
    pub fn active(expires: Duration) -> Self {
        Self { state: SubState::Active, expires: Some(expires), reason: None, retry_after: None }
    }

    /// Over, for this reason.
    pub fn terminated(reason: &str) -> Self {
        Self { state: SubState::Terminated, expires: None, reason: Some(reason.into()), retry_after: None }
    }

    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut scan = Scan::new(text);
        let state = match scan.token().ok_or("its state is not a token")?.to_ascii_lowercase() {
            state if state == "active" => SubState::Active,
            state if state == "pending" => SubState::Pending,
            state if state == "terminated" => SubState::Terminated,
            state => SubState::Other(state),
        };
        let params = Params::scan(&mut scan)?;
        let reason = params.get("reason");
        if reason.is_some_and(|reason| !scan::is_token(reason)) {
            return Err("its reason is not a token");
        }
        let seconds = |name| params.get(name).map(times::seconds).transpose();
        let (expires, retry_after) = (seconds("expires")?, seconds("retry-after")?);
        Ok(Self { state, expires, reason: reason.map(str::to_owned), retry_after })
    }
}

super::error::header_text!(SubscriptionState, "Subscription-State");

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            SubState::Active => "active",
            SubState::Pending => "pending",
            SubState::Terminated => "terminated",
            SubState::Other(state) => state,
        })?;
        if let Some(reason) = &self.reason {
            write!(f, ";reason={reason}")?;
        }
        for (name, time) in [("expires", self.expires), ("retry-after", self.retry_after)] {
            if let Some(time) = time {
                write!(f, ";{name}={}", time.as_secs())?;
            }
        }
        Ok(())
    }
}

/// What the fields of RFC 6665 say.
impl Headers {
    /// What a SUBSCRIBE or NOTIFY is about (RFC 6665 section 8.2.1).
    pub fn event(&self) -> Result<Option<EventType>, SipError> {
        self.one("Event", EventType::parse)
    }

    /// The packages that the peer knows (RFC 6665 section 8.2.2).
    pub fn allow_events(&self) -> Result<Vec<String>, SipError> {
        self.list("Allow-Events", package)
    }

    /// How the subscription stands that a NOTIFY is about (RFC 6665 section 8.2.3).
    pub fn subscription_state(&self) -> Result<Option<SubscriptionState>, SipError> {
        self.one("Subscription-State", SubscriptionState::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_as_it_was_written() {
        for text in ["refer", "refer;id=93809824", "presence.winfo", "dialog;id=a.b"] {
            assert_eq!(EventType::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", ".", "a..b", "a.", "a b", "a;id", "a;id=\"x\""] {
            assert!(EventType::parse(bad).is_err(), "{bad}");
        }
        let mut headers = Headers::new();
        headers.push("Allow-Events", "refer, presence.winfo");
        assert_eq!(headers.allow_events(), Ok(vec!["refer".into(), "presence.winfo".into()]));
    }

    #[test]
    fn a_subscription_state_is_read_as_it_was_written() {
        // RFC 3515 sections 2.4.5 and 4.1.
        for text in [
            "active;expires=60",
            "terminated;reason=noresource",
            "pending",
            "terminated;reason=probation;retry-after=5",
        ] {
            assert_eq!(SubscriptionState::parse(text).unwrap().to_string(), text);
        }
        let spaced = SubscriptionState::parse("Active ; Expires = 7; x=y").unwrap();
        assert_eq!(spaced, SubscriptionState::active(Duration::from_secs(7)));
        assert_eq!(SubscriptionState::terminated("noresource").to_string(), "terminated;reason=noresource");
        for bad in ["", "active;expires=x", "active;expires=4294967296", "terminated;reason=\"a b\"", "a b"] {
            assert!(SubscriptionState::parse(bad).is_err(), "{bad}");
        }
    }
}
