//! A session with a peer that is proven: what was said last, and how its bundle is updated (RFC 3830 section 4.5).
//!
//! ```text
//!            offer()                       Input::Answer: the new keys are agreed on
//!   Agreed ------------> an update waits -------------------------------------------> Agreed
//!     ^                        |  Input::Rejected: they are forgotten                    |
//!     +------------------------+                          answer(): the peer's update  --+
//! ```
//! A line that is byte for byte the last one changes nothing (RFC 4028; RFC 5027 section 3). No MKI is added: old keys
//! and new ones are told apart by trial, for two seconds; where the first exchange brought an MKI, each update has one.

use super::bundle::{Bundle, Material};
use super::fetched::Fetched;
use super::mode::{Refused, Updating};
use super::offer::Sent;
use super::streams::Layout;
use super::wire::{CsMap, Message};
use super::{answer, keys, sdp};
use crate::{Ask, Dir, Error, Hop, Input, Lines, Output, Refusal, Session, Stream};
use keyphone_media::env::Env;

/// See the file's head.
pub(super) struct Agreement {
    /// `None` if the offer had several bundles: then none is updated.
    bundle: Option<Csb>,
    theirs: Lines,
    ours: Lines,
    protocols: Vec<String>,
    /// An update of ours that is not answered yet.
    waiting: Option<Sent>,
    /// What the URLs in the peer's messages led to.
    fetched: Fetched,
}

/// A bundle that runs.
pub(super) struct Csb {
    running: Box<dyn Updating>,
    layout: Layout,
    /// How many crypto sessions it has, and which streams have their keys.
    sessions: usize,
    keyed: Vec<(u8, Dir)>,
    material: Material,
}

impl Csb {
    /// With this many crypto sessions, of which these streams have keys.
    pub(super) fn new(
        running: Box<dyn Updating>,
        layout: Layout,
        streams: &[Stream],
        sessions: usize,
        material: Material,
    ) -> Self {
        Self { running, layout, sessions, keyed: lines(streams), material }
    }
}

fn lines(streams: &[Stream]) -> Vec<(u8, Dir)> {
    streams.iter().map(|stream| (stream.line, stream.dir)).collect()
}

impl Agreement {
    /// With somebody who has answered our offer so.
    pub(super) fn new((running, material): (Option<Box<dyn Updating>>, Material), sent: &Sent, theirs: Lines) -> Self {
        let bundle = running.map(|running| Csb::new(running, sent.layout, &sent.streams, sent.sessions, material));
        Self {
            bundle,
            theirs,
            ours: sent.lines.clone(),
            protocols: sent.protocols.clone(),
            waiting: None,
            fetched: Fetched::default(),
        }
    }

    /// With somebody whose offer we have answered.
    pub(super) fn answered(
        mut bundles: Vec<Option<Csb>>,
        (theirs, ours): (Lines, Lines),
        protocols: &[String],
    ) -> Self {
        let one = if bundles.len() == 1 { bundles.pop() } else { None };
        let bundle = one.flatten();
        Self { bundle, theirs, ours, protocols: protocols.to_vec(), waiting: None, fetched: Fetched::default() }
    }

    /// Takes the peer's update. What is proven is remembered even if the rest fails.
    fn updated(
        &mut self,
        ask: &Ask<'_>,
        update: &sdp::Offer,
        lines: &Lines,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) -> Result<Option<Message>, Refused> {
        let Some(bundle) = &mut self.bundle else {
            return Err(super::no_rekeying().error.into());
        };
        keys::check_empty_map(&update.message)?;
        let map = &update.message.hdr().map;
        let theirs = keys::crypto_sessions(map)?;
        let (count, layout) = (bundle.sessions, bundle.layout);
        if theirs.len() < layout.grown(count, ask.streams) {
            let what = format!("its update has {} crypto sessions, and the bundle has {count}", theirs.len());
            return Err(Error::incompatible(what).into());
        }
        let said = Bundle {
            me: ask.me,
            named: ask.named,
            map: layout.answer_update(map, ask.streams)?,
            policies: vec![],
            protocols: &[],
            hop: ask.hop,
            suite: keys::suite(&bundle.material.policies, &theirs, ask.policy),
            expect: ask.policy.expect,
            policy: &ask.policy.mikey,
        };
        let (message, mut agreed) = bundle.running.respond(&update.message, &said, env)?;
        let next = agreed.running.take();
        let stripped = sdp::check_protocols(&update.message, lines, ask.policy.mikey.tolerances)?;
        let is_new = |stream: &&Stream| !bundle.keyed.contains(&(stream.line, stream.dir));
        let streams: Vec<_> = if agreed.keys.is_empty() {
            // No new key: those that have one go on with it, and the others get theirs from the same TGK.
            agreed.keys.clone_from(&bundle.material.keys);
            keys::check_same_suites(&bundle.material, &agreed, ask.policy)?;
            ask.streams.iter().filter(is_new).collect()
        } else {
            ask.streams.iter().collect()
        };
        let streams = streams.into_iter().map(|stream| match stream.dir {
            Dir::Send => *stream,
            Dir::Hear => layout.heard(stream, &theirs),
        });
        let (keys, policy) = keys::master_keys(&agreed, layout, &streams.collect::<Vec<_>>(), ask.policy)?;
        let material = Material::of(&agreed);
        out.extend(agreed.tolerated.iter().copied().map(Output::Tolerated));
        out.extend(stripped.into_iter().chain(policy).map(|tolerance| Output::Tolerated(tolerance.text())));
        agreed.proof.release((ask.named, ask.policy.expect), keys, out)?;
        if let Some(next) = next {
            *bundle = Csb::new(next, layout, ask.streams, theirs.len(), material);
        }
        Ok(message)
    }
}

impl Session for Agreement {
    fn handle(&mut self, input: Input<'_>, env: &mut Env<'_>, out: &mut Vec<Output>) -> Result<(), Error> {
        match (&self.waiting, input) {
            (Some(sent), Input::Answer(lines)) => {
                let (running, material) = sent.answered(lines, &self.fetched, env.now, out)?;
                self.ours = sent.lines.clone();
                self.theirs = Lines(sdp::ours(lines).cloned().collect());
                if let (Some(bundle), Some(running)) = (&mut self.bundle, running) {
                    *bundle = Csb::new(running, sent.layout, &sent.streams, sent.sessions, material);
                }
                self.waiting = None;
                Ok(())
            }
            // A 200 repeats what a 183 said.
            (None, Input::Answer(lines)) if sdp::ours(lines).eq(&self.theirs.0) => Ok(()),
            (None, Input::Answer(_)) => {
                Err(Error::misbehaved("it answers one offer twice, and not the same", "RFC 3261 section 13.2.1"))
            }
            (_, Input::Rejected) => {
                self.waiting = None;
                Ok(())
            }
            (_, Input::Packet { .. }) => Err(super::not_in_the_path()),
            (_, Input::Fetched { url, certificate }) => {
                self.fetched.told(url, certificate, env.now.mono);
                Ok(())
            }
            (_, Input::Timeout) => Ok(()),
        }
    }

    fn covers(&self, lines: &Lines) -> bool {
        let ours = |bundle: &Csb| sdp::csb_ids(lines).all(|id| id == bundle.running.csb_id());
        sdp::ours(lines).eq(&self.theirs.0) || self.bundle.as_ref().is_none_or(ours)
    }

    fn may_repeat(&self, hop: Hop) -> bool {
        hop == Hop::Tls || self.bundle.as_ref().is_none_or(|bundle| !bundle.running.needs_tls())
    }

    fn offer(&mut self, ask: &Ask<'_>, env: &mut Env<'_>, out: &mut Vec<Output>) -> Result<Lines, Error> {
        if self.waiting.is_some() {
            return Err(Error::Misuse("new keys were offered already, and wait for their answer"));
        }
        let Some(Csb { running, layout, sessions, material, .. }) = &mut self.bundle else {
            return Err(super::no_rekeying().error);
        };
        let peer = running.peer().clone();
        let map = layout.update(layout.grown(*sessions, ask.streams), ask.streams);
        let bundle = Bundle {
            me: ask.me,
            named: &peer,
            suite: keys::suite(&material.policies, &map, ask.policy),
            map: CsMap::Srtp(map),
            policies: vec![],
            protocols: &self.protocols,
            hop: ask.hop,
            expect: ask.policy.expect,
            policy: &ask.policy.mikey,
        };
        let initiation = running.initiate(&bundle, env)?;
        let sent = Sent::new(initiation, ask, (*layout, &self.protocols), out)?;
        let lines = sent.lines.clone();
        self.waiting = Some(sent);
        Ok(lines)
    }

    fn answer(
        &mut self,
        ask: &Ask<'_>,
        lines: &Lines,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) -> Result<Lines, Refusal> {
        if sdp::ours(lines).eq(&self.theirs.0) {
            return Ok(self.ours.clone());
        }
        if self.waiting.is_some() {
            let what = "both sides offer new keys at once: ours must be answered or refused first";
            return Err(Error::incompatible(what).into());
        }
        let mut offers = sdp::offers(lines, ask.streams, ask.policy.mikey.tolerances)?;
        let (Some(mut update), true) = (offers.pop(), offers.is_empty()) else { return Err(super::no_rekeying()) };
        let mut said = vec![];
        let resolved = self.fetched.resolve(&mut update.message, env.now.mono);
        match resolved.and_then(|()| self.updated(ask, &update, lines, env, &mut said)) {
            Ok(message) => {
                out.append(&mut said);
                let answers = message.iter().map(|message| sdp::line(update.level, message));
                self.ours = Lines(answers.collect());
                self.theirs = Lines(sdp::ours(lines).cloned().collect());
                Ok(self.ours.clone())
            }
            Err(refused) => {
                out.extend(said.into_iter().filter(|output| matches!(output, Output::Peer(_))));
                let message = answer::error_message(&update.message, refused.number, ask);
                let lines = message.map(|m| Lines(vec![sdp::line(update.level, &m)]));
                Err(Refusal { error: refused.error, lines })
            }
        }
    }
}
