//! In which calls a key stream is used: which key a packet is under says its tag, and which call it is of says SIP, where
//! the port that it left from was named.

use super::{Evidence, What};
use crate::world::Sent;
use keyphone_ua::sip::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

/// A key stream that packets were seen under, and the calls that these were of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// The fingerprint of its key.
    pub key: Arc<str>,
    /// SIP's Call-IDs.
    pub calls: BTreeSet<String>,
    /// How many packets.
    pub packets: usize,
}

impl Evidence<'_> {
    /// What each key stream on the wire was used for. No phone is asked but for its key log.
    pub fn uses(&self) -> Vec<Used> {
        let mut keys = self.keys();
        let seen = self.trace(&mut keys);
        let mut sip = self.wire.iter().enumerate().filter(|(_, sent)| !sent.media).peekable();
        let mut ports = BTreeMap::new();
        let mut used: BTreeMap<usize, Used> = BTreeMap::new();
        for packet in &seen {
            // A port may be another call's later on.
            while let Some((_, sent)) = sip.next_if(|(number, _)| *number < packet.number) {
                name_ports(sent, &mut ports);
            }
            let What::Protected(protected) = &packet.what else { continue };
            let stream = keys.all[protected.number].stream;
            let key = || Used { key: protected.key.clone(), calls: BTreeSet::new(), packets: 0 };
            let used = used.entry(stream).or_insert_with(key);
            used.packets += 1;
            used.calls.extend(ports.get(&rtp_port(packet.sent.from)).cloned());
        }
        used.into_values().collect()
    }
}

/// RTCP has the odd port behind it (RFC 3550 section 11).
fn rtp_port(from: SocketAddr) -> SocketAddr {
    SocketAddr::new(from.ip(), from.port() & !1)
}

/// The ports where whoever says this has its media, and in which call: he sends from there, too.
fn name_ports(sent: &Sent, ports: &mut BTreeMap<SocketAddr, String>) {
    let Ok(message) = Message::parse(&sent.bytes) else { return };
    let (headers, body) = match &message {
        Message::Request(request) => (&request.headers, &request.body),
        Message::Response(response) => (&response.headers, &response.body),
    };
    let Some(call_id) = headers.get("Call-ID") else { return };
    let body = String::from_utf8_lossy(body);
    let lines = || body.lines().map(str::trim_end);
    let host = lines().find_map(|line| line.strip_prefix("c=IN IP4 ").or(line.strip_prefix("c=IN IP6 ")));
    let Some(host) = host.and_then(|host| host.parse().ok()) else { return };
    for line in lines().filter_map(|line| line.strip_prefix("m=")) {
        let port = line.split(' ').nth(1).and_then(|port| port.parse().ok());
        ports.extend(port.map(|port| (SocketAddr::new(host, port), call_id.to_owned())));
    }
}
