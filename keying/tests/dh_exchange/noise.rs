//! Noise on the line: whatever becomes of a message on its way, it is refused, and no key comes out.

use crate::support::*;
use keyphone_keying::Offered;
use proptest::prelude::*;
use std::cell::RefCell;

/// One exchange of a mode: alice, who waits, and what was said.
struct Exchange {
    kind: Kind,
    alice: Side,
    offered: Box<dyn Offered>,
    offer: Vec<u8>,
    answer: Vec<u8>,
}

impl Exchange {
    fn new(kind: Kind) -> Self {
        let (mut alice, mut bob) = pair(kind);
        let (offer, offered, _) = alice.offer();
        let answer = bytes(&bob.accept(&offer).0);
        Self { kind, alice, offered, offer: bytes(&offer), answer }
    }

    fn refuses(&mut self, offer: &[u8], answer: &[u8]) -> bool {
        let mut quiet = true;
        if offer != self.offer {
            let (result, out) = pair(self.kind).1.answer(&lines(offer));
            quiet &= result.is_err() && keys(&out).is_empty();
        }
        if answer != self.answer {
            let (result, out) = self.alice.told(&mut *self.offered.session(), &lines(answer));
            quiet &= result.is_err() && keys(&out).is_empty();
        }
        quiet
    }
}

thread_local! {
    static EXCHANGES: RefCell<[Exchange; 2]> = RefCell::new(Kind::BOTH.map(Exchange::new));
}

/// What becomes of both messages under this change?
fn refused(sign: bool, change: impl Fn(&[u8]) -> Vec<u8>) -> bool {
    EXCHANGES.with_borrow_mut(|exchanges| {
        let exchange = &mut exchanges[usize::from(sign)];
        let (offer, answer) = (change(&exchange.offer), change(&exchange.answer));
        exchange.refuses(&offer, &answer)
    })
}

#[test]
fn a_message_that_is_cut_anywhere_is_refused() {
    for sign in [false, true] {
        for end in 0..1000 {
            assert!(refused(sign, |octets| octets[..end.min(octets.len() - 1)].to_vec()), "{sign}: {end}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Octets changed, cut out, doubled, put in.
    #[test]
    fn a_damaged_message_is_refused(
        sign in any::<bool>(), from in any::<prop::sample::Index>(), len in 0usize..40,
        noise in proptest::collection::vec(any::<u8>(), 0..40), double in any::<bool>(),
    ) {
        let damage = |octets: &[u8]| {
            let from = from.index(octets.len());
            let to = (from + len).min(octets.len());
            let middle = if double { [&octets[from..to], &octets[from..to]].concat() } else { noise.clone() };
            [&octets[..from], &middle, &octets[to..]].concat()
        };
        prop_assert!(refused(sign, damage));
    }

    #[test]
    fn noise_is_refused(sign in any::<bool>(), noise in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(refused(sign, |_| noise.clone()));
        // Behind a true header, too.
        prop_assert!(refused(sign, |octets| [&octets[..28], &noise].concat()));
    }
}
