//! Our answer to a peer's offer.

use super::agreement::{Agreement, Csb};
use super::bundle::{Agreed, Bundle, Material};
use super::mode::Refused;
use super::streams::Layout;
use super::wire::{DataType, Draft, ErrorNo, Hdr, Message, T};
use super::{Mikey, keys, sdp, suite};
use crate::{Ask, Dir, Lines, Output, Refusal, Session};
use keyphone_media::env::Env;

/// The keys of one message, not released yet.
struct Keyed {
    agreed: Agreed,
    keys: keys::Keys,
}

/// One message, answered: its keys, and its bundle as it runs from now on.
struct One {
    keyed: Keyed,
    bundle: Option<Csb>,
}

impl Mikey {
    /// Answers every message of the offer, or none (RFC 4567 section 4.1.2).
    pub(super) fn answer_offer(
        &mut self,
        ask: &Ask<'_>,
        lines: &Lines,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) -> Result<(Lines, Box<dyn Session>), Refusal> {
        let mut offers = sdp::offers(lines, ask.streams, ask.policy.mikey.tolerances).map_err(|error| {
            // What can be read of it may be enough for an error message.
            let answer = sdp::unreadable(lines).and_then(|(level, init)| {
                Some(sdp::line(level, &error_message(&init, ErrorNo::UnsupportedMessage, ask)?))
            });
            Refusal { error, lines: answer.map(|line| Lines(vec![line])) }
        })?;
        let (mut answers, mut keyed, mut bundles) = (Lines::default(), vec![], vec![]);
        for offer in &mut offers {
            let resolved = self.fetched.resolve(&mut offer.message, env.now.mono);
            let answered = resolved.and_then(|()| self.answer_one(ask, offer, lines, env, out));
            let (answer, one) = answered.map_err(|refused| Refusal {
                lines: error_message(&offer.message, refused.number, ask)
                    .map(|m| Lines(vec![sdp::line(offer.level, &m)])),
                error: refused.error,
            })?;
            answers.0.extend(answer.iter().map(|message| sdp::line(offer.level, message)));
            bundles.push(one.bundle);
            keyed.push(one.keyed);
        }
        // No key comes out unless every message is good.
        let mut released = vec![];
        for Keyed { agreed, keys } in keyed {
            if let Err(error) = agreed.proof.release((ask.named, ask.policy.expect), keys, &mut released) {
                out.extend(released.into_iter().filter(|output| matches!(output, Output::Peer(_))));
                return Err(error.into());
            }
        }
        out.append(&mut released);
        let theirs = Lines(sdp::ours(lines).cloned().collect());
        let session = Agreement::answered(bundles, (theirs, answers.clone()), &self.protocols);
        Ok((answers, Box::new(session)))
    }

    fn answer_one(
        &mut self,
        ask: &Ask<'_>,
        offer: &sdp::Offer,
        lines: &Lines,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) -> Result<(Option<Message>, One), Refused> {
        let mode = self.modes.answering(&offer.message, &ask.policy.mikey)?;
        let sessions = keys::crypto_sessions(&offer.message.hdr().map)?;
        let layout = Layout::of_offer(offer.level, sessions.len(), &offer.streams)?;
        keys::check_empty_map(&offer.message)?;
        let bundle = Bundle {
            me: ask.me,
            named: ask.named,
            map: layout.answer(&offer.message.hdr().map, &offer.streams)?,
            policies: vec![],
            protocols: &[],
            hop: ask.hop,
            suite: keys::suite(&offer.message.many().cloned().collect::<Vec<_>>(), &sessions, ask.policy),
            expect: ask.policy.expect,
            policy: &ask.policy.mikey,
        };
        let (answer, mut agreed) = mode.respond(&offer.message, &bundle, &mut self.station, env)?;
        let running = agreed.running.take();
        let material = Material::of(&agreed);
        let bundle = running.map(|running| Csb::new(running, layout, &offer.streams, sessions.len(), material));
        let stripped = sdp::check_protocols(&offer.message, lines, ask.policy.mikey.tolerances)?;
        let streams = offer.streams.iter().map(|stream| match stream.dir {
            Dir::Send => *stream,
            Dir::Hear => layout.heard(stream, &sessions),
        });
        let (keys, policy) = keys::master_keys(&agreed, layout, &streams.collect::<Vec<_>>(), ask.policy)?;
        out.extend(agreed.tolerated.iter().copied().map(Output::Tolerated));
        out.extend(stripped.into_iter().chain(policy).map(|tolerance| Output::Tolerated(tolerance.text())));
        Ok((answer, One { keyed: Keyed { agreed, keys }, bundle }))
    }
}

/// The error message for a refusal: `HDR, T, {ERR}, {SP}` (RFC 3830 section 5.1.2). It has no V: to whoever failed to
/// prove itself we prove nothing either. What we can do instead is in it where a policy was the reason.
pub(super) fn error_message(init: &Message, number: ErrorNo, ask: &Ask<'_>) -> Option<Message> {
    let hdr = Hdr { data_type: DataType::Error, v: false, ..init.hdr().clone() };
    let draft = Draft::new(&hdr).push(*init.one::<T>().ok()?).push(number);
    let sps = match number {
        ErrorNo::InvalidSp | ErrorNo::InvalidSpPar => suite::ours(ask.policy).collect(),
        _ => vec![],
    };
    sps.into_iter().fold(draft, Draft::push).finish().ok()
}
