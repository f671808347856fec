//! From a script to a world: what each phone has, and what is between them.

use super::bindings;
use super::cast::{Cast, Role, Spots};
use super::secrets::Secrets;
use crate::attacker::{self, Scene};
use crate::link::Link;
use crate::pki::Pki;
use crate::place::Place;
use crate::proxy::{Setup, Targets};
use crate::script::{Incoming, Name, Path, Phone, Script, Way};
use crate::world::World;
use keyphone_config::{Config, KeyingSystem, Password};
use keyphone_keying::mikey::policy::Validity;
use keyphone_keying::{CertStore, Credentials, Identity, Psk, PskStore};
use keyphone_media::audio::codec::Codec;
use keyphone_media::env::Instant;
use keyphone_ua::settings::{self, HangUp, Plan, Play, Record, Secured, Settings, System};
use keyphone_ua::sip::StatusCode;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A world with all phones, proxies, links and attackers of a script in it, before anything happens.
pub struct Stage {
    /// The world.
    pub world: World,
    /// Who is where.
    pub cast: Cast,
}

/// What phones are given.
pub(crate) struct Props<'p> {
    /// Pre-shared keys.
    pub(crate) secrets: &'p Secrets,
    /// Certificates.
    pub(crate) pki: &'p Pki,
    /// What the registrars outside are told that ask who a phone is; without a user name it is the phone's.
    pub(crate) login: Option<Password>,
}

impl Stage {
    /// Puts everybody in place, in a simulated world. Nothing that a phone says of itself is secret in there: keys are
    /// logged.
    ///
    /// # Errors
    /// One sentence, if the script speaks of somebody who is not there; one that was parsed does not.
    pub fn new(script: &Script, seed: u64, pki: &Pki) -> Result<Self, String> {
        let cast = Cast::of(script, &Spots::simulated(script));
        let mut stage = Self { world: World::new(seed, Link::PERFECT), cast };
        stage.people(script, &Props { secrets: &Secrets::OfSeed(seed), pki, login: None })?;
        stage.weather(script)?;
        Ok(stage)
    }

    /// Phones and proxies. Gives what is to be registered: the numbers of a phone and of its account.
    pub(crate) fn people(&mut self, script: &Script, props: &Props<'_>) -> Result<Vec<(usize, usize)>, String> {
        let Self { world, cast } = self;
        let mut registered = vec![];
        for (number, phone) in script.phones.iter().enumerate() {
            let settings = settings(script, cast, number, props)?;
            registered.extend(bindings::numbers(&settings).into_iter().map(|account| (number, account)));
            let node = world.add_at(phone.name.as_str(), settings, cast.phones[number].place.clone());
            world.set_skew(node, phone.clock.by, phone.clock.ahead);
            if let Some(ssrc) = phone.ssrc {
                world.set_few_ssrcs(node, ssrc, 1);
            }
        }
        for (number, proxy) in cast.proxies.iter().enumerate().filter(|(_, proxy)| proxy.outside.is_none()) {
            let users = users(script, cast, number)?;
            world.add_proxy(Setup { sip: proxy.sip, record_route: script.proxies[number].record_route, users });
        }
        Ok(registered)
    }

    /// What is between them, from when the script begins.
    pub(crate) fn weather(&mut self, script: &Script) -> Result<(), String> {
        let Self { world, cast } = self;
        weather(script, cast, world)?;
        let phones: BTreeMap<_, _> = cast.phones.iter().map(|role| (role.name.clone(), role.place.clone())).collect();
        for (attacker, (_, own)) in script.attackers.iter().zip(&cast.attackers) {
            let scene = Scene { phones: phones.clone(), own: *own };
            for attack in &attacker.does {
                let nobody = || format!("{} attacks a phone that is not there", attacker.name);
                let does = scene.attacker(cast.begins + attack.from, &attack.deed);
                world.add_attacker(does.ok_or_else(nobody)?);
            }
        }
        Ok(())
    }
}

/// Whom a proxy knows, and where they are.
fn users(script: &Script, cast: &Cast, number: usize) -> Result<BTreeMap<String, Targets>, String> {
    let proxy = &script.proxies[number];
    let contacts = |names: &[Name]| names.iter().map(|name| cast.contact(script, name)).collect::<Result<Vec<_>, _>>();
    let mut users = BTreeMap::new();
    for phone in script.phones.iter().filter(|phone| phone.home.as_ref() == Some(&proxy.name)) {
        let same = |other: &&Phone| other.home == phone.home && other.user == phone.user;
        let all: Vec<_> = script.phones.iter().filter(same).map(|phone| phone.name.clone()).collect();
        users.insert(phone.user.to_string(), Targets::Together(contacts(&all)?));
    }
    for rule in &proxy.rules {
        let to = contacts(rule.targets())?;
        let targets = match &rule.way {
            Way::Forks(_) | Way::Goes(_) => Targets::Together(to),
            Way::Tries(_, each) => Targets::InTurn(to, *each),
            Way::Redirects(_) => Targets::Redirect(to),
        };
        users.insert(rule.user.to_string(), targets);
    }
    Ok(users)
}

/// The last link of the script that fits decides.
fn weather(script: &Script, cast: &Cast, world: &mut World) -> Result<(), String> {
    let at = |name: &Name| cast.place(name).ok_or_else(|| format!("there is nobody called {name}"));
    let mut links = vec![];
    for link in &script.links {
        let ends = match &link.on {
            Path::Everywhere => (None, None, false),
            Path::Between(a, b) => (Some(at(a)?), Some(at(b)?), true),
            Path::From(a, b) => (Some(at(a)?), Some(at(b)?), false),
            Path::Of(a) => (Some(at(a)?), None, true),
        };
        links.push((ends, link.clone()));
    }
    if links.is_empty() {
        return Ok(());
    }
    let (otherwise, begins) = (world.link(), cast.begins);
    world.set_weather(Box::new(move |sent| {
        let is_there = |(ends, link): &&((Option<Place>, Option<Place>, bool), crate::script::Link)| {
            let (a, b, both) = ends;
            let is = |end: &Option<Place>, addr| end.as_ref().is_none_or(|place| place.has(addr));
            let way = |from, to| is(a, from) && is(b, to);
            let since = begins + link.from.since(Instant::ZERO);
            sent.at >= since
                && attacker::is(&link.carries, sent)
                && (way(sent.from, sent.to) || (*both && way(sent.to, sent.from)))
        };
        links.iter().rev().find(is_there).map_or(otherwise, |(_, link)| link.weather)
    }));
    Ok(())
}

/// What a phone is told once.
fn settings(script: &Script, cast: &Cast, number: usize, props: &Props<'_>) -> Result<Settings, String> {
    let (phone, role) = (&script.phones[number], &cast.phones[number]);
    let keying = &phone.keying;
    let mut config = Config::default();
    config.account.from = role.uri.parse().map_err(|e| format!("{}: {e}", phone.name))?;
    if let Some(at) = phone.through.as_ref().and_then(|proxy| cast.proxy(proxy)) {
        let uri = at.outside.as_ref().map_or_else(|| format!("sip:{}", at.sip), ToString::to_string);
        config.account.proxy = Some(uri.parse().map_err(|e| format!("{}: {e}", phone.name))?);
    }
    // One codec whose samples are what was said, and whose offer fits into a datagram.
    config.audio.codecs = vec![Codec::Pcmu];
    config.audio.jitter = phone.jitter;
    config.policy.keying.clone_from(&keying.systems);
    config.policy.allow_clear = keying.allow_clear;
    config.policy.expect = keying.expect;
    if !keying.suites.is_empty() {
        config.policy.suites.clone_from(&keying.suites);
        config.policy.allow_null_cipher = keying.suites.iter().any(|suite| !suite.encrypts());
    }
    config.policy.mikey.group = keying.group;
    config.policy.mikey.validity = if keying.mki > 0 { Validity::Mki(keying.mki) } else { Validity::Null };
    config.policy.needs = keying.needs;
    config.policy.expected = keying.expected;
    config.policy.retries = keying.retries;
    config.policy.mikey.keys = keying.keys;
    config.policy.mikey.failed_rekey = keying.failed_rekey;
    config.policy.mikey.cache = keying.cache;
    config.policy.on_ssrc_clash = keying.on_clash;
    let mut settings = Settings::new(&config, role.sip).map_err(|e| format!("{}: {e}", phone.name))?;
    // What the phone has is not in files, so that the configuration cannot say what of it can be used.
    let allowed = keying.systems.iter().filter(|system| settings.policy.choice.allow(**system));
    let modes: Vec<_> = allowed.map(|KeyingSystem::Mikey(mode)| *mode).collect();
    settings.keying = modes.first().map(|mode| System::Mikey(*mode)).into_iter().collect();
    settings.policy.mikey.offer = modes.first().copied().unwrap_or(settings.policy.mikey.offer);
    settings.policy.mikey.accept = modes.into_iter().collect();
    if keying.allow_clear {
        settings.keying.push(System::Clear);
    }
    settings.policy.media.reveal_keys = true;
    if phone.tls {
        settings.tls = Secured { connects: true, port: Some(role.sip.port()) };
    }
    settings.credentials = Arc::new(credentials(script, cast, number, props)?);
    bindings::bind(script, cast, number, props.login.as_ref(), &mut settings)?;
    settings.incoming = incoming(script, cast, phone, role)?;
    settings.rules.late_offer = phone.habits.late_offer;
    settings.rules.reliable = phone.habits.reliable;
    settings.rules.preconditions = phone.habits.preconditions;
    settings.rules.early_media = phone.habits.early_media;
    settings.rules.redirects = phone.habits.redirects.into();
    settings.rules.transfers = phone.habits.transfers;
    Ok(settings)
}

/// What a phone says and records.
pub(super) fn plan(role: &Role) -> Plan {
    let play = role.tone.map_or(Play::Silence, |hz| Play::Tone(hz as f32));
    Plan { play, record: Record::Memory, hang_up: HangUp::Never }
}

fn incoming(script: &Script, cast: &Cast, phone: &Phone, role: &Role) -> Result<settings::Incoming, String> {
    Ok(match &phone.incoming {
        Incoming::Answers { after, early } => {
            let early = early.map(|hz| Play::Tone(hz as f32));
            settings::Incoming::Answer { after: *after, early, plan: plan(role) }
        }
        Incoming::Rings => settings::Incoming::Ring { plan: plan(role) },
        Incoming::Redirects(to) => {
            let uri = |name| cast.uri(script, name)?.parse().map_err(|e| format!("{name}: {e}"));
            settings::Incoming::Redirect(to.iter().map(uri).collect::<Result<_, String>>()?)
        }
        Incoming::Refuses(status) => {
            let status = StatusCode::new(*status).ok_or_else(|| format!("{status} is no status"))?;
            settings::Incoming::Refuse(status)
        }
    })
}

fn credentials(script: &Script, cast: &Cast, number: usize, props: &Props<'_>) -> Result<Credentials, String> {
    let Props { secrets, pki, .. } = props;
    let keying = &script.phones[number].keying;
    let mut psks = PskStore::default();
    for psk in &keying.psks {
        let peer = psk.with.as_ref().map(|name| cast.uri(script, name).map(|uri| Identity::new(&uri))).transpose()?;
        psks.insert(peer, Psk::new(secrets.octets(&psk.secret).to_vec()).ok_or("a pre-shared key without octets")?);
    }
    let mut certs = CertStore::default();
    let issue = |number: usize| {
        let (phone, role) = (&script.phones[number], &cast.phones[number]);
        let certificate = phone.keying.certificate.as_ref();
        let made = certificate.map(|c| pki.issue(&phone.name, c.kind, &c.from, &Identity::new(&role.uri)));
        made.transpose()
    };
    if let Some(own) = issue(number)? {
        certs.add_own(vec![own.certificate], own.key).map_err(|e| e.to_string())?;
    }
    for authority in &keying.trusts {
        certs.trust(pki.authority(authority)?);
    }
    for name in &keying.knows {
        let other = cast.phone(name)?;
        let issued = issue(other)?.ok_or_else(|| format!("{name} has no certificate that anybody could know"))?;
        certs.pin(Identity::new(&cast.phones[other].uri), issued.certificate);
    }
    Ok(Credentials { psks, certs })
}
