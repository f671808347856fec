//! The worked exchanges of the chapter "How to implement MIKEY", out of the vectors that ship.

use crate::{exchange, octets, secrets};
use keyphone_keying::mikey::derive::hmac_sha1;
use keyphone_keying::mikey::wire::{EncrAlg, Id, Kemac, MacAlg, Message};
use keyphone_keying::mikey::{ModeName, Tolerances};
use keyphone_keying::workbench::decode::{Keys, decode};
use keyphone_keying::workbench::open::{Opened, open};
use serde_json::Value;
use std::fmt::Write;
use std::path::PathBuf;

/// A chapter in the making.
struct Chapter(String);

impl Chapter {
    fn line(&mut self, text: impl AsRef<str>) {
        writeln!(self.0, "{}", text.as_ref()).unwrap();
    }

    /// Octets in lines of 32.
    fn hex(&mut self, octets: &[u8]) {
        self.line("```text");
        octets.chunks(32).for_each(|line| self.line(hex::encode(line)));
        self.line("```\n");
    }

    /// A computation and its result.
    fn value(&mut self, formula: &str, result: &[u8]) {
        self.line(format!("- `{formula}`\n  = `{}`", hex::encode(result)));
    }
}

struct Worked {
    vector: Value,
    i: Message,
    r: Message,
    opened: Vec<Opened>,
}

fn worked(mode: ModeName) -> Worked {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(format!("{mode}.json"));
    let vectors: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let vector = vectors[0].clone();
    let message = |name: &str| Message::read(&octets(&vector[name]).unwrap(), Tolerances::none()).unwrap();
    let opened = open(&exchange(&vector), &secrets(&vector));
    assert!(opened.iter().all(|opened| opened.problems.is_empty()), "{mode}");
    Worked { i: message("i_message_b64"), r: message("r_message_b64"), vector, opened }
}

impl Worked {
    /// A value that came out when it was opened.
    fn value(&self, name: &str) -> Option<Vec<u8>> {
        let text = self.opened.iter().find_map(|opened| opened.value(name))?;
        Some(hex::decode(text).unwrap_or_else(|_| text.as_bytes().to_vec()))
    }

    fn expected(&self, path: &str) -> Vec<u8> {
        hex::decode(self.vector.pointer(&format!("/expected/{path}")).unwrap().as_str().unwrap()).unwrap()
    }

    fn label(&self, constant: &str, cs: u8) -> String {
        format!("{constant} {cs:02x} {:08x} {}", self.i.hdr().csb_id, hex::encode(self.expected("rand")))
    }

    fn transport_keys(&self, out: &mut Chapter, secret: &str) {
        let Some(encr) = self.value("encr_key") else { return };
        out.line(format!("\nKeys of the messages themselves (RFC 3830 section 4.1.4), from the {secret}:\n"));
        for (name, constant, value) in [
            ("encr_key", "150533e1", encr),
            ("salt_key", "29b88916", self.value("salt key").unwrap()),
            ("auth_key", "2d22ac75", self.value("auth_key").unwrap()),
        ] {
            out.value(&format!("{name} = PRF({secret}, {})", self.label(constant, 0xff)), &value);
        }
    }

    /// How KEMAC is encrypted.
    fn encrypted(&self, out: &mut Chapter, message: &Message) {
        let Ok(kemac) = message.one::<Kemac>() else { return };
        let Some(plain) = self.value("Encr data, decrypted") else { return };
        if kemac.encr_alg == EncrAlg::AesCm128 {
            let mut iv = [0; 16];
            iv[2..6].copy_from_slice(&message.hdr().csb_id.to_be_bytes());
            iv[6..14].copy_from_slice(&self.expected("ts"));
            iv.iter_mut().zip(self.value("salt key").unwrap()).for_each(|(i, s)| *i ^= s);
            out.line("\nKey data, encrypted (RFC 3830 section 4.2.3):\n");
            out.value("IV = (salt_key XOR 0000 || CSB ID || T) || 0000", &iv);
        } else {
            out.line("\nKey data, in clear (RFC 3830 section 4.2.3):\n");
        }
        out.value("Encr data, decrypted", &plain);
        out.value("Encr data", &kemac.encr_data);
    }

    /// The MAC over the whole message.
    fn whole_mac(&self, out: &mut Chapter, name: &str, message: &Message) {
        let Ok(kemac) = message.one::<Kemac>() else { return };
        if kemac.mac_alg == MacAlg::Null {
            return;
        }
        let covered = message.before_mac().unwrap();
        assert_eq!(hmac_sha1(&self.value("auth_key").unwrap(), &[covered])[..], kemac.mac);
        let what = format!("MAC of the {name} = HMAC-SHA-1(auth_key, its first {} octets)", covered.len());
        out.value(&what, &kemac.mac);
    }

    fn kemac_alone(&self, out: &mut Chapter, message: &Message) {
        let kemac = message.one::<Kemac>().unwrap();
        let covered = kemac.covered_alone().unwrap();
        assert_eq!(hmac_sha1(&self.value("auth_key").unwrap(), &[&covered])[..], kemac.mac);
        out.value("MAC = HMAC-SHA-1(auth_key, KEMAC up to its MAC, its Next payload set to 00)", &kemac.mac);
    }

    fn v(&self, out: &mut Chapter) {
        use keyphone_keying::mikey::wire::V;
        let v = self.r.one::<V>().unwrap();
        if v.auth_alg == MacAlg::Null {
            return;
        }
        let covered = self.r.before_ver_data().unwrap();
        let ids: Vec<_> = self.i.many::<Id>().map(|id| id.data.clone()).collect();
        let t = self.expected("ts");
        let mac = hmac_sha1(&self.value("auth_key").unwrap(), &[covered, &ids[0], &ids[1], &t]);
        assert_eq!(mac[..], v.ver_data);
        let text = |id: &[u8]| String::from_utf8_lossy(id).into_owned();
        let what = format!(
            "Ver data = HMAC-SHA-1(auth_key, the first {} octets of the R_MESSAGE || {} || {} || {})",
            covered.len(),
            text(&ids[0]),
            text(&ids[1]),
            hex::encode(t),
        );
        out.value(&what, &v.ver_data);
    }

    fn sessions(&self, out: &mut Chapter) {
        out.line("\nKeys of the crypto sessions (RFC 3830 section 4.1.3), from the TGK:\n");
        out.value("TGK", &self.expected("tgk"));
        for cs in 1..=2 {
            for (name, constant) in [("tek", "2ad01c64"), ("salt", "39a2c14b")] {
                let value = self.expected(&format!("cs/{}/{name}", cs - 1));
                out.value(&format!("{name} of CS {cs} = PRF(TGK, {})", self.label(constant, cs)), &value);
            }
        }
    }

    fn signed(&self, out: &mut Chapter, name: &str, which: &str, behind: &str) {
        out.value(&format!("SHA-1 of what is signed: the {name} up to its signature{behind}"), &self.expected(which));
    }
}

fn messages(out: &mut Chapter, worked: &Worked) {
    for (name, message) in [("I_MESSAGE", &worked.i), ("R_MESSAGE", &worked.r)] {
        out.line(format!("{name}, {} octets:\n", message.bytes().len()));
        out.hex(message.bytes());
        out.line("```text");
        let decoded = decode(message.bytes(), Tolerances::none(), Keys::Shown).unwrap();
        out.line(decoded.to_string().trim_end());
        out.line("```\n");
    }
}

fn prf(out: &mut Chapter, worked: &Worked) {
    out.line(
        "\nThe PRF step by step (RFC 3830 section 4.1.2), for `encr_key`: the key has 32 octets, which is one block.\n",
    );
    let psk = hex::decode(worked.vector["inputs"]["psk"].as_str().unwrap()).unwrap();
    assert_eq!(psk.len(), 32);
    let label = hex::decode(worked.label("150533e1", 0xff).replace(' ', "")).unwrap();
    let a1 = hmac_sha1(&psk, &[&label]);
    let p1 = hmac_sha1(&psk, &[&a1, &label]);
    assert_eq!(p1[..16], worked.value("encr_key").unwrap());
    out.value("A_0 = label", &label);
    out.value("A_1 = HMAC-SHA-1(s_1, A_0)", &a1);
    out.value("P = HMAC-SHA-1(s_1, A_1 || label) || HMAC-SHA-1(s_1, A_2 || label) || ..., of which 16 octets", &p1);
}

fn chapter(mode: ModeName) -> String {
    let (worked, mut out) = (worked(mode), Chapter(String::new()));
    let (title, section) = match mode {
        ModeName::Null => ("neither encryption nor MAC", "RFC 3830 sections 3.1, 4.2.3 and 4.2.4"),
        ModeName::Psk => ("pre-shared key", "RFC 3830 section 3.1"),
        ModeName::Rsa => ("public key", "RFC 3830 section 3.2"),
        ModeName::DhSign => ("Diffie-Hellman, signed", "RFC 3830 section 3.3"),
        ModeName::DhHmac => ("Diffie-Hellman under a pre-shared key", "RFC 4650 section 3"),
        ModeName::RsaR => ("public key in reverse", "RFC 4738 section 3"),
    };
    out.line(format!(
        "\n## {mode}: {title}\n\n{section}; `{}` of `keying/vectors/{mode}.json`.\n",
        worked.vector["id"].as_str().unwrap()
    ));
    messages(&mut out, &worked);
    let input = |name: &str| hex::decode(worked.vector["inputs"][name].as_str().unwrap()).unwrap();
    match mode {
        ModeName::Null => worked.encrypted(&mut out, &worked.i),
        ModeName::Psk => {
            out.value("psk", &input("psk"));
            worked.transport_keys(&mut out, "psk");
            prf(&mut out, &worked);
            worked.encrypted(&mut out, &worked.i);
            worked.whole_mac(&mut out, "I_MESSAGE", &worked.i);
            worked.v(&mut out);
        }
        ModeName::Rsa => {
            out.value("envelope key = decrypt(Bob's private key, Data of PKE)", &worked.expected("envelope_key"));
            worked.transport_keys(&mut out, "envelope key");
            worked.encrypted(&mut out, &worked.i);
            worked.kemac_alone(&mut out, &worked.i);
            worked.signed(&mut out, "I_MESSAGE", "i_signed_sha1", "");
            worked.v(&mut out);
        }
        ModeName::DhSign | ModeName::DhHmac => {
            out.value("x_i, the Initiator's secret", &input("dh_priv_i"));
            out.value("x_r, the Responder's secret", &input("dh_priv_r"));
            if mode == ModeName::DhHmac {
                out.value("psk", &input("psk"));
                worked.transport_keys(&mut out, "psk");
                worked.whole_mac(&mut out, "I_MESSAGE", &worked.i);
                worked.whole_mac(&mut out, "R_MESSAGE", &worked.r);
            } else {
                worked.signed(&mut out, "I_MESSAGE", "i_signed_sha1", "");
                worked.signed(&mut out, "R_MESSAGE", "r_signed_sha1", "");
            }
            out.line("\nBoth sides compute `TGK = g^(x_i x_r) mod p`, 192 octets.");
        }
        ModeName::RsaR => {
            worked.signed(&mut out, "I_MESSAGE", "i_signed_sha1", "");
            out.value("envelope key = decrypt(Alice's private key, Data of PKE)", &worked.expected("envelope_key"));
            worked.transport_keys(&mut out, "envelope key");
            worked.encrypted(&mut out, &worked.r);
            worked.kemac_alone(&mut out, &worked.r);
            worked.signed(&mut out, "R_MESSAGE", "r_signed_sha1", " || IDi || IDr || T");
        }
    }
    worked.sessions(&mut out);
    out.0
}

/// `KEYPHONE_UPDATE_DOCS=1 cargo test` writes the chapter anew.
#[test]
fn the_worked_exchanges_of_the_chapter_are_what_the_code_does() {
    let text: String = ModeName::ALL.iter().map(|&mode| chapter(mode)).collect();
    assert!(text.matches("PRF(TGK").count() >= 4 * ModeName::ALL.len());
    crate::documented("src/how_to/exchanges.md", &text);
}
