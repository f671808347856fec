//! From a script to a world: who is where, what each phone has, and what is between them.

use crate::attacker::{Scene, is};
use crate::link::Link;
use crate::pki::Pki;
use crate::proxy::{Setup, Targets};
use crate::script::{Incoming, Name, Path, Phone, Script, Way};
use crate::world::World;
use keyphone_config::{Config, KeyingSystem};
use keyphone_keying::mikey::policy::Validity;
use keyphone_keying::{CertStore, Credentials, Identity, Psk, PskStore};
use keyphone_media::audio::codec::Codec;
use keyphone_media::env::Instant;
use keyphone_ua::settings::{self, HangUp, Plan, Play, Record, Secured, Settings, System};
use keyphone_ua::sip::{Host, SipUri, StatusCode, Uri};
use keyphone_ua::transaction::{Destination, Transport};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// A world with all phones, proxies, links and attackers of a script in it, before anything happens.
pub struct Stage {
    /// The world.
    pub world: World,
    /// Who is where.
    pub cast: Cast,
}

/// Who is where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cast {
    /// The phones in the order of the script: their numbers are those of the world.
    pub phones: Vec<Role>,
    /// The proxies, likewise.
    pub proxies: Vec<(Name, SocketAddr)>,
    /// The attackers.
    pub attackers: Vec<(Name, SocketAddr)>,
}

/// A phone in the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// What the script calls it.
    pub name: Name,
    /// Where it speaks SIP.
    pub sip: SocketAddr,
    /// What it says, in hertz; `None` is silence.
    pub tone: Option<u32>,
    /// What it says before it answers.
    pub early: Option<u32>,
    /// Its SIP URI: that of its user.
    pub uri: String,
}

/// Where phones, proxies and attackers are: in networks of their own.
fn address(net: [u8; 3], number: usize) -> SocketAddr {
    let [a, b, c] = net;
    // A script has a hundred of a kind at the most.
    let last = u8::try_from(number + 1).unwrap_or(u8::MAX);
    SocketAddr::from(([a, b, c, last], 5060))
}

/// Where TLS is the way, the port is said: everything here is where SIP is, and nothing where sips would look for it.
fn sip_uri(user: &Name, at: SocketAddr, tls: bool) -> String {
    if tls { format!("sips:{user}@{at}") } else { format!("sip:{user}@{}", at.ip()) }
}

impl Cast {
    fn of(script: &Script) -> Self {
        let named = |net| move |(number, name): (usize, &Name)| (name.clone(), address(net, number));
        let proxies: Vec<_> = script.proxies.iter().map(|p| &p.name).enumerate().map(named([10, 0, 1])).collect();
        let attackers = script.attackers.iter().map(|a| &a.name).enumerate().map(named([10, 0, 66])).collect();
        let role = |(number, phone): (usize, &Phone)| {
            let sip = address([10, 0, 0], number);
            // A hundred of them are far enough apart to be told in a tenth of a second.
            let own = 400 + 29 * number as u32;
            let early = match phone.incoming {
                Incoming::Answers { early, .. } => early,
                _ => None,
            };
            let home = phone.home.as_ref().and_then(|home| proxies.iter().find(|(name, _)| name == home));
            let uri = sip_uri(&phone.user, home.map_or(sip, |(_, at)| *at), phone.tls);
            let tone = Some(phone.tone.unwrap_or(own)).filter(|hz| *hz > 0);
            Role { name: phone.name.clone(), sip, tone, early, uri }
        };
        Self { phones: script.phones.iter().enumerate().map(role).collect(), proxies, attackers }
    }

    /// The number of a phone.
    ///
    /// # Errors
    /// One sentence, if it is not there.
    pub fn phone(&self, name: &Name) -> Result<usize, String> {
        let found = self.phones.iter().position(|role| role.name == *name);
        found.ok_or_else(|| format!("there is no phone called {name}"))
    }

    fn proxy(&self, name: &Name) -> Option<SocketAddr> {
        self.proxies.iter().find(|(proxy, _)| proxy == name).map(|(_, at)| *at)
    }

    /// The address of whoever has that name.
    fn ip(&self, name: &Name) -> Option<IpAddr> {
        let phone = self.phones.iter().find(|role| role.name == *name).map(|role| role.sip);
        phone.or_else(|| self.proxy(name)).map(|at| at.ip())
    }

    /// The SIP URI by which somebody is called: a phone's, or that of a user whom a proxy knows.
    ///
    /// # Errors
    /// One sentence, if nobody has that name.
    pub fn uri(&self, script: &Script, name: &Name) -> Result<String, String> {
        if let Ok(phone) = self.phone(name) {
            return Ok(self.phones[phone].uri.clone());
        }
        let home = script.home_of(name).and_then(|proxy| self.proxy(&proxy.name));
        match home {
            Some(at) => {
                let tls = script.phones.iter().any(|phone| phone.user == *name && phone.tls);
                Ok(sip_uri(name, at, tls))
            }
            None => {
                let known = self.phones.iter().zip(&script.phones).find(|(_, phone)| phone.user == *name);
                known.map(|(role, _)| role.uri.clone()).ok_or_else(|| format!("nobody is called {name}"))
            }
        }
    }

    /// Where a call of `caller` for `name` goes first: to the caller's proxy, or to where the URI says.
    pub(super) fn first_hop(&self, script: &Script, caller: &Phone, name: &Name) -> Result<Destination, String> {
        let through = caller.through.as_ref().and_then(|proxy| self.proxy(proxy));
        let direct = || {
            let uri: Uri = self.uri(script, name)?.parse().map_err(|e| format!("{name}: {e}"))?;
            let ip = uri.sip().and_then(|uri| uri.host().ip()).ok_or_else(|| format!("{name} is nowhere"))?;
            Ok::<_, String>(SocketAddr::new(ip, 5060))
        };
        let transport = if caller.tls { Transport::Tls } else { Transport::Udp };
        Ok(Destination { addr: through.map_or_else(direct, Ok)?, transport })
    }

    /// What a proxy writes into the Request-URI for somebody: where a phone is, or who a user is elsewhere.
    fn contact(&self, script: &Script, name: &Name) -> Result<SipUri, String> {
        let Ok(number) = self.phone(name) else {
            let uri: Uri = self.uri(script, name)?.parse().map_err(|e| format!("{name}: {e}"))?;
            return uri.sip().cloned().ok_or_else(|| format!("{name} has no SIP URI"));
        };
        let (role, phone) = (&self.phones[number], &script.phones[number]);
        let host = Host::Ip(role.sip.ip());
        Ok(SipUri::new(phone.tls, host).with_user(phone.user.as_str()).with_port(role.sip.port()))
    }
}

impl Stage {
    /// Puts everybody in place. Nothing that a phone says of itself is secret in there: keys are logged.
    ///
    /// # Errors
    /// One sentence, if the script speaks of somebody who is not there; one that was parsed does not.
    pub fn new(script: &Script, seed: u64, pki: &Pki) -> Result<Self, String> {
        let cast = Cast::of(script);
        let mut world = World::new(seed, Link::PERFECT);
        for (number, phone) in script.phones.iter().enumerate() {
            let node = world.add(phone.name.as_str(), settings(script, &cast, number, seed, pki)?);
            world.set_skew(node, phone.clock.by, phone.clock.ahead);
            if let Some(ssrc) = phone.ssrc {
                world.set_few_ssrcs(node, ssrc, 1);
            }
        }
        for (number, (_, sip)) in cast.proxies.iter().enumerate() {
            let users = users(script, &cast, number)?;
            world.add_proxy(Setup { sip: *sip, record_route: script.proxies[number].record_route, users });
        }
        weather(script, &cast, &mut world)?;
        let phones: BTreeMap<_, _> = cast.phones.iter().map(|role| (role.name.clone(), role.sip.ip())).collect();
        for (attacker, (_, own)) in script.attackers.iter().zip(&cast.attackers) {
            let scene = Scene { phones: phones.clone(), own: *own };
            for attack in &attacker.does {
                let nobody = || format!("{} attacks a phone that is not there", attacker.name);
                let does = scene.attacker(Instant::ZERO + attack.from, &attack.deed);
                world.add_attacker(does.ok_or_else(nobody)?);
            }
        }
        Ok(Self { world, cast })
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
    let at = |name: &Name| cast.ip(name).ok_or_else(|| format!("there is nobody called {name}"));
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
    world.set_weather(Box::new(move |sent| {
        let is_there = |(ends, link): &&((Option<IpAddr>, Option<IpAddr>, bool), crate::script::Link)| {
            let (a, b, both) = *ends;
            let way = |from: IpAddr, to: IpAddr| a.is_none_or(|a| a == from) && b.is_none_or(|b| b == to);
            let (from, to) = (sent.from.ip(), sent.to.ip());
            sent.at >= link.from && is(&link.carries, sent) && (way(from, to) || (both && way(to, from)))
        };
        links.iter().rev().find(is_there).map_or(Link::PERFECT, |(_, link)| link.weather)
    }));
    Ok(())
}

/// What a phone is told once.
fn settings(script: &Script, cast: &Cast, number: usize, seed: u64, pki: &Pki) -> Result<Settings, String> {
    let (phone, role) = (&script.phones[number], &cast.phones[number]);
    let keying = &phone.keying;
    let mut config = Config::default();
    config.account.from = role.uri.parse().map_err(|e| format!("{}: {e}", phone.name))?;
    if let Some(at) = phone.through.as_ref().and_then(|proxy| cast.proxy(proxy)) {
        config.account.proxy = Some(format!("sip:{at}").parse().map_err(|e| format!("{}: {e}", phone.name))?);
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
    settings.credentials = Arc::new(credentials(script, cast, number, seed, pki)?);
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

fn credentials(script: &Script, cast: &Cast, number: usize, seed: u64, pki: &Pki) -> Result<Credentials, String> {
    let keying = &script.phones[number].keying;
    let mut psks = PskStore::default();
    for psk in &keying.psks {
        let peer = psk.with.as_ref().map(|name| cast.uri(script, name).map(|uri| Identity::new(&uri))).transpose()?;
        psks.insert(peer, Psk::new(psk_octets(&psk.secret, seed)).ok_or("a pre-shared key without octets")?);
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

/// A secret is made of its name and the seed: whoever names it has it.
pub(crate) fn psk_octets(secret: &Name, seed: u64) -> Vec<u8> {
    let mut octets = vec![0x5c; 32];
    octets[..secret.as_str().len()].copy_from_slice(secret.as_str().as_bytes());
    octets[24..].copy_from_slice(&seed.to_be_bytes());
    octets
}
