//! All connections: which one a message leaves on, and which one goes when there are too many.
//!
//! A connection is used again for the same address over the same transport; over TLS only for a host that its
//! certificate was checked for (RFC 5923): a second name at the same address is checked anew. A connection that was made
//! to us takes the responses to what came on it, and requests only if its certificate proves their host.

use super::OsRng;
use super::connection::{Line, micros};
use super::identity::Identities;
use super::limits::Limits;
use super::runner::{Arrived, Broken};
use super::tls::{Tls, explain};
use crate::transaction::{Destination, Transport};
use keyphone_media::env::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::rustls::pki_types::ServerName;

/// The connections of one runner.
pub(super) struct Connections {
    limits: Limits,
    tls: Option<Tls>,
    arrived: mpsc::Sender<Arrived>,
    began: Instant,
    serial: u64,
    open: BTreeMap<Key, Connection>,
    /// Who was needed when we last asked: under a flood that is not asked for every newcomer.
    needed: (Option<Instant>, BTreeSet<Destination>),
}

/// The last part tells connections to one address apart.
type Key = (Transport, SocketAddr, u64);

struct Connection {
    write: mpsc::Sender<Vec<u8>>,
    task: JoinHandle<()>,
    /// We made it, for this host if it is TLS.
    ours: bool,
    name: Option<Arc<str>>,
    /// Whom its certificate proves, once the handshake is done.
    proven: Arc<OnceLock<Identities>>,
    heard: Arc<AtomicU64>,
}

impl Connection {
    /// May a message for this host leave here? One without a host is a response, or needs no proof.
    fn is_for(&self, name: Option<&str>) -> bool {
        match name {
            None => true,
            Some(name) => self.name.as_deref() == Some(name) || self.proven.get().is_some_and(|ids| ids.is_for(name)),
        }
    }
}

/// How a connection begins.
enum Begin {
    Connect,
    Accepted(TcpStream),
}

impl Connections {
    /// How long the answer to who is needed is good for.
    const LOOK: Duration = Duration::from_millis(100);

    pub(super) fn new(limits: Limits, tls: Option<Tls>, arrived: mpsc::Sender<Arrived>) -> Self {
        let (open, needed) = (BTreeMap::new(), (None, BTreeSet::new()));
        Self { limits, tls, arrived, began: Instant::now(), serial: 0, open, needed }
    }

    /// Somebody has connected. `needed` says which connections calls and transactions depend on.
    pub(super) fn accepted(
        &mut self,
        stream: TcpStream,
        from: SocketAddr,
        transport: Transport,
        needed: impl Fn() -> BTreeSet<Destination>,
    ) {
        self.open.retain(|_, c| !c.task.is_finished());
        let source = source(from.ip());
        let theirs = self.open.iter().filter(|((_, peer, _), c)| !c.ours && self::source(peer.ip()) == source).count();
        if theirs >= self.limits.per_source && !self.make_room(|peer| self::source(peer.ip()) == source, &needed) {
            return tracing::debug!(%from, "a connection is refused: this address has too many");
        }
        if self.open.len() >= self.limits.connections && !self.make_room(|_| true, &needed) {
            return tracing::debug!(%from, "a connection is refused: there are too many");
        }
        self.begin(from, transport, None, Begin::Accepted(stream));
    }

    /// Sends on the connection that exists, or on a new one (RFC 3261 section 18.2.2). The error is why it cannot: there
    /// are no more new ones than connections in all, and for responses, with which strangers could have us make many, no
    /// more than half of that.
    pub(super) fn send(
        &mut self,
        to: SocketAddr,
        transport: Transport,
        name: Option<Arc<str>>,
        bytes: Vec<u8>,
    ) -> Result<(), String> {
        let all = (transport, to, 0)..=(transport, to, u64::MAX);
        let mut fit = self.open.range(all).filter(|(_, c)| !c.write.is_closed() && c.is_for(name.as_deref()));
        let key = match fit.next().map(|(key, _)| *key) {
            Some(key) => key,
            None if transport == Transport::Tls && name.is_none() => return Err("its connection is closed".into()),
            None => {
                self.open.retain(|_, c| !c.task.is_finished());
                let is_response = bytes.starts_with(b"SIP/");
                let most = self.limits.connections / if is_response { 2 } else { 1 };
                if self.open.values().filter(|c| c.ours).count() >= most {
                    return Err("too many connections of ours are open: others must end first".into());
                }
                self.begin(to, transport, name, Begin::Connect)
            }
        };
        let Some(connection) = self.open.get(&key) else { return Ok(()) };
        if connection.write.try_send(bytes).is_ok() {
            return Ok(());
        }
        connection.task.abort();
        self.open.remove(&key);
        Err("it does not read what we write".into())
    }

    /// Closes the one of these that has been silent longest and that nobody needs. False if there is none.
    fn make_room(&mut self, which: impl Fn(&SocketAddr) -> bool, needed: impl Fn() -> BTreeSet<Destination>) -> bool {
        if self.needed.0.is_none_or(|at| at.elapsed() >= Self::LOOK) {
            self.needed = (Some(Instant::now()), needed());
        }
        let idle = |(transport, addr, _): &Key, c: &Connection| {
            let dest = Destination { addr: *addr, transport: *transport };
            which(addr) && !c.ours && !self.needed.1.contains(&dest)
        };
        let oldest = self.open.iter().filter(|(key, c)| idle(key, c));
        let oldest = oldest.min_by_key(|(_, c)| c.heard.load(Ordering::Relaxed)).map(|(key, _)| *key);
        let Some(closed) = oldest.and_then(|key| self.open.remove(&key)) else { return false };
        closed.task.abort();
        true
    }

    fn begin(&mut self, peer: SocketAddr, transport: Transport, name: Option<Arc<str>>, begin: Begin) -> Key {
        let (write, queue) = mpsc::channel(self.limits.waiting);
        let heard = Arc::new(AtomicU64::new(micros(self.began.elapsed())));
        let proven = Arc::new(OnceLock::new());
        let (limits, tls, arrived, began) = (self.limits, self.tls.clone(), self.arrived.clone(), self.began);
        let ours = matches!(begin, Begin::Connect);
        let (mut lot, told, seen, host) = ([0], heard.clone(), proven.clone(), name.clone());
        OsRng.fill(&mut lot);
        let task = tokio::spawn(async move {
            let line = Line {
                peer,
                transport,
                limits,
                ours,
                arrived: &arrived,
                heard: &told,
                began,
                asked: false.into(),
                lot: lot[0],
            };
            let ended = open(&line, begin, tls, host.as_deref(), &seen, queue).await;
            let why = match &ended {
                Ok(()) => "it was closed".to_owned(),
                Err(error) => explain(error),
            };
            tracing::debug!(%peer, %transport, %why, "a SIP connection has ended");
            // An end in peace is no trouble, but what still waits for it must know.
            let broken = match &ended {
                Ok(()) => None,
                Err(_) if ours => Some(Broken::Ours(host)),
                Err(_) => Some(Broken::Theirs),
            };
            let _ = arrived.send(Arrived::Failed { to: peer, transport, why, broken }).await;
        });
        self.serial += 1;
        let key = (transport, peer, self.serial);
        self.open.insert(key, Connection { write, task, ours, name, proven, heard });
        key
    }

    /// Lets what is queued leave, for half a second at most.
    pub(super) async fn stop(self) {
        let until = Instant::now() + Duration::from_millis(500);
        // Without their queues, all of them come to their end at once.
        let tasks: Vec<_> = self.open.into_values().map(|connection| connection.task).collect();
        for mut task in tasks {
            if timeout_at(until, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

async fn open(
    line: &Line<'_>,
    begin: Begin,
    tls: Option<Tls>,
    host: Option<&str>,
    proven: &OnceLock<Identities>,
    queue: mpsc::Receiver<Vec<u8>>,
) -> io::Result<()> {
    let (secure, limit) = (line.transport == Transport::Tls, line.limits.connect);
    let no_tls = || io::Error::other("TLS is not set up here");
    let in_time = |what: &str| io::Error::new(io::ErrorKind::TimedOut, format!("{what} takes too long"));
    match begin {
        Begin::Connect => {
            let stream =
                timeout(limit, TcpStream::connect(line.peer)).await.map_err(|_| in_time("the connection"))??;
            if !secure {
                return line.talk(stream, queue).await;
            }
            let connector = tls.and_then(|tls| tls.connector).ok_or_else(no_tls)?;
            let host = host.ok_or_else(no_tls)?;
            let name = ServerName::try_from(host.to_owned())
                .map_err(|_| io::Error::other(format!("no certificate can be for {host}")))?;
            let stream = timeout(limit, connector.connect(name, stream)).await.map_err(|_| in_time("TLS"))??;
            prove(stream.get_ref().1.peer_certificates(), proven);
            line.talk(stream, queue).await
        }
        Begin::Accepted(stream) if secure => {
            let acceptor = tls.and_then(|tls| tls.acceptor).ok_or_else(no_tls)?;
            let stream = timeout(limit, acceptor.accept(stream)).await.map_err(|_| in_time("TLS"))??;
            prove(stream.get_ref().1.peer_certificates(), proven);
            line.talk(stream, queue).await
        }
        Begin::Accepted(stream) => line.talk(stream, queue).await,
    }
}

fn prove(certificates: Option<&[tokio_rustls::rustls::pki_types::CertificateDer<'_>]>, proven: &OnceLock<Identities>) {
    if let Some(identities) = certificates.and_then(<[_]>::first).and_then(|der| Identities::of(der).ok()) {
        let _ = proven.set(identities);
    }
}

/// Who is behind an address: of IPv6, whoever has the network has all of its addresses.
fn source(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}
