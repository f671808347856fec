//! The media of one call: what protects it, the engine, and where the peer hears.

use super::Cx;
use super::apart::Apart;
use super::clash::Noticed;
use super::codecs::{codec_lines, codec_of};
use super::engine::{open_engine, source, told};
use super::floor::Floor;
use super::path::Path;
use super::pen::Pen;
use crate::event::{CallId, Counts, Event, KeyUse, Why};
use crate::io::{MediaPorts, Output, Recording};
use crate::sdp::{CodecLine, KeyEvents, Negotiated};
use crate::settings::{Plan, Play};
use keyphone_keying::{self as keying, Identity, StreamKey};
use keyphone_media::audio::Sink;
use keyphone_media::audio::codec::Codec;
use keyphone_media::engine::{self, Engine, Numbers, Report};
use keyphone_media::env::Instant;
use keyphone_media::policy::ClearAllowed;
use keyphone_media::rtcp::Text;
use keyphone_media::rtp::Ssrc;
use keyphone_media::srtp::TwoTimePad;
use std::net::SocketAddr;

/// The media of one call, from before its first key to after its last frame.
pub(super) struct Media {
    pub(super) call: CallId,
    /// Whom we called, if we did.
    pub(super) asked: Option<Identity>,
    ports: MediaPorts,
    pub(super) plan: Plan,
    /// What we offered: the payload type of an early frame tells its codec before any answer has come.
    pub(super) codecs: Vec<CodecLine>,
    pub(super) path: Path,
    /// `None` if all branches share what protects them.
    pub(super) apart: Option<Box<Apart>>,
    pub(super) floor: Floor,
    /// Where packets wait for their key; `None` if no key is to come.
    pub(super) pen: Option<Box<Pen>>,
    /// In a place of its own: not every call has media, and it is most of what a call is.
    pub(super) engine: Option<Box<Engine>>,
    /// There could be no engine, and that was told: early media does not ask again with every packet.
    pub(super) no_engine: bool,
    pub(super) remote: Option<Remote>,
    /// The call is answered, or has early media of ours.
    speaks: bool,
    /// Whom the answer names: of all branches that share our key, the one to hear.
    preferred: Option<Ssrc>,
    pub(super) dropped: Dropped,
    pub(super) noticed: Noticed,
    /// So many answers were verified.
    pub(super) verified: u64,
    /// Random, so that it tells nobody who we are (RFC 7022 section 4.2).
    cname: Text,
}

/// Where the peer hears.
#[derive(Clone, Copy)]
pub(super) struct Remote {
    line: u8,
    pub(super) rtp: SocketAddr,
    pub(super) rtcp: SocketAddr,
}

/// Packets that were not played.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) refused: u64,
    pub(super) replayed: u64,
    pub(super) reflected: u64,
    /// Authentic, of somebody else than who is heard.
    pub(super) unheard: u64,
    /// They waited for a key, and none came.
    pub(super) unkeyed: u64,
}

/// The clip has been played to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PlayedOut(pub(super) bool);

impl Media {
    /// Without a key: nothing is heard and nothing is sent.
    pub(super) fn new(call: CallId, ports: MediaPorts, plan: Plan, cx: &mut Cx<'_, '_>) -> Self {
        let codecs = codec_lines(&cx.settings.codecs);
        let cname = Text::new(&cx.env.token::<12>()).unwrap_or_default();
        let (path, dropped) = (Path::Keyed(Box::default()), Dropped::default());
        Self {
            call,
            asked: None,
            ports,
            plan,
            codecs,
            path,
            apart: None,
            floor: Floor::Open,
            pen: None,
            engine: None,
            no_engine: false,
            remote: None,
            speaks: false,
            preferred: None,
            dropped,
            noticed: Noticed::default(),
            verified: 0,
            cname,
        }
    }

    /// What we speak, best first.
    pub(super) fn codecs(&self) -> &[CodecLine] {
        &self.codecs
    }

    /// What a running call may speak: the codec that it has, so that what is played and recorded goes on.
    pub(super) fn codecs_in_use(&self) -> Vec<CodecLine> {
        let now = self.engine.as_ref().map(|engine| engine.codec());
        let fits = |codec: &&CodecLine| now.is_none() || codec.is_telephone_event() || codec_of(codec) == now;
        self.codecs.iter().filter(fits).cloned().collect()
    }

    /// What it may change to: what is played and recorded at the same rate.
    pub(super) fn codecs_of_its_rate(&self) -> Vec<CodecLine> {
        let now = self.engine.as_ref().map(|engine| engine.codec().rate());
        let rate = |codec: &CodecLine| codec_of(codec).map(Codec::rate);
        let fits = |codec: &&CodecLine| now.is_none() || codec.is_telephone_event() || rate(codec) == now;
        self.codecs.iter().filter(fits).cloned().collect()
    }

    /// The ports of ours that it uses.
    pub(super) fn ports(&self) -> MediaPorts {
        self.ports
    }

    /// Who we are in our packets, and how often our sequence numbers have wrapped; `None` while there is no key to
    /// speak with.
    pub(super) fn speaker(&self) -> Option<(Ssrc, u32)> {
        match &self.path {
            Path::Keyed(leg) => leg.speaker(),
            Path::Clear(_) => None,
        }
    }

    /// Policy has allowed clear RTP for this call.
    pub(super) fn go_clear(&mut self, allowed: ClearAllowed, cx: &mut Cx<'_, '_>) {
        self.path = Path::clear(allowed, cx.ledger.mint(cx.env), cx.env);
    }

    /// Does what a keying system says, and gives whom it names as the one to hear. A two-time pad is the end of the
    /// agreement: there is no other key to fall back to.
    pub(super) fn obey(&mut self, said: Vec<keying::Output>, cx: &mut Cx<'_, '_>) -> Result<Option<Ssrc>, TwoTimePad> {
        let mut named = None;
        for output in said {
            match output {
                keying::Output::Peer(peer) => self.named(&peer, cx),
                keying::Output::Key(key) => self.take(&key, cx)?,
                keying::Output::Expect(key, stream) => {
                    if let Path::Keyed(leg) = &mut self.path {
                        leg.expect(key, stream, cx.ledger)?;
                    }
                    let ssrc = stream.ssrc.map(|s| s.to_string());
                    tracing::debug!(call = %self.call, %key, ?ssrc, "the answer has named a stream");
                    named = stream.ssrc.or(named);
                }
                keying::Output::Send(flow, packet) => {
                    if let Some(remote) = self.reachable() {
                        let (from, to) = match flow.rtcp {
                            true => (self.ports.rtcp, remote.rtcp),
                            false => (self.ports.rtp, remote.rtp),
                        };
                        cx.out.push(Output::Keying { from, to, packet });
                    }
                }
                keying::Output::Tolerated(what) => cx.event(Event::Tolerated { call: self.call, what: what.into() }),
            }
        }
        Ok(named)
    }

    /// The same, of what comes with an answer of ours inside the dialog.
    pub(super) fn obey_answer(
        &mut self,
        said: Vec<keying::Output>,
        cx: &mut Cx<'_, '_>,
    ) -> Result<Option<Ssrc>, TwoTimePad> {
        if let Path::Keyed(leg) = &mut self.path {
            leg.answers();
        }
        self.obey(said, cx)
    }

    /// Of all who share our key, this is the one to hear.
    pub(super) fn prefer(&mut self, ssrc: Ssrc) {
        self.preferred = Some(ssrc);
        self.engine.iter_mut().for_each(|engine| engine.prefer(ssrc));
        if let Floor::Only(only) = &mut self.floor {
            *only = ssrc;
        }
    }

    fn take(&mut self, key: &StreamKey, cx: &mut Cx<'_, '_>) -> Result<(), TwoTimePad> {
        let Path::Keyed(leg) = &mut self.path else { return Ok(()) };
        leg.take(key, cx.ledger)?;
        let of = self.apart.as_ref().and_then(|apart| apart.of.as_ref());
        for stream in key.streams() {
            let use_for = if stream.dir == keying::Dir::Send { KeyUse::Send } else { KeyUse::Hear };
            let ssrc = stream.ssrc.map(|s| s.to_string());
            let (id, suite) = (key.key().id(), key.key().suite());
            if let Some(permit) = cx.settings.policy.media.permit() {
                let line = super::key_log::line(key.key(), use_for, ssrc.as_deref(), &permit);
                cx.out.push(Output::KeyLog(line));
            }
            let (key, suite, branch) = (id.to_string(), suite.to_string(), of.cloned());
            cx.event(Event::Key { call: self.call, key, suite, use_for, ssrc, branch });
        }
        Ok(())
    }

    /// From now on we speak as soon as there is somebody to hear us: the call is answered, or has early media.
    pub(super) fn speak(&mut self) {
        self.speaks = true;
    }

    /// What the peer gets to hear from now on.
    pub(super) fn play(&mut self, play: Play, cx: &mut Cx<'_, '_>) {
        self.plan.play = play;
        let call = self.call;
        if let Some(engine) = &mut self.engine {
            let source = source(&self.plan, engine.codec().rate()).and_then(|source| engine.set_source(source));
            if let Err(error) = source {
                cx.event(Event::Trouble { call, what: error.to_string() });
            }
        }
    }

    /// Two sides have agreed: the peer is heard, and hears us if it wants to and we speak.
    pub(super) fn start(&mut self, negotiated: &Negotiated, cx: &mut Cx<'_, '_>) {
        let Negotiated { line, remote_rtp: rtp, remote_rtcp: rtcp, payload_type, heard_as, .. } = *negotiated;
        self.remote = Some(Remote { line, rtp, rtcp });
        if let Path::Keyed(leg) = &mut self.path {
            leg.agreed(cx.env, cx.ledger);
        }
        if !self.ports.are_open() {
            return;
        }
        let codec = codec_of(&negotiated.codec);
        // Our frames go under the peer's numbers, and theirs come under ours (RFC 3264 section 6.1).
        let numbers = Numbers { heard_as, sent_as: payload_type, keys: negotiated.keys.map(KeyEvents::numbers) };
        match (&mut self.engine, codec) {
            (Some(engine), Some(codec)) if engine.codec() == codec => engine.renumber(numbers),
            (Some(engine), Some(codec)) if engine.codec().rate() == codec.rate() => {
                if let Err(error) = engine.change_codec(codec, numbers) {
                    return cx.event(Event::Trouble { call: self.call, what: error.to_string() });
                }
            }
            _ => {
                self.engine = codec.and_then(|c| open_engine(self.call, &self.plan, c, heard_as, cx));
                self.no_engine = self.engine.is_none();
                self.engine.iter_mut().for_each(|engine| engine.renumber(numbers));
                self.engine.iter_mut().zip(self.preferred).for_each(|(engine, ssrc)| engine.prefer(ssrc));
            }
        }
        match &mut self.engine {
            Some(engine) if self.speaks && negotiated.direction.sends() => engine.start_sending(cx.env),
            Some(engine) => engine.stop_sending(),
            None => {}
        }
    }

    /// Presses keys.
    ///
    /// # Errors
    /// Why they cannot be sent: one sentence.
    pub(super) fn press(&mut self, keys: &str) -> Result<(), String> {
        let engine = self.engine.as_mut().ok_or("there is no media yet, so no key can be pressed")?;
        engine.press(keys).map_err(|why| why.to_string())
    }

    /// The stream is switched off: nothing is said until another offer switches it on.
    pub(super) fn pause(&mut self) {
        self.engine.iter_mut().for_each(|engine| engine.stop_sending());
    }

    /// Keys that were offered inside the dialog and refused: they are never spoken with, and heard no more.
    pub(super) fn forget_coming(&mut self, cx: &mut Cx<'_, '_>) {
        if let Path::Keyed(leg) = &mut self.path {
            leg.forget_coming(cx.ledger);
        }
    }

    /// An answer of this branch is verified now.
    pub(super) fn count_verified(&mut self, branch: &str, why: Why, cx: &mut Cx<'_, '_>) {
        self.verified += 1;
        let (call, branch, count) = (self.call, branch.to_owned(), self.verified);
        cx.event(Event::Verified { call, branch, count, why });
    }

    /// A packet that nobody wants.
    pub(super) fn refuse(&mut self) {
        self.dropped.refused += 1;
    }

    /// The m-line that was agreed on; the first, before that.
    pub(super) fn line(&self) -> u8 {
        self.remote.map_or(0, |remote| remote.line)
    }

    /// Where the peer hears, unless it says `c=0.0.0.0` (RFC 3264 section 8.4).
    fn reachable(&self) -> Option<Remote> {
        self.remote.filter(|remote| !remote.rtp.ip().is_unspecified())
    }

    pub(super) fn timeout(&mut self, cx: &mut Cx<'_, '_>) -> PlayedOut {
        if let Path::Keyed(leg) = &mut self.path {
            leg.timeout(cx.env.now.mono, cx.ledger);
        }
        self.expire_held(cx);
        let mut said = vec![];
        if let Some(engine) = &mut self.engine {
            engine.timeout(cx.env, &mut said);
        }
        self.act(said, cx)
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let leg = match &self.path {
            Path::Keyed(leg) => leg.next_timeout(),
            Path::Clear(_) => None,
        };
        let engine = self.engine.as_ref().and_then(|engine| engine.next_timeout());
        let pen = self.pen.as_ref().and_then(|pen| pen.next_timeout());
        leg.into_iter().chain(engine).chain(pen).min()
    }

    /// Does what the engine says.
    pub(super) fn act(&mut self, said: Vec<engine::Output>, cx: &mut Cx<'_, '_>) -> PlayedOut {
        let mut played_out = PlayedOut(false);
        for output in said {
            match output {
                engine::Output::Frame(frame) => {
                    let Some(remote) = self.reachable() else { continue };
                    match self.path.seal(cx.ledger, frame.frame()) {
                        Some(Ok(packet)) => {
                            let (from, packet) = (self.ports.rtp, packet.into_owned());
                            cx.out.push(Output::Media { from, to: remote.rtp, packet });
                        }
                        Some(Err(error)) => self.fall_silent(error.to_string(), cx),
                        None => {}
                    }
                }
                engine::Output::Rtcp(report) => self.report(&report, false, cx),
                engine::Output::Event(engine::Event::SourceEnded) => {
                    cx.event(Event::PlayedOut { call: self.call });
                    played_out = PlayedOut(true);
                }
                engine::Output::Event(event) => cx.event(told(self.call, event)),
            }
        }
        played_out
    }

    /// A key that is worn out, or a frame that cannot be sealed: better silence than a packet unprotected.
    fn fall_silent(&mut self, what: String, cx: &mut Cx<'_, '_>) {
        self.engine.iter_mut().for_each(|engine| engine.stop_sending());
        cx.event(Event::Trouble { call: self.call, what });
    }

    fn report(&mut self, report: &Report, goodbye: bool, cx: &mut Cx<'_, '_>) {
        let (Some(remote), Some(ssrc)) = (self.reachable(), self.path.ssrc()) else { return };
        let compound = report.compound(ssrc, &self.cname, goodbye);
        match self.path.seal_rtcp(cx.ledger, &compound) {
            Some(Ok(packet)) => {
                let (from, packet) = (self.ports.rtcp, packet.into_owned());
                cx.out.push(Output::Media { from, to: remote.rtcp, packet });
            }
            Some(Err(error)) => cx.event(Event::Trouble { call: self.call, what: error.to_string() }),
            None => {}
        }
    }

    /// We hang up, or were hung up on: no more frames, and RTCP's BYE (RFC 3550 section 6.6).
    pub(super) fn stop(&mut self, cx: &mut Cx<'_, '_>) {
        self.close_pen(cx);
        let Some(engine) = self.engine.as_mut().filter(|engine| engine.is_sending()) else { return };
        engine.stop_sending();
        self.say_goodbye(cx);
    }

    /// RTCP's BYE (RFC 3550 section 6.6).
    pub(super) fn say_goodbye(&mut self, cx: &mut Cx<'_, '_>) {
        let report = self.engine.as_mut().map(|engine| engine.report(cx.env));
        report.iter().for_each(|report| self.report(report, true, cx));
    }

    /// How it went.
    pub(super) fn counts(&self) -> Option<Counts> {
        let stats = self.engine.as_ref()?.stats();
        let Dropped { refused, replayed, reflected, unheard, unkeyed } = self.dropped;
        Some(Counts {
            sent: stats.sent,
            heard: stats.heard,
            played: stats.played,
            lost: stats.lost,
            late: stats.late,
            duplicate: stats.duplicate,
            refused,
            replayed,
            reflected,
            unheard,
            unkeyed,
            jitter_ms: stats.jitter,
        })
    }

    /// There will be no call: the ledger closes what it knows of its keys.
    pub(super) fn drop_keys(&mut self, cx: &mut Cx<'_, '_>) {
        std::mem::replace(&mut self.path, Path::Keyed(Box::default())).close(cx.ledger);
    }

    /// Gives everything back: ports, recording, keys.
    pub(super) fn close(mut self, cx: &mut Cx<'_, '_>) {
        self.close_aside(cx);
        self.close_pen(cx);
        let Self { call, ports, path, engine, .. } = self;
        if let Some((sink, finished)) = engine.map(|engine| engine.finish()) {
            if let Err(error) = finished {
                cx.event(Event::Trouble { call, what: error.to_string() });
            }
            if let Sink::Memory(samples, rate) = sink {
                cx.out.push(Output::Recorded(call, Recording { rate, samples }));
            }
        }
        path.close(cx.ledger);
        cx.out.extend(ports.are_open().then_some(Output::Release(ports)));
    }
}
