//! One account's answers to challenges, and the nonces that it knows.

use super::AuthError;
use super::proof::{AUTH, AUTH_INT, Hash, Protected};
use crate::sip::digest::{AuthenticationInfo, Challenge, DigestCredentials, Protection};
use crate::sip::{Headers, Request, Response};
use keyphone_config::{DigestAlgorithm, Login};
use keyphone_media::env::Env;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use zeroize::Zeroizing;

/// Answers challenges for one account.
pub struct Authenticator {
    logins: Vec<Login>,
    weakest: DigestAlgorithm,
    sessions: BTreeMap<Scope, Session>,
    clock: u64,
}

/// Who asks: the server that the request is for (401), or a proxy on the way (407).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asker {
    Server,
    Proxy,
}

/// What a nonce is good for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Scope {
    asker: Asker,
    realm: String,
    /// A server's nonce is for what has the same To (RFC 3261 section 22.2), a proxy's for what has the same Call-ID,
    /// unless we were told that realm beforehand: then it is for everything, and this is empty (section 22.3).
    within: String,
}

/// An authentication session (RFC 7616 section 3.6).
struct Session {
    hash: Hash,
    /// H(A1).
    secret: Zeroizing<String>,
    username: String,
    userhash: bool,
    nonce: String,
    opaque: Option<String>,
    /// As the challenge wrote it.
    algorithm: Option<String>,
    qop: Qop,
    /// One for each challenge: a server may, or may not, put it into the A1 of a `-sess` algorithm anew each time.
    cnonce: String,
    /// How often the nonce was used.
    count: u32,
    /// The server has accepted an answer of this session, or the nonce has been used before: if it is refused now, it
    /// may be too old rather than wrong.
    known_good: bool,
    /// How many nonces in a row this server has called stale.
    stale: u32,
    last_used: u64,
}

/// What a server can protect.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Qop {
    /// It does not know qop: RFC 2069.
    None,
    Auth,
    AuthInt,
    Both,
}

impl Authenticator {
    /// Nonces beyond this many drive out the one that was not used for longest.
    pub const MAX_NONCES: usize = 256;
    /// The most credentials that one request carries.
    pub const MAX_ANSWERS: usize = 8;
    /// So many nonces in a row may be called stale.
    const MAX_STALE: u32 = 3;
    /// The longest realm, nonce or opaque that is kept, in bytes.
    const MAX_TEXT: usize = 1024;

    /// For an account that has these logins, and accepts no algorithm below `weakest`.
    pub fn new(logins: Vec<Login>, weakest: DigestAlgorithm) -> Self {
        Self { logins, weakest, sessions: BTreeMap::new(), clock: 0 }
    }

    /// How many nonces it knows.
    pub fn nonces(&self) -> usize {
        self.sessions.len()
    }

    /// Answers the challenges of a 401 or 407: writes the credentials into `request`, which is a copy of the one that
    /// was refused. The caller gives it the next CSeq number (RFC 3261 section 22.2) and a branch of its own.
    ///
    /// Every realm that asks gets one answer, to the topmost of its challenges that we can use (RFC 8760 section 2.4).
    ///
    /// # Errors
    /// No realm can be answered. The request is as it was, and sending it again would be in vain.
    pub fn answer(&mut self, request: &mut Request, response: &Response, env: &mut Env<'_>) -> Result<(), AuthError> {
        let mut trouble = None;
        let mut answers = vec![];
        for asker in [Asker::Server, Asker::Proxy] {
            for (realm, challenges) in by_realm(&response.headers, asker) {
                match self.open(asker, &realm, &challenges, request, env) {
                    Ok(scope) => answers.push(scope),
                    // What was refused concerns the user more than what was not understood.
                    Err(why @ AuthError::Rejected { .. }) => trouble = Some(why),
                    Err(why) => trouble = trouble.or(Some(why)),
                }
            }
        }
        if answers.is_empty() {
            return Err(trouble.unwrap_or(AuthError::NoChallenge));
        }
        let realms: BTreeSet<_> = answers.iter().map(|scope| (scope.asker, scope.realm.clone())).collect();
        let others = [Asker::Server, Asker::Proxy].map(|asker| {
            credentials(&request.headers, asker).filter(|c| !realms.contains(&(asker, c.realm.clone()))).count()
        });
        let fits = others.iter().sum::<usize>() + answers.len() <= Self::MAX_ANSWERS;
        if fits {
            for scope in answers {
                self.write(&scope, request);
            }
        }
        self.forget_oldest();
        if fits { Ok(()) } else { Err(AuthError::TooMany) }
    }

    /// Adds credentials for whoever is known to want them, so that he need not ask.
    pub fn preempt(&mut self, request: &mut Request) {
        let (to, call_id) = (to_of(request), call_id_of(request));
        let fits = |scope: &Scope| match scope.asker {
            Asker::Server => scope.within == to,
            Asker::Proxy => scope.within.is_empty() || scope.within == call_id,
        };
        let scopes: Vec<_> =
            self.sessions.keys().filter(|scope| fits(scope)).take(Self::MAX_ANSWERS).cloned().collect();
        for scope in scopes {
            if let Some(session) = self.sessions.get_mut(&scope) {
                session.stale = 0;
                session.known_good = true;
            }
            self.write(&scope, request);
        }
    }

    /// Takes a final response to an authenticated request other than 401 and 407: the nonce for the next one, and the
    /// server's own proof, if it gives them (RFC 7616 section 3.5).
    ///
    /// # Errors
    /// The proof is wrong: the response is not to be believed.
    pub fn accepted(&mut self, request: &Request, response: &Response) -> Result<(), AuthError> {
        for asker in [Asker::Server, Asker::Proxy] {
            let info = response.headers.get(asker.info()).map(AuthenticationInfo::parse);
            let sent: Vec<_> = credentials(&request.headers, asker).collect();
            for credentials in &sent {
                let scope = self.scope(asker, &credentials.realm, request);
                let Some(session) = self.sessions.get_mut(&scope) else { continue };
                session.known_good |= session.nonce == credentials.nonce;
                // The header names no realm; the client's nonce says whose it is.
                let Some(Ok(info)) = &info else { continue };
                let cnonce = credentials.protection.as_ref().map(|p| &p.cnonce);
                if sent.len() > 1 && (info.cnonce.is_none() || info.cnonce.as_ref() != cnonce) {
                    continue;
                }
                session.take(info, credentials, response)?;
            }
        }
        Ok(())
    }

    /// Begins a session out of a realm's challenges.
    fn open(
        &mut self,
        asker: Asker,
        realm: &str,
        challenges: &[Challenge],
        request: &Request,
        env: &mut Env<'_>,
    ) -> Result<Scope, AuthError> {
        let realm_text = || realm.to_owned();
        let known: Vec<_> = challenges.iter().filter_map(|c| Some((c, understood(c)?))).collect();
        let usable = known.iter().find(|(_, (hash, _))| hash.algorithm >= self.weakest);
        let Some((challenge, (hash, qop))) = usable else {
            return Err(match known.is_empty() {
                true => AuthError::NotUnderstood { realm: realm_text() },
                false => AuthError::TooWeak { realm: realm_text(), weakest: self.weakest },
            });
        };
        let login = self.login(realm).ok_or_else(|| AuthError::NoCredentials { realm: realm_text() })?;
        let scope = self.scope(asker, realm, request);
        let before = self.sessions.get(&scope);
        let mut stale = 0;
        if let Some(refused) = credentials(&request.headers, asker).find(|c| c.realm == realm) {
            let was_good = before.is_some_and(|s| s.nonce == refused.nonce && s.known_good);
            if !challenge.stale && !was_good {
                // RFC 3261 section 22.1: what was just rejected is not tried again.
                let username = login.username.clone();
                self.sessions.remove(&scope);
                return Err(AuthError::Rejected { realm: realm_text(), username });
            }
            stale = before.map_or(0, |s| s.stale) + 1;
            if stale > Self::MAX_STALE {
                return Err(AuthError::AlwaysStale { realm: realm_text() });
            }
        }
        let cnonce = env.token::<16>();
        let session = Session {
            hash: *hash,
            secret: hash.a1(&login.username, realm, login.password.reveal(), &challenge.nonce, &cnonce),
            username: match challenge.userhash {
                true => hash.username(&login.username, realm),
                false => login.username.clone(),
            },
            userhash: challenge.userhash,
            nonce: challenge.nonce.clone(),
            opaque: challenge.opaque.clone(),
            algorithm: challenge.algorithm.clone(),
            qop: *qop,
            cnonce,
            count: 0,
            known_good: false,
            stale,
            last_used: 0,
        };
        self.sessions.insert(scope.clone(), session);
        Ok(scope)
    }

    /// Writes a session's credentials into a request, in the place of any that the realm has there already.
    fn write(&mut self, scope: &Scope, request: &mut Request) {
        self.clock += 1;
        let Some(session) = self.sessions.get_mut(scope) else { return };
        session.last_used = self.clock;
        let credentials = session.credentials(&scope.realm, request).to_string();
        let name = scope.asker.answer();
        let is_ours = |text: &str| DigestCredentials::parse(text).is_ok_and(|c| c.realm == scope.realm);
        let others: Vec<String> = request.headers.all(name).filter(|text| !is_ours(text)).map(str::to_owned).collect();
        request.headers.remove(name);
        for value in others.into_iter().chain([credentials]) {
            request.headers.push(name, value);
        }
    }

    /// The login for a realm: its own, or the one for everybody.
    fn login(&self, realm: &str) -> Option<&Login> {
        let own = self.logins.iter().find(|login| login.realm.as_deref() == Some(realm));
        own.or_else(|| self.logins.iter().find(|login| login.realm.is_none()))
    }

    fn scope(&self, asker: Asker, realm: &str, request: &Request) -> Scope {
        let configured = self.logins.iter().any(|login| login.realm.as_deref() == Some(realm));
        let within = match asker {
            Asker::Server => to_of(request),
            Asker::Proxy if configured => String::new(),
            Asker::Proxy => call_id_of(request),
        };
        Scope { asker, realm: realm.to_owned(), within }
    }

    fn forget_oldest(&mut self) {
        while self.sessions.len() > Self::MAX_NONCES {
            let oldest = self.sessions.iter().min_by_key(|(_, s)| s.last_used).map(|(scope, _)| scope.clone());
            oldest.and_then(|scope| self.sessions.remove(&scope));
        }
    }
}

impl Session {
    /// Counts up, and answers.
    fn credentials(&mut self, realm: &str, request: &Request) -> DigestCredentials {
        let protection = self.qop.with(!request.body.is_empty()).map(|qop| {
            // After 2^32 requests the server will say that the count is too low, and give another nonce.
            self.count = self.count.saturating_add(1);
            Protection { qop: qop.into(), cnonce: self.cnonce.clone(), nc: self.count }
        });
        let (method, uri) = (request.method.to_string(), request.uri.to_string());
        let what = Protected { method: &method, uri: &uri, body: &request.body };
        DigestCredentials {
            username: self.username.clone(),
            realm: realm.to_owned(),
            nonce: self.nonce.clone(),
            response: self.hash.response(&self.secret, &self.nonce, protection.as_ref(), what),
            uri,
            algorithm: self.algorithm.clone(),
            opaque: self.opaque.clone(),
            protection,
            userhash: self.userhash,
        }
    }

    /// What the server says after it has accepted `sent`.
    fn take(
        &mut self,
        info: &AuthenticationInfo,
        sent: &DigestCredentials,
        response: &Response,
    ) -> Result<(), AuthError> {
        let not_proven = || AuthError::NotProven { realm: sent.realm.clone() };
        // The secret of a `-sess` algorithm is of one challenge only: after another it can check nothing older.
        let same_session = sent.protection.as_ref().is_none_or(|p| p.cnonce == self.cnonce) || !self.hash.session;
        if let Some(proof) = info.rspauth.as_ref().filter(|_| same_session) {
            let protection = sent.protection.as_ref().map(|sent| Protection {
                qop: info.qop.clone().unwrap_or_else(|| sent.qop.clone()),
                cnonce: info.cnonce.clone().unwrap_or_default(),
                nc: info.nc.unwrap_or_default(),
            });
            // RFC 7616 section 3.5: cnonce and nc are the request's.
            let ours =
                |p: &Protection| sent.protection.as_ref().is_some_and(|s| (&s.cnonce, s.nc) == (&p.cnonce, p.nc));
            if !protection.as_ref().is_none_or(ours) {
                return Err(not_proven());
            }
            let what = Protected { method: "", uri: &sent.uri, body: &response.body };
            let expected = self.hash.response(&self.secret, &sent.nonce, protection.as_ref(), what);
            if !expected.eq_ignore_ascii_case(proof) {
                return Err(not_proven());
            }
        }
        if let Some(next) = info.nextnonce.as_ref().filter(|next| next.len() <= Authenticator::MAX_TEXT) {
            self.nonce.clone_from(next);
            self.count = 0;
        }
        Ok(())
    }
}

impl Qop {
    /// What of it is used: the body is protected where there is one.
    fn with(self, body: bool) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Auth => Some(AUTH),
            Self::AuthInt => Some(AUTH_INT),
            Self::Both => Some(if body { AUTH_INT } else { AUTH }),
        }
    }
}

impl Asker {
    fn challenge(self) -> &'static str {
        match self {
            Self::Server => "WWW-Authenticate",
            Self::Proxy => "Proxy-Authenticate",
        }
    }

    fn answer(self) -> &'static str {
        match self {
            Self::Server => "Authorization",
            Self::Proxy => "Proxy-Authorization",
        }
    }

    fn info(self) -> &'static str {
        match self {
            Self::Server => "Authentication-Info",
            Self::Proxy => "Proxy-Authentication-Info",
        }
    }
}

/// Whether we can answer it, and how. What cannot be answered is ignored (RFC 8760 section 2.4).
fn understood(challenge: &Challenge) -> Option<(Hash, Qop)> {
    let too_long = |text: &str| text.len() > Authenticator::MAX_TEXT;
    if [&challenge.realm, &challenge.nonce].into_iter().chain(&challenge.opaque).any(|text| too_long(text)) {
        return None;
    }
    let hash = Hash::named(challenge.algorithm.as_deref())?;
    let has = |name: &str| challenge.qop.iter().flatten().any(|qop| qop == name);
    let qop = match (has(AUTH), has(AUTH_INT)) {
        (true, true) => Qop::Both,
        (true, false) => Qop::Auth,
        (false, true) => Qop::AuthInt,
        // RFC 3261 section 22.4 item 8: `-sess` needs a cnonce, and that a qop.
        (false, false) if challenge.qop.is_none() && !hash.session => Qop::None,
        (false, false) => return None,
    };
    Some((hash, qop))
}

/// The challenges that can be read: each realm's in their order, the realms as they come.
fn by_realm(headers: &Headers, asker: Asker) -> Vec<(String, Vec<Challenge>)> {
    let mut realms: Vec<(String, Vec<Challenge>)> = vec![];
    for challenge in headers.all(asker.challenge()).filter_map(|text| Challenge::parse(text).ok()) {
        match realms.iter_mut().find(|(realm, _)| *realm == challenge.realm) {
            Some((_, challenges)) => challenges.push(challenge),
            None => realms.push((challenge.realm.clone(), vec![challenge])),
        }
    }
    realms
}

fn credentials(headers: &Headers, asker: Asker) -> impl Iterator<Item = DigestCredentials> {
    headers.all(asker.answer()).filter_map(|text| DigestCredentials::parse(text).ok())
}

fn to_of(request: &Request) -> String {
    request.headers.to().map(|to| to.uri.to_string()).unwrap_or_default()
}

fn call_id_of(request: &Request) -> String {
    request.headers.call_id().unwrap_or_default().to_owned()
}

/// Without what a password went into.
impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let realms: Vec<_> = self.sessions.keys().map(|scope| &scope.realm).collect();
        f.debug_struct("Authenticator").field("weakest", &self.weakest).field("realms", &realms).finish_non_exhaustive()
    }
}
