//! Every arrow of figures 5 to 8 of RFC 3261, as RFC 6026 corrects them, in simulated time: one test for each, named
//! after where it starts, what happens, and where it ends. Then the same machines on a bad network.
//!
//! Each figure's file lists the arrows as the figure draws them; a test fails if one of them has no test, or a test no
//! arrow. What is in no figure but in the text stands below the arrows, with its section.

#[path = "../transaction_world/mod.rs"]
mod transaction_world;

mod bad_network;
mod figure_5;
mod figure_6;
mod figure_7;
mod figure_8;

use keyphone_ua::transaction::Transport;
use transaction_world::World;

/// As the figure draws it: from, on, to. `-` is the outside.
pub(crate) type Arrow = (&'static str, &'static str, &'static str);

/// The state of the one transaction that there is.
pub(crate) fn state(world: &World) -> String {
    if world.table.is_empty() {
        return "Terminated".into();
    }
    assert_eq!(world.table.len(), 1);
    let table = format!("{:?}", world.table);
    let (_, state) = table.rsplit_once("state: ").expect("a machine shows its state");
    state.chars().take_while(char::is_ascii_alphabetic).collect()
}

/// One arrow of a figure.
pub(crate) struct Walk {
    pub(crate) transports: &'static [Transport],
    /// Brings a new world to where the arrow starts.
    pub(crate) before: fn(&mut World, Transport),
    /// What happens.
    pub(crate) event: fn(&mut World, Transport) -> Vec<String>,
    /// What comes of it, with the time in milliseconds.
    pub(crate) log: &'static [&'static str],
}

impl Walk {
    pub(crate) fn check(&self, (from, on, to): Arrow) {
        for transport in self.transports {
            let mut world = World::new();
            (self.before)(&mut world, *transport);
            if from != "-" {
                assert_eq!(state(&world), from, "{transport} before {on}");
            }
            let log = (self.event)(&mut world, *transport);
            assert_eq!(log, self.log, "{transport}: {from}, {on}");
            assert_eq!(state(&world), to, "{transport}: {from}, {on}");
            if to == "Terminated" {
                assert_eq!(world.table.next_timeout(), None, "it is destroyed, and no timer is left");
            }
        }
    }
}

/// `calling_1xx_to_proceeding` of `("Calling", "1xx", "Proceeding")`.
pub(crate) fn name((from, on, to): Arrow) -> String {
    let from = if from == "-" { "outside" } else { from };
    let words = format!("{from} {on} to {to}").to_ascii_lowercase();
    words.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_")
}

/// No arrow without a test, no test without an arrow.
pub(crate) fn same(figure: &[Arrow], tested: &[&str]) {
    let drawn: Vec<String> = figure.iter().copied().map(name).collect();
    for arrow in &drawn {
        assert!(tested.contains(&arrow.as_str()), "{arrow} has no test");
    }
    for test in tested {
        assert!(drawn.iter().any(|arrow| arrow == test), "no arrow is called {test}");
        assert_eq!(tested.iter().filter(|other| other == &test).count(), 1, "{test} is there twice");
    }
}

/// A test for each arrow, under its name, and one that holds the names against the figure.
macro_rules! arrows {
    ($figure:expr; $($name:ident: $transports:expr, $before:expr, $event:expr => $log:expr;)+) => {
        $(
            #[test]
            fn $name() {
                let arrow = $figure.iter().copied().find(|arrow| crate::name(*arrow) == stringify!($name));
                let arrow = arrow.expect("the figure has an arrow of this name");
                let walk = crate::Walk { transports: &$transports, before: $before, event: $event, log: &$log };
                walk.check(arrow);
            }
        )+

        #[test]
        fn every_arrow_of_the_figure_has_a_test() {
            crate::same(&$figure, &[$(stringify!($name)),+]);
        }
    };
}
pub(crate) use arrows;
