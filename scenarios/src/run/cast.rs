//! Who is where.

use crate::place::{MediaPorts, Place};
use crate::script::{Incoming, Name, Phone, Script};
use keyphone_media::env::Instant;
use keyphone_ua::sip::{Host, SipUri, Uri};
use keyphone_ua::transaction::{Destination, Transport};
use std::net::SocketAddr;

/// Where somebody of a script is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    /// In our hands.
    Here(Place),
    /// Somebody else's: this is how it is called, and where that is.
    Outside {
        /// Its SIP URI; a proxy's has no user.
        uri: SipUri,
        /// Where SIP for it goes.
        at: SocketAddr,
    },
}

/// Where everybody of a script is, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spots {
    /// The phones.
    pub phones: Vec<Spot>,
    /// The proxies.
    pub proxies: Vec<Spot>,
    /// The attackers. They send from there.
    pub attackers: Vec<SocketAddr>,
}

/// Who is where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cast {
    /// The phones in the order of the script: their numbers are those of the world.
    pub phones: Vec<Role>,
    /// The proxies, likewise. Those outside have no number in the world.
    pub proxies: Vec<Between>,
    /// The attackers.
    pub attackers: Vec<(Name, SocketAddr)>,
    /// When the script began: its times count from then.
    pub begins: Instant,
}

/// A phone in the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// What the script calls it.
    pub name: Name,
    /// Where it speaks SIP.
    pub sip: SocketAddr,
    /// What is its.
    pub place: Place,
    /// What it says, in hertz; `None` is silence.
    pub tone: Option<u32>,
    /// What it says before it answers.
    pub early: Option<u32>,
    /// Its SIP URI: that of its user.
    pub uri: String,
    /// How a proxy of ours reaches it, if it is not ours; it tells us nothing, and what it says is unknown.
    pub outside: Option<SipUri>,
}

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Between {
    /// What the script calls it.
    pub name: Name,
    /// Where it speaks SIP.
    pub sip: SocketAddr,
    /// What it is called, if it is not ours: phones register with it.
    pub outside: Option<SipUri>,
}

/// Where phones, proxies and attackers of a simulated world are: in networks of their own.
fn address(net: [u8; 3], number: usize) -> SocketAddr {
    let [a, b, c] = net;
    // A script has a hundred of a kind at the most.
    let last = u8::try_from(number + 1).unwrap_or(u8::MAX);
    SocketAddr::from(([a, b, c, last], SIP_PORT))
}

const SIP_PORT: u16 = 5060;

impl Spots {
    /// In a simulated world.
    pub fn simulated(script: &Script) -> Self {
        let here = |net| move |number| Spot::Here(Place::Host(address(net, number)));
        Self {
            phones: (0..script.phones.len()).map(here([10, 0, 0])).collect(),
            proxies: (0..script.proxies.len()).map(here([10, 0, 1])).collect(),
            attackers: (0..script.attackers.len()).map(|number| address([10, 0, 66], number)).collect(),
        }
    }
}

impl Spot {
    fn sip(&self) -> SocketAddr {
        match self {
            Self::Here(place) => place.sip(),
            Self::Outside { at, .. } => *at,
        }
    }

    fn outside(&self) -> Option<SipUri> {
        match self {
            Self::Here(_) => None,
            Self::Outside { uri, .. } => Some(uri.clone()),
        }
    }
}

/// A user at an address. Where TLS is the way, the port is said: everything here is where SIP is, and nothing where sips
/// would look for it.
fn sip_uri(user: &Name, at: SocketAddr, tls: bool) -> String {
    let uri = SipUri::new(tls, Host::Ip(at.ip())).with_user(user.as_str());
    let uri = if tls || at.port() != SIP_PORT { uri.with_port(at.port()) } else { uri };
    uri.to_string()
}

impl Between {
    /// The URI of one of its users.
    pub(crate) fn user(&self, user: &Name, tls: bool) -> String {
        match &self.outside {
            None => sip_uri(user, self.sip, tls),
            Some(proxy) => {
                let uri = SipUri::new(tls, proxy.host().clone()).with_user(user.as_str());
                proxy.port().into_iter().fold(uri, SipUri::with_port).to_string()
            }
        }
    }
}

impl Cast {
    /// With everybody at a spot.
    pub(crate) fn of(script: &Script, spots: &Spots) -> Self {
        let proxy = |(proxy, spot): (&crate::script::Proxy, &Spot)| Between {
            name: proxy.name.clone(),
            sip: spot.sip(),
            outside: spot.outside(),
        };
        let proxies: Vec<_> = script.proxies.iter().zip(&spots.proxies).map(proxy).collect();
        let attackers = script.attackers.iter().map(|a| a.name.clone()).zip(spots.attackers.iter().copied()).collect();
        // All that anybody has who is not outside.
        let here: Vec<_> = spots
            .phones
            .iter()
            .chain(&spots.proxies)
            .map(|spot| match spot {
                Spot::Here(place) => place.clone(),
                // Several outside are told apart by their hosts.
                Spot::Outside { at, .. } => Place::Host(*at),
            })
            .collect();
        let role = |(number, (phone, spot)): (usize, (&Phone, &Spot))| {
            let sip = spot.sip();
            // A hundred of them are far enough apart to be told in a tenth of a second.
            let own = 400 + 29 * number as u32;
            let early = match phone.incoming {
                Incoming::Answers { early, .. } => early,
                _ => None,
            };
            let home = phone.home.as_ref().and_then(|home| proxies.iter().find(|proxy| proxy.name == *home));
            let uri = match (home, spot) {
                (Some(home), _) => home.user(&phone.user, phone.tls),
                (None, Spot::Outside { uri, .. }) => uri.to_string(),
                (None, Spot::Here(_)) => sip_uri(&phone.user, sip, phone.tls),
            };
            let tone = Some(phone.tone.unwrap_or(own)).filter(|hz| *hz > 0);
            let place = match spot {
                Spot::Here(place) => place.clone(),
                Spot::Outside { at, .. } => Place::Outside(
                    *at,
                    here.iter()
                        .filter(|place| place.ip() != at.ip() || matches!(place, Place::Ports(..)))
                        .cloned()
                        .collect(),
                ),
            };
            Role { name: phone.name.clone(), sip, place, tone, early, uri, outside: spot.outside() }
        };
        let phones = script.phones.iter().zip(&spots.phones).enumerate().map(role).collect();
        Self { phones, proxies, attackers, begins: Instant::ZERO }
    }

    /// The number of a phone.
    ///
    /// # Errors
    /// One sentence, if it is not there.
    pub fn phone(&self, name: &Name) -> Result<usize, String> {
        let found = self.phones.iter().position(|role| role.name == *name);
        found.ok_or_else(|| format!("there is no phone called {name}"))
    }

    /// Is that a phone that is not ours?
    pub fn is_outside(&self, name: &Name) -> bool {
        self.phones.iter().any(|role| role.name == *name && role.outside.is_some())
    }

    /// What phones of ours say, in hertz.
    pub(super) fn tones(&self) -> Vec<u32> {
        let ours = self.phones.iter().filter(|role| role.outside.is_none());
        ours.flat_map(|role| role.tone.into_iter().chain(role.early)).collect()
    }

    pub(super) fn proxy(&self, name: &Name) -> Option<&Between> {
        self.proxies.iter().find(|proxy| proxy.name == *name)
    }

    /// What is whose.
    pub(super) fn place(&self, name: &Name) -> Option<Place> {
        let phone = self.phones.iter().find(|role| role.name == *name).map(|role| role.place.clone());
        // A proxy has no media, and SIP over TCP comes from any port of its.
        phone.or_else(|| self.proxy(name).map(|proxy| Place::Ports(proxy.sip, MediaPorts::default())))
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
            Some(proxy) => {
                let tls = script.phones.iter().any(|phone| phone.user == *name && phone.tls);
                Ok(proxy.user(name, tls))
            }
            None => {
                let known = self.phones.iter().zip(&script.phones).find(|(_, phone)| phone.user == *name);
                known.map(|(role, _)| role.uri.clone()).ok_or_else(|| format!("nobody is called {name}"))
            }
        }
    }

    /// Where a call of `caller` for `name` goes first: to the caller's proxy, or to where the URI says. `None` leaves it
    /// to the caller to find out.
    pub(super) fn first_hop(
        &self,
        script: &Script,
        caller: &Phone,
        name: &Name,
    ) -> Result<Option<Destination>, String> {
        let through = caller.through.as_ref().and_then(|proxy| self.proxy(proxy));
        if through.is_some_and(|proxy| proxy.outside.is_some()) {
            return Ok(None);
        }
        let direct = || {
            let uri: Uri = self.uri(script, name)?.parse().map_err(|e| format!("{name}: {e}"))?;
            let uri = uri.sip().ok_or_else(|| format!("{name} is nowhere"))?;
            let at = uri.host().ip().filter(|_| uri.param("transport").is_none());
            Ok::<_, String>(at.map(|ip| SocketAddr::new(ip, uri.port().unwrap_or(SIP_PORT))))
        };
        let transport = if caller.tls { Transport::Tls } else { Transport::Udp };
        let addr = through.map_or_else(direct, |proxy| Ok(Some(proxy.sip)))?;
        Ok(addr.map(|addr| Destination { addr, transport }))
    }

    /// What a proxy writes into the Request-URI for somebody: where a phone is, or who a user is elsewhere.
    pub(super) fn contact(&self, script: &Script, name: &Name) -> Result<SipUri, String> {
        let Ok(number) = self.phone(name) else {
            let uri: Uri = self.uri(script, name)?.parse().map_err(|e| format!("{name}: {e}"))?;
            return uri.sip().cloned().ok_or_else(|| format!("{name} has no SIP URI"));
        };
        let (role, phone) = (&self.phones[number], &script.phones[number]);
        let contact = SipUri::new(phone.tls, Host::Ip(role.sip.ip())).with_port(role.sip.port());
        Ok(match &role.outside {
            None => contact.with_user(phone.user.as_str()),
            // By the address that its name was found to mean: our proxies look up nothing.
            Some(uri) => {
                let contact = uri.user_text().iter().fold(contact, |contact, user| contact.with_user(user));
                uri.param("transport").into_iter().fold(contact, |contact, t| contact.with_param("transport", Some(t)))
            }
        })
    }
}
