//! The same call on a link that loses 5 % and jitters by 40 ms, in simulated time.

use super::{
    DemoError, GOOD_ON_A_BAD_DAY, Heard, LinkSays, Phone, Report, Speech, answers, calls, judge, make_dir, new_psk,
    settings, write_page,
};
use crate::fate::{Hearing, expected, rtp_port};
use crate::ladder::Ladder;
use crate::link::Link;
use crate::report::wav_bytes;
use crate::world::World;
use keyphone_media::audio::codec::Codec;
use keyphone_media::audio::{AudioError, Clip};
use keyphone_media::engine::JITTER_DEPTH;
use keyphone_media::env::{Instant, Rng};
use keyphone_ua::endpoint::Command;
use keyphone_ua::settings::Record;
use keyphone_ua::transaction::{Destination, Transport};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// The call of [`super::live`] in a world that is made of `seed`: the same seed, the same call.
pub fn simulated(out: &Path, seed: u64, link: Link) -> Result<Report, DemoError> {
    make_dir(out)?;
    let speech = Speech::load()?;
    let mut world = World::new(seed, link);
    let (a, b) = (SocketAddr::from(([10, 0, 0, 1], 5060)), SocketAddr::from(([10, 0, 0, 2], 5060)));
    let psk = new_psk(&mut Seeded(seed));
    let mut bob_settings = settings("bob", b, &psk);
    bob_settings.incoming = answers(&speech, Record::Memory);
    let nodes = [world.add("alice", settings("alice", a, &psk)), world.add("bob", bob_settings)];
    let target = Box::new("sip:bob@10.0.0.2".parse().expect("an address makes a URI"));
    let to = Some(Destination { addr: b, transport: Transport::Udp });
    world.command(nodes[0], Command::Call { target, to, from: None, plan: calls(&speech, Record::Memory) });
    world.run(Instant::ZERO + Duration::from_secs(120));

    let phones = [("alice", a, nodes[0]), ("bob", b, nodes[1])];
    let phones =
        phones.map(|(name, sip, node)| Phone { events: world.node(node).events.clone(), ..Phone::new(name, sip) });
    let ladder = Ladder::of_world(&world, &[]);
    let mut faults: Vec<_> = phones.iter().filter_map(Phone::fault).collect();
    let mut heard = vec![];
    for (me, other, said) in [(0, 1, &speech.bob), (1, 0, &speech.alice)] {
        let Some((_, recording)) = world.node(nodes[me]).recordings.first() else { continue };
        let (phone, speaker) = (&phones[me], &phones[other]);
        let file = out.join(format!("{}-heard.wav", phone.name));
        std::fs::write(&file, wav_bytes(recording.rate, &recording.samples))
            .map_err(|why| DemoError::Io { what: format!("cannot write {}", file.display()), why })?;
        let judged = judge(said, &recording.samples, phone.name, speaker.name, file)?;
        let link = hold_against(&world, phone, said, &recording.samples)?;
        let h = Heard { counts: phone.counts(), link, ..judged };
        faults.extend(disagreements(&h));
        if h.correlation < GOOD_ON_A_BAD_DAY {
            faults.push(format!("{} heard {:.4} of what {} said", h.phone, h.correlation, h.speaker));
        }
        heard.push(h);
    }
    let page = out.join("call.html");
    let facts = vec![
        ("Keying".into(), "MIKEY-PSK (RFC 3830) in SDP (RFC 4567)".into()),
        ("Network".into(), link.to_string()),
        ("Seed".into(), seed.to_string()),
    ];
    write_page("The same call on a bad day", facts, &phones.each_ref(), &ladder, &heard, world.log(), &page)?;
    Ok(Report { ladder, heard, page, faults })
}

/// The recording, frame by frame, against what the link's log says is due there. `None` if there was no call.
fn hold_against(world: &World, phone: &Phone, said: &Clip, recording: &[i16]) -> Result<Option<LinkSays>, AudioError> {
    let codec = Codec::Pcmu;
    let hearing = Hearing::of(&phone.events, codec, JITTER_DEPTH);
    let Some((to, hearing)) = rtp_port(world.log(), phone.sip.ip()).zip(hearing) else { return Ok(None) };
    let due = expected(world.log(), to, &hearing);
    let (mut encoder, mut decoder) = (codec.encoder()?, codec.decoder()?);
    let mut sent = vec![];
    for frame in said.at(codec.rate())?.chunks(codec.frame()) {
        let mut pcm = frame.to_vec();
        pcm.resize(codec.frame(), 0);
        let mut decoded = vec![];
        decoder.decode(encoder.encode(&pcm)?, codec.frame(), &mut decoded);
        sent.push(decoded);
    }
    // After the clip, silence is sent on; a frame that did not come is concealed by silence, too.
    let silence = vec![0; codec.frame()];
    let is_due = |(heard, due): (&[i16], &Option<usize>)| heard == due.and_then(|n| sent.get(n)).unwrap_or(&silence);
    // The recording begins with silence while the first packet waits for its time; the log's frames begin after that.
    let total = recording.len() / codec.frame();
    let waited = total.saturating_sub(due.frames.len()) * codec.frame();
    let pairs = recording[waited..].chunks_exact(codec.frame()).zip(&due.frames);
    let identical = pairs.clone().filter(|pair| is_due(*pair)).count() as u64;
    let different = pairs.count() as u64 - identical;
    Ok(Some(LinkSays { lost: due.lost, late: due.late, identical, different }))
}

/// Where the phone's own counts and the link's log disagree.
fn disagreements(heard: &Heard) -> Vec<String> {
    let Some(link) = &heard.link else { return vec![] };
    let counts = [("lost", heard.counts.lost, link.lost), ("late", heard.counts.late, link.late)];
    let mut faults: Vec<_> = counts
        .into_iter()
        .filter(|(_, phone, link)| phone != link)
        .map(|(what, phone, link)| format!("{} counts {phone} {what}, the link's log {link}", heard.phone))
        .collect();
    if link.different > 0 {
        faults.push(format!("{} frames that {} recorded are not those that were sent", link.different, heard.phone));
    }
    faults
}

/// A key for a world in which nothing is secret.
struct Seeded(u64);

impl Rng for Seeded {
    fn fill(&mut self, buf: &mut [u8]) {
        buf.iter_mut().zip(self.0.to_be_bytes().iter().cycle()).for_each(|(b, s)| *b = *s ^ 0xa5);
    }
}
