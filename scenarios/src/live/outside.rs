//! Who is not ours.

use super::LiveError;
use crate::run::Spot;
use crate::script::{Name, Script};
use keyphone_ua::locate::Abilities;
use keyphone_ua::net::{Resolver, route};
use keyphone_ua::sip::{SipUri, Uri};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Who is not ours, and where we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// The address on which all of ours listen.
    listen: IpAddr,
    /// On loopback each of ours may have a host of its own, as in a simulated world: hosts are domains, and who is of whose
    /// domain matters to policy.
    spread: bool,
    roles: BTreeMap<Name, Spot>,
}

impl Outside {
    /// Everybody is ours, and on loopback.
    fn nobody() -> Self {
        Self { listen: Ipv4Addr::LOCALHOST.into(), spread: true, roles: BTreeMap::new() }
    }

    /// Finds out where those are who are not ours. Without an address to listen on it is the one that they can reach.
    ///
    /// # Errors
    /// One sentence: somebody is not in the script, is named twice, or cannot be found.
    pub async fn find(script: &Script, roles: &[(Name, SipUri)], listen: Option<IpAddr>) -> Result<Self, LiveError> {
        let mut found = Self::nobody();
        let resolver = Resolver::default();
        for (name, uri) in roles {
            let is_proxy = script.proxy(name).is_some();
            if !is_proxy && script.phone(name).is_none() {
                return Err(usage(unknown(script, name)));
            }
            if !is_proxy && uri.user().is_none() {
                return Err(usage(format!(
                    "{name} is a phone: say whom to call there, as in sip:{name}@{}",
                    uri.host()
                )));
            }
            let abilities = Abilities::at(listen.unwrap_or_else(|| uri.host().ip().unwrap_or(found.listen)));
            let located = resolver.locate(&Uri::Sip(uri.clone()), abilities).await;
            let at = located.map_err(|why| usage(format!("{name} is not found at {uri}: {why}")))?.addr;
            if found.roles.insert(name.clone(), Spot::Outside { uri: uri.clone(), at }).is_some() {
                return Err(usage(format!("the role of {name} is given twice")));
            }
            found.listen = match listen {
                Some(listen) => listen,
                None => route::local_address_towards(at)
                    .map_err(|why| LiveError::Io { what: format!("there is no way to {name} at {at}"), why })?,
            };
        }
        found.listen = listen.unwrap_or(found.listen);
        found.spread = listen.is_none() && found.listen == IpAddr::from(Ipv4Addr::LOCALHOST);
        found.check(script)?;
        Ok(found)
    }

    /// On which host somebody of ours is to listen: a phone, a proxy or an attacker, by its number. Where the system has no
    /// such address, all share one.
    pub(super) fn hosts(&self, net: u8, number: usize) -> Vec<IpAddr> {
        let own = u8::try_from(number + 1).ok().filter(|_| self.spread).map(|n| Ipv4Addr::new(127, 10, net, n).into());
        own.into_iter().chain([self.listen]).collect()
    }

    /// Where somebody is who is not ours.
    pub(super) fn role(&self, name: &Name) -> Option<&Spot> {
        self.roles.get(name)
    }

    /// Where they take SIP.
    pub(super) fn sip(&self) -> Vec<SocketAddr> {
        let at = |spot: &Spot| match spot {
            Spot::Outside { at, .. } => Some(*at),
            Spot::Here(_) => None,
        };
        self.roles.values().filter_map(at).collect()
    }

    /// Are there phones among them?
    pub fn phones(&self, script: &Script) -> bool {
        script.phones.iter().any(|phone| self.role(&phone.name).is_some())
    }

    /// Can it be played so?
    fn check(&self, script: &Script) -> Result<(), LiveError> {
        if let Some(phone) = script.phones.iter().find(|phone| phone.tls) {
            return Err(usage(format!("{} wants TLS, and --live has UDP and TCP: run it simulated", phone.name)));
        }
        for proxy in script.proxies.iter().filter(|proxy| self.role(&proxy.name).is_some()) {
            for (rule, target) in proxy.rules.iter().flat_map(|rule| rule.targets().iter().map(move |to| (rule, to))) {
                if script.phone(target).is_none() {
                    return Err(usage(format!(
                        "{} is outside, and learns from nothing but registrations where its calls go: {target}, to whom \
                         calls for {} are to go, is no phone that could register",
                        proxy.name, rule.user
                    )));
                }
            }
        }
        match script.phones.iter().find(|phone| self.role(&phone.name).is_none()) {
            Some(_) => Ok(()),
            None => Err(usage("nobody of this script is ours: leave us a phone, or there is nothing to see".into())),
        }
    }
}

fn usage(text: String) -> LiveError {
    LiveError::Usage(text)
}

fn unknown(script: &Script, name: &Name) -> String {
    let phones = script.phones.iter().map(|phone| &phone.name);
    let all: Vec<_> = phones.chain(script.proxies.iter().map(|proxy| &proxy.name)).map(ToString::to_string).collect();
    format!("nobody in the script is called {name}: its phones and proxies are {}", all.join(", "))
}
