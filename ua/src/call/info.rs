//! INFO inside a call: of the kind that names no package (RFC 2976, which RFC 6086 section 2 lets live on).

use super::usage::Purpose;
use super::{Call, Cx, Phase, decline};
use crate::event::Event;
use crate::sip::{Method, Request, StatusCode};
use crate::transaction::ServerKey;

/// What a refused INFO is told to send instead.
const ACCEPT: &str = "application/dtmf-relay, application/dtmf, text/plain";

/// The longest body that is taken, in bytes.
const MOST: usize = 4 * 1024;

impl Call {
    /// Sends an INFO in the call.
    pub(crate) fn info(&mut self, content_type: &str, body: Vec<u8>, cx: &mut Cx<'_, '_>) {
        let Phase::Talking(talking) = &mut self.phase else { return self.cannot("is not answered", cx) };
        let fill = |request: &mut Request| {
            if !body.is_empty() {
                request.headers.push("Content-Type", content_type);
                request.body = body;
            }
        };
        if talking.usage.request(Method::Info, Purpose::Info, fill, cx).is_none() {
            self.cannot("has a peer whom nobody can find", cx);
        }
    }

    /// Our INFO has its final response, or will have none.
    pub(super) fn info_answered(&mut self, status: StatusCode, cx: &mut Cx<'_, '_>) {
        if !status.is_success() {
            self.cannot(&format!("has a peer that does not take this INFO: {status} {}", status.phrase()), cx);
        }
    }

    /// INFO inside the dialog.
    pub(super) fn informed(&mut self, key: ServerKey, request: &Request, cx: &mut Cx<'_, '_>) {
        match read(request) {
            Ok((content_type, body)) => {
                let ok = self.ok(request, vec![], cx);
                cx.respond(key, &ok);
                cx.event(Event::Info { call: self.id, content_type, body });
            }
            Err(status) => {
                let mut response = decline::reply(request, status, cx.env);
                match status {
                    // Which packages we are willing to receive: none (RFC 6086 section 4.2.2).
                    StatusCode::BAD_INFO_PACKAGE => response.headers.push("Recv-Info", ""),
                    StatusCode::UNSUPPORTED_MEDIA_TYPE => response.headers.push("Accept", ACCEPT),
                    _ => {}
                }
                cx.respond(key, &response);
            }
        }
    }
}

/// What an INFO brings: its type and its body, both empty if it brings nothing; or the status that refuses it.
fn read(request: &Request) -> Result<(String, String), StatusCode> {
    // We have said of no package that we are willing to receive it (RFC 6086 section 4.2.2).
    if request.headers.get("Info-Package").is_some() {
        return Err(StatusCode::BAD_INFO_PACKAGE);
    }
    let kind = request.headers.content_type().map_err(|_| StatusCode::BAD_REQUEST)?;
    if request.body.is_empty() {
        return Ok(Default::default());
    }
    let known = |name: &str| kind.as_ref().is_some_and(|kind| format!("{}/{}", kind.kind, kind.subtype) == name);
    let name = ACCEPT.split(", ").find(|name| known(name)).ok_or(StatusCode::UNSUPPORTED_MEDIA_TYPE)?;
    if request.body.len() > MOST {
        return Err(StatusCode::REQUEST_ENTITY_TOO_LARGE);
    }
    Ok((name.to_owned(), String::from_utf8_lossy(&request.body).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Method;

    fn taken(headers: &[(&'static str, &str)], body: &str) -> Result<(String, String), u16> {
        let mut request = Request::new(Method::Info, "sip:a@b".parse().unwrap());
        for (name, value) in headers {
            request.headers.push(name, value);
        }
        request.body = body.as_bytes().to_vec();
        read(&request).map_err(StatusCode::code)
    }

    #[test]
    fn an_info_without_a_package_is_taken_if_its_body_is_known() {
        let dtmf = taken(&[("Content-Type", "Application/DTMF-Relay")], "Signal=5\r\nDuration=160\r\n");
        assert_eq!(dtmf, Ok(("application/dtmf-relay".into(), "Signal=5\r\nDuration=160\r\n".into())));
        assert_eq!(taken(&[], ""), Ok(Default::default()));
        assert_eq!(taken(&[("Content-Type", "application/media_control+xml")], "<x/>"), Err(415));
        assert_eq!(taken(&[], "x"), Err(415));
        assert_eq!(taken(&[("Content-Type", "text/plain")], &"x".repeat(MOST + 1)), Err(413));
    }

    #[test]
    fn an_info_of_a_package_is_refused_whatever_its_body() {
        let package = ("Info-Package", "foo");
        assert_eq!(taken(&[package], ""), Err(469));
        assert_eq!(taken(&[package, ("Content-Type", "text/plain")], "x"), Err(469));
    }
}
