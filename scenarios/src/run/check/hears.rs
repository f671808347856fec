//! Who hears whom: by their tones in the recordings, and for the time by the first frame that was authentic.

use super::{Found, tone};
use crate::run::Facts;
use crate::script::{Hears, Name};
use keyphone_media::env::Instant;
use keyphone_ua::event::Event;
use std::collections::BTreeSet;
use std::time::Duration;

/// Less than this of a tone in a recording is not heard, in milliseconds.
const ENOUGH: usize = 200;
/// A tenth of a second tells tones of 15 Hz apart.
const WINDOW: usize = 100;
/// What was sent in the last instants of a call is cut off by its end: so much is not missed.
const TAIL: Duration = Duration::from_millis(200);

pub(super) fn check(expected: &Hears, facts: &Facts<'_>) -> Found {
    match expected {
        Hears::Ever(who, whom) => {
            let ms = heard(facts, who, whom)?;
            Ok((ms >= ENOUGH, format!("{who} heard {ms} ms of {whom}")))
        }
        Hears::Never(who, whom) => {
            let ms = heard(facts, who, whom)?;
            Ok((ms == 0, format!("{who} heard {ms} ms of {whom}")))
        }
        Hears::Talk(a, b) => {
            let (at_a, at_b) = (heard(facts, a, b)?, heard(facts, b, a)?);
            Ok((at_a.min(at_b) >= ENOUGH, format!("{a} heard {at_a} ms of {b}, and {b} {at_b} ms of {a}")))
        }
        Hears::Within(who, whom, most) => {
            let ms = heard(facts, who, whom)?;
            let Some(delay) = delay(facts, who, whom)?.filter(|_| ms >= ENOUGH) else {
                return Ok((false, format!("{who} heard {ms} ms of {whom}")));
            };
            Ok((delay <= *most, format!("after {} ms", delay.as_millis())))
        }
        Hears::Early(who, whom) => early(facts, who, whom),
        Hears::Misses(who, most, whom) => {
            let missed = missed(facts, who, whom)?;
            Ok((missed <= *most, format!("{who} missed {} ms of {whom}", missed.as_millis())))
        }
    }
}

/// So many milliseconds of one are in the recordings of the other.
fn heard(facts: &Facts<'_>, who: &Name, whom: &Name) -> Result<usize, String> {
    let role = &facts.cast.phones[facts.number(whom)?];
    let tones: BTreeSet<_> = role.tone.into_iter().chain(role.early).collect();
    let recordings = facts.node(who)?.recordings.iter();
    let of_call = |recording| match &role.outside {
        None => tones.iter().map(|hz| tone::heard(recording, *hz, WINDOW)).sum::<usize>(),
        // Whatever it says, none of ours says it.
        Some(_) => tone::strange(recording, &facts.cast.tones(), WINDOW),
    };
    Ok(recordings.map(|(_, recording)| of_call(recording)).sum())
}

/// When the first packet of one left for the other, and when that heard the first that was authentic.
fn first(facts: &Facts<'_>, who: &Name, whom: &Name) -> Result<Option<(Instant, Instant)>, String> {
    let (number, other) = (facts.number(who)?, facts.number(whom)?);
    let left = facts.rtp(other, number).map(|(sent, _)| sent.at).min();
    let ssrcs = facts.ssrcs(other, number);
    let is_it = |event: &Event| matches!(event, Event::Heard { ssrc, .. } if ssrcs.contains(ssrc));
    let heard = facts.events(who)?.find(|(_, event)| is_it(event)).map(|(at, _)| at);
    Ok(left.zip(heard))
}

/// How long after the first packet left its like was played.
fn delay(facts: &Facts<'_>, who: &Name, whom: &Name) -> Result<Option<Duration>, String> {
    let depth = facts.script.phones[facts.number(who)?].jitter;
    Ok(first(facts, who, whom)?.map(|(left, heard)| heard.since(left) + depth))
}

fn early(facts: &Facts<'_>, who: &Name, whom: &Name) -> Found {
    let role = &facts.cast.phones[facts.number(whom)?];
    let ms = heard(facts, who, whom)?;
    let Some((_, heard)) = first(facts, who, whom)?.filter(|_| ms >= ENOUGH) else {
        return Ok((false, format!("{who} heard {ms} ms of {whom}")));
    };
    // It may also have answered, and its media be faster than that (RFC 5197 section 5.1).
    let silent = match (role.early, &role.outside) {
        (None, None) => format!("; {whom} says nothing before it answers: early-media is not set"),
        _ => String::new(),
    };
    let answered = facts.events(who)?.find(|(_, event)| matches!(event, Event::Answered { .. })).map(|(at, _)| at);
    Ok(match answered {
        Some(at) if heard >= at => {
            (false, format!("heard {} ms after the answer{silent}", heard.since(at).as_millis()))
        }
        Some(at) => (true, format!("heard {} ms before the answer", at.since(heard).as_millis())),
        None => (true, "heard, and never answered".into()),
    })
}

/// Of what was sent and arrived: how much is not in a recording, in frames of 20 ms. Frames that were said while nobody
/// was there to play them, after the hearer's call was over, are not missed.
fn missed(facts: &Facts<'_>, who: &Name, whom: &Name) -> Result<Duration, String> {
    const FRAME: u64 = 20;
    let (number, other) = (facts.number(who)?, facts.number(whom)?);
    let ended = facts.events(who)?.filter(|(_, event)| matches!(event, Event::Ended { .. })).map(|(at, _)| at).last();
    let end = ended.unwrap_or(facts.world.now()) - TAIL;
    let arrived: BTreeSet<_> = facts
        .rtp(other, number)
        .filter(|(sent, _)| sent.arrived.iter().min().is_some_and(|at| *at <= end))
        .map(|(_, header)| (header.ssrc(), header.sequence()))
        .collect();
    let role = &facts.cast.phones[other];
    let tones: BTreeSet<_> = role.tone.into_iter().chain(role.early).collect();
    let recordings = facts.node(who)?.recordings.iter();
    let of_call = |recording| tones.iter().map(|hz| tone::heard(recording, *hz, FRAME as usize)).sum::<usize>();
    let played: usize = recordings.map(|(_, recording)| of_call(recording)).sum();
    Ok(Duration::from_millis((arrived.len() as u64 * FRAME).saturating_sub(played as u64)))
}
