//! The sockets of everybody who is ours.

use super::LiveError;
use super::outside::Outside;
use crate::place::{MediaPorts, Place};
use crate::run::{Spot, Spots};
use crate::script::{Name, Script};
use crate::world::{Leaving, World};
use keyphone_ua::net::{Came, Sockets, Wires};
use keyphone_ua::transaction::Transport;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::task::Poll;

/// Media ports are looked for from here on, below those which a system hands out by itself; each phone has its part.
const FIRST_PORT: u16 = 20_000;
/// So many.
const PORTS: u16 = 12_000;

/// The sockets of everybody who is ours.
pub(super) struct Wiring {
    ends: Vec<End>,
    /// The hosts of those who are not ours.
    outside: Vec<IpAddr>,
    /// Who is asked first for what came: a flood of one keeps nobody else out.
    turn: usize,
}

/// The sockets of one of us.
struct End {
    whose: Whose,
    place: Place,
    wires: Wires,
}

/// Whose they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Phone(usize),
    Proxy,
    Attacker,
}

impl Wiring {
    /// Opens the SIP ports, and says where everybody is.
    pub(super) async fn open(script: &Script, outside: &Outside) -> Result<(Self, Spots), LiveError> {
        let phones = u16::try_from(script.phones.len().max(1)).unwrap_or(u16::MAX);
        let each = (PORTS / phones) & !1;
        let media = |number: usize| {
            let first = FIRST_PORT + u16::try_from(number).unwrap_or(u16::MAX) * each;
            first..=first + each - 1
        };
        let mut ends = vec![];
        let mut spots = Spots { phones: vec![], proxies: vec![], attackers: vec![] };
        for (number, phone) in script.phones.iter().enumerate() {
            let hosts = outside.hosts(0, number);
            spots.phones.push(match outside.role(&phone.name) {
                Some(spot) => spot.clone(),
                None => Spot::Here(add(&mut ends, Whose::Phone(number), &hosts, media(number), &phone.name).await?),
            });
        }
        for (number, proxy) in script.proxies.iter().enumerate() {
            let hosts = outside.hosts(1, number);
            spots.proxies.push(match outside.role(&proxy.name) {
                Some(spot) => spot.clone(),
                None => Spot::Here(add(&mut ends, Whose::Proxy, &hosts, 0..=0, &proxy.name).await?),
            });
        }
        for (number, attacker) in script.attackers.iter().enumerate() {
            let hosts = outside.hosts(66, number);
            let place = add(&mut ends, Whose::Attacker, &hosts, 0..=0, &attacker.name).await?;
            spots.attackers.push(place.sip());
        }
        let outside = outside.sip().iter().map(SocketAddr::ip).collect();
        Ok((Self { ends, outside, turn: 0 }, spots))
    }

    /// Opens the media ports that phones want.
    pub(super) async fn ports(&mut self, world: &mut World) -> Result<(), LiveError> {
        for End { whose, place, wires } in &mut self.ends {
            let Whose::Phone(number) = *whose else { continue };
            while world.ports_wanted(number) > 0 {
                let opened = wires.open_ports().await;
                let ports = opened.map_err(|why| LiveError::Io { what: "media ports cannot be opened".into(), why })?;
                if let Place::Ports(_, media) = place {
                    [ports.rtp, ports.rtcp].iter().for_each(|at| media.add(at.port()));
                }
                world.give_ports(number, ports);
            }
        }
        Ok(())
    }

    /// Does what a world has for real sockets to do.
    pub(super) fn flush(&mut self, world: &mut World) {
        for leaving in world.leaving() {
            let connected = world.has_connection(leaving.to);
            self.send(leaving, connected);
        }
        for (number, question) in world.questions() {
            if let Some(end) = self.phone(number) {
                end.wires.look_up(question);
            }
        }
        for (number, ports) in world.released() {
            if let Some(end) = self.phone(number) {
                end.wires.close_ports(ports);
            }
        }
    }

    /// From the sockets that are at that address. What an attacker sends under the address of somebody who is not ours
    /// leaves from the attacker's own: a real network lets nobody lie.
    fn send(&mut self, Leaving { from, to, transport, name, media, bytes }: Leaving, connected: bool) {
        let at_sip = self.ends.iter().position(|end| end.place.sip() == from);
        let owner = at_sip.or_else(|| self.ends.iter().position(|end| end.place.has(from)));
        let owner = owner.or_else(|| self.ends.iter().position(|end| end.whose == Whose::Attacker));
        // A proxy of ours relays for those who play, and for no stranger who has found it.
        let plays =
            connected || self.outside.contains(&to.ip()) || self.ends.iter().any(|end| end.place.ip() == to.ip());
        let Some(End { whose, place, wires }) = owner.map(|owner| &mut self.ends[owner]) else { return };
        if *whose == Whose::Proxy && !plays {
            return;
        }
        if media && place.sip() != from && place.has(from) {
            wires.send_media(from, to, &bytes);
        } else {
            let transport = if media { Transport::Udp } else { transport };
            wires.send_sip(to, transport, name, bytes);
        }
    }

    fn phone(&mut self, number: usize) -> Option<&mut End> {
        self.ends.iter_mut().find(|end| end.whose == Whose::Phone(number))
    }

    /// Waits for what comes next, and says to whom: the SIP port of one of us.
    pub(super) async fn next(&mut self, world: &World) -> (usize, Came) {
        let needed = |whose: Whose| {
            move || match whose {
                Whose::Phone(number) => world.node(number).endpoint.peers(),
                Whose::Proxy | Whose::Attacker => BTreeSet::new(),
            }
        };
        poll_fn(|cx| {
            let all = self.ends.len();
            for number in (0..all).map(|n| (self.turn + n) % all) {
                let End { whose, wires, .. } = &mut self.ends[number];
                if let Poll::Ready(came) = wires.poll(cx, needed(*whose)) {
                    self.turn = number + 1;
                    return Poll::Ready((number, came));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Hands over what came.
    pub(super) fn hand_over(&self, end: usize, came: Came, world: &mut World) {
        let End { whose, place, .. } = &self.ends[end];
        let sip = place.sip();
        match came {
            Came::Sip { from, transport, bytes } => world.arrives(sip, from, transport, &bytes),
            Came::Media { at, from, bytes } => world.arrives(at, from, Transport::Udp, &bytes),
            Came::Failed { to, transport, why } => world.failed(sip, to, transport, why),
            Came::Found { question, answer } => {
                if let Whose::Phone(number) = *whose {
                    world.found(number, question, answer);
                }
            }
        }
    }

    /// Lets what is queued leave, for half a second at most.
    pub(super) async fn stop(self) {
        for end in self.ends {
            end.wires.stop().await;
        }
    }
}

/// On the first of these hosts that can be had.
async fn add(
    ends: &mut Vec<End>,
    whose: Whose,
    hosts: &[IpAddr],
    media: RangeInclusive<u16>,
    name: &Name,
) -> Result<Place, LiveError> {
    let mut opened = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
    for (left, ip) in hosts.iter().enumerate().map(|(n, ip)| (hosts.len() - n - 1, *ip)) {
        opened = Sockets::bind(SocketAddr::new(ip, 0)).await.map(|sockets| (sockets, left > 0));
        if opened.is_ok() {
            break;
        }
    }
    let (sockets, its_own) = opened.map_err(|why| LiveError::Io { what: format!("no SIP port for {name}"), why })?;
    let place = match its_own {
        true => Place::Host(sockets.local()),
        false => Place::Ports(sockets.local(), MediaPorts::default()),
    };
    ends.push(End { whose, place: place.clone(), wires: Wires::new(sockets, media) });
    Ok(place)
}
