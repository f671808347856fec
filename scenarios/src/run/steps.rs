//! Does what the users of a script do, at its time.

use super::Verdict;
use super::cast::Cast;
use super::stage::plan;
use crate::script::{Act, Name, Script, Step};
use crate::world::World;
use keyphone_media::env::Instant;
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{CallId, Event};
use keyphone_ua::sip::{StatusCode, Uri};

/// Plays a script to its end. Gives a verdict for each step that could not be done.
pub(crate) fn play(script: &Script, cast: &Cast, world: &mut World) -> Result<Vec<Verdict>, String> {
    let mut steps: Vec<_> = script.steps.iter().collect();
    steps.sort_by_key(|step| step.at);
    let mut missed = vec![];
    for step in steps {
        world.run(Instant::ZERO + step.at);
        missed.extend(take(script, cast, world, step)?);
    }
    world.run(Instant::ZERO + script.length);
    Ok(missed)
}

/// Takes one step now. Gives a verdict if it could not be done.
pub(crate) fn take(script: &Script, cast: &Cast, world: &mut World, step: &Step) -> Result<Option<Verdict>, String> {
    let who = cast.phone(&step.who)?;
    Ok(match command(script, cast, world, step, who)? {
        Ok(command) => {
            world.command(who, command);
            None
        }
        Err(_) if step.optional => None,
        Err(why) => Some(Verdict { sentence: step.to_string(), passed: false, measured: why }),
    })
}

/// The command that a step means; or why there is none, at that time.
fn command(
    script: &Script,
    cast: &Cast,
    world: &World,
    step: &Step,
    who: usize,
) -> Result<Result<Command, String>, String> {
    let uri = |name: &Name| -> Result<Uri, String> {
        cast.uri(script, name)?.parse().map_err(|e| format!("{name} has no SIP URI: {e}"))
    };
    let call = |with: Option<&Name>| -> Result<Result<CallId, String>, String> {
        let peer = with.map(|name| cast.uri(script, name)).transpose()?;
        let missing = || match with {
            Some(with) => format!("{} has no call with {with} then", step.who),
            None => format!("{} has no call then", step.who),
        };
        Ok(latest(world, who, peer.as_deref()).ok_or_else(missing))
    };
    Ok(match &step.act {
        Act::Calls(whom) => Ok(Command::Call {
            target: Box::new(uri(whom)?),
            to: cast.first_hop(script, &script.phones[who], whom)?,
            from: None,
            plan: plan(&cast.phones[who]),
        }),
        Act::Answers => call(None)?.map(Command::Answer),
        Act::Refuses(status) => {
            let status = StatusCode::new(*status).ok_or_else(|| format!("{status} is no status"))?;
            call(None)?.map(|call| Command::Refuse(call, status))
        }
        Act::Redirects(to) => {
            let to = to.iter().map(uri).collect::<Result<_, _>>()?;
            call(None)?.map(|call| Command::Redirect(call, to))
        }
        Act::HangsUp(None) => Ok(Command::HangUpAll),
        Act::HangsUp(whom) => call(whom.as_ref())?.map(Command::HangUp),
        Act::Holds(whom) => call(whom.as_ref())?.map(Command::Hold),
        Act::Resumes(whom) => call(whom.as_ref())?.map(Command::Resume),
        Act::Rekeys(whom) => call(whom.as_ref())?.map(Command::Rekey),
        Act::Transfers(whom, to) => {
            let to = Box::new(uri(to)?);
            call(Some(whom))?.map(|call| Command::Transfer { call, to })
        }
        Act::Connects(whom, with) => {
            let other = call(Some(with))?;
            call(Some(whom))?.and_then(|call| Ok(Command::TransferInto { call, other: other? }))
        }
        Act::Presses(keys) => call(None)?.map(|call| Command::Dtmf { call, keys: keys.clone() }),
    })
}

/// The latest call of a phone that has not ended, with that peer if one is named.
fn latest(world: &World, who: usize, peer: Option<&str>) -> Option<CallId> {
    let events = || world.node(who).events.iter().map(|(_, event)| event);
    let has_ended = |id: CallId| events().any(|event| matches!(event, Event::Ended { call, .. } if *call == id));
    let with = |event: &Event| match event {
        Event::Started { call, peer: named, .. } if peer.is_none_or(|peer| is_same(peer, named)) => Some(*call),
        _ => None,
    };
    events().filter_map(with).rfind(|call| !has_ended(*call))
}

/// Do two URIs name one user at one host? Ports and parameters do not count.
pub(super) fn is_same(a: &str, b: &str) -> bool {
    keyphone_keying::Identity::new(a) == keyphone_keying::Identity::new(b)
}
