//! What a phone's events write under it on the ladder.

use keyphone_ua::event::{Event, Outcome};

/// One line, for what the messages do not tell; `None` for what they do.
pub(crate) fn note(event: &Event) -> Option<String> {
    match event {
        Event::Peer { proven, how, .. } => Some(format!("{proven} is proven by {how}")),
        Event::Answered { keying, codec, .. } => Some(format!("talks {codec}, keyed by {keying}")),
        Event::Refused { why, .. } => Some(format!("refused: {why}")),
        Event::BranchFailed { why, .. } => Some(format!("sends a branch away: {why}")),
        Event::Clipped { ms, held, .. } if *ms > 0 => Some(format!("{ms} ms clipped: {}", waited(*held))),
        Event::Clipped { held: 1, .. } => Some(format!("{}, and is heard", waited(1))),
        Event::Clipped { held, .. } => Some(format!("{}, and are heard", waited(*held))),
        Event::Tolerated { what, .. } => Some(format!("tolerated: {what}")),
        Event::Heard { ssrc, .. } => Some(format!("hears {ssrc}")),
        Event::TwoTimePad { ssrc, what, .. } => Some(format!("two-time pad, {ssrc}: {what}")),
        Event::CallTrouble { what, .. } | Event::Trouble { what, .. } | Event::NetworkTrouble { what, .. } => {
            Some(format!("trouble: {what}"))
        }
        Event::Ended { outcome: Outcome::Failed { why, .. }, .. } => Some(format!("the call failed: {why}")),
        _ => None,
    }
}

fn waited(packets: u64) -> String {
    match packets {
        1 => "1 packet waited for its key".into(),
        _ => format!("{packets} packets waited for their key"),
    }
}
