//! Two phones over real sockets on 127.0.0.1.

use super::{
    DemoError, GOOD, Heard, Phone, RATE, Report, Speech, answers, calls, judge, make_dir, new_psk, settings, write_page,
};
use crate::ladder::{Ladder, note};
use keyphone_media::audio::Clip;
use keyphone_ua::endpoint::{Command, Endpoint};
use keyphone_ua::event::Event;
use keyphone_ua::net::{Clock, OsRng, Runner, Seen, Sockets, Stop};
use keyphone_ua::settings::Record;
use keyphone_ua::transaction::{Destination, Transport};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use tokio::sync::mpsc;

/// What both phones tell, in one place: they take turns in one task.
struct Gathered {
    alice: Phone,
    bob: Phone,
    ladder: Ladder,
    media: BTreeSet<(SocketAddr, SocketAddr)>,
}

/// Calls from alice to bob, in real time; `hang_up` may end it early. `progress` is told one line at a time.
pub async fn live(
    out: &Path,
    hang_up: impl Future<Output = ()>,
    progress: &mut dyn FnMut(&str),
) -> Result<Report, DemoError> {
    make_dir(out)?;
    let speech = Speech::load()?;
    let bind = async || {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Sockets::bind(listen)
            .await
            .map_err(|why| DemoError::Io { what: format!("cannot open a port on {listen}"), why })
    };
    let (alice, bob) = (bind().await?, bind().await?);
    let (a, b) = (alice.local(), bob.local());
    let psk = new_psk(&mut OsRng);
    let (alice_file, bob_file) = (out.join("alice-heard.wav"), out.join("bob-heard.wav"));
    let alice_settings = settings("alice", a, &psk);
    let mut bob_settings = settings("bob", b, &psk);
    bob_settings.incoming = answers(&speech, Record::Wav(bob_file.clone()));
    let mut ladder = Ladder::new();
    ladder.name(a, "alice");
    ladder.name(b, "bob");
    let gathered =
        Gathered { alice: Phone::new("alice", a), bob: Phone::new("bob", b), ladder, media: BTreeSet::new() };
    let gathered = Rc::new(RefCell::new(gathered));
    let clock = Clock::default();
    let (to_alice, alice_hears) = mpsc::unbounded_channel();
    let (_to_bob, bob_hears) = mpsc::unbounded_channel();

    let seen = gathered.clone();
    // One ear is enough: all that either phone says passes alice.
    let tap = Box::new(move |packet: Seen<'_>| seen.borrow_mut().see(&packet, a, b));
    let alice = Runner::new(Endpoint::new(alice_settings, &clock.now()), alice, 40_000..=49_999, clock).with_tap(tap);
    let bob = Runner::new(Endpoint::new(bob_settings, &clock.now()), bob, 50_000..=59_999, clock);
    let target = Box::new(format!("sip:bob@{b}").parse().expect("an address makes a URI"));
    let to = Some(Destination { addr: b, transport: Transport::Udp });
    let _ =
        to_alice.send(Command::Call { target, to, from: None, plan: calls(&speech, Record::Wav(alice_file.clone())) });
    progress(&format!(
        "alice (sip:alice@{a}) calls bob (sip:bob@{b}); they talk for {:.1} s",
        speech.talk().as_secs_f64()
    ));

    let both = async {
        let (at_alice, at_bob) = (gathered.clone(), gathered.clone());
        tokio::join!(
            alice.run(alice_hears, move |now, event| at_alice.borrow_mut().tell(true, now.mono, event)),
            bob.run(bob_hears, move |now, event| at_bob.borrow_mut().tell(false, now.mono, event)),
        )
    };
    tokio::pin!(both, hang_up);
    let (alice_ran, bob_ran) = tokio::select! {
        ran = &mut both => ran,
        () = &mut hang_up => {
            let _ = to_alice.send(Command::HangUpAll);
            both.await
        }
    };
    for ran in [alice_ran, bob_ran] {
        ran.map_err(|why| DemoError::Io { what: "the call broke".into(), why })?;
    }

    let gathered = gathered.borrow();
    let Gathered { alice, bob, ladder, .. } = &*gathered;
    let mut faults: Vec<_> = [alice, bob].into_iter().filter_map(Phone::fault).collect();
    let mut heard = vec![];
    for (phone, other, said, file) in [(alice, bob, &speech.bob, alice_file), (bob, alice, &speech.alice, bob_file)] {
        if !file.exists() {
            continue;
        }
        let recording = Clip::load(&file)?.at(RATE)?;
        let h = Heard { counts: phone.counts(), ..judge(said, &recording, phone.name, other.name, file)? };
        if h.correlation < GOOD {
            faults.push(format!("{} heard {:.4} of what {} said; {GOOD} is wanted", h.phone, h.correlation, h.speaker));
        }
        heard.push(h);
    }
    let page = out.join("call.html");
    let facts = vec![
        ("Keying".into(), "MIKEY-PSK (RFC 3830) in SDP (RFC 4567)".into()),
        ("Network".into(), "UDP on loopback, real sockets, real time".into()),
    ];
    write_page("A call between alice and bob", facts, &[alice, bob], ladder, &heard, &[], &page)?;
    Ok(Report { ladder: ladder.clone(), heard, page, faults })
}

impl Gathered {
    fn see(&mut self, packet: &Seen<'_>, a: SocketAddr, b: SocketAddr) {
        let Seen { at, sent, from, to, transport, bytes } = *packet;
        if [from, to].iter().all(|end| [a, b].contains(end)) || transport == Transport::Tcp {
            let (from, to) = if sent { (a, b) } else { (b, a) };
            self.ladder.see(at.mono, from, to, transport, bytes);
        } else if self.media.insert((from, to)) {
            let (from, to) = if sent { (a, b) } else { (b, a) };
            let what = if packet.to.port().is_multiple_of(2) { "SRTP" } else { "SRTCP" };
            self.ladder.media(at.mono, from, to, what.into());
        }
    }

    fn tell(&mut self, is_alice: bool, at: keyphone_media::env::Instant, event: Event) -> Stop {
        let phone = if is_alice { &mut self.alice } else { &mut self.bob };
        if let Some(note) = note(&event) {
            self.ladder.note(at, phone.sip, note);
        }
        let stop = if matches!(event, Event::Ended { .. }) { Stop::Now } else { Stop::NotYet };
        phone.events.push((at, event));
        stop
    }
}
