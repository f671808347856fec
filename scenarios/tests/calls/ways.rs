//! The ways in which an offer and its answer can travel, all of which a claim about answers has to hold for.

use crate::common::{BOB_HZ, ms, plan};
use keyphone_ua::settings::{HangUp, Incoming, Play, Preconditions, Reliable, Settings};

/// What makes calls go that way, if both have it.
pub(crate) type Change = fn(&mut Settings);

/// Each way by its name.
pub(crate) const WAYS: [(&str, Change); 5] = [
    ("INVITE and 200", |_| ()),
    ("INVITE and a reliable 183", |settings| {
        settings.rules.reliable = Reliable::Required;
        let (early, plan) = (Some(Play::Tone(BOB_HZ)), plan(BOB_HZ, HangUp::Never));
        settings.incoming = Incoming::Answer { after: ms(300), early, plan };
    }),
    ("200 and ACK", |settings| settings.rules.late_offer = true),
    ("a reliable 180 and PRACK", |settings| {
        (settings.rules.late_offer, settings.rules.reliable) = (true, Reliable::Required);
    }),
    ("before it rings", |settings| settings.rules.preconditions = Preconditions::Required),
];
