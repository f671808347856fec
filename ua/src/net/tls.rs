//! TLS: our certificate, whom we trust, and what is checked of a peer (RFC 5922 section 7, RFC 3261 section 26.3.1).

use super::identity::Identities;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use zeroize::Zeroizing;

/// What we have of TLS.
#[derive(Clone)]
pub struct Tls {
    /// If we trust somebody.
    pub(super) connector: Option<TlsConnector>,
    /// If we have a certificate.
    pub(super) acceptor: Option<TlsAcceptor>,
}

/// Files, in PEM.
#[derive(Clone, Copy, Debug, Default)]
pub struct TlsFiles<'a> {
    /// Our certificate and those between it and its CA, and its private key.
    pub own: Option<(&'a Path, &'a Path)>,
    /// The CAs that we trust. Without any we can be called over TLS, but call nobody.
    pub ca: Option<&'a Path>,
    /// Must whoever connects to us show a certificate of one of these CAs? If not, they may.
    pub require_client: bool,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// One sentence that names the file and what is wrong with it; no secret is in it.
    pub fn load(files: TlsFiles<'_>) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let own =
            files.own.map(|(cert, key)| Ok::<_, String>((certificates(cert)?, private_key(key)?, cert))).transpose()?;
        let roots = files.ca.map(roots).transpose()?.map(Arc::new);
        let wrong = |path: &Path, e: Error| format!("the certificate in {} and its key: {e}", path.display());
        let connector = match &roots {
            None => None,
            Some(roots) => {
                let algorithms = provider.signature_verification_algorithms;
                let verifier = Arc::new(SipVerifier { roots: roots.clone(), algorithms });
                let builder = ClientConfig::builder_with_provider(provider.clone())
                    .with_safe_default_protocol_versions()
                    .map_err(|e| e.to_string())?
                    .dangerous()
                    .with_custom_certificate_verifier(verifier);
                let mut config = match &own {
                    Some((chain, key, path)) => {
                        builder.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(|e| wrong(path, e))?
                    }
                    None => builder.with_no_client_auth(),
                };
                // Every connection is checked, none by what another one was found to be.
                config.resumption = Resumption::disabled();
                Some(TlsConnector::from(Arc::new(config)))
            }
        };
        let acceptor = match own {
            None => None,
            Some((chain, key, path)) => Some(acceptor(provider, roots, files.require_client, (chain, key, path))?),
        };
        Ok(Self { connector, acceptor })
    }

    /// We can make connections.
    pub fn connects(&self) -> bool {
        self.connector.is_some()
    }

    /// We can take connections.
    pub fn listens(&self) -> bool {
        self.acceptor.is_some()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("connects", &self.connects()).field("listens", &self.listens()).finish()
    }
}

type Own<'a> = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>, &'a Path);

fn acceptor(
    provider: Arc<CryptoProvider>,
    roots: Option<Arc<RootCertStore>>,
    require_client: bool,
    (chain, key, path): Own<'_>,
) -> Result<TlsAcceptor, String> {
    let verifier = match roots {
        None if require_client => return Err("to require certificates of others, say whose: --ca".into()),
        None => WebPkiClientVerifier::no_client_auth(),
        Some(roots) => {
            let builder = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
            let builder = if require_client { builder } else { builder.allow_unauthenticated() };
            builder.build().map_err(|e| e.to_string())?
        }
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|e| format!("the certificate in {} and its key: {e}", path.display()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    std::fs::read(path).map(Zeroizing::new).map_err(|e| format!("{} cannot be read: {e}", path.display()))
}

pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = read(path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err(format!("{} holds no certificate in PEM", path.display())),
        Ok(all) => Ok(all),
        Err(error) => Err(format!("{} holds no certificate in PEM: {error}", path.display())),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let pem = read(path)?;
    // The error may quote nothing of the file.
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| format!("{} holds no private key in PEM", path.display()))
}

pub(super) fn roots(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|e| format!("{} holds a CA that cannot be used: {e}", path.display()))?;
    }
    Ok(roots)
}

/// The standard checks of a chain (RFC 5280 section 6), and then ours of whom it is for (RFC 5922 section 7.3).
#[derive(Debug)]
struct SipVerifier {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// The certificate is good, and somebody else's.
#[derive(Debug, thiserror::Error)]
#[error("its certificate is for {found} and not for {wanted} (RFC 5922 section 7.3)")]
struct WrongName {
    found: Identities,
    wanted: String,
}

impl ServerCertVerifier for SipVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms)?;
        let found = Identities::of(end_entity).map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let wanted = server_name.to_str();
        if found.is_for(&wanted) {
            return Ok(ServerCertVerified::assertion());
        }
        let why = OtherError(Arc::new(WrongName { found, wanted: wanted.into_owned() }));
        Err(Error::InvalidCertificate(CertificateError::Other(why)))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What went wrong on a connection, as the end of a sentence: which check failed, if one did.
pub(super) fn explain(error: &io::Error) -> String {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match error.kind() {
            io::ErrorKind::ConnectionRefused => "the connection was refused".into(),
            io::ErrorKind::UnexpectedEof => "the peer closed the connection".into(),
            _ => error.to_string(),
        };
    };
    match tls {
        Error::InvalidCertificate(why) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired (RFC 5280 section 4.1.2.5)".into()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet (RFC 5280 section 4.1.2.5)".into()
            }
            CertificateError::UnknownIssuer => {
                "its certificate is not from a CA that we trust (RFC 5280 section 6.1): see --ca".into()
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                "its certificate is for another purpose (RFC 5280 section 4.2.1.12)".into()
            }
            CertificateError::BadSignature => {
                "a signature in its certificates is wrong (RFC 5280 section 6.1.3)".into()
            }
            CertificateError::Other(OtherError(why)) => why.to_string(),
            other => format!("its certificate does not pass: {other}"),
        },
        Error::NoCertificatesPresented => "it shows no certificate, and we require one".into(),
        Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired => "it requires a certificate of us: see --cert and --key".into(),
            AlertDescription::UnknownCA => "it does not trust the CA of our certificate".into(),
            AlertDescription::DecryptError => "it finds a signature of our certificate wrong".into(),
            AlertDescription::CertificateExpired => "it says that our certificate has expired".into(),
            AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
                "it does not accept our certificate".into()
            }
            other => format!("it broke TLS off: {other:?}"),
        },
        Error::InvalidMessage(_) => "what it speaks is not TLS".into(),
        other => format!("TLS failed: {other}"),
    }
}
