//! The order in which the servers of a service are tried (RFC 2782, "Usage rules").

use super::Srv;
use keyphone_media::env::Env;

/// By priority; among equals by lot, where a weight of two is drawn twice as often as a weight of one.
pub(super) fn in_order(mut records: Vec<Srv>, env: &mut Env<'_>) -> Vec<Srv> {
    // Those of weight 0 first, so that they have a small chance beside others.
    records.sort_by_key(|srv| (srv.priority, srv.weight != 0));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let equals = records.iter().take_while(|srv| srv.priority == first.priority);
        let sum: u64 = equals.clone().map(|srv| u64::from(srv.weight)).sum();
        // A number from 0 to the sum, both included; the first whose running sum reaches it is next.
        let lot = env.random() % (sum + 1);
        let running = equals.scan(0, |so_far, srv| {
            *so_far += u64::from(srv.weight);
            Some(*so_far)
        });
        let next = running.take_while(|so_far| *so_far < lot).count();
        ordered.push(records.remove(next));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyphone_media::env::{Instant, Now, NtpTime, Rng};

    struct Dice(u64);

    impl Rng for Dice {
        fn fill(&mut self, buf: &mut [u8]) {
            for byte in buf {
                self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (self.0 >> 56) as u8;
            }
        }
    }

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 5060, target: target.into() }
    }

    #[test]
    fn priority_decides_and_weight_shares_the_load() {
        let records = [srv(20, 9, "backup"), srv(10, 3, "big"), srv(10, 1, "small"), srv(10, 0, "spare")];
        let mut dice = Dice(1);
        let mut first = [0; 3];
        for _ in 0..4000 {
            let now = Now { mono: Instant::ZERO, ntp: NtpTime(0) };
            let order = in_order(records.to_vec(), &mut Env { now, rng: &mut dice });
            assert_eq!(order.len(), 4);
            assert_eq!(order[3].target, "backup");
            let names = ["big", "small", "spare"];
            first[names.iter().position(|name| order[0].target == *name).unwrap()] += 1;
        }
        // Lots 0 to 4: one for the spare one, one for the small one, three for the big one.
        assert!((2100..2700).contains(&first[0]) && (600..1000).contains(&first[1]), "{first:?}");
        assert!((600..1000).contains(&first[2]), "{first:?}");
    }
}
