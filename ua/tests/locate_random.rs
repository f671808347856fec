//! Searches through random zones: whatever the records say, a search ends, and calls on nobody twice or in the wrong
//! order.

use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_ua::locate::{Abilities, Answer, Cache, Kind, Naptr, Next, Question, Record, Search, Srv};
use keyphone_ua::sip::Uri;
use keyphone_ua::transaction::{Destination, Transport};
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

struct Dice(u64);

impl Rng for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        for byte in buf {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

/// What every resolver says.
type Zone = BTreeMap<Question, Answer>;

const SERVICES: [(&str, Transport); 3] = [
    ("_sip._udp.example.org", Transport::Udp),
    ("_sip._tcp.example.org", Transport::Tcp),
    ("_sips._tcp.example.org", Transport::Tls),
];
const HOSTS: [&str; 5] = ["example.org", "a.example.org", "b.example.org", "c.example.org", "d.example.org"];
/// Few, so that names share them.
const ADDRESSES: [&str; 6] = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2", "::ffff:192.0.2.1"];

/// Records, no such name, or no answer.
fn answer(record: impl Strategy<Value = Record> + 'static, most: usize) -> impl Strategy<Value = Answer> {
    let records = prop::collection::vec(record, 0..=most);
    prop_oneof![
        8 => records.prop_map(|records| Answer::Records(records, Duration::from_secs(60))),
        1 => Just(Answer::NoName),
        1 => Just(Answer::Failed("nobody answers".into())),
    ]
}

fn host() -> impl Strategy<Value = Record> {
    select(&ADDRESSES[..]).prop_map(|ip| Record::Host(ip.parse().unwrap()))
}

fn srv() -> impl Strategy<Value = Record> {
    let targets = [&HOSTS[..], &[".", "nowhere.example.org", "_sip._udp.example.org"]].concat();
    (0u16..4, prop_oneof![Just(0u16), Just(1), Just(u16::MAX), any::<u16>()], 5060u16..5062, select(targets))
        .prop_map(|(priority, weight, port, target)| Record::Srv(Srv { priority, weight, port, target: target.into() }))
}

fn naptr() -> impl Strategy<Value = Record> {
    let services = ["SIP+D2U", "sip+d2t", "SIPS+D2T", "SIP+D2S", "E2U+sip"];
    let replacements =
        ["_sip._udp.example.org", "_sip._tcp.example.org", "_sips._tcp.example.org", ".", "x.example.org"];
    let regexp = prop_oneof![9 => Just(""), 1 => Just("!^.*$!sip:a@b!")];
    (
        0u16..3,
        0u16..3,
        select(&["s", "S", "u", "a"][..]),
        select(services.to_vec()),
        regexp,
        select(replacements.to_vec()),
    )
        .prop_map(|(order, preference, flags, service, regexp, replacement)| {
            let [flags, service, regexp, replacement] = [flags, service, regexp, replacement].map(str::to_owned);
            Record::Naptr(Naptr { order, preference, flags, service, regexp, replacement })
        })
}

fn zone() -> impl Strategy<Value = Zone> {
    let hosts = prop::collection::vec(answer(host(), 5), HOSTS.len());
    let services = prop::collection::vec(answer(srv(), 6), SERVICES.len());
    (answer(naptr(), 6), services, hosts).prop_map(|(naptr, services, hosts)| {
        let services =
            SERVICES.iter().zip(services).map(|((name, _), answer)| (Question::new(name, Kind::Srv), answer));
        let hosts = HOSTS.iter().zip(hosts).map(|(name, answer)| (Question::new(name, Kind::Host), answer));
        let naptr = (Question::new("example.org", Kind::Naptr), naptr);
        services.chain(hosts).chain([naptr]).collect()
    })
}

fn ask(zone: &Zone, name: &str, kind: Kind) -> Vec<Record> {
    match zone.get(&Question::new(name, kind)) {
        Some(Answer::Records(records, _)) => records.clone(),
        _ => vec![],
    }
}

/// Who may be tried, and how early: the same order is any order (RFC 3263 section 4, RFC 2782).
fn expected(zone: &Zone, uri: &str, can: Abilities) -> BTreeMap<Destination, u16> {
    let mut found = BTreeMap::new();
    let sips = uri.starts_with("sips:");
    // Who likes TLS best gets nothing less.
    let secure = sips || can.prefer == Transport::Tls;
    let mut add = |name: &str, port: u16, transport: Transport, at: u16| {
        for record in ask(zone, name, Kind::Host) {
            let Record::Host(ip) = record else { continue };
            let ip: IpAddr = ip.to_canonical();
            if (ip.is_ipv4() && can.v4) || (ip.is_ipv6() && can.v6) {
                let earliest = found.entry(Destination { addr: SocketAddr::new(ip, port), transport }).or_insert(at);
                *earliest = at.min(*earliest);
            }
        }
    };
    let liked = if secure { Transport::Tls } else { can.prefer };
    let named = uri.split_once("transport=").map(|(_, name)| match (name, sips) {
        ("udp", _) => Transport::Udp,
        ("tcp", false) => Transport::Tcp,
        _ => Transport::Tls,
    });
    let transport = named.unwrap_or(liked);
    if uri.contains(":5070") {
        add("example.org", 5070, transport, 0);
        return found;
    }
    let mut services: Vec<(String, Transport)> = match named {
        Some(named) => SERVICES.iter().filter(|(_, t)| *t == named).map(|(n, t)| ((*n).to_owned(), *t)).collect(),
        None => {
            let mut best: Vec<_> = ask(zone, "example.org", Kind::Naptr)
                .into_iter()
                .filter_map(|record| match record {
                    Record::Naptr(n) if n.flags.eq_ignore_ascii_case("s") && n.regexp.is_empty() => Some(n),
                    _ => None,
                })
                .filter(|n| n.replacement != ".")
                .filter_map(|n| {
                    let transport = match n.service.to_ascii_uppercase().as_str() {
                        "SIP+D2U" if !secure => Transport::Udp,
                        "SIP+D2T" if !secure => Transport::Tcp,
                        "SIPS+D2T" if can.tls => Transport::Tls,
                        _ => return None,
                    };
                    Some(((n.order, n.preference), (n.replacement, transport)))
                })
                .collect();
            best.sort_by_key(|(order, _)| *order);
            best.into_iter().map(|(_, service)| service).take(1).collect()
        }
    };
    let mut otherwise = services.first().map_or(liked, |(_, transport)| *transport);
    if services.is_empty() {
        let mut all: Vec<_> =
            SERVICES.iter().filter(|(_, t)| if secure { *t == Transport::Tls } else { true }).collect();
        all.retain(|(_, t)| *t != Transport::Tls || can.tls);
        all.sort_by_key(|(_, t)| *t != liked);
        services = all.into_iter().map(|(n, t)| ((*n).to_owned(), *t)).collect();
        otherwise = liked;
    }
    for (name, transport) in services {
        let servers: Vec<_> = ask(zone, &name, Kind::Srv);
        if servers.is_empty() {
            continue;
        }
        for server in servers {
            let Record::Srv(srv) = server else { continue };
            add(&srv.target, srv.port, transport, srv.priority);
        }
        return found;
    }
    add("example.org", otherwise.default_port(), otherwise, 0);
    found
}

proptest! {
    #[test]
    fn every_address_is_tried_at_most_once_in_the_order_of_priorities_and_the_search_ends(
        zone in zone(), seed: u64, tls: bool, v4: bool, both: bool, prefer in select(&Transport::ALL[..]),
        uri in select(&[
            "sip:bob@example.org", "sips:bob@example.org", "sip:bob@example.org:5070", "sip:bob@Example.Org.",
            "sip:bob@example.org;transport=udp", "sip:bob@example.org;transport=tcp",
            "sips:bob@example.org;transport=tcp", "sip:bob@example.org;transport=tls",
        ][..]),
    ) {
        let prefer = if tls || prefer != Transport::Tls { prefer } else { Transport::Udp };
        let can = Abilities { tls, prefer, v4: v4 || both, v6: !v4 || both };
        let parsed: Uri = uri.parse().unwrap();
        let (mut search, mut cache, mut dice) = (Search::new(&parsed, can), Cache::default(), Dice(seed));
        let now = Now { mono: Instant::ZERO, ntp: NtpTime(0) };
        let (mut asked, mut tried) = (BTreeSet::new(), vec![]);
        loop {
            match search.next(&cache, &mut Env { now, rng: &mut dice }) {
                Next::Try(candidate) => {
                    prop_assert_eq!(candidate.name.is_some(), candidate.dest.transport == Transport::Tls);
                    tried.push(candidate.dest);
                    prop_assert!(tried.len() <= Search::MOST);
                }
                Next::Ask(question) => {
                    let answer = zone.get(&question).cloned().unwrap_or(Answer::NoName);
                    prop_assert!(asked.insert(question.clone()), "{} is asked again", question);
                    cache.insert(question, answer, now.mono);
                }
                Next::Nothing => break,
            }
        }
        prop_assert!(!search.has_more() && !search.why().is_empty());
        let unable = !tls && (uri.starts_with("sips:") || uri.ends_with("=tls"));
        let expected = if unable { BTreeMap::new() } else { expected(&zone, &uri.to_ascii_lowercase().replace("org.", "org"), can) };
        prop_assert_eq!(tried.iter().collect::<BTreeSet<_>>().len(), tried.len(), "{:?}", tried);
        let order: Option<Vec<u16>> = tried.iter().map(|dest| expected.get(dest).copied()).collect();
        prop_assert!(order.as_ref().is_some_and(|order| order.is_sorted()), "{:?} of {:?}", tried, expected);
        prop_assert_eq!(tried.len(), expected.len().min(Search::MOST), "{:?} of {:?}", tried, expected);
    }
}
