//! Where others reach us: the SIP port, the media ports, and both families of addresses.

use super::Checked;
use keyphone_config::Network;
use keyphone_ua::net::probe;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Is the port free, for datagrams and for connections?
pub(super) fn sip(listen: SocketAddr) -> Vec<Checked> {
    const WHAT: &str = "SIP port";
    if listen.ip().is_unspecified() {
        let found = format!("{listen} names no address, and others could not tell where to reach this phone");
        return vec![Checked::problem(WHAT, found, "give --listen the address that they know this machine by")];
    }
    let mut checks: Vec<_> = [("udp", probe::udp(listen)), ("tcp", probe::tcp(listen))]
        .into_iter()
        .filter_map(|(transport, probed)| Some((transport, probed.err()?)))
        .map(|(transport, error)| {
            let advice = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    "stop what uses it, or give another --listen; port 0 takes any that is free"
                }
                io::ErrorKind::AddrNotAvailable => "give --listen an address of this machine",
                io::ErrorKind::PermissionDenied => "give --listen a port above 1023",
                _ => "give another --listen",
            };
            Checked::problem(WHAT, format!("nobody can listen on {listen} ({transport}): {error}"), advice)
        })
        .collect();
    if checks.is_empty() {
        let only = if listen.ip().is_loopback() { "; only phones on this machine reach it" } else { "" };
        checks.push(Checked::ok(WHAT, format!("{listen} is free (udp, tcp){only}")));
    }
    checks
}

/// How many calls have ports for their media?
pub(super) fn media(network: &Network) -> Checked {
    const WHAT: &str = "media ports";
    let (ip, range) = (network.listen.ip(), network.media_ports);
    let is_free = |port: u16| probe::udp((ip, port).into()).is_ok();
    let (mut all, mut free) = (0, 0);
    for port in range.pairs() {
        all += 1;
        free += usize::from(is_free(port) && is_free(port + 1));
    }
    let found = format!("of {range}, {free} of {all} pairs are free, one for each call");
    let advice = "choose other network.media-ports in the configuration file, or stop what uses these";
    match free {
        0 => Checked::problem(WHAT, found, advice),
        // Others will take more of them.
        _ if free * 2 < all => Checked::warning(WHAT, found, advice),
        _ => Checked::ok(WHAT, found),
    }
}

/// Which families of addresses does this machine speak?
pub(super) fn families(listen: SocketAddr) -> Checked {
    const WHAT: &str = "addresses";
    let has = |ip: IpAddr| probe::udp((ip, 0).into()).is_ok();
    let (v4, v6) = (has(Ipv4Addr::LOCALHOST.into()), has(Ipv6Addr::LOCALHOST.into()));
    match (v4, v6) {
        (true, true) => Checked::ok(WHAT, "IPv4 and IPv6 are on"),
        (true, false) if listen.is_ipv4() => {
            Checked::ok(WHAT, "IPv4 is on, IPv6 is off: phones that have only IPv6 cannot be called")
        }
        (false, true) if listen.is_ipv6() => {
            Checked::ok(WHAT, "IPv6 is on, IPv4 is off: phones that have only IPv4 cannot be called")
        }
        (false, false) => Checked::problem(WHAT, "neither IPv4 nor IPv6 works on this machine", "bring its network up"),
        _ => Checked::problem(
            WHAT,
            format!("{listen} is of a family that is off on this machine"),
            "give another --listen",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn an_address_that_is_not_ours_is_a_problem_with_its_own_advice() {
        let checks = sip("192.0.2.1:5060".parse().unwrap());
        assert_eq!(checks.len(), 2, "{checks:?}");
        assert_eq!(checks[0].advice.as_deref(), Some("give --listen an address of this machine"));
        assert_eq!(sip("0.0.0.0:5060".parse().unwrap())[0].verdict, Verdict::Problem);
        let free = sip("127.0.0.1:0".parse().unwrap());
        assert_eq!(free[0].verdict, Verdict::Ok);
        assert!(free[0].found.ends_with("only phones on this machine reach it"), "{free:?}");
    }
}
