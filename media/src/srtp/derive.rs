//! Session keys out of a master key (RFC 3711 section 4.3): once for ever where the key derivation rate is zero, and
//! afresh whenever `index DIV rate` changes where it is not.

use super::aes::Aes;
use super::ledger::Kind;
use super::transform::Transform;
use super::{MasterKey, Suite};
use zeroize::Zeroizing;

/// After how many packets session keys are derived afresh: never, or after 2^0, 2^1, .. 2^24 (RFC 3711 section 3.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DerivationRate(Option<u8>);

impl DerivationRate {
    /// Once for ever: the default.
    pub const ZERO: Self = Self(None);

    /// `None` if that is neither zero nor a power of two up to 2^24.
    pub fn new(packets: u64) -> Option<Self> {
        match packets {
            0 => Some(Self::ZERO),
            1..=0x0100_0000 if packets.is_power_of_two() => Some(Self(Some(packets.trailing_zeros() as u8))),
            _ => None,
        }
    }

    /// As MIKEY and the RFC write it: packets.
    pub fn packets(self) -> u64 {
        self.0.map_or(0, |exponent| 1 << exponent)
    }

    /// `index DIV rate`, where `a DIV 0 = 0`.
    fn epoch(self, index: u64) -> u64 {
        self.0.map_or(0, |exponent| index >> exponent)
    }
}

/// What a derived key is for. The labels of SRTCP follow those of SRTP (RFC 3711 sections 4.3.1 and 4.3.2).
#[derive(Clone, Copy)]
pub(super) enum Label {
    Encryption = 0,
    Authentication = 1,
    Salt = 2,
}

/// Where session keys come from: the expanded master key and its salt, and what they are for.
pub(super) struct Source {
    pub(super) suite: Suite,
    pub(super) kind: Kind,
    master: Aes,
    salt: Zeroizing<u128>,
    /// `index DIV rate`.
    epoch: u64,
}

impl Source {
    fn new(key: &MasterKey, kind: Kind) -> Self {
        let master = Aes::new(key.key()).expect("MasterKey::new has measured the key");
        // The salt of AEAD has 96 bits, and the RFC's x has 112: its last 16 are zero, as libsrtp and others have it.
        let salt = Zeroizing::new(salt_number(key.salt()) << (112 - 8 * key.salt().len()));
        Self { suite: key.suite(), kind, master, salt, epoch: 0 }
    }

    /// `N` octets of key: AES-CM's key stream under the master key, from `(label || index DIV rate) XOR salt`, times
    /// 2^16 (RFC 3711 sections 4.3.1 and 4.3.3). The index has 48 bits here for SRTCP, too: its 31 stand right.
    pub(super) fn derive<const N: usize>(&self, label: Label) -> Zeroizing<[u8; N]> {
        let mut key = Zeroizing::new([0; N]);
        let label = label as u128 + if self.kind == Kind::Rtcp { 3 } else { 0 };
        let x = *self.salt ^ label << 48 ^ u128::from(self.epoch);
        self.master.crypt(x << 16, &mut key[..]);
        key
    }
}

/// A salt of up to 14 octets as a number, so that the RFC's XORs and shifts can be written as they stand there.
pub(super) fn salt_number(salt: &[u8]) -> u128 {
    salt.iter().fold(0, |n, octet| n << 8 | u128::from(*octet))
}

/// The session keys of one master key, for RTP or for RTCP, as the index goes on.
pub(super) enum Epochs {
    /// A rate of zero.
    One(Transform),
    /// The transforms of the epochs that were used last, the newest last.
    Many(Source, DerivationRate, Vec<(u64, Transform)>),
}

impl Epochs {
    /// So many are kept: of one stream the current one and that of its stragglers, and as many of other streams.
    const KEPT: usize = 4;

    pub(super) fn new(key: &MasterKey, kind: Kind) -> Self {
        let source = Source::new(key, kind);
        match key.derivation_rate() {
            DerivationRate::ZERO => Self::One(Transform::new(&source)),
            rate => Self::Many(source, rate, Vec::with_capacity(Self::KEPT)),
        }
    }

    /// The session keys of the next packet that we send.
    pub(super) fn at(&mut self, index: u64) -> &Transform {
        match self {
            Self::One(transform) => transform,
            Self::Many(source, rate, kept) => {
                let epoch = rate.epoch(index);
                let at = kept.iter().position(|(of, _)| *of == epoch).unwrap_or_else(|| {
                    source.epoch = epoch;
                    keep(kept, epoch, Transform::new(source))
                });
                &kept[at].1
            }
        }
    }

    /// Opens a packet that says it has that index. Keys of another epoch than the last ones are kept only if it is
    /// authentic: a forged index costs a derivation and leaves nothing.
    pub(super) fn open<R>(&mut self, index: u64, open: impl FnOnce(&Transform) -> Option<R>) -> Option<R> {
        match self {
            Self::One(transform) => open(transform),
            Self::Many(source, rate, kept) => {
                let epoch = rate.epoch(index);
                if let Some((_, transform)) = kept.iter().find(|(of, _)| *of == epoch) {
                    return open(transform);
                }
                source.epoch = epoch;
                let transform = Transform::new(source);
                let result = open(&transform)?;
                keep(kept, epoch, transform);
                Some(result)
            }
        }
    }
}

/// Keeps one more, in the place of the oldest where there are enough. Returns where it stands.
fn keep(kept: &mut Vec<(u64, Transform)>, epoch: u64, transform: Transform) -> usize {
    if kept.len() == Epochs::KEPT {
        kept.remove(0);
    }
    kept.push((epoch, transform));
    kept.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(key: &str, salt: &str, kind: Kind, epoch: u64) -> Source {
        let bytes = |text| hex::decode(text).unwrap();
        let salt = Zeroizing::new(salt_number(&bytes(salt)));
        let suite = Suite::AesCm128HmacSha1_80; // derivation does not look at it
        Source { suite, kind, master: Aes::new(&bytes(key)).unwrap(), salt, epoch }
    }

    const KEY: &str = "E1F97A0D3E018BE0D64FA32C06DE4139";
    const SALT: &str = "0EC675AD498AFEEBB6960B3AABE6";

    /// RFC 3711 appendix B.3.
    #[test]
    fn the_keys_of_rfc_3711_appendix_b_3_come_out() {
        let source = source(KEY, SALT, Kind::Rtp, 0);
        assert_eq!(hex::encode_upper(*source.derive::<16>(Label::Encryption)), "C61E7A93744F39EE10734AFE3FF7A087");
        assert_eq!(hex::encode_upper(*source.derive::<14>(Label::Salt)), "30CBBC08863D8C85D49DB34A9AE1");
        assert_eq!(
            hex::encode_upper(*source.derive::<94>(Label::Authentication)),
            "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE\
             E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25\
             6D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2"
        );
    }

    /// RFC 6188 sections 7.2 and 7.4.
    #[test]
    fn the_keys_of_rfc_6188_section_7_come_out() {
        let master = "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6";
        let source_256 = source(master, "3b04803de51ee7c96423ab5b78d2", Kind::Rtp, 0);
        assert_eq!(
            hex::encode(*source_256.derive::<32>(Label::Encryption)),
            "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4"
        );
        assert_eq!(hex::encode(*source_256.derive::<14>(Label::Salt)), "fa31791685ca444a9e07c6c64e93");
        let auth = hex::encode(*source_256.derive::<20>(Label::Authentication));
        assert_eq!(auth, "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05");

        let master = "73edc66c4fa15776fb57f9505c17136550ffda71f3e8e5f1";
        let source_192 = source(master, "c8522f3acd4ce86d5add78edbb11", Kind::Rtp, 0);
        let key = hex::encode(*source_192.derive::<24>(Label::Encryption));
        assert_eq!(key, "31874736a8f1143870c26e4857d8a5b2c4a354407faadabb");
        assert_eq!(hex::encode(*source_192.derive::<14>(Label::Salt)), "2372b82d639b6d8503a47adc0a6c");
        let auth = hex::encode(*source_192.derive::<20>(Label::Authentication));
        assert_eq!(auth, "355b10973cd95b9eacf4061c7e1a7151e7cfbfcb");
    }

    /// What AES makes of the RFC's x, built here octet by octet: label at the eighth, `index DIV rate` in the six after.
    #[test]
    fn an_epoch_stands_right_of_the_label() {
        let mut x = [hex::decode(SALT).unwrap(), vec![0, 0]].concat();
        x[7] ^= 4;
        x[12] ^= 0x12;
        x[13] ^= 0x34;
        let mut key = [0; 16];
        Aes::new(&hex::decode(KEY).unwrap()).unwrap().crypt(u128::from_be_bytes(x.try_into().unwrap()), &mut key);
        assert_eq!(*source(KEY, SALT, Kind::Rtcp, 0x1234).derive::<16>(Label::Authentication), key);
    }

    #[test]
    fn a_rate_is_zero_or_a_power_of_two_up_to_2_to_the_24() {
        assert_eq!(DerivationRate::new(0), Some(DerivationRate::ZERO));
        for exponent in 0..=24 {
            let rate = DerivationRate::new(1 << exponent).unwrap();
            assert_eq!(
                (rate.packets(), rate.epoch((1 << exponent) - 1), rate.epoch(1 << exponent)),
                (1 << exponent, 0, 1)
            );
        }
        for bad in [3, 5, 100, (1 << 24) + 1, 1 << 25, u64::MAX] {
            assert_eq!(DerivationRate::new(bad), None, "{bad}");
        }
        assert_eq!(DerivationRate::ZERO.epoch(1 << 47), 0);
    }
}
