//! MIKEY without SIP: UDP and TCP on one port. A stream is cut into messages by what they say themselves.

use keyphone_keying::workbench::stream::{First, first};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

/// Connections at one time; more are closed at once.
const CONNECTIONS: usize = 64;
/// A connection that says nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(30);
/// No connection lasts longer: whoever says something now and then would keep others out.
const LONGEST: Duration = Duration::from_secs(120);
/// A datagram is never longer.
const DATAGRAM: usize = 65_535;
/// So often is a port looked for that is free for both.
const TRIES: usize = 16;

/// One message that came to the port.
pub struct Knock {
    /// Who sent it.
    pub from: SocketAddr,
    /// `UDP` or `TCP`.
    pub transport: &'static str,
    /// The message, or what came instead of one.
    pub octets: Vec<u8>,
    /// Where the answer goes, of a connection.
    back: Option<oneshot::Sender<Option<Vec<u8>>>>,
}

/// UDP and TCP on one port, where MIKEY messages come without SIP.
pub struct KeyingPort {
    udp: UdpSocket,
    tcp: TcpListener,
    streams: (mpsc::Sender<Knock>, mpsc::Receiver<Knock>),
    permits: std::sync::Arc<tokio::sync::Semaphore>,
    datagram: Vec<u8>,
    longest: Duration,
}

impl KeyingPort {
    /// Listens there; port 0 is one that is free for both.
    ///
    /// # Errors
    /// The system does not give it.
    pub async fn open(at: SocketAddr) -> io::Result<Self> {
        let mut tries = 0;
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind(at).await?;
            match TcpListener::bind(udp.local_addr()?).await {
                Ok(tcp) => break (udp, tcp),
                // Another port may be free for both.
                Err(_) if at.port() == 0 && tries < TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        };
        let permits = std::sync::Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
        let streams = mpsc::channel(CONNECTIONS);
        Ok(Self { udp, tcp, streams, permits, datagram: vec![0; DATAGRAM], longest: LONGEST })
    }

    /// The same with connections that last so long at most.
    #[must_use]
    pub fn within(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Where it listens.
    pub fn local(&self) -> SocketAddr {
        self.udp.local_addr().unwrap_or_else(|_| ([0, 0, 0, 0], 0).into())
    }

    /// The next message, of whatever socket.
    pub async fn next(&mut self) -> Knock {
        loop {
            tokio::select! {
                datagram = self.udp.recv_from(&mut self.datagram) => {
                    // An error is that of an earlier answer.
                    let Ok((len, from)) = datagram else { continue };
                    let octets = self.datagram[..len].to_vec();
                    return Knock { from, transport: "UDP", octets, back: None };
                }
                connection = self.tcp.accept() => {
                    let (Ok((stream, from)), Ok(permit)) = (connection, self.permits.clone().try_acquire_owned()) else {
                        continue;
                    };
                    let (out, until) = (self.streams.0.clone(), Instant::now() + self.longest);
                    tokio::spawn(async move {
                        serve(stream, (from, until), out).await;
                        drop(permit);
                    });
                }
                Some(received) = self.streams.1.recv() => return received,
            }
        }
    }

    /// Sends the answer, if there is one.
    pub async fn answer(&self, received: Knock, answer: Option<Vec<u8>>) {
        match received.back {
            // Whoever has closed the connection wants no answer.
            Some(back) => drop(back.send(answer)),
            None => {
                if let Some(answer) = answer
                    && let Err(error) = self.udp.send_to(&answer, received.from).await
                {
                    tracing::warn!(to = %received.from, %error, "an answer could not be sent");
                }
            }
        }
    }
}

/// Reads messages, one after another, and writes their answers, until the other side closes or is silent, or time is over.
async fn serve(mut stream: TcpStream, (from, until): (SocketAddr, Instant), out: mpsc::Sender<Knock>) {
    let mut buffer = vec![];
    let mut open = true;
    while open {
        let len = match first(&buffer) {
            First::Whole(len) => len,
            First::Endless => {
                open = false;
                buffer.len()
            }
            First::Partial => {
                let mut chunk = [0; 4096];
                match timeout_at(until.min(Instant::now() + IDLE), stream.read(&mut chunk)).await {
                    Ok(Ok(len)) if len > 0 => {
                        buffer.extend_from_slice(&chunk[..len]);
                        continue;
                    }
                    // The beginning of a message is shown too.
                    _ if !buffer.is_empty() => {
                        open = false;
                        buffer.len()
                    }
                    _ => return,
                }
            }
        };
        let octets = buffer.drain(..len).collect();
        let (back, answer) = oneshot::channel();
        if out.send(Knock { from, transport: "TCP", octets, back: Some(back) }).await.is_err() {
            return;
        }
        let Ok(answer) = answer.await else { return };
        if let Some(answer) = answer
            && !matches!(timeout(IDLE, stream.write_all(&answer)).await, Ok(Ok(())))
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_drips_octets_holds_a_connection_no_longer_than_anybody() {
        let port = KeyingPort::open(([127, 0, 0, 1], 0).into()).await.unwrap();
        let mut port = port.within(Duration::from_millis(100));
        let at = port.local();
        // A message of RAND payloads that never ends (RFC 3830 sections 6.1 and 6.11).
        let rand = [&[11, 255][..], &[0; 255]].concat();
        let message = [&[1, 0, 11, 0, 0, 0, 0, 1, 0, 0][..], &rand.repeat(255)].concat();
        tokio::spawn(async move {
            loop {
                let mut stream = TcpStream::connect(at).await.unwrap();
                for octet in &message {
                    if stream.write_all(&[*octet]).await.is_err() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        });
        let knock = port.next().await;
        assert!(!knock.octets.is_empty() && knock.octets.len() < 60_000, "{}", knock.octets.len());
    }
}
