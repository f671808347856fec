//! Worlds made up by dice. 500 of them; `KEYPHONE_WORLDS` asks for more, `KEYPHONE_WORLD_SEED` says which is the first.
//!
//! What the observer would find if the phones' own book did not work is found by breaking it, in a copy of this
//! repository. Two of the phones of many worlds here always take the same SSRC, and often share a TEK. That they do not
//! use one key stream twice is seen to by keying, which refuses an offer or an answer that names our SSRC as its own
//! (`keying/src/mikey/streams.rs`), and behind it by the ledger; either alone is enough, for a thousand worlds. With both
//! conditions of `streams.rs` set to `false` the ledger is the only one left, and then in `Ledger::claim`
//!
//! ```text
//! -            Some(_) => return Err(TwoTimePad::Taken { key, ssrc }),
//! +            Some(_) => {}
//! ```
//!
//! is found in world 249, and in 5 of the first 1000. Lines that have nothing behind them:
//!
//! ```text
//! Sender::seal      self.next = (index + 1) % (1 << 16);                           two-time pad in world 274: one
//!                                                                                  of those that last 22 minutes
//! Sender::seal      self.next = if index % 50 == 0 { index } else { index + 1 };   two-time pad in world 2
//! CounterHmac       open_rtp takes what does not verify                            unproven audio in world 13
//! ```

use keyphone_config::KeyingSystem;
use keyphone_keying::mikey::ModeName;
use keyphone_keying::mikey::policy::KeyForm;
use keyphone_scenarios::observer::{Finding, Kind};
use keyphone_scenarios::pki::Pki;
use keyphone_scenarios::random::{self, Judgement};
use keyphone_scenarios::script::Script;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// How much there was in all worlds.
#[derive(Debug, Default)]
struct Sum {
    worlds: u64,
    keys: usize,
    protected: usize,
    clear: usize,
    of_others: usize,
    recordings: usize,
    frames: usize,
    inexact: usize,
    forged: usize,
    told: BTreeMap<String, usize>,
}

impl Sum {
    fn add(&mut self, Judgement { looked, forged, told, .. }: &Judgement) {
        self.worlds += 1;
        self.keys += looked.keys;
        self.protected += looked.protected;
        self.clear += looked.clear;
        self.of_others += looked.of_others;
        self.recordings += looked.recordings;
        self.frames += looked.frames;
        self.inexact += looked.inexact;
        self.forged += forged;
        for (name, times) in told {
            *self.told.entry(name.clone()).or_default() += times;
        }
    }
}

#[test]
fn in_no_world_is_a_key_stream_used_twice_anything_unproven_played_or_a_call_without_end() {
    let (first, count) = (number("KEYPHONE_WORLD_SEED", 1), number("KEYPHONE_WORLDS", 500));
    let (pki, next) = (Pki::new(), AtomicU64::new(first));
    let (wrong, sum) = (Mutex::new(vec![]), Mutex::new(Sum::default()));
    let judge = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return;
            }
            let judged = random::judge(&random::script(seed), seed, &pki).expect("everybody is there");
            sum.lock().unwrap().add(&judged);
            if !judged.findings.is_empty() {
                wrong.lock().unwrap().push((seed, judged.findings));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(judge)));
    let sum = sum.into_inner().unwrap();
    println!("{sum:#?}");
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort_by_key(|(seed, _)| *seed);
    for (seed, findings) in &wrong {
        eprintln!("world {seed}:");
        findings.iter().for_each(|finding| eprintln!("    {finding}"));
        eprintln!("    keyphone scenario run random-{seed} --seed {seed}");
    }
    if let Some((seed, _)) = wrong.first() {
        eprintln!("{}", random::script(*seed));
    }
    assert!(wrong.is_empty(), "{} of {count} worlds are wrong, the first is {}", wrong.len(), wrong[0].0);
    // A judge who has seen nothing finds nothing.
    assert_eq!((sum.of_others, sum.inexact), (0, 0), "all media is a phone's, and all that is recorded can be judged");
    if count >= 500 {
        let least = count as usize;
        assert!(sum.recordings > least && sum.frames > 50 * least && sum.protected > 200 * least, "{sum:?}");
        assert!(sum.clear > least && sum.forged > 10 * least, "{sum:?}");
        for mode in ModeName::ALL {
            let answered = sum.told.get(&format!("call.answered {}", KeyingSystem::Mikey(*mode))).copied();
            assert!(answered > Some(0), "nobody talks by {mode}: {sum:?}");
        }
    }
}

/// A clash that the callees cause, each with a ledger of its own: both have the caller's TEK (RFC 3830 section 4.1.3 gives
/// one per crypto session, and a fork is one), and one SSRC by bad luck (RFC 3711 section 9.1).
#[test]
fn a_two_time_pad_that_real_phones_make_is_seen() {
    let text = r#"
        title = "two who answer have one SSRC"
        about = "RFC 3711 section 9.1"
        steps = ["at 0 s alice calls desk", "at 4 s alice hangs up"]
        expect = ["nothing was sent in the clear"]
        [[phone]]
        name = "alice"
        [[phone]]
        name = "bob"
        user = "desk"
        home = "hub"
        ssrc = 5
        early-media = 500
        answers-after = "2s"
        [[phone]]
        name = "carol"
        user = "desk"
        home = "hub"
        ssrc = 5
        early-media = 700
        answers-after = "1500ms"
        [[proxy]]
        name = "hub"
        rules = ["desk forks to bob and carol"]
    "#;
    let mut script = Script::parse(text, "two.toml").unwrap();
    for keys in [KeyForm::Tgk, KeyForm::TekSalt] {
        script.phones.iter_mut().for_each(|phone| phone.keying.keys = keys);
        let findings = random::judge(&script, 1, &Pki::new()).unwrap().findings;
        let [Finding::TwoTimePad { kind: Kind::Rtp, ssrc: 5, first, second, .. }, ..] = &findings[..] else {
            panic!("{findings:#?}")
        };
        assert!(first.phone != second.phone && [first, second].iter().all(|packet| packet.phone != "alice"));
        script.phones[2].ssrc = Some(6);
        assert_eq!(random::judge(&script, 1, &Pki::new()).unwrap().findings, []);
        script.phones[2].ssrc = Some(5);
    }
}
