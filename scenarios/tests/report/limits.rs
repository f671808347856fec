//! However much is told, and by whomever: the page ends, is one page, and says the same again.

use crate::worlds::fork;
use crate::{keep, of, story};
use keyphone_media::env::Instant;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::report::{Story, Verdict, page};
use keyphone_scenarios::world::Sent;
use keyphone_ua::event::{CallId, Direction, Event, KeyUse, Why};
use keyphone_ua::transaction::Transport;

const HOSTILE: &str = "</title></svg><script src=\"http://evil.example/x.js\"></script><img src='//evil.example' \
                       onerror=alert(1)>&{{style}}<!--\u{202e}\u{0}\u{ffff}";

/// Two megabytes.
const LIMIT: usize = 2_000_000;

/// Every tag is closed, in its order, and what stands in quotation marks stands there.
fn assert_well_formed(html: &str) {
    let mut open = vec![];
    let mut rest = html.strip_prefix("<!DOCTYPE html>").expect("it is HTML");
    while let Some((_, tag)) = rest.split_once('<') {
        let (tag, after) = tag.split_once('>').expect("every tag ends");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        rest = after;
        let name = tag.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap();
        match tag {
            _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name), "before {}", &after[..after.len().min(90)]),
            _ if tag.ends_with('/') || ["meta", "br"].contains(&name) => {}
            _ => open.push(name),
        }
        assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()), "{tag}");
    }
    assert!(open.is_empty(), "{open:?}");
    assert!(html.chars().all(|c| c == '\n' || !c.is_control()));
}

#[test]
fn a_fork_to_thirty_is_one_page_with_all_of_them() {
    let html = page(&story("A fork to thirty phones", 3), &fork(30, Link::BAD_DAY));
    keep("fork30.html", &html);
    assert_well_formed(&html);
    for n in 2..=30 {
        assert!(html.contains(&format!(">bob {n}</text>")), "{n}");
    }
    assert!(!html.contains("are not shown"), "nothing is left out");
    assert!(html.len() < 1_000_000, "{}", html.len());
}

#[test]
fn the_same_world_gives_the_same_page() {
    let html = |_: u8| page(&story("Again", 1), &fork(4, Link::BAD_DAY));
    assert!(html(1) == html(2));
}

#[test]
fn the_page_fetches_nothing_and_runs_nothing() {
    let html = page(&story("Alone", 3), &fork(3, Link::PERFECT));
    assert_well_formed(&html);
    let html = html.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for fetch in ["http://", "https://", "src=\"//", "href", "<script", "<link", "@import", "url(", "<iframe", " on"] {
        let found = html.split("<body>").nth(1).unwrap().match_indices(fetch).filter(|(at, _)| {
            fetch != " on" || {
                // In a tag, rather than in a sentence.
                let before = &html.split("<body>").nth(1).unwrap()[..*at];
                before.rfind('<') > before.rfind('>')
            }
        });
        assert_eq!(found.count(), 0, "{fetch}");
    }
    assert!(html.contains("default-src 'none'"), "and it forbids itself to");
}

/// Every text that an event or a story can bring.
fn hostile_events(said: &str) -> Vec<(Instant, Event)> {
    let (call, text) = (CallId(1), || said.to_owned());
    let events = [
        Event::Started { call, direction: Direction::Outgoing, peer: text(), call_id: text(), keying: text() },
        Event::Ringing { call, branch: text() },
        Event::Redirected { call, to: vec![text(), text()] },
        Event::Peer { call, named: text(), proven: text(), how: text() },
        Event::Key {
            call,
            key: text(),
            suite: text(),
            use_for: KeyUse::Send,
            ssrc: Some(text()),
            branch: Some(text()),
        },
        Event::Key { call, key: text(), suite: text(), use_for: KeyUse::Hear, ssrc: None, branch: None },
        Event::Tolerated { call, what: text() },
        Event::Refused { call, why: text(), hint: Some(text()) },
        Event::Answered { call, branch: text(), codec: text(), keying: text() },
        Event::BranchLost { call, branch: text() },
        Event::BranchFailed { call, branch: text(), why: text() },
        Event::Verified { call, branch: text(), count: 1, why: Why::Media },
        Event::Clipped { call, branch: text(), ms: 40, held: 3, played: 1, dropped: 2 },
        Event::Heard { call, ssrc: text() },
        Event::TwoTimePad { call, key: text(), ssrc: text(), ours: false, what: text() },
        Event::MessageReceived { from: text(), text: text() },
        Event::Info { call, content_type: text(), body: text() },
        Event::NetworkTrouble { peer: text(), what: text() },
    ];
    events.into_iter().enumerate().map(|(n, event)| (Instant::from_micros(n as u64), event)).collect()
}

#[test]
fn hostile_text_is_text_wherever_it_stands() {
    let tags = |html: &str| {
        let mut tags: Vec<_> = html.split('<').skip(1).map(|t| t.split([' ', '>', '\n']).next().unwrap()).collect();
        tags.sort_unstable();
        tags.dedup();
        tags.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let (fine, hostile) = (hostile_events("fine"), hostile_events(HOSTILE));
    let told = |name: &str, events: &[_]| of(&[(name, events), ("bob", events)], &[]);
    let (fine, hostile) = (told("alice", &fine), told(HOSTILE, &hostile));
    assert_well_formed(&fine);
    assert_well_formed(&hostile);
    assert_eq!(tags(&hostile), tags(&fine));
    assert!(hostile.contains("&lt;script src=&quot;http://evil.example/x.js&quot;&gt;"));

    let said = || HOSTILE.to_owned();
    let verdict = Verdict { sentence: said(), passed: false, measured: said() };
    let others = vec![(said(), vec!["10.0.0.9:5060".parse().unwrap()])];
    let story = Story { title: said(), about: said(), facts: vec![(said(), said())], verdicts: vec![verdict], others };
    let html = page(&story, &fork(1, Link::PERFECT));
    assert_well_formed(&html);
    assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<!--"));
}

fn sent(n: u64, media: bool, bytes: Vec<u8>) -> Sent {
    let (from, to) = ("10.0.0.1:40000".parse().unwrap(), "10.0.0.2:40000".parse().unwrap());
    let at = Instant::from_micros(n * 1_000);
    Sent { at, from, to, transport: Transport::Udp, media, bytes, arrived: vec![at] }
}

#[test]
fn a_hundred_thousand_packets_and_as_many_events_make_less_than_two_megabytes() {
    let rtp = |n: u64| {
        let mut bytes = vec![0x80, 0, 0, 0, 0, 0, 0, 0];
        // Half of them are of one source, the others each of another.
        bytes.extend((if n.is_multiple_of(2) { 7 } else { n as u32 }).to_be_bytes());
        sent(n, true, bytes)
    };
    let log: Vec<_> = (0..100_000).map(rtp).collect();
    let long = HOSTILE.repeat(40);
    let mut events: Vec<_> = vec![];
    for round in 0..200 {
        for (at, event) in hostile_events(&long) {
            events.push((Instant::from_micros(at.as_micros() + round * 10_000_000), event));
        }
    }
    let key = |n: u32| Event::Key {
        call: CallId(1),
        key: format!("{n:016x}"),
        suite: long.clone(),
        use_for: KeyUse::Send,
        ssrc: Some(format!("{n:08x}")),
        branch: None,
    };
    events.extend((0..2_000).map(|n| (Instant::from_micros(u64::from(n)), key(n))));
    let html = of(&[("alice", &events), ("bob", &events), ("carol", &events)], &log);
    assert!(html.len() < LIMIT, "{}", html.len());
    assert!(html.contains("are not shown"));
    assert_well_formed(&html);
}

#[test]
fn a_ladder_of_very_many_messages_says_what_it_leaves_out() {
    let mut world = fork(8, Link::BAD_DAY);
    let junk = format!("INVITE sip:{} SIP/2.0\r\n\r\n", HOSTILE.replace(' ', "").repeat(3));
    world.set_link(Link::PERFECT);
    let mut ladder = keyphone_scenarios::ladder::Ladder::of_world(&world, &[]);
    for n in 0..6_000 {
        let (from, to) = ("10.0.0.1:5060".parse().unwrap(), "10.0.1.7:5060".parse().unwrap());
        ladder.see(Instant::from_micros(n), from, to, Transport::Udp, format!("{junk}{n}").as_bytes());
    }
    let page = keyphone_scenarios::report::Page {
        title: String::new(),
        about: String::new(),
        facts: vec![],
        verdicts: vec![],
        players: vec![],
        ladder: &ladder,
        phones: vec![],
        log: &[],
    };
    let html = page.html();
    assert!(html.len() < 700_000, "{}", html.len());
    assert!(html.contains("more messages and notes are not shown."));
    assert_well_formed(&html);
}
