//! SIP sockets: UDP and TCP on one port (RFC 3261 section 18).

use super::media::PAUSE;
use super::runner::Arrived;
use crate::sip::{Frame, Framer};
use crate::transaction::Transport;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The SIP port, open for UDP and TCP.
pub struct Sockets {
    local: SocketAddr,
    udp: UdpSocket,
    tcp: TcpListener,
}

impl Sockets {
    /// Opens one port for both; port 0 takes any that is free for both.
    pub async fn bind(listen: SocketAddr) -> io::Result<Self> {
        let mut tries = 0;
        loop {
            let udp = UdpSocket::bind(listen).await?;
            let local = udp.local_addr()?;
            match TcpListener::bind(local).await {
                Ok(tcp) => return Ok(Self { local, udp, tcp }),
                Err(_) if listen.port() == 0 && tries < 16 => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Where others reach us.
    pub fn local(&self) -> SocketAddr {
        self.local
    }
}

/// Connections beyond this many are closed as soon as they are accepted.
const MAX_CONNECTIONS: usize = 256;
/// Messages that may wait for a slow peer before its connection is given up.
const MAX_WAITING: usize = 64;
const CONNECT: Duration = Duration::from_secs(5);

/// The running SIP side of one runner.
pub(super) struct SipSide {
    udp: Arc<UdpSocket>,
    listeners: [JoinHandle<()>; 2],
    connections: BTreeMap<SocketAddr, Connection>,
    arrived: mpsc::Sender<Arrived>,
}

struct Connection {
    write: mpsc::Sender<Vec<u8>>,
    task: JoinHandle<()>,
}

impl SipSide {
    pub(super) fn start(sockets: Sockets, arrived: mpsc::Sender<Arrived>) -> Self {
        let udp = Arc::new(sockets.udp);
        let (reader, to) = (udp.clone(), arrived.clone());
        let read = tokio::spawn(async move {
            let mut buf = vec![0; 65_536];
            loop {
                let Ok((len, from)) = reader.recv_from(&mut buf).await else {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                };
                let message = Arrived::Sip { from, transport: Transport::Udp, bytes: buf[..len].to_vec() };
                if to.send(message).await.is_err() {
                    return;
                }
            }
        });
        let to = arrived.clone();
        let accept = tokio::spawn(async move {
            loop {
                match sockets.tcp.accept().await {
                    Ok((stream, from)) => {
                        if to.send(Arrived::Connection { stream, from }).await.is_err() {
                            return;
                        }
                    }
                    // Out of file descriptors, most likely: give others time to close theirs.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        });
        Self { udp, listeners: [read, accept], connections: BTreeMap::new(), arrived }
    }

    pub(super) fn accepted(&mut self, stream: TcpStream, from: SocketAddr) {
        self.connections.retain(|_, c| !c.task.is_finished());
        if self.connections.len() < MAX_CONNECTIONS {
            self.serve(from, async move { Ok(stream) });
        }
    }

    /// Sends at once over UDP; over TCP on the connection that exists, or on a new one (RFC 3261 section 18.2.2).
    pub(super) async fn send(&mut self, to: SocketAddr, transport: Transport, bytes: Vec<u8>) {
        match transport {
            Transport::Udp => {
                if let Err(error) = self.udp.send_to(&bytes, to).await {
                    tracing::debug!(%to, %error, "a SIP datagram was not sent");
                    self.fail(to, transport, error.to_string());
                }
            }
            Transport::Tls => self.fail(to, transport, "TLS is not set up".into()),
            Transport::Tcp => {
                if self.connections.get(&to).is_none_or(|c| c.task.is_finished()) {
                    self.serve(to, async move {
                        tokio::time::timeout(CONNECT, TcpStream::connect(to)).await.map_err(io::Error::from)?
                    });
                }
                let sent = self.connections.get(&to).is_some_and(|c| c.write.try_send(bytes).is_ok());
                if !sent {
                    self.connections.remove(&to);
                    self.fail(to, transport, String::new());
                }
            }
        }
    }

    fn fail(&self, to: SocketAddr, transport: Transport, why: String) {
        let arrived = self.arrived.clone();
        tokio::spawn(async move { arrived.send(Arrived::Failed { to, transport, why }).await });
    }

    fn serve(&mut self, peer: SocketAddr, connect: impl Future<Output = io::Result<TcpStream>> + Send + 'static) {
        let (write, queue) = mpsc::channel(MAX_WAITING);
        let arrived = self.arrived.clone();
        let task = tokio::spawn(async move {
            let ended = match connect.await {
                Ok(stream) => talk(stream, peer, queue, &arrived).await,
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                tracing::debug!(%peer, %error, "a SIP connection failed");
                let _ =
                    arrived.send(Arrived::Failed { to: peer, transport: Transport::Tcp, why: error.to_string() }).await;
            }
        });
        self.connections.insert(peer, Connection { write, task });
    }

    /// Lets what is queued leave, for half a second at most.
    pub(super) async fn stop(self) {
        self.listeners.iter().for_each(JoinHandle::abort);
        for Connection { write, task } in self.connections.into_values() {
            drop(write);
            let stop = task.abort_handle();
            if tokio::time::timeout(Duration::from_millis(500), task).await.is_err() {
                stop.abort();
            }
        }
    }
}

/// Reads and writes one connection until either side closes it.
async fn talk(
    stream: TcpStream,
    peer: SocketAddr,
    mut queue: mpsc::Receiver<Vec<u8>>,
    arrived: &mpsc::Sender<Arrived>,
) -> io::Result<()> {
    let (mut read, mut write) = stream.into_split();
    let (mut framer, mut buf) = (Framer::default(), vec![0; 16_384]);
    loop {
        tokio::select! {
            message = queue.recv() => match message {
                Some(bytes) => write.write_all(&bytes).await?,
                None => return write.shutdown().await,
            },
            len = read.read(&mut buf) => match len? {
                0 => return Ok(()),
                len => {
                    framer.push(&buf[..len]);
                    loop {
                        let frame = framer.next_frame().transpose();
                        match frame.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))? {
                            Some(Frame::Message(bytes)) => {
                                let message = Arrived::Sip { from: peer, transport: Transport::Tcp, bytes };
                                if arrived.send(message).await.is_err() {
                                    return Ok(());
                                }
                            }
                            // RFC 5626 section 4.4.1: a double CRLF asks for a single one.
                            Some(Frame::Ping) => write.write_all(b"\r\n").await?,
                            None => break,
                        }
                    }
                }
            },
        }
    }
}
