//! SIP sockets: UDP and TCP on one port, TLS on the next (RFC 3261 section 18).

use super::connections::Connections;
use super::icmp;
use super::limits::Limits;
use super::media::PAUSE;
use super::runner::Arrived;
use super::tls::Tls;
use crate::transaction::{Destination, Transport};
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The SIP port, open for UDP and TCP, and that for TLS.
pub struct Sockets {
    local: SocketAddr,
    any_port: bool,
    udp: UdpSocket,
    tcp: TcpListener,
    tls: Option<Tls>,
    tls_port: Option<(SocketAddr, TcpListener)>,
    limits: Limits,
}

impl Sockets {
    /// Opens one port for both UDP and TCP; port 0 takes any that is free for both.
    pub async fn bind(listen: SocketAddr) -> io::Result<Self> {
        let mut tries = 0;
        loop {
            let udp = UdpSocket::bind(listen).await?;
            let local = udp.local_addr()?;
            match TcpListener::bind(local).await {
                Ok(tcp) => {
                    if let Err(error) = icmp::keep_errors(&udp) {
                        tracing::debug!(%error, "ICMP errors will not be heard");
                    }
                    // Whoever sends does not wait for room: it must be known that there is some.
                    udp.writable().await?;
                    let any_port = listen.port() == 0;
                    let (tls, tls_port, limits) = (None, None, Limits::default());
                    return Ok(Self { local, any_port, udp, tcp, tls, tls_port, limits });
                }
                Err(_) if listen.port() == 0 && tries < 16 => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// With TLS. If there is a certificate, its port opens: the one above the SIP port, as 5061 is above 5060 (RFC 3261
    /// section 19.1.2). Where any port would do, so it does here.
    pub async fn with_tls(mut self, tls: Tls) -> io::Result<Self> {
        if tls.listens() {
            let mut at = self.local;
            at.set_port(self.local.port().checked_add(1).ok_or(io::ErrorKind::AddrNotAvailable)?);
            let listener = match TcpListener::bind(at).await {
                Err(_) if self.any_port => TcpListener::bind((self.local.ip(), 0)).await?,
                bound => bound?,
            };
            self.tls_port = Some((listener.local_addr()?, listener));
        }
        self.tls = Some(tls);
        Ok(self)
    }

    /// With other bounds.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Where others reach us.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Where others reach us over TLS.
    pub fn local_tls(&self) -> Option<SocketAddr> {
        self.tls_port.as_ref().map(|(local, _)| *local)
    }
}

/// The running SIP side of one runner.
pub(super) struct SipSide {
    udp: Arc<UdpSocket>,
    tasks: Vec<JoinHandle<()>>,
    connections: Connections,
    arrived: mpsc::Sender<Arrived>,
    /// Datagrams that were not sent, because too many were.
    lost: u64,
}

impl SipSide {
    pub(super) fn start(sockets: Sockets, arrived: mpsc::Sender<Arrived>) -> Self {
        let udp = Arc::new(sockets.udp);
        let mut tasks = vec![
            tokio::spawn(read_datagrams(udp.clone(), arrived.clone())),
            tokio::spawn(read_errors(udp.clone(), arrived.clone())),
            tokio::spawn(accept(sockets.tcp, Transport::Tcp, arrived.clone())),
        ];
        if let Some((_, listener)) = sockets.tls_port {
            tasks.push(tokio::spawn(accept(listener, Transport::Tls, arrived.clone())));
        }
        let connections = Connections::new(sockets.limits, sockets.tls, arrived.clone());
        Self { udp, tasks, connections, arrived, lost: 0 }
    }

    pub(super) fn accepted(
        &mut self,
        stream: TcpStream,
        from: SocketAddr,
        transport: Transport,
        needed: impl Fn() -> BTreeSet<Destination>,
    ) {
        self.connections.accepted(stream, from, transport, needed);
    }

    /// Sends at once over UDP, else on a connection. `name` is the host that TLS must prove.
    pub(super) fn send(&mut self, to: SocketAddr, transport: Transport, name: Option<Arc<str>>, bytes: Vec<u8>) {
        let sent = match transport {
            Transport::Udp => {
                let mut sent = self.udp.try_send_to(&bytes, to);
                // An earlier datagram's error comes back here, and says nothing of this one.
                for _ in 0..4 {
                    match &sent {
                        Err(error) if icmp::is_late(error) => sent = self.udp.try_send_to(&bytes, to),
                        _ => break,
                    }
                }
                match sent {
                    Ok(_) => Ok(()),
                    // The buffer is full: it is lost, as the network might lose it, and sent again if it matters.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.lost += 1;
                        tracing::debug!(%to, lost = self.lost, "a datagram found no room to leave");
                        Ok(())
                    }
                    Err(error) => Err(error.to_string()),
                }
            }
            Transport::Tcp | Transport::Tls => self.connections.send(to, transport, name, bytes),
        };
        if let Err(why) = sent {
            tracing::debug!(%to, %transport, %why, "a SIP message was not sent");
            let arrived = self.arrived.clone();
            let failed = Arrived::Failed { to, transport, why, broken: None };
            tokio::spawn(async move { arrived.send(failed).await });
        }
    }

    /// Lets what is queued leave, for half a second at most.
    pub(super) async fn stop(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.connections.stop().await;
    }
}

async fn read_datagrams(socket: Arc<UdpSocket>, arrived: mpsc::Sender<Arrived>) {
    let mut buf = vec![0; 65_536];
    loop {
        let (len, from) = match socket.recv_from(&mut buf).await {
            Ok(received) => received,
            // Something that we sent did not arrive: `read_errors` says what.
            Err(error) if icmp::is_late(&error) => {
                tokio::task::yield_now().await;
                continue;
            }
            Err(_) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let message = Arrived::Sip { from, transport: Transport::Udp, bytes: buf[..len].to_vec() };
        if arrived.send(message).await.is_err() {
            return;
        }
    }
}

async fn read_errors(socket: Arc<UdpSocket>, arrived: mpsc::Sender<Arrived>) {
    loop {
        match icmp::next_error(&socket).await {
            Ok((to, why)) => {
                let failed = Arrived::Failed { to, transport: Transport::Udp, why, broken: None };
                if arrived.send(failed).await.is_err() {
                    return;
                }
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn accept(listener: TcpListener, transport: Transport, arrived: mpsc::Sender<Arrived>) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                if arrived.send(Arrived::Connection { stream, from, transport }).await.is_err() {
                    return;
                }
            }
            // Out of file descriptors, most likely: give others time to close theirs.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
