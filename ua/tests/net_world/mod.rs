//! Phones on loopback, each on an address of its own, and what they said.

#![allow(dead_code, reason = "each test file uses its own part of the world")]
#![allow(clippy::disallowed_methods, reason = "these tests are about real sockets")]

use keyphone_config::{Config, PskEntry};
use keyphone_ua::endpoint::{Command, Endpoint};
use keyphone_ua::event::{Event, Outcome};
use keyphone_ua::net::{Clock, Limits, Runner, Sockets, Stop, Tls};
use keyphone_ua::settings::{HangUp, Incoming, Plan, Play, Record, Secured, Settings};
use keyphone_ua::transaction::{Destination, Transport};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, LocalSet};

/// Nothing here takes so long; a test that waits longer has failed.
pub(crate) const GUARD: Duration = Duration::from_secs(30);

const KEY: &str = "000102030405060708090a0b0c0d0e0f";

/// Runs a test, whose tasks stay on its thread.
pub(crate) async fn run(test: impl Future<Output = ()>) {
    let test = tokio::time::timeout(2 * GUARD, test);
    LocalSet::new().run_until(test).await.expect("the test comes to its end");
}

pub(crate) fn plan(hang_up: HangUp) -> Plan {
    Plan { play: Play::Silence, record: Record::Nothing, hang_up }
}

/// A running phone.
pub(crate) struct Phone {
    pub(crate) sip: SocketAddr,
    pub(crate) tls: Option<SocketAddr>,
    commands: mpsc::UnboundedSender<Command>,
    events: mpsc::UnboundedReceiver<Event>,
    task: JoinHandle<()>,
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Phone {
    /// It listens on this address and answers every call.
    pub(crate) async fn new(ip: &str, tls: Option<Tls>, limits: Limits) -> Self {
        let incoming = Incoming::Answer { after: Duration::ZERO, early: None, plan: plan(HangUp::Never) };
        Self::with(ip, tls, limits, |settings| settings.incoming = incoming).await
    }

    pub(crate) async fn with(ip: &str, tls: Option<Tls>, limits: Limits, change: impl FnOnce(&mut Settings)) -> Self {
        let mut sockets = Sockets::bind((ip.parse::<std::net::IpAddr>().unwrap(), 0).into()).await.unwrap();
        let connects = tls.as_ref().is_some_and(Tls::connects);
        if let Some(tls) = tls {
            sockets = sockets.with_tls(tls).await.unwrap();
        }
        let sockets = sockets.with_limits(limits);
        let (sip, tls) = (sockets.local(), sockets.local_tls());
        let mut config = Config::default();
        config.credentials.psks = vec![PskEntry::from_hex(None, KEY).unwrap()];
        let mut settings = Settings::new(&config, sip).unwrap();
        settings.tls = Secured { connects, port: tls.map(|tls| tls.port()) };
        change(&mut settings);
        let clock = Clock::default();
        let runner = Runner::new(Endpoint::new(settings, &clock.now()), sockets, 20_000..=20_100, clock);
        let (commands, queue) = mpsc::unbounded_channel();
        let (told, events) = mpsc::unbounded_channel();
        let task = tokio::task::spawn_local(async move {
            runner
                .run(queue, |_, event| {
                    let _ = told.send(event);
                    Stop::NotYet
                })
                .await
                .unwrap();
        });
        Self { sip, tls, commands, events, task }
    }

    /// Calls a URI, wherever it is found, and hangs up soon after the answer.
    pub(crate) fn call(&self, target: &str) {
        let hang_up = HangUp::After(Duration::from_millis(200));
        let target = Box::new(target.parse().unwrap());
        self.commands.send(Command::Call { target, to: None, from: None, plan: plan(hang_up) }).unwrap();
    }

    /// Calls a URI, and leaves it to the other side to hang up.
    pub(crate) fn call_for_good(&self, target: &str) {
        let target = Box::new(target.parse().unwrap());
        self.commands.send(Command::Call { target, to: None, from: None, plan: plan(HangUp::Never) }).unwrap();
    }

    /// Calls an address over a transport.
    pub(crate) fn call_at(&self, addr: SocketAddr, transport: Transport) {
        let target = Box::new(format!("sip:bob@{}", addr.ip()).parse().unwrap());
        let to = Some(Destination { addr, transport });
        self.commands.send(Command::Call { target, to, from: None, plan: plan(HangUp::Never) }).unwrap();
    }

    pub(crate) fn hang_up(&self) {
        self.commands.send(Command::HangUpAll).unwrap();
    }

    /// The next event of which this makes something.
    pub(crate) async fn wait<T>(&mut self, is: impl Fn(&Event) -> Option<T>) -> T {
        let found = async {
            let mut others = vec![];
            loop {
                let event = self.events.recv().await.unwrap_or_else(|| panic!("the phone stopped after {others:#?}"));
                if let Some(found) = is(&event) {
                    return found;
                }
                others.push(event);
            }
        };
        tokio::time::timeout(GUARD, found).await.expect("it happens")
    }

    /// How the next call that ends has ended.
    pub(crate) async fn outcome(&mut self) -> Outcome {
        self.wait(|event| match event {
            Event::Ended { outcome, .. } => Some(outcome.clone()),
            _ => None,
        })
        .await
    }

    /// Why the next call failed.
    pub(crate) async fn failure(&mut self) -> String {
        match self.outcome().await {
            Outcome::Failed { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }

    /// What is wrong with a connection.
    pub(crate) async fn trouble(&mut self) -> (String, String) {
        self.wait(|event| match event {
            Event::NetworkTrouble { peer, what } => Some((peer.clone(), what.clone())),
            _ => None,
        })
        .await
    }
}
