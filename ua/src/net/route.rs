//! Which address of ours a peer can reach.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The local address that packets to `to` leave from. Connecting a UDP socket chooses a route and sends nothing.
///
/// # Errors
/// There is no route.
pub fn local_address_towards(to: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(to)?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_reached_over_loopback_in_either_family() {
        for host in ["127.0.0.1:5060", "[::1]:5060"] {
            let to: SocketAddr = host.parse().unwrap();
            assert_eq!(local_address_towards(to).unwrap(), to.ip());
        }
    }
}
