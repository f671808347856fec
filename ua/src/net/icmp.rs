//! What the network says about datagrams that did not arrive (RFC 3261 section 18.4).
//!
//! An unconnected UDP socket does not say which destination an ICMP error is about. Linux keeps the errors in a queue
//! beside the socket, each with the address that the datagram was sent to (IP_RECVERR in ip(7)); `nix` reads it without
//! unsafe code of ours, and without a socket for each destination. Elsewhere there is no such queue, and a call to a
//! closed port ends by timer B. The kernel has checked that the error quotes a datagram of this socket; a transaction
//! heeds it only while nothing was heard from the peer, so that whoever forges one can do no more than who drops a
//! datagram.

use std::io;
use std::net::SocketAddr;
use tokio::net::UdpSocket;

/// Asks the system to keep errors.
#[cfg(target_os = "linux")]
pub(super) fn keep_errors(socket: &UdpSocket) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};
    match socket.local_addr()? {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &true),
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &true),
    }
    .map_err(io::Error::from)
}

/// The next destination that cannot be reached, and why.
#[cfg(target_os = "linux")]
pub(super) async fn next_error(socket: &UdpSocket) -> io::Result<(SocketAddr, String)> {
    loop {
        if let Some(failed) = socket.async_io(tokio::io::Interest::ERROR, || read(socket)).await? {
            return Ok(failed);
        }
    }
}

#[cfg(target_os = "linux")]
fn read(socket: &UdpSocket) -> io::Result<Option<(SocketAddr, String)>> {
    use nix::errno::Errno;
    use nix::libc::sock_extended_err;
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrStorage, recvmsg};
    use std::io::IoSliceMut;
    use std::os::fd::AsRawFd;

    let mut quoted = [0; 64];
    let mut slices = [IoSliceMut::new(&mut quoted)];
    let mut space = nix::cmsg_space!(sock_extended_err, nix::libc::sockaddr_in6);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut space), flags)?;
    let errno = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
            Some(Errno::from_raw(error.ee_errno as i32))
        }
        _ => None,
    });
    let to = message.address.and_then(|address| {
        let v4 = address.as_sockaddr_in().map(|a: &SockaddrIn| SocketAddr::from((a.ip(), a.port())));
        v4.or_else(|| address.as_sockaddr_in6().map(|a: &SockaddrIn6| SocketAddr::from((a.ip(), a.port()))))
    });
    // Host, network, port or protocol unreachable; that a datagram was too long or lived too long is no failure.
    let why = match errno {
        Some(Errno::ECONNREFUSED) => "nobody listens there (ICMP: port unreachable)",
        Some(Errno::EHOSTUNREACH) => "there is no way to that host (ICMP)",
        Some(Errno::ENETUNREACH) => "there is no way to that network (ICMP)",
        Some(Errno::ENOPROTOOPT) => "that host knows no UDP (ICMP)",
        _ => return Ok(None),
    };
    Ok(to.map(|to| (to, why.to_owned())))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn keep_errors(_: &UdpSocket) -> io::Result<()> {
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) async fn next_error(_: &UdpSocket) -> io::Result<(SocketAddr, String)> {
    std::future::pending().await
}

/// Is this an error about a datagram that was sent before, and not about this one?
pub(super) fn is_late(error: &io::Error) -> bool {
    use io::ErrorKind;
    let kind = error.kind();
    matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable)
}
