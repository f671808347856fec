//! Media sockets: an RTP port that is even and its RTCP port above it (RFC 3550 section 11).

use super::runner::Arrived;
use crate::endpoint::MediaPorts;
use keyphone_media::srtp::Sealed;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// After an error, so that one that lasts does not keep us busy.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// The open media sockets of one runner.
pub(super) struct MediaSockets {
    ip: IpAddr,
    range: RangeInclusive<u16>,
    next: u16,
    arrived: mpsc::Sender<Arrived>,
    open: BTreeMap<SocketAddr, (Arc<UdpSocket>, AbortHandle)>,
}

impl MediaSockets {
    pub(super) fn new(ip: IpAddr, range: RangeInclusive<u16>, arrived: mpsc::Sender<Arrived>) -> Self {
        Self { ip, next: *range.start(), range, arrived, open: BTreeMap::new() }
    }

    /// Opens a pair of neighbouring ports, going round the range once.
    pub(super) async fn open_pair(&mut self) -> io::Result<MediaPorts> {
        let (first, last) = (self.range.start().next_multiple_of(2), *self.range.end());
        for _ in (first..last).step_by(2) {
            let port = if (first..last).contains(&self.next) { self.next.next_multiple_of(2) } else { first };
            self.next = port.saturating_add(2);
            let (rtp, rtcp) = (SocketAddr::new(self.ip, port), SocketAddr::new(self.ip, port + 1));
            if let (Ok(a), Ok(b)) = (UdpSocket::bind(rtp).await, UdpSocket::bind(rtcp).await) {
                self.listen(rtp, a);
                self.listen(rtcp, b);
                return Ok(MediaPorts { rtp, rtcp });
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!(
                "no two neighbouring UDP ports are free on {} from {first} to {last}: give other media-ports",
                self.ip
            ),
        ))
    }

    fn listen(&mut self, at: SocketAddr, socket: UdpSocket) {
        let (socket, arrived) = (Arc::new(socket), self.arrived.clone());
        let reader = socket.clone();
        let task = tokio::spawn(async move {
            // One octet more than anything that can be opened: what is longer is cut, and then not authentic.
            let mut buf = [0; Sealed::MAX_LEN + 1];
            loop {
                let Ok((len, from)) = reader.recv_from(&mut buf).await else {
                    // Most likely an ICMP message about something we sent: the port stays open.
                    tokio::time::sleep(PAUSE).await;
                    continue;
                };
                if arrived.send(Arrived::Media { at, from, bytes: buf[..len].to_vec() }).await.is_err() {
                    return;
                }
            }
        });
        self.open.insert(at, (socket, task.abort_handle()));
    }

    pub(super) fn close(&mut self, ports: MediaPorts) {
        for at in [ports.rtp, ports.rtcp] {
            if let Some((_, task)) = self.open.remove(&at) {
                task.abort();
            }
        }
    }

    /// A full send buffer loses the packet, as the network would.
    pub(super) fn send(&self, at: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if let Some((socket, _)) = self.open.get(&at)
            && let Err(error) = socket.try_send_to(bytes, to)
        {
            tracing::debug!(%at, %to, %error, "a media packet was not sent");
        }
    }
}

impl Drop for MediaSockets {
    fn drop(&mut self) {
        self.open.values().for_each(|(_, task)| task.abort());
    }
}
