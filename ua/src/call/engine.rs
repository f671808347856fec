//! The media engine of a call: what it plays and records, as the plan says, and what it tells.

use super::Cx;
use crate::event::{CallId, Event};
use crate::settings::{Plan, Play, Record};
use keyphone_media::audio::codec::Codec;
use keyphone_media::audio::{AudioError, Sink, Source};
use keyphone_media::engine::{self, Engine};
use std::path::{Path, PathBuf};

/// An engine, with the source and the sink that the plan names. If they cannot be had, the event says why.
pub(super) fn open_engine(
    call: CallId,
    plan: &Plan,
    codec: Codec,
    payload_type: u8,
    cx: &mut Cx<'_, '_>,
) -> Option<Box<Engine>> {
    let (rate, jitter) = (codec.rate(), cx.settings.jitter);
    let open = || -> Result<Engine, AudioError> {
        let source = source(plan, rate)?;
        let sink = match &plan.record {
            Record::Wav(path) => Sink::wav(&numbered(path, call), rate)?,
            Record::Memory => Sink::memory(rate),
            Record::Nothing => Sink::Null(rate),
        };
        Engine::new(codec, payload_type, source, sink, jitter)
    };
    open().map(Box::new).map_err(|error| cx.event(Event::Trouble { call, what: error.to_string() })).ok()
}

/// What the plan has the peer hear.
pub(super) fn source(plan: &Plan, rate: u32) -> Result<Source, AudioError> {
    Ok(match &plan.play {
        Play::Clip(clip) => Source::samples(clip.at(rate)?, rate),
        Play::Tone(hz) => Source::tone(f64::from(*hz), rate),
        Play::Silence => Source::Silence(rate),
    })
}

/// What the user is told of it.
pub(super) fn told(call: CallId, event: engine::Event) -> Event {
    let what = match event {
        engine::Event::Hearing { ssrc, .. } => return Event::Heard { call, ssrc: ssrc.to_string() },
        engine::Event::SourceEnded => return Event::PlayedOut { call },
        engine::Event::Key(key) => return Event::Dtmf { call, key },
        engine::Event::Moved { ssrc, from } => format!("{ssrc} now sends from {from}"),
        engine::Event::Collision { ssrc, from } => format!("{from} uses the SSRC {ssrc} of another sender; not played"),
        engine::Event::SinkFailed(why) | engine::Event::CodecFailed(why) => why,
        engine::Event::Stalled { skipped } => format!("this machine slept, and {skipped} frames were not sent"),
    };
    Event::Trouble { call, what }
}

/// The second call of an endpoint records to `name-2.wav`, so that it does not overwrite the first.
fn numbered(path: &Path, call: CallId) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    match (call.0, path.extension()) {
        (..=1, _) => path.to_owned(),
        (n, Some(extension)) => path.with_file_name(format!("{stem}-{n}.{}", extension.to_string_lossy())),
        (n, None) => path.with_file_name(format!("{stem}-{n}")),
    }
}
