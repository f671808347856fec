//! What Digest computes (RFC 7616 sections 3.3 and 3.4). Everything that a password went into is zeroized.

use crate::sip::digest::Protection;
use keyphone_config::DigestAlgorithm;
use md5::Md5;
use sha2::digest::Digest;
use sha2::{Sha256, Sha512_256};
use zeroize::Zeroizing;

/// A hash, and whether it is the `-sess` variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hash {
    pub(super) algorithm: DigestAlgorithm,
    pub(super) session: bool,
}

/// What a request or a response is, as far as Digest protects it.
#[derive(Clone, Copy)]
pub(super) struct Protected<'a> {
    /// Empty for the server's own proof (RFC 7616 section 3.5).
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) body: &'a [u8],
}

impl Hash {
    /// As a challenge names it. Nothing is MD5 (RFC 7616 section 3.3); `None` is one that we do not know.
    pub(super) fn named(name: Option<&str>) -> Option<Self> {
        let Some(name) = name else { return Some(Self { algorithm: DigestAlgorithm::Md5, session: false }) };
        let name = name.to_ascii_lowercase();
        let (name, session) = name.strip_suffix("-sess").map_or((name.as_str(), false), |name| (name, true));
        name.parse().ok().map(|algorithm| Self { algorithm, session })
    }

    /// H(parts joined by colons), in hexadecimal digits.
    fn of(self, parts: &[&[u8]]) -> Zeroizing<String> {
        match self.algorithm {
            DigestAlgorithm::Md5 => hash::<Md5>(parts),
            DigestAlgorithm::Sha256 => hash::<Sha256>(parts),
            DigestAlgorithm::Sha512_256 => hash::<Sha512_256>(parts),
        }
    }

    /// H(A1) (RFC 7616 section 3.4.2): as good as the password, as far as this realm goes. `nonce` and `cnonce` are
    /// those of the first answer.
    pub(super) fn a1(
        self,
        username: &str,
        realm: &str,
        password: &str,
        nonce: &str,
        cnonce: &str,
    ) -> Zeroizing<String> {
        let a1 = self.of(&[username.as_bytes(), realm.as_bytes(), password.as_bytes()]);
        match self.session {
            true => self.of(&[a1.as_bytes(), nonce.as_bytes(), cnonce.as_bytes()]),
            false => a1,
        }
    }

    /// The user name as userhash sends it (RFC 7616 section 3.4.4).
    pub(super) fn username(self, username: &str, realm: &str) -> String {
        self.of(&[username.as_bytes(), realm.as_bytes()]).to_string()
    }

    /// The response, or the server's own proof (RFC 7616 sections 3.4.1, 3.4.3 and 3.5).
    pub(super) fn response(
        self,
        a1: &str,
        nonce: &str,
        protection: Option<&Protection>,
        what: Protected<'_>,
    ) -> String {
        let Protected { method, uri, body } = what;
        let a2 = match protection {
            // An empty body counts as the empty string (RFC 8760 section 2.6).
            Some(p) if p.qop == AUTH_INT => self.of(&[method.as_bytes(), uri.as_bytes(), self.of(&[body]).as_bytes()]),
            _ => self.of(&[method.as_bytes(), uri.as_bytes()]),
        };
        let digest = match protection {
            Some(Protection { qop, cnonce, nc }) => {
                let nc = format!("{nc:08x}");
                let parts = [a1, nonce, nc.as_str(), cnonce.as_str(), qop.as_str(), a2.as_str()];
                self.of(&parts.map(str::as_bytes))
            }
            // RFC 2069, as RFC 2617 section 3.2.2.1 keeps it.
            None => self.of(&[a1, nonce, &a2].map(str::as_bytes)),
        };
        digest.to_string()
    }
}

/// qop: the request is authentic.
pub(super) const AUTH: &str = "auth";
/// qop: and its body is as it was sent.
pub(super) const AUTH_INT: &str = "auth-int";

fn hash<D: Digest>(parts: &[&[u8]]) -> Zeroizing<String> {
    let mut digest = D::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            digest.update(b":");
        }
        digest.update(part);
    }
    Zeroizing::new(hex::encode(digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 section 3.9.1.
    const NONCE: &str = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";

    fn answer(name: &str, qop: Option<&str>, body: &[u8], method: &str) -> String {
        let hash = Hash::named(Some(name)).unwrap();
        let (nonce, cnonce) = ("dcd98b7102dd2f0e8b11d0f600bfb0c093", "0a4f113b");
        let protection = qop.map(|qop| Protection { qop: qop.into(), cnonce: cnonce.into(), nc: 1 });
        let a1 = hash.a1("bob", "biloxi.com", "zanzibar", nonce, cnonce);
        hash.response(&a1, nonce, protection.as_ref(), Protected { method, uri: "sip:bob@biloxi.com", body })
    }

    #[test]
    fn the_answers_of_rfc_7616_come_out() {
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let protection = Protection { qop: AUTH.into(), cnonce: cnonce.into(), nc: 1 };
        for (name, expected) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let hash = Hash::named(Some(name)).unwrap();
            let a1 = hash.a1("Mufasa", "http-auth@example.org", "Circle of Life", NONCE, cnonce);
            let what = Protected { method: "GET", uri: "/dir/index.html", body: b"" };
            assert_eq!(hash.response(&a1, NONCE, Some(&protection), what), expected, "{name}");
        }
    }

    #[test]
    fn sha_512_256_is_the_hash_of_that_name_and_not_half_of_sha_512() {
        // RFC 7616 section 3.9.2 prints half of SHA-512; erratum 4897 has these.
        let hash = Hash::named(Some("SHA-512-256")).unwrap();
        let (user, realm) = ("J\u{e4}s\u{f8}n Doe", "api@example.org");
        let nonce = "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK";
        let cnonce = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v";
        let protection = Protection { qop: AUTH.into(), cnonce: cnonce.into(), nc: 1 };
        let a1 = hash.a1(user, realm, "Secret, or not?", nonce, cnonce);
        let what = Protected { method: "GET", uri: "/doe.json", body: b"" };
        assert_eq!(
            hash.response(&a1, nonce, Some(&protection), what),
            "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
        );
        let username = hash.username(user, realm);
        assert_eq!(username, "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b");
    }

    #[test]
    fn every_algorithm_and_protection_answers_as_an_independent_program_does() {
        // Computed with Python's hashlib, each line by the formulas of RFC 7616 section 3.4.
        let vectors = [
            ("MD5", Some("auth"), "REGISTER", "2b08520a96cb22577c0c73263cd90cd3"),
            ("MD5", Some("auth"), "", "9175a7857f138ef9768651f475f1d73a"),
            ("MD5", Some("auth-int"), "REGISTER", "12d8fe32e50e4b870816ded6247e4b98"),
            ("MD5", Some("auth-int"), "", "02e8cdcd493923d9af2692b17b10cbc8"),
            ("MD5", None, "REGISTER", "af85bb4b5adbf02487f62eb11eea57ca"),
            ("MD5", None, "", "748e424548c73d52e3bde6eef2d03c69"),
            ("MD5-sess", Some("auth"), "REGISTER", "4e07f4812d34f801088311adaa8fa856"),
            ("MD5-sess", Some("auth"), "", "0702355500027529b96f51fb4dd888e2"),
            ("MD5-sess", Some("auth-int"), "REGISTER", "61dfe44d1c71807e82e0c79abec66ac4"),
            ("MD5-sess", Some("auth-int"), "", "3dd71c2cb236806a51780f70072c68df"),
            ("SHA-256", Some("auth"), "REGISTER", "69aa95bbe26ed8e2e8447094017af40c2887b3972c2869f2f702ef7cb2931502"),
            ("SHA-256", Some("auth"), "", "eac28e17b8d5d63e96e148e02f1b50afcf750aeecb3856ac20399028c0ee51e6"),
            (
                "SHA-256",
                Some("auth-int"),
                "REGISTER",
                "c502fbc6325c9b311e530eb8dd3f54472f9a6a3f36f555a0551c5d1b644b9b8f",
            ),
            ("SHA-256", Some("auth-int"), "", "ca070852418bcc8a7934779b85609aaeb0864f1b97b87dee4552ff9bb3129a05"),
            ("SHA-256", None, "REGISTER", "3816c994c33407273773d1777d6d70593a40e92b13ba4c1fb4b3c3e471f53e6d"),
            ("SHA-256", None, "", "a1423b6e354160f82dc8b2d959d0929697882718f960d1d2bd83077962d593c3"),
            (
                "SHA-256-sess",
                Some("auth"),
                "REGISTER",
                "50f8ab976b7b360ab017117802f5dc53323f15e7485d2346429635fab674e9d7",
            ),
            ("SHA-256-sess", Some("auth"), "", "74979e1c4bee64a04db61c0de37556a1b2f48ebab1e730aef51db55ef9688034"),
            (
                "SHA-256-sess",
                Some("auth-int"),
                "REGISTER",
                "5936c57059c15a5fbd7604ebeacb5194f336524265c9b11e215da73b32984230",
            ),
            ("SHA-256-sess", Some("auth-int"), "", "0c15a4e81387715f7f77b86195d9f746f9c81c42c3f249fa2be75f093af6ebf1"),
            (
                "SHA-512-256",
                Some("auth"),
                "REGISTER",
                "fac825fda8942cf9f4296b9b76f49a2b1d610028e0374e02935cc450b1af6b10",
            ),
            ("SHA-512-256", Some("auth"), "", "975a12c1ffcd062063ecf7569221689a797a7fef76ce1b9d29bd6e57b90be6e8"),
            (
                "SHA-512-256",
                Some("auth-int"),
                "REGISTER",
                "85ef7718cebd2a90f435d19b9d08767b80de4ccc2c7a50291be122cf58d4e9c0",
            ),
            ("SHA-512-256", Some("auth-int"), "", "9f9bdaa0994de2cdc0ae0c9ba0d09db62b9c43cc2802991131cc2a3dc1c3ab83"),
            ("SHA-512-256", None, "REGISTER", "2e0399f5223b1079e360b425d657c9ceddde1ba70fe1c872f232a35735b61b9a"),
            ("SHA-512-256", None, "", "ce95c1d398864ebbee4c4707f825f61e7ea7be76960b3f6b0ad268173420ea8f"),
            (
                "SHA-512-256-sess",
                Some("auth"),
                "REGISTER",
                "5d3c5f6bf8f25e0a244003c506b52b157591b29adf9795e84f78fb9fb8375a8b",
            ),
            ("SHA-512-256-sess", Some("auth"), "", "bf9137540a89905ec6768fd824b2a43b86f8b3aad2c0c579727be1f8ea6bad65"),
            (
                "SHA-512-256-sess",
                Some("auth-int"),
                "REGISTER",
                "3e361953915a5977d9955df6b57c84df7d803fecc79dc9ce7257b2dab2fa0f14",
            ),
            (
                "SHA-512-256-sess",
                Some("auth-int"),
                "",
                "2c2779bdce4b86e3b95854f29db8994306cec45dcf396050a66034a64be0a082",
            ),
        ];
        for (name, qop, method, expected) in vectors {
            assert_eq!(answer(name, qop, b"Hi", method), expected, "{name} {qop:?} {method}");
        }
    }

    #[test]
    fn an_empty_body_is_hashed_as_the_empty_string() {
        // RFC 8760 section 2.6 item 7, RFC 3261 section 22.4 item 7.
        let empty = |name| Hash::named(Some(name)).unwrap().of(&[b""]).to_string();
        assert_eq!(empty("SHA-256"), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(empty("MD5"), "d41d8cd98f00b204e9800998ecf8427e");
    }

    #[test]
    fn an_algorithm_has_a_session_variant_and_no_name_is_md5() {
        let md5 = Hash { algorithm: DigestAlgorithm::Md5, session: false };
        assert_eq!(Hash::named(None), Some(md5));
        assert_eq!(Hash::named(Some("md5-SESS")), Some(Hash { session: true, ..md5 }));
        for unknown in ["SHA-1", "MD5-sess-sess", "", "sha512-256"] {
            assert_eq!(Hash::named(Some(unknown)), None, "{unknown}");
        }
    }
}
