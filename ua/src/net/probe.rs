//! Is a port free? Asked before anybody calls, by opening it and letting go of it again.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

/// Can datagrams be received there?
///
/// # Errors
/// They cannot: somebody else does, or the address is none of ours.
pub fn udp(addr: SocketAddr) -> io::Result<()> {
    UdpSocket::bind(addr).map(drop)
}

/// Can connections be accepted there?
///
/// # Errors
/// They cannot, as with [`udp`].
pub fn tcp(addr: SocketAddr) -> io::Result<()> {
    TcpListener::bind(addr).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_free_until_somebody_has_it() {
        let held = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let addr = held.local_addr().unwrap();
        assert_eq!(udp(addr).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let held = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        assert_eq!(tcp(held.local_addr().unwrap()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        udp("127.0.0.1:0".parse().unwrap()).unwrap();
        // An address of nobody's (RFC 5737 section 3).
        assert!(tcp("192.0.2.1:0".parse().unwrap()).is_err());
    }
}
