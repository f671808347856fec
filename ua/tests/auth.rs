//! What an account answers when somebody asks who it is (RFC 3261 section 22, RFC 7616, RFC 8760).

use keyphone_config::{DigestAlgorithm, Login, Password};
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_ua::auth::{AuthError, Authenticator};
use keyphone_ua::sip::digest::{AuthenticationInfo, Challenge, DigestCredentials};
use keyphone_ua::sip::{Headers, Method, Request, Response, StatusCode, make};
use proptest::prelude::*;
use zeroize::Zeroizing;

struct Count(u8);

impl Rng for Count {
    fn fill(&mut self, buf: &mut [u8]) {
        buf.iter_mut().for_each(|b| {
            self.0 = self.0.wrapping_add(1);
            *b = self.0;
        });
    }
}

/// One account, and the dice that it throws.
struct Client {
    auth: Authenticator,
    dice: Count,
}

impl Client {
    fn new(logins: &[(Option<&str>, &str)]) -> Self {
        Self::choosy(logins, DigestAlgorithm::Md5)
    }

    fn choosy(logins: &[(Option<&str>, &str)], weakest: DigestAlgorithm) -> Self {
        let logins = logins.iter().map(|(realm, password)| Login {
            realm: realm.map(str::to_owned),
            username: "bob".into(),
            password: Password::new(Zeroizing::new((*password).to_owned())),
        });
        Self { auth: Authenticator::new(logins.collect(), weakest), dice: Count(0) }
    }

    fn answer(&mut self, request: &mut Request, response: &Response) -> Result<(), AuthError> {
        let now = Now { mono: Instant::ZERO, ntp: NtpTime(0) };
        self.auth.answer(request, response, &mut Env { now, rng: &mut self.dice })
    }
}

fn request(method: Method, to: &str, call_id: &str) -> Request {
    let mut request = Request::new(method.clone(), "sip:example.org".parse().unwrap());
    request.headers.push("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1");
    request.headers.push("From", "<sip:bob@example.org>;tag=1");
    request.headers.push("To", format!("<{to}>"));
    request.headers.push("Call-ID", call_id);
    request.headers.push("CSeq", format!("1 {method}"));
    request
}

fn register() -> Request {
    request(Method::Register, "sip:bob@example.org", "c1")
}

fn refused(request: &Request, name: &'static str, challenges: &[&str]) -> Response {
    let status = match name {
        "WWW-Authenticate" => StatusCode::UNAUTHORIZED,
        _ => StatusCode::PROXY_AUTHENTICATION_REQUIRED,
    };
    let mut response = make::response(request, status, Some("s"));
    challenges.iter().for_each(|challenge| response.headers.push(name, challenge));
    response
}

fn sent(headers: &Headers, name: &'static str) -> Vec<DigestCredentials> {
    headers.all(name).map(|text| DigestCredentials::parse(text).unwrap()).collect()
}

fn only(request: &Request) -> DigestCredentials {
    let mut all = sent(&request.headers, "Authorization");
    assert_eq!(all.len(), 1);
    all.remove(0)
}

const MD5: &str = "Digest realm=\"example.org\", nonce=\"n1\", opaque=\"o\", algorithm=MD5, qop=\"auth\"";
const SHA: &str = "Digest realm=\"example.org\", nonce=\"n1\", opaque=\"o\", algorithm=SHA-256, qop=\"auth,auth-int\"";

/// What the algorithms compute has golden vectors of its own; this is what goes where.
#[test]
fn a_challenge_is_answered_with_what_it_said() {
    let mut client = Client::new(&[(None, "zanzibar")]);
    let mut register = register();
    let response = refused(&register, "WWW-Authenticate", &[MD5]);
    client.answer(&mut register, &response).unwrap();
    let credentials = only(&register);
    assert_eq!((credentials.username.as_str(), credentials.realm.as_str()), ("bob", "example.org"));
    assert_eq!((credentials.nonce.as_str(), credentials.opaque.as_deref()), ("n1", Some("o")));
    assert_eq!((credentials.uri.as_str(), credentials.algorithm.as_deref()), ("sip:example.org", Some("MD5")));
    let protection = credentials.protection.unwrap();
    assert_eq!((protection.qop.as_str(), protection.nc), ("auth", 1));
    assert_eq!(protection.cnonce, "0102030405060708090a0b0c0d0e0f10");
    // md5(md5(bob:example.org:zanzibar):n1:00000001:0102..10:auth:md5(REGISTER:sip:example.org)), by Python's hashlib.
    assert_eq!(credentials.response, "6096186a8eb301abce5bbce05e311d55");
}

#[test]
fn a_challenge_without_qop_is_answered_as_rfc_2069_did() {
    let mut client = Client::new(&[(None, "zanzibar")]);
    let mut register = register();
    let old = refused(&register, "WWW-Authenticate", &["Digest realm=\"example.org\", nonce=\"n1\""]);
    client.answer(&mut register, &old).unwrap();
    let credentials = only(&register);
    assert_eq!((credentials.protection, credentials.algorithm), (None, None));
    assert_eq!(credentials.response, "d2d241b944a9022f377aba2e398dd60f");
    // `-sess` cannot do without a qop (RFC 3261 section 22.4 item 8).
    let sess = "Digest realm=\"example.org\", nonce=\"n1\", algorithm=MD5-sess";
    let response = refused(&register, "WWW-Authenticate", &[sess]);
    let realm = || "example.org".to_owned();
    assert_eq!(client.answer(&mut register, &response), Err(AuthError::NotUnderstood { realm: realm() }));
}

#[test]
fn a_body_is_protected_where_the_server_can() {
    let mut client = Client::new(&[(None, "zanzibar")]);
    let mut invite = request(Method::Invite, "sip:carol@example.org", "c2");
    invite.body = b"v=0\r\n".to_vec();
    let response = refused(&invite, "Proxy-Authenticate", &[SHA]);
    client.answer(&mut invite, &response).unwrap();
    let qop = |request: &Request| {
        sent(&request.headers, "Proxy-Authorization").remove(0).protection.map(|p| p.qop).unwrap_or_default()
    };
    assert_eq!(qop(&invite), "auth-int");
    let mut bye = request(Method::Bye, "sip:carol@example.org", "c2");
    client.auth.preempt(&mut bye);
    assert_eq!(qop(&bye), "auth");
}

#[test]
fn the_topmost_challenge_of_a_realm_that_we_know_is_answered() {
    // RFC 8760 section 2.4.
    let unknown = "Digest realm=\"example.org\", nonce=\"n1\", algorithm=SHA3-512, qop=\"auth\"";
    let other_scheme = "Bearer realm=\"example.org\"";
    for (challenges, chosen) in [(vec![other_scheme, unknown, SHA, MD5], "SHA-256"), (vec![MD5, SHA], "MD5")] {
        let mut client = Client::new(&[(None, "zanzibar")]);
        let mut register = register();
        let response = refused(&register, "WWW-Authenticate", &challenges);
        client.answer(&mut register, &response).unwrap();
        assert_eq!(only(&register).algorithm.as_deref(), Some(chosen));
    }
}

#[test]
fn what_policy_finds_too_weak_is_not_answered() {
    let mut client = Client::choosy(&[(None, "zanzibar")], DigestAlgorithm::Sha256);
    let mut register = register();
    let response = refused(&register, "WWW-Authenticate", &[MD5, SHA]);
    client.answer(&mut register, &response).unwrap();
    assert_eq!(only(&register).algorithm.as_deref(), Some("SHA-256"), "the stronger one, wherever it stands");
    let mut register = self::register();
    let response = refused(&register, "WWW-Authenticate", &[MD5]);
    let error = client.answer(&mut register, &response).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server of \"example.org\" asks for a digest that is weaker than sha-256, which policy forbids"
    );
    assert_eq!(register, self::register(), "the request is as it was");
}

#[test]
fn every_realm_on_the_way_gets_its_own_answer() {
    let mut client = Client::new(&[(Some("p.org"), "one"), (None, "two")]);
    let mut invite = request(Method::Invite, "sip:carol@example.org", "c2");
    let challenge = |realm: &str| format!("Digest realm=\"{realm}\", nonce=\"n-{realm}\", qop=\"auth\"");
    let mut response = refused(&invite, "Proxy-Authenticate", &[&challenge("p.org"), &challenge("q.org")]);
    response.headers.push("WWW-Authenticate", challenge("r.org"));
    client.answer(&mut invite, &response).unwrap();
    let realms = |request: &Request, name| {
        sent(&request.headers, name).into_iter().map(|c| (c.realm, c.protection.unwrap().nc)).collect::<Vec<_>>()
    };
    assert_eq!(realms(&invite, "Proxy-Authorization"), [("p.org".into(), 1), ("q.org".into(), 1)]);
    assert_eq!(realms(&invite, "Authorization"), [("r.org".into(), 1)]);
    // One proxy's nonce runs out: the others' answers stay in the request.
    let stale = challenge("q.org").replace("n-q.org", "n2") + ", stale=true";
    let response = refused(&invite, "Proxy-Authenticate", &[&stale]);
    client.answer(&mut invite, &response).unwrap();
    assert_eq!(realms(&invite, "Proxy-Authorization"), [("p.org".into(), 1), ("q.org".into(), 1)]);
    assert_eq!(sent(&invite.headers, "Proxy-Authorization")[1].nonce, "n2");
    assert_eq!(realms(&invite, "Authorization"), [("r.org".into(), 1)]);
}

#[test]
fn a_wrong_password_is_said_once_and_not_tried_again() {
    let mut client = Client::new(&[(None, "wrong")]);
    let mut register = register();
    let response = refused(&register, "WWW-Authenticate", &[MD5]);
    client.answer(&mut register, &response).unwrap();
    let again = refused(&register, "WWW-Authenticate", &[&MD5.replace("n1", "n2")]);
    let error = client.answer(&mut register, &again).unwrap_err();
    assert_eq!(error.to_string(), "\"example.org\" does not accept the user name \"bob\" with this password");
    let mut next = self::register();
    client.auth.preempt(&mut next);
    assert_eq!(next, self::register(), "what was refused is not sent unasked");
}

#[test]
fn a_stale_nonce_is_replaced_but_not_for_ever() {
    let mut client = Client::new(&[(None, "zanzibar")]);
    let mut register = register();
    let response = refused(&register, "WWW-Authenticate", &[MD5]);
    client.answer(&mut register, &response).unwrap();
    for n in 0..3 {
        let stale = format!("{}, stale=TRUE", MD5.replace("n1", &format!("s{n}")));
        let response = refused(&register, "WWW-Authenticate", &[&stale]);
        client.answer(&mut register, &response).unwrap();
        assert_eq!(only(&register).nonce, format!("s{n}"));
    }
    let response = refused(&register, "WWW-Authenticate", &[&format!("{MD5}, stale=true")]);
    let error = client.answer(&mut register, &response).unwrap_err();
    assert_eq!(error, AuthError::AlwaysStale { realm: "example.org".into() });
}

#[test]
fn a_nonce_that_is_known_is_used_unasked_and_counted() {
    let mut client = Client::new(&[(None, "zanzibar")]);
    let mut first = register();
    let response = refused(&first, "WWW-Authenticate", &[MD5]);
    client.answer(&mut first, &response).unwrap();
    for count in 2..5 {
        let mut refresh = register();
        client.auth.preempt(&mut refresh);
        let protection = only(&refresh).protection.unwrap();
        assert_eq!((protection.nc, protection.cnonce), (count, only(&first).protection.unwrap().cnonce));
    }
    // For somebody else it is not meant (RFC 3261 section 22.2).
    let mut other = request(Method::Options, "sip:carol@example.org", "c9");
    client.auth.preempt(&mut other);
    assert_eq!(other.headers.get("Authorization"), None);
    // A server that has forgotten it, and does not say stale, gets one more answer, and only one.
    let mut refresh = register();
    client.auth.preempt(&mut refresh);
    let forgot = refused(&refresh, "WWW-Authenticate", &[&MD5.replace("n1", "n2")]);
    client.answer(&mut refresh, &forgot).unwrap();
    assert_eq!(only(&refresh).nonce, "n2");
    assert!(matches!(client.answer(&mut refresh, &forgot), Err(AuthError::Rejected { .. })));
}

#[test]
fn a_proxys_nonce_stays_in_its_dialog_unless_we_know_the_realm() {
    // RFC 3261 section 22.3.
    for (realm, elsewhere) in [(None, 0), (Some("example.org"), 1)] {
        let mut client = Client::new(&[(realm, "zanzibar")]);
        let mut invite = request(Method::Invite, "sip:carol@example.org", "c2");
        let response = refused(&invite, "Proxy-Authenticate", &[MD5]);
        client.answer(&mut invite, &response).unwrap();
        let mut bye = request(Method::Bye, "sip:carol@example.org", "c2");
        client.auth.preempt(&mut bye);
        assert_eq!(sent(&bye.headers, "Proxy-Authorization").len(), 1);
        let mut other = request(Method::Invite, "sip:dave@example.org", "c3");
        client.auth.preempt(&mut other);
        assert_eq!(sent(&other.headers, "Proxy-Authorization").len(), elsewhere);
    }
}

/// What a server that knows the password would say of `request`'s answer.
fn info(request: &Request, password: &str, next: Option<&str>) -> String {
    let credentials = only(request);
    let protection = credentials.protection.unwrap();
    let a1 = md5(&format!("bob:example.org:{password}"));
    let a2 = md5(&format!(":{}", credentials.uri));
    let middle = format!("{}:{:08x}:{}:auth", credentials.nonce, protection.nc, protection.cnonce);
    AuthenticationInfo {
        nextnonce: next.map(str::to_owned),
        rspauth: Some(md5(&format!("{a1}:{middle}:{a2}"))),
        qop: Some("auth".into()),
        cnonce: Some(protection.cnonce),
        nc: Some(protection.nc),
    }
    .to_string()
}

fn md5(text: &str) -> String {
    use md5::{Digest, Md5};
    Md5::digest(text).iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn a_server_that_proves_that_it_knows_the_password_is_believed_and_no_other() {
    let mut client = Client::new(&[(None, "zanzibar")]);
    let mut register = register();
    let response = refused(&register, "WWW-Authenticate", &[MD5]);
    client.answer(&mut register, &response).unwrap();
    let ok = |info: &str| {
        let mut ok = make::response(&register, StatusCode::OK, Some("s"));
        ok.headers.push("Authentication-Info", info);
        ok
    };
    let good = info(&register, "zanzibar", None);
    assert_eq!(client.auth.accepted(&register, &ok(&good)), Ok(()));
    let not_proven = Err(AuthError::NotProven { realm: "example.org".into() });
    let bad = info(&register, "guess", None);
    assert_eq!(client.auth.accepted(&register, &ok(&bad)), not_proven);
    assert_eq!(client.auth.accepted(&register, &ok(&good.replace("nc=00000001", "nc=00000002"))), not_proven);
    // Nothing is proven, and nothing claimed.
    assert_eq!(client.auth.accepted(&register, &make::response(&register, StatusCode::OK, None)), Ok(()));
}

#[test]
fn the_next_nonce_is_used_for_the_next_request() {
    let mut client = Client::new(&[(None, "zanzibar")]);
    let mut register = register();
    let response = refused(&register, "WWW-Authenticate", &[MD5]);
    client.answer(&mut register, &response).unwrap();
    let mut ok = make::response(&register, StatusCode::OK, Some("s"));
    ok.headers.push("Authentication-Info", info(&register, "zanzibar", Some("n2")));
    client.auth.accepted(&register, &ok).unwrap();
    let mut next = self::register();
    client.auth.preempt(&mut next);
    assert_eq!((only(&next).nonce.as_str(), only(&next).protection.unwrap().nc), ("n2", 1));
}

#[test]
fn a_hashed_user_name_is_sent_where_the_server_knows_it() {
    let mut client = Client::new(&[(None, "zanzibar")]);
    let mut register = register();
    let response = refused(&register, "WWW-Authenticate", &[&format!("{MD5}, userhash=true")]);
    client.answer(&mut register, &response).unwrap();
    let credentials = only(&register);
    assert!(credentials.userhash);
    assert_eq!(credentials.username, md5("bob:example.org"));
}

#[test]
fn nobody_without_our_password_learns_anything_from_us() {
    let mut client = Client::new(&[(Some("home.org"), "zanzibar")]);
    let mut register = register();
    let response = refused(&register, "WWW-Authenticate", &[MD5]);
    let error = client.answer(&mut register, &response).unwrap_err();
    assert_eq!(error, AuthError::NoCredentials { realm: "example.org".into() });
    let none = make::response(&register, StatusCode::UNAUTHORIZED, None);
    assert_eq!(client.answer(&mut register, &none), Err(AuthError::NoChallenge));
    assert_eq!(register, self::register());
}

#[test]
fn nonces_and_answers_are_bounded() {
    let mut client = Client::new(&[(None, "zanzibar")]);
    for call in 0..1000 {
        let mut invite = request(Method::Invite, "sip:carol@example.org", &format!("c{call}"));
        let response = refused(&invite, "Proxy-Authenticate", &[MD5]);
        client.answer(&mut invite, &response).unwrap();
    }
    assert_eq!(client.auth.nonces(), Authenticator::MAX_NONCES);
    let mut invite = request(Method::Invite, "sip:carol@example.org", "last");
    let many: Vec<_> = (0..200).map(|n| MD5.replace("example.org", &format!("r{n}"))).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let response = refused(&invite, "Proxy-Authenticate", &many);
    assert_eq!(client.answer(&mut invite, &response), Err(AuthError::TooMany));
    assert_eq!(client.auth.nonces(), Authenticator::MAX_NONCES);
    let long = MD5.replace("n1", &"n".repeat(2000));
    let response = refused(&invite, "Proxy-Authenticate", &[&long]);
    assert!(matches!(client.answer(&mut invite, &response), Err(AuthError::NotUnderstood { .. })));
}

#[test]
fn no_debug_output_holds_a_secret() {
    let mut client = Client::new(&[(None, "zanzibar")]);
    let mut register = register();
    let response = refused(&register, "WWW-Authenticate", &[MD5]);
    client.answer(&mut register, &response).unwrap();
    let shown = format!("{:?}", client.auth);
    assert!(shown.contains("example.org"));
    assert!(!shown.contains("zanzibar") && !shown.contains(&md5("bob:example.org:zanzibar")), "{shown}");
}

proptest! {
    #[test]
    fn no_challenge_panics_and_what_is_read_is_written_alike(text in ".{0,60}", realm in "[^\r\n]{0,12}", nonce in "[^\r\n]{0,12}") {
        let _ = (Challenge::parse(&text), DigestCredentials::parse(&text), AuthenticationInfo::parse(&text));
        let challenge = Challenge {
            realm, nonce, opaque: Some(text.clone()), stale: true, algorithm: Some(text.clone()), qop: None, userhash: true,
        };
        let read = Challenge::parse(&challenge.to_string());
        if !text.contains(['\r', '\n']) {
            prop_assert_eq!(read, Ok(challenge));
        }
    }

    #[test]
    fn no_response_panics(values in proptest::collection::vec("(Digest )?[a-z]{1,5}=\"?[a-z,\"\\\\ ]{0,9}\"?(, nonce=\"[a-z]\", realm=\"[ab]\")?", 0..6)) {
        let mut client = Client::new(&[(None, "zanzibar")]);
        let mut register = register();
        for value in &values {
            let mut response = refused(&register, "WWW-Authenticate", &[value]);
            response.headers.push("Proxy-Authenticate", value);
            response.headers.push("Authentication-Info", value);
            let _ = client.answer(&mut register, &response);
            let _ = client.auth.accepted(&register, &response);
            client.auth.preempt(&mut register);
        }
    }
}
