//! Certificates by HTTP: what is fetched, from where, and how much of it (RFC 4738 section 3.8, RFC 2585).

#![allow(clippy::disallowed_methods, reason = "these tests are about real sockets")]

use keyphone_ua::net::Fetcher;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Somebody who answers each GET with the same octets, over TLS or not, and counts them.
struct Server {
    at: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Server {
    async fn new(says: Vec<u8>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (at, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (says, tls, count) = (says.clone(), tls.clone(), count.clone());
                tokio::spawn(async move {
                    match tls {
                        None => answer(stream, &says, &count).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                answer(stream, &says, &count).await;
                            }
                        }
                    }
                });
            }
        });
        Self { at, asked }
    }

    async fn saying(says: impl Into<Vec<u8>>) -> Self {
        Self::new(says.into(), None).await
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.at)
    }

    /// What comes of asking it, with itself on the list.
    async fn fetch(&self) -> Result<Vec<u8>, String> {
        fetch(&[&self.url("http", "/pki/")], &self.url("http", "/pki/alice.cer"), None).await
    }
}

/// Answers one request whose header is whole. An empty answer never comes.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, says: &[u8], count: &AtomicUsize) {
    let mut request = vec![];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(octet) => request.push(octet),
            Err(_) => return,
        }
    }
    let request = String::from_utf8(request).unwrap().to_ascii_lowercase();
    assert!(request.starts_with("get /") && request.contains("accept: application/pkix-cert\r\n"), "{request}");
    assert!(request.contains("host: "), "{request}");
    count.fetch_add(1, Ordering::SeqCst);
    match says.is_empty() {
        true => std::future::pending().await,
        false => {
            let _ = stream.write_all(says).await;
            let _ = stream.shutdown().await;
        }
    }
}

async fn fetch(list: &[&str], url: &str, ca: Option<&Path>) -> Result<Vec<u8>, String> {
    let list = list.iter().map(|entry| entry.parse().unwrap()).collect();
    let fetcher = Fetcher::new(list, ca).unwrap().within(Duration::from_secs(2));
    fetcher.fetch(&url.parse().unwrap()).await
}

fn ok(body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/pkix-cert\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn what_the_server_has_is_fetched_however_it_says_its_length() {
    assert_eq!(Server::saying(ok(b"hello")).await.fetch().await.unwrap(), b"hello");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
    assert_eq!(Server::saying(chunked).await.fetch().await.unwrap(), b"hello");
    assert_eq!(Server::saying("HTTP/1.0 200 OK\r\n\r\nhello").await.fetch().await.unwrap(), b"hello");
    assert_eq!(Server::saying(ok(&[7; 65_536])).await.fetch().await.unwrap().len(), 65_536);
}

#[tokio::test]
async fn what_is_too_long_or_no_answer_is_refused_with_the_reason() {
    let too_long = ok(&[7; 65_537]);
    // Without a length, by the octet that is one too many.
    let endless = [b"HTTP/1.0 200 OK\r\n\r\n".to_vec(), vec![7; 1 << 20]].concat();
    let headers = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    for (says, why) in [
        (too_long, "longer than 65536 octets"),
        (endless, "longer than 65536 octets"),
        (headers.into(), "HTTP failed"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(), "the server says 404 Not Found"),
        (b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), "the server says 204"),
        (b"SSH-2.0-OpenSSH\r\n".to_vec(), "HTTP failed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".to_vec(), "HTTP failed"),
        (vec![], "it took longer than 2000 ms"),
    ] {
        let error = Server::saying(says).await.fetch().await.unwrap_err();
        assert!(error.contains(why), "{why}: {error}");
    }
}

#[tokio::test]
async fn nobody_sends_us_on_elsewhere() {
    let inside = Server::saying(ok(b"secret")).await;
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"] {
        let moved = format!("HTTP/1.1 {status}\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", inside.url("http", "/"));
        let error = Server::saying(moved).await.fetch().await.unwrap_err();
        assert_eq!(error, format!("the server says {status}"));
    }
    assert_eq!(inside.asked(), 0);
}

#[tokio::test]
async fn a_name_that_leads_to_an_address_that_is_not_public_is_not_followed_unless_the_list_has_the_address() {
    let server = Server::saying(ok(b"hello")).await;
    let by_name = format!("http://localhost:{}/", server.at.port());
    let error = fetch(&[&by_name], &by_name, None).await.unwrap_err();
    assert!(error.ends_with("is not public, and policy does not list it"), "{error}");
    assert_eq!(server.asked(), 0);
    let by_address = server.url("http", "/");
    assert_eq!(fetch(&[&by_name, &by_address], &by_name, None).await.unwrap(), b"hello");
    let error = fetch(&["http://certs.example.org/"], &by_address, None).await.unwrap_err();
    assert_eq!(error, "policy does not list it");
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn over_tls_the_server_must_be_one_that_a_ca_vouches_for() {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, issuer.as_ref().pem()).unwrap();
    let server = async |ip: &str| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::IpAddress(ip.parse().unwrap())];
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        Server::new(ok(b"hello"), Some(TlsAcceptor::from(Arc::new(config)))).await
    };
    let (good, wrong) = (server("127.0.0.1").await, server("127.0.0.2").await);
    let url = good.url("https", "/a.cer");
    assert_eq!(fetch(&[&url], &url, Some(&ca)).await.unwrap(), b"hello");
    let unknown = fetch(&[&url], &url, None).await.unwrap_err();
    assert!(unknown.contains("not from a CA that we trust"), "{unknown}");
    let url = wrong.url("https", "/a.cer");
    let other = fetch(&[&url], &url, Some(&ca)).await.unwrap_err();
    assert!(other.contains("certificate"), "{other}");
    assert_eq!((good.asked(), wrong.asked()), (1, 0));
}
