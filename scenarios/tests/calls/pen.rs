//! Media that comes before the answer that keys it (RFC 5197 section 5.1, RFC 5479 section 4.1).

use crate::common::*;
use crate::forked::*;
use keyphone_keying::mikey::ModeName;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::Middle;
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::Event;
use keyphone_ua::settings::HangUp;

/// What alice says of packets that waited: not heard, in ms; held, played, dropped.
fn clipped(fork: &Forked) -> Vec<(u64, u64, u64, u64)> {
    fork.of_alice(|event| match event {
        Event::Clipped { ms, held, played, dropped, .. } => Some((*ms, *held, *played, *dropped)),
        _ => None,
    })
}

fn filled(fork: &Forked, table: &str) -> usize {
    let tables = fork.world.node(fork.alice).endpoint.tables(fork.world.now());
    let fill = tables.iter().find(|fill| fill.table == table).unwrap();
    assert!(fill.entries <= fill.most);
    fill.entries
}

#[test]
fn media_that_comes_before_its_answer_is_heard_when_the_answer_is_there() {
    for (mode, before) in LATE.into_iter().flat_map(|mode| [10, 100, 500].map(|before| (mode, before))) {
        let mut fork = Forked::new(mode, &[(300, None)]);
        let bob = sip_at(&ip(0));
        fork.meddle(move |sent| match sent.from == bob && has_sdp(sent) {
            true => Middle::Hold(ms(before)),
            false => Middle::Pass,
        });
        fork.dial(HangUp::After(ms(1000)));
        fork.world.run(at(100_000));
        let counts = counts(&fork.world, fork.alice);
        assert_eq!((counts.refused, counts.unkeyed, counts.lost), (0, 0, 0), "{mode}, {before} ms: {counts:?}");
        let [(not_heard, held, played, dropped)] = clipped(&fork)[..] else { panic!("{:?}", clipped(&fork)) };
        assert!((before / 20..=before / 20 + 1).contains(&held) && played + dropped == held, "{mode}, {before} ms");
        // A jitter buffer of 60 ms, and 100 ms more.
        let expected = if before == 500 { 320..=380 } else { 0..=0 };
        assert!(expected.contains(&not_heard) && not_heard == dropped * 20, "{mode}, {before} ms: {not_heard}");
        assert!(fork.hears(hz(0), 60), "{mode}, {before} ms");
        assert_eq!(counts.late, dropped, "{mode}, {before} ms");
        fork.assert_nothing_left();
    }
}

#[test]
fn nothing_waits_where_our_offer_had_the_key() {
    let mut fork = Forked::new(ModeName::Psk, &[(300, None)]);
    let bob = sip_at(&ip(0));
    fork.meddle(move |sent| if sent.from == bob && has_sdp(sent) { Middle::Hold(ms(500)) } else { Middle::Pass });
    fork.dial(HangUp::After(ms(1000)));
    fork.world.run(at(100_000));
    assert_eq!(clipped(&fork), []);
    let counts = counts(&fork.world, fork.alice);
    assert_eq!((counts.refused, counts.unkeyed, counts.late), (0, 0, 0), "{counts:?}");
}

#[test]
fn a_flood_that_nobody_can_authenticate_fills_the_pen_and_no_more_and_the_call_goes_on() {
    for mode in LATE {
        let mut fork = Forked::new(mode, &[(1000, None)]);
        let bob = sip_at(&ip(0));
        fork.meddle(move |sent| if sent.from == bob && has_sdp(sent) { Middle::Hold(ms(200)) } else { Middle::Pass });
        fork.call(HangUp::After(ms(1000)));
        fork.reach(0);
        let port = 40_000;
        for n in 0..20_000u32 {
            if n % 100 == 0 {
                fork.world.run(at(u64::from(n) / 17));
            }
            let from = ([192, 0, 2, (n % 251) as u8], 4000 + (n % 4096) as u16).into();
            let mut packet = vec![0x55; 12 + n as usize % 1400];
            (packet[0], packet[1]) = (0x80, 0);
            packet[8..12].copy_from_slice(&(n % 977).to_be_bytes());
            fork.world.inject(from, (ALICE.parse::<std::net::IpAddr>().unwrap(), port + n as u16 % 2).into(), &packet);
            assert!(filled(&fork, "packets that wait for their keys") <= 3200);
            assert!(filled(&fork, "bytes of packets that wait") <= 512 << 10);
        }
        assert!(filled(&fork, "packets that wait for their keys") > 0);
        fork.world.run(at(100_000));
        assert_eq!(outcome(&fork.world, fork.alice), WE_HUNG_UP, "{mode}");
        let counts = counts(&fork.world, fork.alice);
        assert!(counts.played > 40 && (20_000..20_020).contains(&(counts.refused + counts.unkeyed)), "{counts:?}");
        assert!(fork.hears(hz(0), 200), "{mode}");
        fork.assert_nothing_left();
    }
}

#[test]
fn who_speaks_and_never_answers_is_not_heard_and_not_kept_for_ever() {
    let mut fork = Forked::new(ModeName::DhSign, &[(60_000, early(0))]);
    let bob = sip_at(&ip(0));
    fork.meddle(move |sent| if sent.from == bob && is_response(sent, 183) { Middle::Drop } else { Middle::Pass });
    fork.dial(HangUp::Never);
    for second in 1..20 {
        fork.world.run(at(second * 1000));
        assert!((48..=60).contains(&filled(&fork, "packets that wait for their keys")), "a second of it");
    }
    assert!(fork.verified().is_empty());
    fork.world.command(fork.alice, Command::HangUpAll);
    fork.world.run(at(300_000));
    assert!(fork.world.node(fork.alice).recordings.is_empty(), "nothing was played");
    assert_eq!(filled(&fork, "packets that wait for their keys"), 0);
}

#[test]
fn media_of_one_whose_answer_is_forged_is_never_played() {
    for mode in LATE {
        let mut fork = Forked::new(mode, &[(700, early(0)), (1500, None)]);
        let bob = sip_at(&ip(0));
        fork.meddle(move |sent| match sent.from == bob && has_sdp(sent) {
            true => Middle::Change(rewrite(&sent.bytes, |body| {
                let at = body.find("a=key-mgmt:mikey ").unwrap() + 60;
                let other = if &body[at..=at] == "A" { "B" } else { "A" };
                format!("{}{other}{}", &body[..at], &body[at + 1..])
            })),
            false => Middle::Pass,
        });
        fork.dial(HangUp::After(ms(1000)));
        fork.world.run(at(1400));
        assert!(fork.verified().iter().all(|(branch, _)| *branch == fork.tag(0)), "{mode}");
        assert!(!fork.of_alice(|event| matches!(event, Event::Heard { .. }).then_some(())).contains(&()), "{mode}");
        fork.world.run(at(300_000));
        assert_eq!(fork.answered(), [fork.tag(1)], "{mode}");
        assert!(fork.hears(hz(1), 400) && !fork.hears(hz(0) + 50.0, 0), "{mode}");
        assert!(counts(&fork.world, fork.alice).unkeyed > 0, "{mode}");
    }
}

#[test]
fn media_before_the_answer_is_heard_over_a_link_that_loses_and_reorders() {
    for (seed, mode) in (1..=5).flat_map(|seed| LATE.map(|mode| (seed, mode))) {
        let link = Link { loss_permille: 30, ..Link::BAD_DAY };
        let mut fork = Forked::on(seed, link, mode, &[(300, None)], |_| ());
        let bob = sip_at(&ip(0));
        fork.meddle(move |sent| if sent.from == bob && has_sdp(sent) { Middle::Hold(ms(150)) } else { Middle::Pass });
        fork.dial(HangUp::After(ms(1500)));
        fork.world.run(at(200_000));
        assert_eq!(outcome(&fork.world, fork.alice), WE_HUNG_UP, "{mode}, seed {seed}");
        let counts = counts(&fork.world, fork.alice);
        assert!(counts.played > 50 && counts.refused == 0, "{mode}, seed {seed}: {counts:?}");
        assert!(!clipped(&fork).is_empty(), "{mode}, seed {seed}");
        assert_eq!(filled(&fork, "packets that wait for their keys"), 0);
    }
}
