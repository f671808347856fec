//! What the machine gives: descriptors for sockets, and the time.

use super::Checked;
use keyphone_config::{Config, Network};
use keyphone_ua::net::Clock;
use std::time::{Duration, UNIX_EPOCH};

/// Each call has a socket for RTP and one for RTCP.
const PER_CALL: u64 = 2;
/// SIP's sockets, connections of some peers, files.
const BESIDE: u64 = 64;

/// Are there descriptors for as many calls as there are media ports? Elsewhere than on Unix nobody counts them.
#[cfg(unix)]
pub(super) fn descriptors(network: &Network) -> Option<Checked> {
    use rustix::process::{Resource, getrlimit};
    Some(enough(getrlimit(Resource::Nofile).current, network.media_ports.pairs().count() as u64))
}

#[cfg(not(unix))]
pub(super) fn descriptors(_: &Network) -> Option<Checked> {
    None
}

/// `None` is no limit.
fn enough(limit: Option<u64>, pairs: u64) -> Checked {
    const WHAT: &str = "descriptors";
    let wanted = pairs * PER_CALL + BESIDE;
    let calls = limit.map_or(u64::MAX, |limit| limit.saturating_sub(BESIDE) / PER_CALL);
    let said =
        limit.map_or("as many files and sockets as one likes".into(), |limit| format!("{limit} files and sockets"));
    let found = format!("this process may open {said}; {pairs} calls want {wanted}");
    let advice = format!("ulimit -n {wanted} lets as many calls in as there are media ports");
    match calls {
        0 => Checked::problem(WHAT, found, advice),
        _ if calls < pairs => {
            Checked::warning(WHAT, format!("{found}, so that there is room for about {calls}"), advice)
        }
        _ => Checked::ok(WHAT, found),
    }
}

/// Is the clock one that a peer would believe? (RFC 3830 section 5.4: messages carry the time, and are refused if it is
/// too far from the receiver's.)
pub(super) fn clock(config: &Config) -> Checked {
    let clock = Clock::default();
    let (before, after) = (clock.now(), clock.now());
    sane(since_1970(), after.mono >= before.mono, config.policy.mikey.max_skew)
}

#[expect(clippy::disallowed_methods, reason = "the doctor looks at the machine's own clock")]
pub(super) fn since_1970() -> Option<Duration> {
    std::time::SystemTime::now().duration_since(UNIX_EPOCH).ok()
}

/// When this was written, and a century later: a clock outside of that was never set.
const SANE: std::ops::Range<u64> = 1_767_225_600..4_922_899_200;

fn sane(since_1970: Option<Duration>, goes_forward: bool, max_skew: Duration) -> Checked {
    const WHAT: &str = "clock";
    let advice = "set the clock; a time service such as chrony or systemd-timesyncd keeps it right";
    let Some(since_1970) = since_1970 else {
        return Checked::problem(WHAT, "it says a time before 1970", advice);
    };
    let now = humantime::format_rfc3339_seconds(UNIX_EPOCH + since_1970);
    let skew = humantime::format_duration(max_skew);
    if !SANE.contains(&since_1970.as_secs()) {
        return Checked::problem(
            WHAT,
            format!("it says {now}, and peers would refuse MIKEY messages of that time"),
            advice,
        );
    }
    if !goes_forward {
        return Checked::problem(
            WHAT,
            "it went back between two looks at it",
            "restart the machine, or the hypervisor",
        );
    }
    Checked::ok(WHAT, format!("it says {now}; MIKEY takes messages from clocks that are up to {skew} off"))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_stops_calls() {
        let sane = |secs, forward| sane(Some(Duration::from_secs(secs)), forward, Duration::from_secs(60));
        assert_eq!(sane(0, true).verdict, Verdict::Problem);
        assert_eq!(sane(5_000_000_000, true).verdict, Verdict::Problem);
        assert_eq!(sane(1_795_270_000, false).verdict, Verdict::Problem);
        let well = sane(1_795_270_000, true);
        assert_eq!(well.verdict, Verdict::Ok);
        let text = "it says 2026-11-21T14:06:40Z; MIKEY takes messages from clocks that are up to 1m off";
        assert_eq!(well.found, text);
        assert_eq!(super::sane(None, true, Duration::ZERO).verdict, Verdict::Problem);
    }

    #[test]
    fn descriptors_are_counted_against_the_calls_that_ports_allow() {
        assert_eq!(enough(Some(2_000), 500).verdict, Verdict::Ok);
        assert_eq!(enough(None, 500).verdict, Verdict::Ok);
        let few = enough(Some(1_024), 500);
        assert_eq!(few.verdict, Verdict::Warning);
        assert!(few.found.ends_with("room for about 480"), "{few:?}");
        assert_eq!(few.advice.as_deref(), Some("ulimit -n 1064 lets as many calls in as there are media ports"));
        assert_eq!(enough(Some(20), 500).verdict, Verdict::Problem);
    }
}
