//! Lines of the key log, for those who asked for one by name (`--keylog`).

use crate::event::KeyUse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyphone_media::policy::RevealPermit;
use keyphone_media::srtp::MasterKey;
use zeroize::Zeroizing;

/// `SRTP <suite> inline:<base64 of key || salt> ssrc=<hex, or * where any> use=<send or hear> key=<fingerprint>`: key
/// and salt as SDES would write them (RFC 4568 section 6.1), so that other tools read them. ` mki=<hex>` and ` kdr=<n>`
/// follow where packets carry an MKI and where session keys change after so many.
pub(super) fn line(key: &MasterKey, use_for: KeyUse, ssrc: Option<&str>, permit: &RevealPermit) -> Zeroizing<String> {
    let bytes = Zeroizing::new(STANDARD.encode(&key.reveal(permit)[..]));
    let use_for = match use_for {
        KeyUse::Send => "send",
        KeyUse::Hear => "hear",
    };
    let (suite, ssrc, id) = (key.suite(), ssrc.unwrap_or("*"), key.id());
    let mki = key.mki().map_or_else(String::new, |mki| format!(" mki={}", hex::encode(mki.bytes())));
    let kdr = match key.derivation_rate().packets() {
        0 => String::new(),
        packets => format!(" kdr={packets}"),
    };
    Zeroizing::new(format!("SRTP {suite} inline:{} ssrc={ssrc} use={use_for} key={id}{mki}{kdr}", bytes.as_str()))
}
