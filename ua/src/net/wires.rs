//! Real sockets for whoever steps endpoints, or what is like them, by itself: scenarios.

use super::dns::Resolver;
use super::media::MediaSockets;
use super::runner::Arrived;
use super::sip::{SipSide, Sockets};
use crate::endpoint::MediaPorts;
use crate::locate::{Answer, Question};
use crate::transaction::{Destination, Transport};
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;

/// The SIP port and the media ports of one phone or proxy.
pub struct Wires {
    sip: SipSide,
    media: MediaSockets,
    resolver: Resolver,
    to_us: mpsc::Sender<Arrived>,
    arrived: mpsc::Receiver<Arrived>,
    /// Media comes by a way of its own, so that it waits for nobody's SIP.
    heard: mpsc::Receiver<Arrived>,
}

/// What sockets bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// A SIP datagram, or one whole message from a stream.
    Sip {
        /// Who sent it.
        from: SocketAddr,
        /// Over what.
        transport: Transport,
        /// The message.
        bytes: Vec<u8>,
    },
    /// A datagram on a media port.
    Media {
        /// Which port of ours.
        at: SocketAddr,
        /// Who sent it.
        from: SocketAddr,
        /// The packet.
        bytes: Vec<u8>,
    },
    /// Nothing can be sent there.
    Failed {
        /// Where to.
        to: SocketAddr,
        /// Over what.
        transport: Transport,
        /// What went wrong.
        why: String,
    },
    /// What the name servers say.
    Found {
        /// To this question.
        question: Question,
        /// This.
        answer: Answer,
    },
}

impl Wires {
    /// Media ports come from `media_ports`, on the address of the SIP port.
    pub fn new(sockets: Sockets, media_ports: RangeInclusive<u16>) -> Self {
        let (to_us, arrived) = mpsc::channel(256);
        let (media_to, heard) = mpsc::channel(256);
        let media = MediaSockets::new(sockets.local().ip(), media_ports, media_to);
        let sip = SipSide::start(sockets, to_us.clone());
        Self { sip, media, resolver: Resolver::default(), to_us, arrived, heard }
    }

    /// Opens a pair of neighbouring media ports.
    ///
    /// # Errors
    /// None are free.
    pub async fn open_ports(&mut self) -> io::Result<MediaPorts> {
        self.media.open_pair().await
    }

    /// Closes a pair of media ports.
    pub fn close_ports(&mut self, ports: MediaPorts) {
        self.media.close(ports);
    }

    /// Sends SIP: at once over UDP, else on a connection. `name` is the host that TLS must prove.
    pub fn send_sip(&mut self, to: SocketAddr, transport: Transport, name: Option<Arc<str>>, bytes: Vec<u8>) {
        self.sip.send(to, transport, name, bytes);
    }

    /// Sends from a media port; what is not open sends nothing.
    pub fn send_media(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        self.media.send(from, to, bytes);
    }

    /// Asks the name servers. The answer comes like everything else.
    pub fn look_up(&self, question: Question) {
        self.resolver.look_up(question, self.to_us.clone());
    }

    /// What has come, media first. Connections are taken meanwhile; those to `needed` give way to no others.
    pub fn poll(&mut self, cx: &mut Context<'_>, needed: impl Fn() -> BTreeSet<Destination>) -> Poll<Came> {
        loop {
            let next = match self.heard.poll_recv(cx) {
                Poll::Ready(Some(heard)) => heard,
                // Both are never closed, for we hold a sender of each ourselves.
                _ => match ready!(self.arrived.poll_recv(cx)) {
                    Some(arrived) => arrived,
                    None => return Poll::Pending,
                },
            };
            return Poll::Ready(match next {
                Arrived::Sip { from, transport, bytes } => Came::Sip { from, transport, bytes },
                Arrived::Media { at, from, bytes } => Came::Media { at, from, bytes },
                Arrived::Failed { to, transport, why, .. } => Came::Failed { to, transport, why },
                Arrived::Found { question, answer } => Came::Found { question, answer },
                Arrived::Connection { stream, from, transport } => {
                    self.sip.accepted(stream, from, transport, &needed);
                    continue;
                }
                Arrived::Fetched { .. } => continue,
            });
        }
    }

    /// Lets what is queued leave, for half a second at most.
    pub async fn stop(self) {
        self.sip.stop().await;
    }
}
