//! What stands between the phones of a random world: proxies, weather, attackers.

use super::chance::Chance;
use super::people::name;
use crate::link::Link as Weather;
use crate::script::{Attack, Attacker, Deed, Incoming, Link, Name, Path, Proxy, Rule, Script, Way, What};
use keyphone_media::env::Instant;
use keyphone_ua::sip::Method;
use std::time::Duration;

/// The user whom several phones may answer for.
pub(super) const DESK: &str = "desk";

pub(super) fn build(script: &mut Script, dice: &mut Chance) {
    if dice.percent(65) {
        proxy(script, dice);
    }
    detours(script, dice);
    weather(script, dice);
    attackers(script, dice);
}

fn names(script: &Script) -> Vec<Name> {
    script.phones.iter().map(|phone| phone.name.clone()).collect()
}

/// Where some are found, and calls for some go elsewhere.
fn proxy(script: &mut Script, dice: &mut Chance) {
    let (hub, desk) = (name("hub"), name(DESK));
    let mut rules = vec![];
    let all = names(script);
    if dice.percent(70) {
        let count = 2 + dice.below(3);
        // Two who share a TEK and have one SSRC, behind one fork: nobody could keep them apart.
        let mut few = 0;
        let staff: Vec<_> = dice.some(&all, count.min(all.len().saturating_sub(1)));
        let staff: Vec<_> = staff
            .into_iter()
            .filter(|name| {
                few += usize::from(script.phone(name).is_some_and(|phone| phone.ssrc.is_some()));
                few < 2 || script.phone(name).is_some_and(|phone| phone.ssrc.is_none())
            })
            .collect();
        for phone in &mut script.phones {
            if staff.contains(&phone.name) {
                (phone.user, phone.home) = (desk.clone(), Some(hub.clone()));
            }
        }
        let way = match dice.below(3) {
            0 => Way::Tries(staff, dice.ms(500, 3000)),
            _ => Way::Forks(staff),
        };
        rules.push(Rule { user: desk, way });
    }
    for phone in &mut script.phones {
        if phone.home.is_none() && dice.percent(40) {
            phone.home = Some(hub.clone());
        }
        if dice.percent(30) {
            phone.through = Some(hub.clone());
        }
    }
    for user in dice.some(&all, 2) {
        let others: Vec<_> = all.iter().filter(|name| **name != user).cloned().collect();
        match dice.below(5) {
            0 => rules.push(Rule { user, way: Way::Goes(dice.one(&others)) }),
            1 => {
                let count = 1 + dice.below(2);
                rules.push(Rule { user, way: Way::Redirects(dice.some(&others, count)) });
            }
            _ => {}
        }
    }
    script.proxies.push(Proxy { name: hub, record_route: dice.percent(50), rules });
}

/// Some send their callers elsewhere.
fn detours(script: &mut Script, dice: &mut Chance) {
    let all = names(script);
    for phone in &mut script.phones {
        if dice.percent(6) {
            let others: Vec<_> = all.iter().filter(|name| **name != phone.name).cloned().collect();
            let count = 1 + dice.below(2);
            phone.incoming = Incoming::Redirects(dice.some(&others, count));
        }
    }
}

fn weather(script: &mut Script, dice: &mut Chance) {
    let mut everywhere = Link::new();
    everywhere.weather = a_day(dice);
    script.links.push(everywhere);
    if dice.percent(25) {
        // Signalling that is slower than media.
        let mut link = Link::new();
        link.carries = What::Signalling;
        link.weather = Weather { latency: dice.ms(50, 700), ..a_day(dice) };
        script.links.push(link);
    }
    let all = names(script);
    if dice.percent(20) {
        let mut link = Link::new();
        let [a, b] = [dice.one(&all), dice.one(&all)];
        link.on = match dice.below(3) {
            0 => Path::Of(a),
            _ if a == b => Path::Of(a),
            1 => Path::Between(a, b),
            _ => Path::From(a, b),
        };
        link.weather = Weather { loss_permille: 300, ..a_day(dice) };
        link.from = Instant::ZERO + dice.ms(0, 6000);
        script.links.push(link);
    }
}

fn a_day(dice: &mut Chance) -> Weather {
    let often = |dice: &mut Chance, percent: usize, most: usize| {
        if dice.percent(percent) { dice.below(most) as u16 } else { 0 }
    };
    Weather {
        latency: Duration::from_millis(1 + dice.below(80) as u64),
        jitter: if dice.percent(50) { dice.ms(0, 60) } else { Duration::ZERO },
        loss_permille: often(dice, 40, 80),
        duplicate_permille: often(dice, 25, 40),
        reorder_permille: often(dice, 25, 60),
    }
}

fn attackers(script: &mut Script, dice: &mut Chance) {
    let all = names(script);
    let count = dice.one(&[0, 0, 1, 1, 2, 3]);
    for text in &["mallory", "oscar", "trudy"][..count] {
        let deeds = 1 + dice.below(2);
        let does = (0..deeds).map(|_| Attack { from: dice.ms(0, 5000), deed: deed(&all, dice) }).collect();
        script.attackers.push(Attacker { name: name(text), does });
    }
}

fn deed(all: &[Name], dice: &mut Chance) -> Deed {
    let what = |dice: &mut Chance| {
        let methods = [Method::Invite, Method::Ack, Method::Bye, Method::Cancel, Method::Prack].map(What::Request);
        let all = [What::Media, What::Media, What::Media, What::Signalling, What::Response(200), What::Response(183)];
        dice.one(&[&all[..], &methods[..]].concat())
    };
    let [a, b] = <[Name; 2]>::try_from(dice.some(all, 2)).expect("there are two phones at least");
    match dice.below(10) {
        0 | 1 => Deed::Replays(what(dice), a, b),
        2 => Deed::Tampers(what(dice), a, b),
        3 => Deed::Strips(a),
        4 => Deed::Swaps(a, b),
        5 => Deed::Injects(a, b),
        6 => Deed::Reflects(a),
        7 => Deed::Drops(1 + dice.below(3) as u64, what(dice), a),
        8 => Deed::Holds(what(dice), a, dice.ms(50, 1500)),
        _ => Deed::Garbage(a),
    }
}
