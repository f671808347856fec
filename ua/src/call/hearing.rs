//! What comes in on the media ports: opened under the key of whose it is, heard if its turn is, or held until its key is
//! here.

use super::Cx;
use super::apart::paths;
use super::clash::Noticed;
use super::codecs::codec_of;
use super::engine::open_engine;
use super::floor::{Early, Floor, Turn, Who};
use super::media::{Dropped, Media, PlayedOut};
use super::path::{Opened, OpenedRtcp};
use super::pen::{Pen, Queue, Sender, claimed_ssrc};
use crate::event::{CallId, Event};
use crate::io::Output;
use crate::sdp::Negotiated;
use keyphone_media::engine::{AudioFrame, Report};
use keyphone_media::env::Instant;
use keyphone_media::rtp::Ssrc;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// A datagram, and when it came.
#[derive(Clone, Copy)]
struct Came<'a> {
    rtcp: bool,
    from: SocketAddr,
    at: Instant,
    bytes: &'a [u8],
}

/// What became of it.
enum Fate {
    /// No key of ours makes sense of it.
    Unknown,
    /// It is dealt with.
    Done(PlayedOut),
}

/// An authentic frame, taken out of its receiver's buffer.
struct Frame {
    who: Who,
    index: u64,
    payload_type: u8,
    marker: bool,
    timestamp: u32,
    payload: Vec<u8>,
}

/// What became of the packets of one sender that waited.
#[derive(Default)]
struct Tally {
    held: u64,
    dropped: u64,
}

impl Media {
    /// A packet on one of our ports that looks like RTP or RTCP.
    pub(super) fn receive(&mut self, rtcp: bool, from: SocketAddr, bytes: &[u8], cx: &mut Cx<'_, '_>) -> PlayedOut {
        let at = cx.env.now.mono;
        if let Fate::Done(played_out) = self.take_in(Came { rtcp, from, at, bytes }, cx) {
            return played_out;
        }
        match (&mut self.pen, claimed_ssrc(bytes, rtcp)) {
            (Some(pen), Some(ssrc)) => {
                self.dropped.unkeyed += pen.hold(Sender { from, ssrc, rtcp }, bytes, at, cx.waiting);
            }
            _ => self.dropped.refused += 1,
        }
        PlayedOut(false)
    }

    fn take_in(&mut self, came: Came<'_>, cx: &mut Cx<'_, '_>) -> Fate {
        match (came.rtcp, &self.floor) {
            (true, _) => self.hear_rtcp(came, cx),
            (false, Floor::Early(_)) => self.hear_early(came, cx),
            (false, Floor::Open | Floor::Only(_)) => self.hear(came, cx),
        }
    }

    /// A frame of the one peer that there is.
    fn hear(&mut self, came: Came<'_>, cx: &mut Cx<'_, '_>) -> Fate {
        let Came { from, at, bytes, .. } = came;
        let named = self.remote.is_some_and(|remote| remote.rtp.ip() == from.ip());
        let Self { call, plan, codecs, path, engine, no_engine, dropped, floor, noticed, .. } = self;
        let mut said = vec![];
        match path.open(cx.ledger, bytes, (from, named)) {
            Opened::Frame(ssrc, ..) if matches!(floor, Floor::Only(only) if *only != ssrc) => dropped.unheard += 1,
            Opened::Frame(ssrc, index, frame) => {
                let (payload_type, marker, timestamp) = (frame.payload_type, frame.marker, frame.timestamp);
                let packet = AudioFrame { ssrc, index, payload_type, marker, timestamp, payload: frame.payload };
                // Media before the answer: its payload type is one that we offered.
                let early = codecs.iter().find(|c| c.payload_type == payload_type).and_then(codec_of);
                if engine.is_none()
                    && !*no_engine
                    && let Some(codec) = early
                {
                    *engine = open_engine(*call, plan, codec, payload_type, cx);
                    *no_engine = engine.is_none();
                }
                if let Some(engine) = engine {
                    engine.hear_held(from, &packet, at, cx.env, &mut said);
                }
            }
            Opened::Refused => return Fate::Unknown,
            other => dropped.count(*call, &other, noticed, cx.out),
        }
        Fate::Done(self.act(said, cx))
    }

    /// A frame before anybody has answered: of one branch of many, perhaps.
    fn hear_early(&mut self, came: Came<'_>, cx: &mut Cx<'_, '_>) -> Fate {
        let Came { from, at, bytes, .. } = came;
        let Floor::Early(early) = &self.floor else { return Fate::Unknown };
        let (named, ssrc) = (early.names(from), claimed_ssrc(bytes, false));
        let frame = {
            let Self { call, path, apart, dropped, noticed, .. } = self;
            let ledger = &mut *cx.ledger;
            let likely = paths(path, apart).filter(|(branch, _)| early.may_be(*branch, ssrc, from));
            let mut opened = likely.map(|(branch, path)| (branch, path.open(ledger, bytes, (from, named))));
            match opened.find(|(_, opened)| !matches!(opened, Opened::Refused)) {
                None => return Fate::Unknown,
                Some((branch, Opened::Frame(ssrc, index, frame))) => Frame {
                    who: Who { branch: branch.map(str::to_owned), ssrc },
                    index,
                    payload_type: frame.payload_type,
                    marker: frame.marker,
                    timestamp: frame.timestamp,
                    payload: frame.payload.to_vec(),
                },
                Some((_, other)) => {
                    dropped.count(*call, &other, noticed, cx.out);
                    return Fate::Done(PlayedOut(false));
                }
            }
        };
        let codec = self.codecs.iter().find(|c| c.payload_type == frame.payload_type).and_then(codec_of);
        let Floor::Early(early) = &mut self.floor else { return Fate::Unknown };
        match early.frame(&frame.who, from, (codec, &frame.payload), at) {
            Turn::Unheard => {
                self.dropped.unheard += 1;
                return Fate::Done(PlayedOut(false));
            }
            Turn::Heard => {}
            Turn::Begins => self.give_floor(cx),
        }
        if self.engine.is_none()
            && !self.no_engine
            && let Some(codec) = codec
        {
            self.engine = open_engine(self.call, &self.plan, codec, frame.payload_type, cx);
            self.no_engine = self.engine.is_none();
        }
        let mut said = vec![];
        if let Some(engine) = &mut self.engine {
            let Frame { who, index, payload_type, marker, timestamp, payload } = &frame;
            let (ssrc, index, payload_type) = (who.ssrc, *index, *payload_type);
            let packet = AudioFrame { ssrc, index, payload_type, marker: *marker, timestamp: *timestamp, payload };
            engine.hear_held(from, &packet, at, cx.env, &mut said);
        }
        Fate::Done(self.act(said, cx))
    }

    fn hear_rtcp(&mut self, came: Came<'_>, cx: &mut Cx<'_, '_>) -> Fate {
        let Came { from, bytes, .. } = came;
        let ours = self.path.ssrc();
        let Self { call, path, apart, floor, remote, engine, dropped, noticed, .. } = self;
        let (early, named) = match &*floor {
            Floor::Early(early) => (Some(early), early.names(from)),
            Floor::Open | Floor::Only(_) => (None, remote.is_some_and(|remote| remote.rtcp.ip() == from.ip())),
        };
        let (on, ssrc) = (apart.as_ref().and_then(|apart| apart.of.clone()), claimed_ssrc(bytes, true));
        let likely = |branch: &Option<&str>| early.is_none_or(|early| early.may_be(*branch, ssrc, from));
        let likely = paths(path, apart).filter(|(branch, _)| likely(branch));
        let mut opened = likely.map(|(branch, path)| (branch, path.open_rtcp(cx.ledger, bytes, (from, named))));
        match opened.find(|(_, opened)| !matches!(opened, OpenedRtcp::Refused)) {
            None => return Fate::Unknown,
            Some((_, OpenedRtcp::Replayed | OpenedRtcp::Refused)) => dropped.replayed += 1,
            Some((_, OpenedRtcp::Clash(clash))) => dropped.count(*call, &Opened::Clash(clash), noticed, cx.out),
            Some((_, OpenedRtcp::Silenced)) => dropped.refused += 1,
            Some((branch, OpenedRtcp::Compound(compound))) => {
                if let (Some(engine), Some(ours)) = (engine, ours)
                    && branch == on.as_deref()
                {
                    for (sender, report) in Report::all(compound) {
                        engine.hear_report(sender, &report, ours, cx.env);
                    }
                }
            }
        }
        Fate::Done(PlayedOut(false))
    }

    /// The source that has the floor now is heard as its branch has agreed, if it is known which that is.
    fn give_floor(&mut self, cx: &mut Cx<'_, '_>) {
        let Floor::Early(early) = &self.floor else { return };
        let branch = early.branch().map(str::to_owned);
        let agreed = branch.as_deref().and_then(|branch| early.agreed(branch).cloned());
        let ssrc = early.on().map(|on| on.ssrc);
        if let Some(branch) = &branch {
            self.turn_to(branch);
        }
        if let Some(agreed) = agreed {
            self.start(&agreed, cx);
        }
        if let (Some(engine), Some(ssrc)) = (&mut self.engine, ssrc) {
            engine.switch_to(ssrc);
        }
    }

    /// What was done for another branch is done; media goes on as it went for the one that is heard.
    pub(super) fn turn_back(&mut self, cx: &mut Cx<'_, '_>) {
        let Floor::Early(early) = &self.floor else { return };
        let Some(branch) = early.branch().map(str::to_owned) else { return };
        let (agreed, ssrc) = (early.agreed(&branch).cloned(), early.on().map(|on| on.ssrc));
        self.turn_to(&branch);
        if let Some(agreed) = agreed {
            self.start(&agreed, cx);
        }
        ssrc.into_iter().for_each(|ssrc| self.prefer(ssrc));
    }

    /// An INVITE of ours goes out, and nobody has answered it.
    pub(super) fn begin(&mut self, cx: &mut Cx<'_, '_>) {
        self.close_aside(cx);
        self.close_pen(cx);
        self.apart = None;
        self.floor = Floor::Early(Early::new(cx.settings.rules.early_media).into());
    }

    /// This branch has agreed on that, and its answer is proven.
    pub(super) fn proven(&mut self, branch: &str, voice: Option<Ssrc>, agreed: &Negotiated, cx: &mut Cx<'_, '_>) {
        if let Floor::Early(early) = &mut self.floor
            && early.proven(branch, voice, agreed)
        {
            self.turn_back(cx);
        }
    }

    /// This branch has answered: it alone is heard from now on.
    pub(super) fn win(&mut self, branch: &str, voice: Option<Ssrc>, cx: &mut Cx<'_, '_>) {
        let shared = self.apart.is_none();
        self.stay_with(branch, cx);
        let Floor::Early(early) = std::mem::replace(&mut self.floor, Floor::Open) else { return };
        let was = early.on().map(|on| early.branch() == Some(branch) || shared && Some(on.ssrc) == voice);
        if let (Some(engine), Some(ssrc), Some(false)) = (&mut self.engine, voice, was) {
            engine.switch_to(ssrc);
        }
        if let (true, Some(only)) = (shared, voice) {
            self.floor = Floor::Only(only);
        }
    }

    /// From now on packets wait that come before their key.
    pub(super) fn open_pen(&mut self, cx: &Cx<'_, '_>) {
        self.pen = Some(Box::new(Pen::new(cx.settings.rules.wait_for_key)));
    }

    /// No key comes any more.
    pub(super) fn close_pen(&mut self, cx: &mut Cx<'_, '_>) {
        if let Some(pen) = self.pen.take() {
            self.dropped.unkeyed += pen.close(cx.waiting);
        }
    }

    pub(super) fn expire_held(&mut self, cx: &mut Cx<'_, '_>) {
        if let Some(pen) = &mut self.pen {
            self.dropped.unkeyed += pen.expire(cx.env.now.mono, cx.waiting);
        }
    }

    /// There is a key more: what waits for it is heard, as far as it is still wanted. Of whom `branch` is the peer, if
    /// there is only one.
    pub(super) fn replay(&mut self, branch: &str, cx: &mut Cx<'_, '_>) {
        let Some(pen) = &mut self.pen else { return };
        let waiting = pen.take(cx.waiting);
        let mut heard = Tally::default();
        let before = self.late();
        for (sender, queue) in waiting {
            self.replay_one(sender, queue, &mut heard, cx);
        }
        if heard.held == 0 {
            return;
        }
        let now = cx.env.now.mono;
        let (overdue, audio) = self.engine.as_ref().map_or_else(Default::default, |engine| engine.overdue(now));
        // Where another codec has begun, another engine counts from zero.
        let late = self.late().saturating_sub(before);
        let frames = u64::try_from(audio.as_millis()).unwrap_or(u64::MAX) + (late + heard.dropped) * FRAME_MS;
        let dropped = (late + overdue + heard.dropped).min(heard.held + heard.dropped);
        let (call, branch) = (self.call, branch.to_owned());
        let played = heard.held.saturating_sub(late + overdue);
        cx.event(Event::Clipped { call, branch, ms: frames, held: heard.held, played, dropped });
    }

    fn replay_one(&mut self, sender: Sender, mut queue: Queue, heard: &mut Tally, cx: &mut Cx<'_, '_>) {
        let mut left = VecDeque::new();
        let mut tally = 0;
        for held in std::mem::take(&mut queue.held) {
            let came = Came { rtcp: sender.rtcp, from: sender.from, at: held.at, bytes: &held.bytes };
            let dropped = self.dropped;
            match self.take_in(came, cx) {
                Fate::Unknown => left.push_back(held),
                // What is clipped is what would have been heard: what came twice, or of somebody else, would not.
                Fate::Done(_) => tally += u64::from(self.dropped == dropped),
            }
        }
        if !sender.rtcp && tally > 0 {
            heard.held += tally;
            heard.dropped += std::mem::take(&mut queue.lost);
        }
        if let Some(pen) = self.pen.as_mut().filter(|_| !left.is_empty()) {
            queue.held = left;
            pen.put_back(sender, queue, cx.waiting);
        }
    }

    /// How many frames came too late so far.
    fn late(&self) -> u64 {
        self.engine.as_ref().map_or(0, |engine| engine.stats().late)
    }
}

impl Dropped {
    /// Counts an authentic packet that brings nothing, and tells of one that must not be.
    fn count(&mut self, call: CallId, opened: &Opened<'_>, noticed: &mut Noticed, out: &mut Vec<Output>) {
        match opened {
            Opened::Replayed => self.replayed += 1,
            Opened::Reflected => self.reflected += 1,
            Opened::Refused | Opened::Silenced => self.refused += 1,
            Opened::Clash(clash) => {
                self.refused += 1;
                noticed.saw(*clash);
                out.push(Output::Event(clash.event(call)));
            }
            Opened::Frame(..) => {}
        }
    }
}

/// What a packet that was lost is taken for: most last as long.
const FRAME_MS: u64 = 20;
