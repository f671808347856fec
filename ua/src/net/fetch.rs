//! Fetching certificates by HTTP (RFC 4738 section 3.8, RFC 2585 section 3).
//!
//! A stranger's message may be why we do this. So a connection is made to nothing but an address that the configuration
//! lets us reach, and that is looked at after the name was resolved; nobody sends us on elsewhere; and what comes is
//! bounded in length and in time.

use super::dns::Resolver;
use super::runner::Arrived;
use super::tls;
use crate::locate::{Answer, Kind, Question, Record};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use keyphone_keying::mikey::Mikey;
use keyphone_keying::{FetchList, Url};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// How long one certificate may take, from the question for its server's address to its last octet. The endpoint gives up
/// a little later.
const LONGEST: Duration = Duration::from_millis(4500);

/// Response headers are no longer than this together, in octets.
const MOST_HEADERS: usize = 16 << 10;

/// Fetches certificates.
#[derive(Clone)]
pub struct Fetcher {
    list: FetchList,
    tls: TlsConnector,
    resolver: Resolver,
    longest: Duration,
}

impl Fetcher {
    /// Fetches what the list allows. Servers are known by the CAs of the system, and by those in `ca`, a file in PEM: what
    /// they send proves nothing, so trusting more of them here harms nobody.
    ///
    /// # Errors
    /// One sentence: the file cannot be read.
    pub fn new(list: FetchList, ca: Option<&Path>) -> Result<Self, String> {
        let mut roots = ca.map(tls::roots).transpose()?.unwrap_or_else(RootCertStore::empty);
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::debug!(%error, "some of the CAs of the system cannot be read");
        }
        roots.add_parsable_certificates(system.certs);
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { list, tls: TlsConnector::from(Arc::new(config)), resolver: Resolver::default(), longest: LONGEST })
    }

    /// The same within another time.
    #[must_use]
    pub fn within(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Fetches one, and says what came or, as the end of a sentence, why nothing did.
    ///
    /// # Errors
    /// It is not allowed, not there, too long, or took too long.
    pub async fn fetch(&self, url: &Url) -> Result<Vec<u8>, String> {
        let slow = |_| Err(format!("it took longer than {} ms", self.longest.as_millis()));
        tokio::time::timeout(self.longest, self.try_to(url)).await.unwrap_or_else(slow)
    }

    pub(super) fn start(&self, url: Url, arrived: mpsc::Sender<Arrived>) {
        let fetcher = self.clone();
        tokio::spawn(async move {
            let result = fetcher.fetch(&url).await;
            let _ = arrived.send(Arrived::Fetched { url, result }).await;
        });
    }

    async fn try_to(&self, url: &Url) -> Result<Vec<u8>, String> {
        if !self.list.allows(url) {
            return Err("policy does not list it".into());
        }
        let stream = self.connect(url).await?;
        if !url.is_https() {
            return ask(stream, url).await;
        }
        let name = url.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(|_| "its host is no name for TLS".to_owned())?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| tls::explain(&error))?;
        ask(stream, url).await
    }

    /// To the first address that may be reached and can be. What was looked at is what is connected to: another answer of
    /// the name servers does not count.
    async fn connect(&self, url: &Url) -> Result<TcpStream, String> {
        let mut why = format!("there is no address of {}", url.host());
        for address in self.addresses(url).await? {
            if !self.list.reaches(address) {
                why = format!("{address} is not public, and policy does not list it");
                continue;
            }
            match TcpStream::connect(SocketAddr::new(address, url.port())).await {
                Ok(stream) => return Ok(stream),
                Err(error) => why = format!("{address} cannot be reached: {error}"),
            }
        }
        Err(why)
    }

    async fn addresses(&self, url: &Url) -> Result<Vec<IpAddr>, String> {
        if let Some(address) = url.address() {
            return Ok(vec![address]);
        }
        match self.resolver.ask(&Question::new(url.host(), Kind::Host)).await {
            Answer::Records(records, _) => {
                let address = |record| if let Record::Host(address) = record { Some(address) } else { None };
                Ok(records.into_iter().filter_map(address).collect())
            }
            Answer::NoName => Err(format!("there is no host {}", url.host())),
            Answer::Failed(why) => Err(why),
        }
    }
}

/// One GET on one connection. Whoever sends us elsewhere has not sent a certificate.
async fn ask(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, url: &Url) -> Result<Vec<u8>, String> {
    let broken = |error: hyper::Error| format!("HTTP failed: {error}");
    let mut http = http1::Builder::new();
    let http = http.max_buf_size(MOST_HEADERS).handshake(TokioIo::new(stream));
    let (mut sender, connection) = http.await.map_err(broken)?;
    let exchange = async {
        let host = match (url.port(), url.is_https()) {
            (80, false) | (443, true) => url.host().to_owned(),
            (port, _) => format!("{}:{port}", url.host()),
        };
        let request = Request::get(url.path_and_query())
            .header(HOST, host)
            // RFC 2585 section 4.1.
            .header(ACCEPT, "application/pkix-cert")
            .header(USER_AGENT, "keyphone")
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| format!("it cannot be asked for: {error}"))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        if response.status() != StatusCode::OK {
            return Err(format!("the server says {}", response.status()));
        }
        let body = Limited::new(response.into_body(), Mikey::LARGEST_CERTIFICATE);
        let collected = body.collect().await.map_err(|error| match error.is::<LengthLimitError>() {
            true => format!("it is longer than {} octets", Mikey::LARGEST_CERTIFICATE),
            false => format!("HTTP failed: {error}"),
        })?;
        Ok(collected.to_bytes().to_vec())
    };
    // The connection moves only while somebody waits for it, and goes with us.
    tokio::pin!(exchange, connection);
    tokio::select! {
        biased;
        done = &mut exchange => done,
        ended = &mut connection => match ended {
            // All that it had to say has been heard.
            Ok(()) => exchange.await,
            Err(error) => Err(broken(error)),
        },
    }
}
