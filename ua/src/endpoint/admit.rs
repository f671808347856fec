//! Which requests we take: the checks of RFC 3261 section 8.2, in its order, before any call hears of a request.
//!
//! Some are made elsewhere. What cannot be read or lacks what every request has is refused before it becomes a
//! transaction (400, 413, 505, 513: [`SipError::status`]). A Max-Forwards of 0 is no reason to refuse: 483 is for
//! proxies (RFC 3261 section 16.3). 484 and 485 are for those who complete or look up a number.

use super::Endpoint;
use crate::call::{ALLOW, decline, supported};
use crate::settings::Settings;
use crate::sip::multipart::Lack;
use crate::sip::{Method, Request, Response, SipError, SipUri, StatusCode, Transport, Uri, Warning};
use crate::transaction::{ServerKey, Table};
use keyphone_media::env::Env;
use std::collections::BTreeMap;
use std::ops::Bound;

/// The longest body that we look at, in bytes; beyond it stands 413 (RFC 3261 section 21.4.11).
pub const MAX_ENTITY: usize = 64 * 1024;

/// The bodies that we read, as Accept says them (RFC 3261 section 20.1). Everybody must read these two kinds of multipart
/// (RFC 5621 section 4.2).
pub(super) const ACCEPT: &str = "application/sdp, multipart/mixed, multipart/alternative";

/// The encodings that we undo: none (RFC 3261 section 20.2).
pub(super) const ACCEPT_ENCODING: &str = "identity";

/// Why a request is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    /// The header that the status asks for.
    header: Option<(&'static str, String)>,
    /// For the person on the other side.
    why: Option<String>,
}

impl Refusal {
    fn new(status: StatusCode) -> Self {
        Self { status, header: None, why: None }
    }

    fn with(self, name: &'static str, value: impl Into<String>) -> Self {
        Self { header: Some((name, value.into())), ..self }
    }

    fn because(self, why: impl ToString) -> Self {
        Self { why: Some(why.to_string()), ..self }
    }

    pub(super) fn response(self, request: &Request, settings: &Settings, env: &mut Env<'_>) -> Response {
        let Self { status, header, why } = self;
        tracing::info!(method = %request.method, %status, why, "a request is refused");
        let mut response = decline::reply(request, status, env);
        match why {
            // The phrase says what the syntax problem was (RFC 3261 section 21.4.1).
            Some(why) if status == StatusCode::BAD_REQUEST => response.reason = format!("{}: {why}", response.reason),
            Some(why) => response.headers.push("Warning", decline::warning(settings, 399, &why)),
            None => {}
        }
        if let Some((name, value)) = header {
            response.headers.push(name, value);
        }
        response
    }
}

impl From<SipError> for Refusal {
    fn from(error: SipError) -> Self {
        let refusal = Self::new(error.status()).because(&error);
        match error {
            // RFC 3261 section 8.2.3.
            SipError::Unsupported(Lack::Type(_)) => refusal.with("Accept", ACCEPT),
            SipError::Unsupported(Lack::Encoding(_)) => refusal.with("Accept-Encoding", ACCEPT_ENCODING),
            _ => refusal,
        }
    }
}

impl Endpoint {
    /// Whether a request may go on to what it asks for.
    pub(super) fn admit(&mut self, key: ServerKey, request: &Request) -> Result<(), Refusal> {
        method(&request.method)?;
        secure(request, &self.settings)?;
        if request.headers.tag("To").is_none() {
            let (settings, _) = &self.accounts[self.settings.accounts.called(request)];
            target(request, settings)?;
            if self.merged.is_twin(key, request, &self.transactions) {
                // RFC 3261 section 8.2.2.2.
                return Err(Refusal::new(StatusCode::LOOP_DETECTED).because("this request came another way, too"));
            }
        }
        require(request, &self.settings)?;
        content(request)
    }
}

/// RFC 3261 section 8.2.1: 405 for a method that we know of, 501 (section 21.5.2) for any other.
fn method(method: &Method) -> Result<(), Refusal> {
    let status = match method {
        _ if ALLOW.split(", ").any(|allowed| allowed == method.as_str()) => return Ok(()),
        Method::Extension(_) => StatusCode::NOT_IMPLEMENTED,
        _ => StatusCode::METHOD_NOT_ALLOWED,
    };
    Err(Refusal::new(status).with("Allow", ALLOW))
}

/// RFC 5630 section 5.1.2: whoever says sips means TLS on every hop, and back.
fn secure(request: &Request, settings: &Settings) -> Result<(), Refusal> {
    let is_sips = |uri: &Uri| uri.sip().is_some_and(SipUri::is_secure);
    if !is_sips(&request.uri) {
        return Ok(());
    }
    if !settings.tls.connects && settings.tls.port.is_none() {
        let warning = Warning { code: 380, agent: settings.sip.to_string(), text: "SIPS Not Allowed".into() };
        return Err(Refusal::new(StatusCode::TEMPORARILY_UNAVAILABLE).with("Warning", warning.to_string()));
    }
    let wrong = |why: &str| Err(Refusal::new(StatusCode::BAD_REQUEST).because(why));
    if request.headers.transport() != Some(Transport::Tls) {
        return wrong("a request to a sips URI came over no TLS");
    }
    match request.headers.contact() {
        Ok(Some(contact)) if !is_sips(&contact.uri) => wrong("the Request-URI is sips, and the Contact is not"),
        _ => Ok(()),
    }
}

/// RFC 3261 section 8.2.2.1. Whom To names does not matter: the Request-URI says who is to answer.
fn target(request: &Request, settings: &Settings) -> Result<(), Refusal> {
    let Some(uri) = request.uri.sip() else {
        let why = format!("this phone has no {} addresses", request.uri.scheme());
        return Err(Refusal::new(StatusCode::UNSUPPORTED_URI_SCHEME).because(why));
    };
    match settings.account().any_name || is_us(uri, settings) {
        true => Ok(()),
        false => Err(Refusal::new(StatusCode::NOT_FOUND).because("nobody of that name is here")),
    }
}

/// By the user alone: we cannot know all names of this host. Without a user the host is meant.
fn is_us(uri: &SipUri, settings: &Settings) -> bool {
    match uri.user() {
        Some(_) => uri.user_text().as_deref() == Some(&settings.user()),
        None => true,
    }
}

/// RFC 3261 section 8.2.2.3. Proxy-Require is for proxies.
fn require(request: &Request, settings: &Settings) -> Result<(), Refusal> {
    request.headers.require()?;
    // As they were written.
    let unknown: Vec<_> = request.headers.all("Require").filter(|tag| !is_supported(tag, settings)).collect();
    match unknown.is_empty() {
        true => Ok(()),
        false => Err(Refusal::new(StatusCode::BAD_EXTENSION).with("Unsupported", unknown.join(", "))),
    }
}

fn is_supported(tag: &str, settings: &Settings) -> bool {
    supported(settings).split(", ").any(|supported| supported.eq_ignore_ascii_case(tag))
}

/// RFC 3261 section 8.2.3, for the methods whose body we read. Languages do not matter to us: a session has none.
fn content(request: &Request) -> Result<(), Refusal> {
    if request.body.len() > MAX_ENTITY {
        let why = format!("this phone reads bodies of up to {MAX_ENTITY} bytes");
        return Err(Refusal::new(StatusCode::REQUEST_ENTITY_TOO_LARGE).because(why));
    }
    if matches!(request.method, Method::Invite | Method::Update | Method::Prack | Method::Options) {
        request.session_body()?;
    }
    // RFC 3261 section 21.4.7: the answer to an INVITE is a session description.
    if matches!(request.method, Method::Invite | Method::Update) && !request.headers.accepts("application", "sdp")? {
        return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE).because("this phone answers with application/sdp only"));
    }
    Ok(())
}

/// Requests outside of dialogs that have a transaction, by what all their copies have in common (RFC 3261 section
/// 8.2.2.2): a fork that comes together again at us delivers one request in several transactions.
#[derive(Debug, Default)]
pub(super) struct Merged {
    ongoing: BTreeMap<Name, ServerKey>,
    /// As far as those were thrown away whose transaction is over.
    swept: Name,
}

/// From tag, Call-ID and CSeq, as one text.
type Name = String;

impl Merged {
    /// Longer names are not looked at: nobody fills our memory with Call-IDs. With [`Table::MOST`] it is a bound of about
    /// 4 MB.
    const LONGEST: usize = 256;
    /// So many entries are looked at for every one that is added. With two there are never many more than twice as many as
    /// go on, and no request pays for all of them at once.
    const SWEEP: usize = 2;

    /// How many requests still go on.
    pub(super) fn len(&self, transactions: &Table) -> usize {
        self.ongoing.values().filter(|key| transactions.is_open(**key)).count()
    }

    /// Whether another transaction has this request; if not, this one has it now.
    fn is_twin(&mut self, key: ServerKey, request: &Request, transactions: &Table) -> bool {
        let Some(name) = name(&request.headers).filter(|name| name.len() <= Self::LONGEST) else { return false };
        if self.ongoing.get(&name).is_some_and(|first| *first != key && transactions.is_open(*first)) {
            return true;
        }
        self.sweep(transactions);
        self.ongoing.insert(name, key);
        false
    }

    fn sweep(&mut self, transactions: &Table) {
        let next = self.ongoing.range::<str, _>((Bound::Excluded(self.swept.as_str()), Bound::Unbounded));
        let next: Vec<(Name, ServerKey)> = next.take(Self::SWEEP).map(|(name, key)| (name.clone(), *key)).collect();
        // Behind the last comes the first again.
        self.swept = next.get(Self::SWEEP - 1).map(|(name, _)| name.clone()).unwrap_or_default();
        for (name, _) in next.into_iter().filter(|(_, key)| !transactions.is_open(*key)) {
            self.ongoing.remove(&name);
        }
    }
}

fn name(headers: &crate::sip::Headers) -> Option<Name> {
    // Neither a Call-ID nor a CSeq has a line end.
    let tag = headers.tag("From").unwrap_or_default();
    Some(format!("{tag}\n{}\n{}", headers.call_id().ok()?, headers.cseq().ok()?))
}
