//! The media engine of one call and one m-line. It pulls a frame from its [`Source`] every 20 ms, pushes a frame to its
//! [`Sink`] every 20 ms, and deals in plain frames: sealing and opening packets is its caller's business.
//!
//! ```text
//!   Source --> Encoder --> Output::Frame --> (seal, send)
//!   Sink <-- Decoder <-- Jitter <-- hear() <-- (receive, open)
//!              tick: previous deadline + 20 ms, so the pace does not drift
//! ```
//!
//! Its shape is that of all machines here: calls go in with an [`Env`], outputs come back in a list, and
//! [`Engine::next_timeout`] says when [`Engine::timeout`] wants to be called.

mod keys;
mod output;
mod playout;
mod reception;
mod report;

use std::net::SocketAddr;
use std::time::Duration;

pub use output::{AudioFrame, EncodedFrame, Event, KeyNumbers, Numbers, Output, Stats};
pub use report::Report;

use crate::audio::codec::{Codec, Encoder};
use crate::audio::dtmf;
use crate::audio::jitter::{Counts, Packet};
use crate::audio::{AudioError, FRAMES_PER_SECOND, Pcm, Sink, Source};
use crate::env::{Env, Instant};
use crate::rtcp::SenderInfo;
use crate::rtp::Ssrc;
use playout::Playout;
use reception::{Admission, Remotes};
use report::{Schedule, middle};

/// One frame.
const TICK: Duration = Duration::from_millis(1000 / FRAMES_PER_SECOND as u64);
/// Later than this, missed frames are skipped rather than sent in a burst.
const STALL: Duration = Duration::from_millis(200);
/// A source that is silent for this long may be followed by another one.
const SILENCE: Duration = Duration::from_millis(200);
/// Skipped ticks up to this many are still played, so that the recording keeps time.
const PLAYED_AFTER_STALL: u64 = FRAMES_PER_SECOND as u64;
/// The usual delay of the jitter buffer.
pub const JITTER_DEPTH: Duration = Duration::from_millis(60);

/// Are we sending?
#[derive(Clone, Copy, Debug)]
enum Sending {
    Never,
    Now {
        /// Of the next frame.
        timestamp: u32,
        /// Is it the first after a silence?
        marker: bool,
    },
    Stopped {
        /// Of the frame that would have been next.
        timestamp: u32,
        /// When that frame would have been due.
        due: Instant,
    },
}

/// The engine; see the file's head.
#[derive(Debug)]
pub struct Engine {
    codec: Codec,
    numbers: Numbers,
    /// What the audio was heard as before it was renumbered: such packets may still be under way.
    heard_before: Option<u8>,
    jitter_depth: Duration,
    source: Source,
    source_ended: bool,
    sink: Sink,
    /// Something was heard, so a frame is written every tick.
    recording: bool,
    sink_failed: bool,
    encoder: Encoder,
    sending: Sending,
    presser: dtmf::Presser,
    listener: dtmf::Listener,
    /// When the next frame is due.
    tick: Option<Instant>,
    playout: Option<Playout>,
    preferred: Option<Ssrc>,
    remotes: Remotes,
    rtcp: Schedule,
    /// Frames sent as of the last report and the one before.
    sent_before: [u64; 2],
    stats: Stats,
    /// Of sources that are heard no more.
    past: Counts,
    frame: Pcm,
}

impl Engine {
    /// An engine at rest, with one number for the audio both ways. Source and sink must run at the codec's rate. The
    /// usual depth is [`JITTER_DEPTH`].
    pub fn new(
        codec: Codec,
        payload_type: u8,
        source: Source,
        sink: Sink,
        jitter_depth: Duration,
    ) -> Result<Self, AudioError> {
        check_rate(codec, source.rate())?;
        check_rate(codec, sink.rate())?;
        Ok(Self {
            codec,
            numbers: Numbers { heard_as: payload_type, sent_as: payload_type, keys: None },
            heard_before: None,
            jitter_depth,
            source,
            source_ended: false,
            sink,
            recording: false,
            sink_failed: false,
            encoder: codec.encoder()?,
            sending: Sending::Never,
            presser: dtmf::Presser::default(),
            listener: dtmf::Listener::default(),
            tick: None,
            playout: None,
            preferred: None,
            remotes: Remotes::default(),
            rtcp: Schedule::default(),
            sent_before: [0; 2],
            stats: Stats::default(),
            past: Counts::default(),
            frame: vec![0; codec.frame()],
        })
    }

    /// What is sent from now on, from its beginning.
    pub fn set_source(&mut self, source: Source) -> Result<(), AudioError> {
        check_rate(self.codec, source.rate())?;
        (self.source, self.source_ended) = (source, false);
        Ok(())
    }

    /// Runs another codec from now on, at the same rate and under these payload types: source and sink go on, and what
    /// is still on its way from the codec before is lost.
    ///
    /// # Errors
    /// The rate is another, or the codec cannot be had: then all is as it was.
    pub fn change_codec(&mut self, codec: Codec, numbers: Numbers) -> Result<(), AudioError> {
        check_rate(codec, self.codec.rate())?;
        (self.encoder, self.codec) = (codec.encoder()?, codec);
        (self.numbers, self.heard_before) = (numbers, None);
        if let Some(before) = self.playout.take() {
            self.past = sum(self.past, before.counts());
        }
        Ok(())
    }

    /// Which codec it runs.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The payload types from now on. Audio under the number before is still heard (RFC 3264 section 8.3.2).
    pub fn renumber(&mut self, numbers: Numbers) {
        if numbers.heard_as != self.numbers.heard_as {
            self.heard_before = Some(self.numbers.heard_as);
        }
        self.numbers = numbers;
    }

    /// Sends from now on. The first timestamp is random (RFC 3550 section 5.1); after a pause it has gone on meanwhile.
    pub fn start_sending(&mut self, env: &mut Env<'_>) {
        let tick = *self.tick.get_or_insert(env.now.mono);
        self.sending = match self.sending {
            Sending::Now { .. } => return,
            Sending::Never => Sending::Now { timestamp: env.random() as u32, marker: true },
            Sending::Stopped { timestamp, due } => {
                Sending::Now { timestamp: timestamp.wrapping_add(self.ticks(tick.since(due))), marker: true }
            }
        };
        self.rtcp.start(env);
    }

    /// Sends no more; what is heard still plays.
    pub fn stop_sending(&mut self) {
        if let (Sending::Now { timestamp, .. }, Some(due)) = (self.sending, self.tick) {
            self.sending = Sending::Stopped { timestamp, due };
            self.presser.clear();
            if self.playout.is_none() {
                self.tick = None;
            }
        }
    }

    /// Are frames being sent?
    pub fn is_sending(&self) -> bool {
        matches!(self.sending, Sending::Now { .. })
    }

    /// An authenticated packet came from there.
    pub fn hear(&mut self, from: SocketAddr, packet: &AudioFrame<'_>, env: &mut Env<'_>, out: &mut Vec<Output>) {
        self.hear_held(from, packet, env.now.mono, env, out);
    }

    /// The same for one that came earlier, `at` that time, and has waited for its key.
    pub fn hear_held(
        &mut self,
        from: SocketAddr,
        packet: &AudioFrame<'_>,
        at: Instant,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) {
        self.rtcp.start(env);
        let AudioFrame { ssrc, index, payload_type, marker, timestamp, payload } = *packet;
        let current = self.playout.as_ref().map(|p| p.ssrc);
        let (remote, admission) = self.remotes.admit(ssrc, from, index, current, at);
        match admission {
            Admission::Known => {}
            Admission::Moved => out.push(Output::Event(Event::Moved { ssrc, from })),
            Admission::Collision { first } => {
                self.stats.foreign += 1;
                if first {
                    out.push(Output::Event(Event::Collision { ssrc, from }));
                }
                return;
            }
        }
        remote.receive(index, at);
        self.stats.heard += 1;
        if self.numbers.keys.is_some_and(|keys| keys.heard_as == payload_type) {
            return self.hear_keys(packet, at, out);
        }
        let ours = payload_type == self.numbers.heard_as || Some(payload_type) == self.heard_before;
        if ours {
            remote.time(timestamp, self.codec.rate(), at);
        }
        if !ours {
            self.stats.ignored += 1;
            return;
        }
        let Some(samples) = self.codec.samples_in(payload).and_then(|n| u32::try_from(n).ok()) else {
            self.stats.malformed += 1;
            return;
        };
        let packet = Packet { index, marker, timestamp, samples, payload: payload.to_vec() };
        match &mut self.playout {
            Some(p) if p.ssrc == ssrc => p.push(packet, at),
            Some(p) if self.preferred != Some(ssrc) && at.since(p.heard) <= SILENCE => self.stats.foreign += 1,
            _ => self.listen_to(ssrc, from, packet, (at, env.now.mono), out),
        }
    }

    /// From now on this source is heard, and what waits of the one before is not played: it may even be another one
    /// with the same SSRC, under another key.
    pub fn switch_to(&mut self, ssrc: Ssrc) {
        self.preferred = Some(ssrc);
        self.remotes.forget(ssrc);
        if let Some(before) = self.playout.take() {
            self.past = sum(self.past, before.counts());
        }
    }

    /// How many packets of those that waited for their key come too late to be played, and how much audio they are.
    pub fn overdue(&self, now: Instant) -> (u64, Duration) {
        let (packets, ticks) = self.playout.as_ref().map_or((0, 0), |p| p.overdue(now));
        (packets, Duration::from_micros(ticks * 1_000_000 / u64::from(self.codec.rate())))
    }

    /// Of several sources (a forked call), this is the one to hear as soon as it speaks.
    pub fn prefer(&mut self, ssrc: Ssrc) {
        self.preferred = Some(ssrc);
    }

    /// An authenticated SR or RR came from `from`; `ours` is the SSRC under which we send.
    pub fn hear_report(&mut self, from: Ssrc, report: &Report, ours: Ssrc, env: &mut Env<'_>) {
        let Some(remote) = self.remotes.get_mut(from) else { return };
        if let Some(info) = &report.sender {
            remote.sender_report(info, env.now.mono);
        }
        if let Some(block) = report.blocks.iter().find(|b| b.ssrc == ours) {
            self.stats.lost_by_peer = Some(block.lost);
            // RFC 3550 section 6.4.1: A - LSR - DLSR, in 1/65536 s. What is absurd is the peer's mistake.
            let round_trip = middle(env.now.ntp).wrapping_sub(block.last_sr).wrapping_sub(block.since_last_sr);
            if block.last_sr != 0 && round_trip < 60 << 16 {
                self.stats.round_trip = Some(Duration::from_micros((u64::from(round_trip) * 1_000_000) >> 16));
            }
        }
    }

    /// When [`Engine::timeout`] is to be called; `None` while nothing is sent or heard.
    pub fn next_timeout(&self) -> Option<Instant> {
        [self.tick, self.rtcp.next()].into_iter().flatten().min()
    }

    /// Time has come. Called too early, it does nothing.
    pub fn timeout(&mut self, env: &mut Env<'_>, out: &mut Vec<Output>) {
        let now = env.now.mono;
        self.skip_after_stall(now, out);
        while let Some(tick) = self.tick.filter(|t| *t <= now) {
            self.play(now, out);
            self.send(out);
            self.tick = Some(tick + TICK);
        }
        if self.rtcp.due(env) {
            let report = self.report(env);
            out.push(Output::Rtcp(report));
        }
    }

    /// The report of this moment: for the schedule, and for the compound packet around a BYE (RFC 3550 section 6.1).
    pub fn report(&mut self, env: &Env<'_>) -> Report {
        let now = env.now.mono;
        let sender = self.sender_info(env).filter(|_| self.stats.sent > self.sent_before[0]);
        self.sent_before = [self.sent_before[1], self.stats.sent];
        let blocks = self.remotes.report(now);
        Report { sender, blocks }
    }

    /// How the call goes.
    pub fn stats(&self) -> Stats {
        let counts = self.playout.as_ref().map_or(self.past, |p| sum(self.past, p.counts()));
        let Counts { played, lost, late, duplicate, discarded } = counts;
        let heard = self.playout.as_ref().and_then(|p| self.remotes.get(p.ssrc));
        let jitter = heard.map_or(0.0, |r| r.jitter() * 1000.0 / f64::from(self.codec.rate()));
        Stats { played, lost, late, duplicate, discarded, jitter, ..self.stats }
    }

    /// Where it records to.
    pub fn sink(&self) -> &Sink {
        &self.sink
    }

    /// The call is over: closes the recording and gives it back.
    pub fn finish(mut self) -> (Sink, Result<(), AudioError>) {
        let done = self.sink.finish();
        (self.sink, done)
    }

    /// `at` is when its first packet came.
    fn listen_to(
        &mut self,
        ssrc: Ssrc,
        from: SocketAddr,
        first: Packet,
        (at, now): (Instant, Instant),
        out: &mut Vec<Output>,
    ) {
        let mut playout = match Playout::new(ssrc, self.codec, self.jitter_depth, at) {
            Ok(playout) => playout,
            Err(e) => return out.push(Output::Event(Event::CodecFailed(e.to_string()))),
        };
        playout.push(first, at);
        if let Some(before) = self.playout.replace(playout) {
            self.past = sum(self.past, before.counts());
        }
        self.tick.get_or_insert(now);
        out.push(Output::Event(Event::Hearing { ssrc, from }));
    }

    /// After a long sleep, goes on at the present: timestamps have advanced, frames are missing.
    fn skip_after_stall(&mut self, now: Instant, out: &mut Vec<Output>) {
        let Some(tick) = self.tick.filter(|t| now.since(*t) > STALL) else { return };
        let skipped = (now.since(tick).as_micros() / TICK.as_micros()) as u64;
        self.tick = Some(tick + TICK.saturating_mul(u32::try_from(skipped).unwrap_or(u32::MAX)));
        for _ in 0..skipped.min(PLAYED_AFTER_STALL) {
            self.play(now, out);
        }
        if skipped > PLAYED_AFTER_STALL
            && let Some(p) = &mut self.playout
        {
            p.reset();
        }
        if let Sending::Now { timestamp, .. } = self.sending {
            let passed = (skipped as u32).wrapping_mul(self.codec.frame() as u32);
            self.sending = Sending::Now { timestamp: timestamp.wrapping_add(passed), marker: true };
            self.stats.skipped += skipped;
            out.push(Output::Event(Event::Stalled { skipped }));
        }
    }

    /// One frame from the jitter buffer to the sink.
    fn play(&mut self, now: Instant, out: &mut Vec<Output>) {
        let heard = match &mut self.playout {
            Some(p) => p.next(&mut self.frame, now),
            None => {
                self.frame.fill(0);
                false
            }
        };
        self.recording |= heard;
        if !self.recording {
            return;
        }
        if !self.sink_failed
            && let Err(e) = self.sink.write(&self.frame)
        {
            self.sink_failed = true;
            out.push(Output::Event(Event::SinkFailed(e.to_string())));
        }
    }

    /// One frame from the source to the peer.
    fn send(&mut self, out: &mut Vec<Output>) {
        let Sending::Now { timestamp, marker } = self.sending else { return };
        let read = self.source.read(&mut self.frame);
        if read == 0 && !self.source_ended {
            self.source_ended = true;
            out.push(Output::Event(Event::SourceEnded));
        }
        let length = self.codec.frame() as u32;
        let next = timestamp.wrapping_add(length);
        if let Some(keys) = self.numbers.keys
            && let packets = self.presser.tick(timestamp, length)
            && !packets.is_empty()
        {
            // The source has been read all the same, so that what it says goes on in time.
            for dtmf::EventPacket { marker, timestamp, report } in packets {
                let payload = report.write().to_vec();
                self.count(&payload);
                out.push(Output::Frame(EncodedFrame { payload_type: keys.sent_as, marker, timestamp, payload }));
            }
            self.sending = Sending::Now { timestamp: next, marker };
            return;
        }
        match self.encoder.encode(&self.frame) {
            Ok(payload) => {
                let (payload_type, payload) = (self.numbers.sent_as, payload.to_vec());
                self.count(&payload);
                out.push(Output::Frame(EncodedFrame { payload_type, marker, timestamp, payload }));
                self.sending = Sending::Now { timestamp: next, marker: false };
            }
            Err(e) => {
                out.push(Output::Event(Event::CodecFailed(e.to_string())));
                self.sending = Sending::Now { timestamp: next, marker };
            }
        }
    }

    fn count(&mut self, payload: &[u8]) {
        self.stats.sent += 1;
        self.stats.octets += payload.len() as u64;
    }

    /// RFC 3550 section 6.4.1; the RTP timestamp is that of this very moment, not of the last frame.
    fn sender_info(&self, env: &Env<'_>) -> Option<SenderInfo> {
        let (timestamp, due) = match (self.sending, self.tick) {
            (Sending::Now { timestamp, .. }, Some(tick)) => (timestamp, tick),
            (Sending::Stopped { timestamp, due }, _) => (timestamp, due),
            _ => return None,
        };
        let now = env.now.mono;
        let timestamp = timestamp.wrapping_add(self.ticks(now.since(due))).wrapping_sub(self.ticks(due.since(now)));
        Some(SenderInfo {
            ntp: env.now.ntp,
            timestamp,
            // RFC 3550 section 6.4.1: both counts are modulo 2^32.
            packets: self.stats.sent as u32,
            octets: self.stats.octets as u32,
        })
    }

    /// A span of time in RTP clock ticks, modulo 2^32.
    fn ticks(&self, span: Duration) -> u32 {
        (span.as_micros() * u128::from(self.codec.rate()) / 1_000_000) as u32
    }
}

fn check_rate(codec: Codec, got: u32) -> Result<(), AudioError> {
    if got == codec.rate() { Ok(()) } else { Err(AudioError::Rate { codec: codec.name(), wanted: codec.rate(), got }) }
}

fn sum(a: Counts, b: Counts) -> Counts {
    Counts {
        played: a.played + b.played,
        lost: a.lost + b.lost,
        late: a.late + b.late,
        duplicate: a.duplicate + b.duplicate,
        discarded: a.discarded + b.discarded,
    }
}
