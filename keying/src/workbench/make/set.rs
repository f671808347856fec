//! The set that ships with keyphone, in `keying/vectors`.

use super::{Parties, Recipe, make};
use crate::Error;
use crate::crypto::Envelope;
use crate::mikey::ModeName;
use crate::mikey::policy::{KeyForm, Validity};
use crate::mikey::wire::{DhGroup, EncrAlg, SignType};
use serde_json::Value;

/// A file of vectors.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its exchanges.
    pub vectors: Vec<Value>,
}

impl File {
    /// As it is written: one JSON array.
    pub fn text(&self) -> String {
        format!("{:#}\n", Value::from(self.vectors.clone()))
    }
}

/// Makes one file for each mode. Both certificates must be for RSA keys.
///
/// # Errors
/// As in [`make`].
pub fn set(parties: &Parties) -> Result<Vec<File>, Error> {
    ModeName::ALL
        .iter()
        .map(|&mode| {
            let recipes = recipes(mode);
            let vectors = recipes.iter().map(|recipe| make(recipe, Some(parties))).collect::<Result<_, _>>()?;
            Ok(File { name: format!("{mode}.json"), vectors })
        })
        .collect()
}

fn recipes(mode: ModeName) -> Vec<Recipe> {
    let mut recipes = vec![];
    let mut add = |notes: &str, change: &dyn Fn(&mut Recipe)| {
        let id = format!("{mode}-{:02}", recipes.len() + 1);
        let mut recipe = Recipe { notes: notes.into(), ..Recipe::new(id, mode) };
        change(&mut recipe);
        recipes.push(recipe);
    };
    add("everything as by default", &|_| {});
    match mode {
        ModeName::Null => {
            add("key || salt as a TEK of 30 octets, with an MKI, as cameras have it", &|r| {
                r.keys = KeyForm::TekWithSalt;
                r.validity = Validity::Mki(4);
            });
        }
        ModeName::Psk => {
            add("AES-KW; the TGK is as long as makes the key data a multiple of 8 octets", &|r| {
                r.encryption = EncrAlg::AesKw128;
            });
            add("in clear, with a MAC", &|r| r.encryption = EncrAlg::Null);
            add("one crypto session for both ways", &|r| r.sessions = 1);
            add("six crypto sessions", &|r| r.sessions = 6);
            add("TGK+SALT", &|r| r.keys = KeyForm::TgkSalt);
            add("TEK+SALT with an MKI of two octets", &|r| {
                r.keys = KeyForm::TekSalt;
                r.validity = Validity::Mki(2);
            });
            add("a validity interval", &|r| r.validity = Validity::Packets(1 << 20));
        }
        ModeName::Rsa | ModeName::RsaR => {
            add("the envelope in RSAES-OAEP, which nothing on the wire says", &|r| r.envelope = Envelope::Oaep);
            add("signed by RSASSA-PSS", &|r| r.signature = SignType::RsaPss);
            add("AES-KW", &|r| {
                r.encryption = EncrAlg::AesKw128;
                r.validity = Validity::Null;
            });
            add("TEK+SALT with an MKI of one octet", &|r| {
                r.keys = KeyForm::TekSalt;
                r.validity = Validity::Mki(1);
            });
            if mode == ModeName::RsaR {
                add("a group's key: its own CSB ID is in the TEKs, and that of the header in the envelope", &|r| {
                    r.for_group = true;
                });
            }
        }
        ModeName::DhSign | ModeName::DhHmac => {
            for &group in DhGroup::ALL.iter().filter(|&&group| group != DhGroup::Oakley5) {
                let mine = u8::from(group) > 2;
                let notes =
                    if mine { "a curve, whose number is our own: not interoperable" } else { "a shorter group" };
                // The curves go with signatures alone (RFC 5197 section 4.1).
                if mode == ModeName::DhSign || !mine {
                    add(notes, &|r| r.group = group);
                }
            }
            if mode == ModeName::DhSign {
                add("signed by RSASSA-PSS", &|r| r.signature = SignType::RsaPss);
            }
        }
    }
    recipes
}
