//! One search: from a URI to the addresses behind it, in the order in which they are tried.

use super::srv;
use super::{Abilities, Answer, Cache, Kind, Naptr, Question, Record};
use crate::sip::{Host, SipUri, Uri, Via};
use crate::transaction::{Destination, Transport};
use keyphone_media::env::Env;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// An address to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it is.
    pub dest: Destination,
    /// Over TLS: who must be there. It is the host that the URI names, whatever DNS made of it (RFC 5922 section 7.1).
    pub name: Option<Arc<str>>,
}

impl From<Destination> for Candidate {
    fn from(dest: Destination) -> Self {
        Self { dest, name: None }
    }
}

/// What a search says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try this.
    Try(Candidate),
    /// It needs to know this: put the answer into the cache, and ask again.
    Ask(Question),
    /// There is nothing, or nothing more, to try.
    Nothing,
}

/// Whom a URI means.
#[derive(Clone, Debug)]
pub struct Search {
    /// As the user knows it.
    whom: String,
    /// To be checked over TLS.
    name: Arc<str>,
    abilities: Abilities,
    todo: VecDeque<Item>,
    /// What was given, each address once: several names may well have the same.
    tried: Vec<Destination>,
    trouble: Option<String>,
}

#[derive(Clone, Debug)]
enum Item {
    /// Which transport?
    Naptr { domain: String, secure: bool },
    /// Which server? Of these transports the first that has one.
    Srv { services: VecDeque<(String, Transport)>, domain: String, otherwise: Transport },
    /// Which address?
    Host { host: String, port: u16, transport: Transport },
    /// This one.
    Try(Destination),
}

impl Search {
    /// How many addresses one search gives: whoever writes the records could have us call on the whole world.
    pub const MOST: usize = 8;

    /// Where requests to this URI go (RFC 3263 section 4).
    pub fn new(uri: &Uri, abilities: Abilities) -> Self {
        let mut search = Self {
            whom: uri.to_string(),
            name: "".into(),
            abilities,
            todo: VecDeque::new(),
            tried: vec![],
            trouble: None,
        };
        match uri {
            Uri::Sip(uri) => match search.begin(uri) {
                Ok(item) => search.todo.push_back(item),
                Err(why) => search.trouble = Some(why),
            },
            Uri::Other(_) => search.trouble = Some("it names no host".into()),
        }
        search
    }

    /// Where a response goes that could not be sent on the connection on which its request came: to the address that
    /// the request came from, at the port that its Via names (RFC 3261 section 18.2.2), then to whom the Via names
    /// (RFC 3263 section 5).
    pub fn way_back(via: &Via, received: IpAddr, transport: Transport, abilities: Abilities) -> Self {
        let whom = via.host.to_string();
        let addr = at(received, via.port.unwrap_or(transport.default_port()));
        let mut todo = VecDeque::from([Item::Try(Destination { addr, transport })]);
        if let Host::Name(host) = &via.host {
            todo.push_back(match via.port {
                Some(port) => Item::Host { host: host.clone(), port, transport },
                None => srv_of(host, &[transport], transport),
            });
        }
        let name = whom.trim_matches(['[', ']']).into();
        Self { name, whom, abilities, todo, tried: vec![], trouble: None }
    }

    fn begin(&mut self, uri: &SipUri) -> Result<Item, String> {
        let named = uri.param("transport").map(|name| named(name, uri.is_secure())).transpose()?;
        // RFC 3263 section 4: TARGET is the value of maddr, if there is one.
        let maddr = uri.param("maddr").and_then(|maddr| maddr.parse().ok());
        let host = maddr.as_ref().unwrap_or(uri.host());
        self.whom = host.to_string();
        self.name = uri.host().to_string().trim_matches(['[', ']']).into();
        // Section 4.1. Over TLS where SIPS says so, else what we like.
        let unsaid = if uri.is_secure() { Transport::Tls } else { self.abilities.prefer };
        let (transport, port) = (named.unwrap_or(unsaid), uri.port());
        if transport == Transport::Tls && !self.abilities.tls {
            return Err("it asks for TLS, which is not set up here".into());
        }
        Ok(match host {
            Host::Ip(ip) => {
                let ip = ip.to_canonical();
                if !self.abilities.reaches(ip) {
                    return Err(self.wrong_family());
                }
                Item::Try(Destination { addr: at(ip, port.unwrap_or(transport.default_port())), transport })
            }
            Host::Name(name) => match (port, named) {
                (Some(port), _) => Item::Host { host: name.clone(), port, transport },
                (None, Some(transport)) => srv_of(name, &[transport], transport),
                // Who likes TLS best gets nothing less: DNS can be forged.
                (None, None) => Item::Naptr { domain: name.clone(), secure: transport == Transport::Tls },
            },
        })
    }

    /// The next address, or what must be known first.
    pub fn next(&mut self, cache: &Cache, env: &mut Env<'_>) -> Next {
        if self.tried.len() == Self::MOST {
            self.todo.clear();
        }
        while let Some(item) = self.todo.pop_front() {
            let question = match &item {
                Item::Naptr { domain, .. } => Question::new(domain, Kind::Naptr),
                Item::Srv { services, .. } if let Some((name, _)) = services.front() => Question::new(name, Kind::Srv),
                // No server is named: the domain itself is one (section 4.2).
                Item::Srv { domain, otherwise, .. } => {
                    let port = otherwise.default_port();
                    self.todo.push_front(Item::Host { host: domain.clone(), port, transport: *otherwise });
                    continue;
                }
                Item::Host { host, .. } => Question::new(host, Kind::Host),
                Item::Try(dest) if self.tried.contains(dest) => continue,
                Item::Try(dest) => {
                    self.tried.push(*dest);
                    let name = (dest.transport == Transport::Tls).then(|| self.name.clone());
                    return Next::Try(Candidate { dest: *dest, name });
                }
            };
            let Some(answer) = cache.get(&question, env.now.mono) else {
                self.todo.push_front(item);
                return Next::Ask(question);
            };
            self.learn(item, answer, env);
        }
        Next::Nothing
    }

    /// There may be more to try.
    pub fn has_more(&self) -> bool {
        self.tried.len() < Self::MOST && !self.todo.is_empty()
    }

    /// Why an address that was tried was of no use.
    pub fn note(&mut self, trouble: String) {
        self.trouble = Some(trouble);
    }

    /// Nothing more is to be tried.
    pub fn stop(&mut self) {
        self.todo.clear();
    }

    /// Why it came to nothing: one sentence.
    pub fn why(&self) -> String {
        let trouble = self.trouble.as_deref().unwrap_or("no address was found");
        match self.whom.trim_matches(['[', ']']).parse::<IpAddr>() {
            // What went wrong names the address itself.
            Ok(_) if !self.tried.is_empty() => trouble.to_owned(),
            _ => format!("nobody answers for {}: {trouble}", self.whom),
        }
    }

    fn learn(&mut self, item: Item, answer: &Answer, env: &mut Env<'_>) {
        let records = match answer {
            Answer::Records(records, _) => records.as_slice(),
            Answer::NoName => &[],
            Answer::Failed(why) => {
                self.trouble = Some(why.clone());
                &[]
            }
        };
        match item {
            Item::Naptr { domain, secure } => {
                let item = self.choose(records, &domain, secure);
                self.todo.push_front(item);
            }
            Item::Srv { mut services, domain, otherwise } => {
                let Some((_, transport)) = services.pop_front() else { return };
                let found = records.iter().filter_map(|record| match record {
                    Record::Srv(srv) => Some(srv.clone()),
                    _ => None,
                });
                let found: Vec<_> = found.collect();
                if found.is_empty() {
                    return self.todo.push_front(Item::Srv { services, domain, otherwise });
                }
                // A target of "." says that the service is decidedly not there (RFC 2782).
                self.trouble = Some(format!("it has no SIP service over {transport}"));
                for srv in srv::in_order(found, env).into_iter().rev().filter(|srv| !is_root(&srv.target)) {
                    self.todo.push_front(Item::Host { host: srv.target, port: srv.port, transport });
                }
            }
            Item::Host { host, port, transport } => {
                let addresses = records.iter().filter_map(|record| match record {
                    Record::Host(ip) => Some(ip.to_canonical()),
                    _ => None,
                });
                let (near, far): (Vec<_>, Vec<_>) = addresses.partition(|ip| self.abilities.reaches(*ip));
                if near.is_empty() {
                    self.trouble = Some(match answer {
                        _ if !far.is_empty() => self.wrong_family(),
                        Answer::NoName if same_name(&host, &self.whom) => "no such name".into(),
                        Answer::NoName => format!("it names {host}, and there is no such name"),
                        Answer::Records(..) => format!("{host} has no address"),
                        Answer::Failed(why) => why.clone(),
                    });
                }
                for ip in near.into_iter().rev() {
                    self.todo.push_front(Item::Try(Destination { addr: at(ip, port), transport }));
                }
            }
            Item::Try(_) => {}
        }
    }

    /// The transport that the domain likes best of those that we have; without a word from it, those that we like
    /// (section 4.1).
    fn choose(&self, records: &[Record], domain: &str, secure: bool) -> Item {
        let usable = |record: &Record| match record {
            Record::Naptr(naptr) => {
                let transport = service(naptr)?;
                let fits = self.abilities.has(transport) && (!secure || transport == Transport::Tls);
                fits.then(|| (naptr.order, naptr.preference, naptr.replacement.clone(), transport))
            }
            _ => None,
        };
        let best = records.iter().filter_map(usable).min_by_key(|(order, preference, ..)| (*order, *preference));
        if let Some((_, _, replacement, transport)) = best {
            let services = [(replacement, transport)].into();
            return Item::Srv { services, domain: domain.to_owned(), otherwise: transport };
        }
        if secure {
            return srv_of(domain, &[Transport::Tls], Transport::Tls);
        }
        let prefer = self.abilities.prefer;
        let mut transports = vec![prefer];
        transports.extend(Transport::ALL.into_iter().filter(|t| *t != prefer && self.abilities.has(*t)));
        srv_of(domain, &transports, prefer)
    }

    fn wrong_family(&self) -> String {
        let (theirs, ours) = if self.abilities.v4 { ("IPv6", "IPv4") } else { ("IPv4", "IPv6") };
        format!("it has only {theirs} addresses, and we listen on {ours}")
    }
}

/// `_sip._udp.example.org` for each transport.
fn srv_of(domain: &str, transports: &[Transport], otherwise: Transport) -> Item {
    let service = |transport: &Transport| {
        let prefix = match transport {
            Transport::Udp => "_sip._udp",
            Transport::Tcp => "_sip._tcp",
            Transport::Tls => "_sips._tcp",
        };
        (format!("{prefix}.{domain}"), *transport)
    };
    Item::Srv { services: transports.iter().map(service).collect(), domain: domain.to_owned(), otherwise }
}

/// What a NAPTR record offers (RFC 3263 section 4.1): an SRV record without a regular expression.
fn service(naptr: &Naptr) -> Option<Transport> {
    let fits = naptr.flags.eq_ignore_ascii_case("s") && naptr.regexp.is_empty() && !is_root(&naptr.replacement);
    match naptr.service.to_ascii_uppercase().as_str() {
        "SIP+D2U" if fits => Some(Transport::Udp),
        "SIP+D2T" if fits => Some(Transport::Tcp),
        "SIPS+D2T" if fits => Some(Transport::Tls),
        _ => None,
    }
}

/// What a `transport` parameter means; with sips, TCP is TLS over TCP (RFC 3261 section 26.2.2).
fn named(name: &str, secure: bool) -> Result<Transport, String> {
    match (name.to_ascii_lowercase().as_str(), secure) {
        ("udp", false) => Ok(Transport::Udp),
        ("udp", true) => Err("a sips: URI cannot go over UDP".into()),
        ("tcp", false) => Ok(Transport::Tcp),
        ("tcp" | "tls", true) | ("tls", false) => Ok(Transport::Tls),
        _ => Err(format!("it asks for the transport {name}, which we have not")),
    }
}

fn at(ip: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(ip.to_canonical(), port)
}

fn is_root(name: &str) -> bool {
    name.is_empty() || name == "."
}

fn same_name(a: &str, b: &str) -> bool {
    a.trim_end_matches('.').eq_ignore_ascii_case(b.trim_end_matches('.'))
}
