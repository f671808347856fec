//! A registrar that keeps its books, asks for passwords and can be told to be difficult.

use crate::common::*;
use keyphone_media::env::Instant;
use keyphone_scenarios::world::World;
use keyphone_ua::sip::digest::{Challenge, DigestCredentials};
use keyphone_ua::sip::{Contacts, Message, Method, Request, Response, StatusCode, make};
use md5::{Digest, Md5};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) struct Registrar {
    pub(crate) at: SocketAddr,
    pub(crate) realm: String,
    /// Of every user; `None` asks nobody.
    pub(crate) password: Option<String>,
    /// It changes its nonce when one was used so often.
    pub(crate) uses: u32,
    pub(crate) least: u64,
    /// It binds nobody for longer.
    pub(crate) most: u64,
    /// What it answers instead, as long as there is something.
    pub(crate) instead: Vec<Instead>,
    /// What the next 200s say beside.
    pub(crate) extra: Vec<(&'static str, String)>,
    /// Until when which contact of which address of record is bound.
    pub(crate) bound: BTreeMap<(String, String), Instant>,
    /// When a binding was found to have lapsed before it was refreshed.
    pub(crate) lapses: usize,
    pub(crate) nonces: u32,
    pub(crate) read: usize,
}

#[derive(Clone)]
pub(crate) enum Instead {
    Nothing,
    Status(u16, Vec<(&'static str, String)>),
}

impl Registrar {
    pub(crate) const IP: &str = "10.0.0.100";

    pub(crate) fn new(ip: &str) -> Self {
        Self {
            at: sip_at(ip),
            realm: format!("realm-of-{ip}"),
            password: Some("zanzibar".into()),
            uses: u32::MAX,
            least: 0,
            most: 3600,
            instead: vec![],
            extra: vec![],
            bound: BTreeMap::new(),
            lapses: 0,
            nonces: 1,
            read: 0,
        }
    }

    /// Answers all that has arrived by now.
    pub(crate) fn work(&mut self, world: &mut World) {
        let now = world.now();
        let mut answers = vec![];
        while let Some(sent) = world.log().get(self.read) {
            if sent.to == self.at && !sent.media {
                // What is still on its way is read later.
                if sent.arrived.iter().any(|at| *at > now) {
                    break;
                }
                if !sent.arrived.is_empty()
                    && let Ok(Message::Request(request)) = Message::parse(&sent.bytes)
                    && request.method == Method::Register
                {
                    answers.push((sent.from, request));
                }
            }
            self.read += 1;
        }
        for (from, request) in answers {
            if let Some(response) = self.answer(&request, now) {
                world.inject(self.at, from, &response.to_bytes());
            }
        }
    }

    fn answer(&mut self, request: &Request, now: Instant) -> Option<Response> {
        let respond = |status| make::response(request, status, Some("registrar"));
        if !self.instead.is_empty() {
            return match self.instead.remove(0) {
                Instead::Nothing => None,
                Instead::Status(status, fields) => {
                    let mut response = respond(StatusCode::new(status).unwrap());
                    fields.iter().for_each(|(name, value)| response.headers.push(name, value));
                    Some(response)
                }
            };
        }
        if let Some(challenge) = self.challenge(request) {
            let mut response = respond(StatusCode::UNAUTHORIZED);
            response.headers.push("WWW-Authenticate", challenge.to_string());
            return Some(response);
        }
        let aor = request.headers.to().unwrap().uri.to_string();
        let Ok(Contacts::These(contacts)) = request.headers.bindings() else { panic!("no contacts") };
        for contact in contacts {
            let expires = contact.expires().or(request.headers.expires().unwrap()).unwrap().as_secs();
            let name = (aor.clone(), contact.uri.to_string());
            if expires == 0 {
                self.bound.remove(&name);
                continue;
            }
            if expires < self.least {
                let mut response = respond(StatusCode::INTERVAL_TOO_BRIEF);
                response.headers.push("Min-Expires", self.least.to_string());
                return Some(response);
            }
            let until = now + Duration::from_secs(expires.min(self.most));
            let before = self.bound.insert(name, until);
            self.lapses += usize::from(before.is_some_and(|before| before < now));
        }
        let mut ok = respond(StatusCode::OK);
        for ((_, contact), until) in self.bound.iter().filter(|((of, _), _)| *of == aor) {
            ok.headers.push("Contact", format!("<{contact}>;expires={}", until.since(now).as_secs()));
        }
        self.extra.iter().for_each(|(name, value)| ok.headers.push(name, value));
        Some(ok)
    }

    /// `None`: the request says who it is from, and is right.
    fn challenge(&mut self, request: &Request) -> Option<Challenge> {
        let password = self.password.as_ref()?;
        let credentials = request.headers.get("Authorization").map(|text| DigestCredentials::parse(text).unwrap());
        let nonce = |n: u32| format!("nonce-{n}");
        let mut stale = false;
        if let Some(c) = credentials.filter(|c| c.realm == self.realm) {
            let protection = c.protection.as_ref().unwrap();
            let a1 = md5(&format!("{}:{}:{password}", c.username, c.realm));
            let a2 = md5(&format!("{}:{}", request.method, c.uri));
            let middle = format!("{}:{:08x}:{}:{}", c.nonce, protection.nc, protection.cnonce, protection.qop);
            let right = c.response == md5(&format!("{a1}:{middle}:{a2}")) && c.uri == request.uri.to_string();
            if right && c.nonce == nonce(self.nonces) && protection.nc <= self.uses {
                return None;
            }
            stale = right;
            self.nonces += 1;
        }
        let (opaque, algorithm) = (Some("opaque".into()), Some("MD5".into()));
        let qop = Some(vec!["auth".into()]);
        let (realm, nonce) = (self.realm.clone(), nonce(self.nonces));
        Some(Challenge { realm, nonce, opaque, stale, algorithm, qop, userhash: false })
    }
}

fn md5(text: &str) -> String {
    Md5::digest(text).iter().map(|b| format!("{b:02x}")).collect()
}

/// Lets the world go on, and the registrars work.
pub(crate) fn run(world: &mut World, registrars: &mut [&mut Registrar], seconds: u64) {
    let end = world.now() + Duration::from_secs(seconds);
    while world.now() < end {
        world.run(world.now() + ms(10));
        registrars.iter_mut().for_each(|registrar| registrar.work(world));
    }
}
