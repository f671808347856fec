//! Session keys out of a master key (RFC 3711 section 4.3), with a key derivation rate of zero: once for ever.

use super::session::crypt;
use aes::Aes128Enc;
use zeroize::Zeroizing;

/// What a derived key is for (RFC 3711 sections 4.3.1 and 4.3.2).
#[derive(Clone, Copy)]
pub(super) enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// `N` octets of key: AES-CM's key stream under the master key, from `(label || 0) XOR salt`, times 2^16 (RFC 3711
/// sections 4.3.1 and 4.3.3).
pub(super) fn derive<const N: usize>(master: &Aes128Enc, salt: u128, label: Label) -> Zeroizing<[u8; N]> {
    let mut key = Zeroizing::new([0; N]);
    let x = salt ^ (label as u128) << 48; // index DIV kdr, 48 bits of zero, stands right of the label
    crypt(master, x << 16, &mut key[..]);
    key
}

/// A salt of 14 octets as a number, so that the RFC's XORs and shifts can be written as they stand there.
pub(super) fn salt_number(salt: &[u8]) -> u128 {
    salt.iter().fold(0, |n, octet| n << 8 | u128::from(*octet))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes::cipher::KeyInit;

    /// RFC 3711 appendix B.3.
    #[test]
    fn the_keys_of_rfc_3711_appendix_b_3_come_out() {
        let master = Aes128Enc::new_from_slice(&hex::decode("E1F97A0D3E018BE0D64FA32C06DE4139").unwrap()).unwrap();
        let salt = salt_number(&hex::decode("0EC675AD498AFEEBB6960B3AABE6").unwrap());
        let key = derive::<16>(&master, salt, Label::RtpEncryption);
        assert_eq!(hex::encode_upper(*key), "C61E7A93744F39EE10734AFE3FF7A087");
        let salt_key = derive::<14>(&master, salt, Label::RtpSalt);
        assert_eq!(hex::encode_upper(*salt_key), "30CBBC08863D8C85D49DB34A9AE1");
        let auth = derive::<94>(&master, salt, Label::RtpAuthentication);
        assert_eq!(
            hex::encode_upper(*auth),
            "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE\
             E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25\
             6D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2"
        );
    }
}
