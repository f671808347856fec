//! rsip's types at the edge of our API: whoever has rsip messages can pass them in and take them out. What rsip cannot
//! hold (IPv6, extension methods, URIs of other schemes) is an error, never a changed message.

use super::error::SipError;
use super::message::{Message, Request, Response};
use super::method::Method;
use super::status::StatusCode;
use super::uri::Uri;

impl From<rsip::Method> for Method {
    fn from(method: rsip::Method) -> Self {
        match method {
            rsip::Method::Ack => Self::Ack,
            rsip::Method::Bye => Self::Bye,
            rsip::Method::Cancel => Self::Cancel,
            rsip::Method::Info => Self::Info,
            rsip::Method::Invite => Self::Invite,
            rsip::Method::Message => Self::Message,
            rsip::Method::Notify => Self::Notify,
            rsip::Method::Options => Self::Options,
            rsip::Method::PRack => Self::Prack,
            rsip::Method::Publish => Self::Publish,
            rsip::Method::Refer => Self::Refer,
            rsip::Method::Register => Self::Register,
            rsip::Method::Subscribe => Self::Subscribe,
            rsip::Method::Update => Self::Update,
        }
    }
}

impl TryFrom<&Method> for rsip::Method {
    type Error = SipError;

    fn try_from(method: &Method) -> Result<Self, SipError> {
        Ok(match method {
            Method::Ack => Self::Ack,
            Method::Bye => Self::Bye,
            Method::Cancel => Self::Cancel,
            Method::Info => Self::Info,
            Method::Invite => Self::Invite,
            Method::Message => Self::Message,
            Method::Notify => Self::Notify,
            Method::Options => Self::Options,
            Method::Prack => Self::PRack,
            Method::Publish => Self::Publish,
            Method::Refer => Self::Refer,
            Method::Register => Self::Register,
            Method::Subscribe => Self::Subscribe,
            Method::Update => Self::Update,
            Method::Extension(name) => return Err(SipError::Rsip(format!("it has no method {name}"))),
        })
    }
}

impl TryFrom<&rsip::StatusCode> for StatusCode {
    type Error = SipError;

    fn try_from(status: &rsip::StatusCode) -> Result<Self, SipError> {
        let code = status.code();
        Self::new(code).ok_or_else(|| SipError::Rsip(format!("{code} is not a SIP status")))
    }
}

impl From<StatusCode> for rsip::StatusCode {
    fn from(status: StatusCode) -> Self {
        status.code().into()
    }
}

impl TryFrom<&rsip::Uri> for Uri {
    type Error = SipError;

    fn try_from(uri: &rsip::Uri) -> Result<Self, SipError> {
        uri.to_string().parse()
    }
}

impl TryFrom<&Uri> for rsip::Uri {
    type Error = SipError;

    fn try_from(uri: &Uri) -> Result<Self, SipError> {
        let text = uri.to_string();
        let theirs = Self::try_from(text.as_str()).map_err(foreign)?;
        // rsip drops what it does not understand; a URI that lost something is another URI.
        match theirs.to_string() == text {
            true => Ok(theirs),
            false => Err(SipError::Rsip(format!("it would change {text}"))),
        }
    }
}

impl TryFrom<&Request> for rsip::Request {
    type Error = SipError;

    fn try_from(request: &Request) -> Result<Self, SipError> {
        rsip::Uri::try_from(&request.uri)?;
        let mut theirs = Self::try_from(request.to_bytes()).map_err(foreign)?;
        theirs.body = request.body.clone();
        Ok(theirs)
    }
}

impl TryFrom<&Response> for rsip::Response {
    type Error = SipError;

    fn try_from(response: &Response) -> Result<Self, SipError> {
        let mut theirs = Self::try_from(response.to_bytes()).map_err(foreign)?;
        theirs.body = response.body.clone();
        Ok(theirs)
    }
}

impl TryFrom<&rsip::Request> for Request {
    type Error = SipError;

    fn try_from(theirs: &rsip::Request) -> Result<Self, SipError> {
        let head = format!("{} {} SIP/2.0\r\n{}", theirs.method, theirs.uri, theirs.headers);
        match Message::parse_head(head.as_bytes())?.0 {
            Message::Request(request) => Ok(Self { body: theirs.body.clone(), ..request }),
            Message::Response(_) => Err(SipError::StartLine("it is not a Request-Line")),
        }
    }
}

impl TryFrom<&rsip::Response> for Response {
    type Error = SipError;

    fn try_from(theirs: &rsip::Response) -> Result<Self, SipError> {
        let status = StatusCode::try_from(&theirs.status_code)?;
        let reason = match &theirs.status_code {
            rsip::StatusCode::Other(_, reason) => reason,
            _ => status.phrase(),
        };
        let head = format!("SIP/2.0 {status} {reason}\r\n{}", theirs.headers);
        match Message::parse_head(head.as_bytes())?.0 {
            Message::Response(response) => Ok(Self { body: theirs.body.clone(), ..response }),
            Message::Request(_) => Err(SipError::StartLine("it is not a Status-Line")),
        }
    }
}

fn foreign(error: rsip::Error) -> SipError {
    SipError::Rsip(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_and_status_of_rsip_comes_through() {
        for theirs in rsip::Method::all() {
            let ours = Method::from(theirs);
            assert_eq!(ours.as_str(), theirs.to_string());
            assert_eq!(rsip::Method::try_from(&ours), Ok(theirs));
        }
        for code in (100..700).filter_map(StatusCode::new) {
            assert_eq!(StatusCode::try_from(&rsip::StatusCode::from(code)), Ok(code));
        }
        assert!(rsip::Method::try_from(&Method::Extension("FOO".into())).is_err());
        assert!(StatusCode::try_from(&rsip::StatusCode::Other(99, "x".into())).is_err());
    }

    #[test]
    fn a_uri_that_rsip_would_change_is_an_error() {
        for (text, fits) in [("sip:alice@a.com:5070;transport=TCP", true), ("sip:a@[::1]", false), ("tel:+1", false)] {
            let uri: Uri = text.parse().unwrap();
            let theirs = rsip::Uri::try_from(&uri);
            assert_eq!(theirs.is_ok(), fits, "{text}");
            if let Ok(theirs) = theirs {
                assert_eq!(Uri::try_from(&theirs), Ok(uri));
            }
        }
    }
}
