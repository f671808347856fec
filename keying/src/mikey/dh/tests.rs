//! Known answers, and values that no honest peer sends.

use super::*;
use keyphone_media::env::{Instant, Now, NtpTime, Rng};
use proptest::prelude::*;

/// Fresh, if not random.
struct Dice(u64);

impl Rng for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        for octet in buf {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *octet = (self.0 >> 56) as u8;
        }
    }
}

/// Dice that always show the same.
struct Stuck(u8);

impl Rng for Stuck {
    fn fill(&mut self, buf: &mut [u8]) {
        buf.fill(self.0);
    }
}

fn with<T>(rng: &mut dyn Rng, f: impl FnOnce(&mut Env<'_>) -> T) -> T {
    f(&mut Env { now: Now { mono: Instant::ZERO, ntp: NtpTime(0) }, rng })
}

fn half(group: DhGroup, seed: u64) -> Half {
    with(&mut Dice(seed), |env| Half::new(group, env)).unwrap()
}

fn known(group: DhGroup, secret: &str) -> Half {
    Half::of(group, Secret::new(hex::decode(secret).unwrap())).unwrap()
}

#[test]
fn both_sides_of_every_group_agree_and_nobody_else_does() {
    for &group in DhGroup::ALL {
        let (ours, theirs, other) = (half(group, 1), half(group, 2), half(group, 3));
        assert_eq!(ours.public().len(), group.octets().unwrap(), "{group}");
        let agreed = ours.agree(theirs.public()).unwrap();
        assert_eq!(agreed, theirs.agree(ours.public()).unwrap(), "{group}");
        assert_ne!(agreed, other.agree(ours.public()).unwrap(), "{group}");
        let octets = [192, 96, 128, 32, 48, 66, 32][DhGroup::ALL.iter().position(|g| *g == group).unwrap()];
        assert_eq!(agreed.len(), octets, "{group}");
        assert_eq!(format!("{ours:?}"), format!("Half({group})"));
        assert_eq!(DhGroup::by_name(group.short()), Some(group));
        assert_eq!(group.is_private(), group.to_string().ends_with("not interoperable"), "marked wherever it shows");
    }
    assert!(with(&mut Dice(1), |env| Half::new(DhGroup::Unknown(14), env)).is_err());
    assert!(Half::of(DhGroup::P256, Secret::new(vec![0; 32])).is_err());
    assert!(Half::of(DhGroup::P256, Secret::new(vec![0xff; 32])).is_err());
    assert!(Half::of(DhGroup::X25519, Secret::new(vec![1; 31])).is_err());
    assert_eq!(DhGroup::by_name(""), None);
}

/// Known answers: a secret, its public value, the other's public value, what they agree on.
#[test]
fn the_curves_give_what_others_have_computed() {
    let cases = [
        // RFC 5903 section 8.1.
        (
            DhGroup::P256,
            "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
            "04dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c37725811805271a0461cdb8252d61f1c456fa3e59ab1f45b33acc\
             f5f58389e0577b8990bb3",
            "04d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf6356fbf3ca366cc23e8157854c13c58d6aac23f046ada\
             30f8353e74f33039872ab",
            "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de",
        ),
        // RFC 5903 section 8.2.
        (
            DhGroup::P384,
            "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee3faef896783ab194",
            "04667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6de3ac808acb4bdb4c88732aee95f41aa\
             9482ed1fc0eeb9cafc4984625ccfc23f65032149e0e144ada024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c",
            "04e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d0d1ac43a0336def96fda41d0774a3571\
             dcfbec7aacf3196472169e838430367f66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c",
            "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4d603135569b9e9d09cf5d4a270f59746",
        ),
        // By textbook arithmetic in another language; what is agreed on begins with a zero octet, or two.
        (
            DhGroup::P256,
            "0c8a4a73cae0ed8ae82b25b627b23cc583356db17d325cdcd700456e27da0102",
            "048bb77eb4051e56de982ec3620d9ca167740308621c85a8e91e7a6338eacdf0e064e874883449d08b0ea47735bc31f713\
             0e3b9896efdc3f9f62f91883dd900014",
            "0481eeb55be0f79848c2169deac4ea36e81d1d28ce5e3addb8c89094c4277c923e421231598c57c5b2291ab11d1439a974\
             ffca747adb2a0a12caae3a2857c41d1c",
            "00969f1ed15767fa10189155f58a517caaaa71934e15542a0136283d773addbf",
        ),
        (
            DhGroup::P521,
            "004e8066631c0aba2a8c546ba709d58fcc1dbd9160a0e8ddfb831061b0bf4d358c8a4f54d4c09bd289fe6dd641e3484937\
             04ebbc4847bc35938ae068846cbc1e0102",
            "0401f573bc9e590a94a09354f0d8c8bd8a56c62c168ac96decf022afe4f0a10c7ac69ba7ae4d7de295a83f7565503e4ce9\
             e9ea1ad25dc49c7551031b31b56b5b6e41e60153df3be250126c928739fc30e5b42c90eeaad8722c01568256b60510346e\
             5aff9157f612f137ebbc182800be0f7806406b1e0e4fd5b10352ae5578703e7fd6e1d4",
            "04007a747a53e1fa5a9d1bf160a549960d321820dc776cca6df8a89927714c7ff3f3ac5cf0f54f4ad9414ddd2a245306bc\
             cc6d2505821a9cb7c34332ed542fe97178cc01b3c71862b15647d5ed21f5bb2c30640cc74aa52d8d95a6e4bef6e8ff50f4\
             35a17fa54e98207a87c32f927f159fca6c24f152ad4ff2624f7afc71140fb3417c2221",
            "000033afa7dddaca048863b65fa03f37375eb3cad857e051893dd04b4e12849f7f4c98c7b03a8d25cc8a96ce4d5470129e\
             5ddc3477dccb1b5764009194b469cffaf0",
        ),
        // RFC 7748 section 6.1.
        (
            DhGroup::X25519,
            "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
            "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
        ),
    ];
    for (group, secret, public, theirs, agreed) in cases {
        let half = known(group, secret);
        assert_eq!(hex::encode(half.public()), public, "{group}");
        assert_eq!(hex::encode(&*half.agree(&hex::decode(theirs).unwrap()).unwrap()), agreed, "{group}");
    }
}

/// 2^x of a small x is short: all that is above it are zeros, and they stay.
#[test]
fn leading_zeros_stay_where_they_are() {
    for group in [DhGroup::Oakley1, DhGroup::Oakley2, DhGroup::Oakley5] {
        let len = group.octets().unwrap();
        let (three, five) = (known(group, "03"), known(group, "05"));
        let octets = |last: &[u8]| [vec![0; len - last.len()], last.to_vec()].concat();
        assert_eq!(three.public(), octets(&[8]), "{group}");
        assert_eq!(five.agree(three.public()).unwrap()[..], octets(&[0x80, 0])[..], "{group}");
    }
}

fn modulus(group: DhGroup) -> Vec<u8> {
    modp::prime(group).unwrap().to_vec()
}

#[test]
fn the_generator_makes_the_subgroup_of_prime_order() {
    for group in [DhGroup::Oakley1, DhGroup::Oakley2, DhGroup::Oakley5] {
        let mut q = modulus(group);
        let mut carry = 0;
        for octet in &mut q {
            (*octet, carry) = (*octet >> 1 | carry, *octet << 7);
        }
        let one = [vec![0; q.len() - 1], vec![1]].concat();
        assert_eq!(known(group, &hex::encode(q)).public(), one, "{group}");
    }
}

#[test]
fn values_that_make_the_key_known_to_everybody_are_refused() {
    for group in [DhGroup::Oakley1, DhGroup::Oakley2, DhGroup::Oakley5] {
        let (ours, p) = (half(group, 1), modulus(group));
        let small = |n: u8| [vec![0; p.len() - 1], vec![n]].concat();
        let off = |n: i16| {
            let mut near = p.clone();
            *near.last_mut().unwrap() = (i16::from(*near.last().unwrap()) + n) as u8;
            near
        };
        for bad in [small(0), small(1), off(-1), p.clone(), vec![0xff; p.len()], p[1..].to_vec(), vec![]] {
            let why = ours.agree(&bad).unwrap_err().to_string();
            assert!(why.contains("RFC 2412 section 2.3.1.1"), "{group}: {why}");
        }
        ours.agree(&small(2)).unwrap();
        ours.agree(&off(-2)).unwrap();
    }
}

#[test]
fn what_is_no_point_of_the_curve_is_refused() {
    for group in [DhGroup::P256, DhGroup::P384, DhGroup::P521] {
        let (ours, good) = (half(group, 1), half(group, 2).public().to_vec());
        let changed = |at: usize| {
            let mut bad = good.clone();
            bad[at] ^= 1;
            bad
        };
        let half = good.len() / 2;
        let compressed = [&[2 + (good[good.len() - 1] & 1)], &good[1..=half]].concat();
        let short = good[..good.len() - 1].to_vec();
        let odd = [changed(0), changed(1), changed(half), changed(good.len() - 1), compressed, vec![0], short, vec![]];
        for bad in odd {
            let why = ours.agree(&bad).unwrap_err().to_string();
            assert!(why.contains("no point of the curve"), "{group}: {why}");
        }
        assert!(ours.agree(&vec![4; good.len()]).is_err());
    }
}

/// The points of small order (RFC 7748 section 6.1): 0, 1, p - 1, p, p + 1, and the two of order 8.
#[test]
fn values_of_small_order_on_curve25519_are_refused() {
    let ours = half(DhGroup::X25519, 1);
    let last = |first: u8| {
        let mut u = [0xff; 32];
        (u[0], u[31]) = (first, 0x7f);
        u.to_vec()
    };
    let first = |n: u8| [vec![n], vec![0; 31]].concat();
    let order_8 = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
    for bad in [first(0), first(1), last(0xec), last(0xed), last(0xee), hex::decode(order_8).unwrap()] {
        let why = ours.agree(&bad).unwrap_err().to_string();
        assert!(why.contains("RFC 7748 section 6.1"), "{}: {why}", hex::encode(bad));
    }
    assert!(ours.agree(&[9; 31]).unwrap_err().to_string().contains("32 octets"));
}

#[test]
fn broken_dice_make_no_secret_that_is_outside_of_its_group() {
    for group in [DhGroup::Oakley1, DhGroup::Oakley5] {
        let stuck = with(&mut Stuck(0), |env| Half::new(group, env)).unwrap();
        stuck.agree(half(group, 2).public()).unwrap();
    }
    for (group, face) in [(DhGroup::P256, 0), (DhGroup::P256, 0xff), (DhGroup::P384, 0xff), (DhGroup::P521, 0xff)] {
        let why = with(&mut Stuck(face), |env| Half::new(group, env)).unwrap_err().to_string();
        assert!(why.contains("no random numbers"), "{why}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever a peer sends: an agreement that it can make too, or an error.
    #[test]
    fn no_value_of_a_peer_panics_or_makes_a_key_of_another_length(
        group in 0..DhGroup::ALL.len(), mut value in proptest::collection::vec(any::<u8>(), 0..200), fits in any::<bool>(),
    ) {
        let group = DhGroup::ALL[group];
        if fits {
            value.resize(group.octets().unwrap(), 4);
        }
        let ours = half(group, 1);
        match ours.agree(&value) {
            Ok(agreed) => {
                prop_assert_eq!(value.len(), group.octets().unwrap());
                prop_assert!(agreed.iter().any(|&octet| octet != 0));
                prop_assert_eq!(agreed.len(), ours.agree(half(group, 2).public()).unwrap().len());
            }
            Err(error) => prop_assert!(matches!(error, Error::PeerMisbehaved(_)), "{}", error),
        }
    }

    #[test]
    fn any_secret_agrees_with_any_other(a in any::<u64>(), b in any::<u64>(), group in 0..DhGroup::ALL.len()) {
        let group = DhGroup::ALL[group];
        let (a, b) = (half(group, a), half(group, b));
        prop_assert_eq!(a.agree(b.public()).unwrap(), b.agree(a.public()).unwrap());
    }
}
