//! A dialog (RFC 3261 section 12): what two phones remember of each other between requests.

use crate::locate::Hop;
use crate::refer::connected::same_person;
use crate::sip::{CSeq, Headers, Method, NameAddr, Request, Response, SipError, Uri, make};

/// One dialog, early or confirmed. A forked INVITE makes one for each To-tag (RFC 3261 section 12.1.2).
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    call_id: String,
    local: NameAddr,
    remote: NameAddr,
    /// The CSeq number of our last request.
    local_seq: u32,
    remote_seq: Option<u32>,
    /// Topmost first.
    routes: Vec<NameAddr>,
    target: Uri,
}

/// A request whose CSeq number is not higher than the last one's.
#[derive(Debug)]
pub(crate) struct OutOfOrder;

impl Dialog {
    /// As the caller sees it, from a response that has a To-tag and a Contact (RFC 3261 section 12.1.2).
    pub(crate) fn answered(response: &Response) -> Result<Self, SipError> {
        let headers = &response.headers;
        let mut routes = headers.record_route()?;
        routes.reverse();
        Ok(Self {
            call_id: headers.call_id()?.to_owned(),
            local: headers.from()?,
            remote: headers.to()?,
            local_seq: headers.cseq()?.seq,
            remote_seq: None,
            routes,
            target: headers.contact()?.ok_or(SipError::Missing("Contact"))?.uri,
        })
    }

    /// As the callee sees it, from the request and the tag that we give it (RFC 3261 section 12.1.1).
    pub(crate) fn invited(request: &Request, tag: &str) -> Result<Self, SipError> {
        let headers = &request.headers;
        let remote = headers.from()?;
        let target = match headers.contact()? {
            Some(contact) => contact.uri,
            // A caller from before RFC 3261 has no tag, and need not say where it is (RFC 4475 section 3.4.1).
            None if remote.tag().is_none() => remote.uri.clone(),
            None => return Err(SipError::Missing("Contact")),
        };
        Ok(Self {
            call_id: headers.call_id()?.to_owned(),
            local: headers.to()?.with_tag(tag),
            remote,
            local_seq: 0,
            remote_seq: Some(headers.cseq()?.seq),
            routes: headers.record_route()?,
            target,
        })
    }

    /// From now on this is our name (RFC 4916 section 4.4.1). The tags alone say which dialog it is.
    pub(crate) fn rename_us(&mut self, uri: Uri, display: Option<String>) {
        (self.local.uri, self.local.display) = (uri, display);
    }

    /// From now on this is the peer's name (RFC 4916 section 4.4.2). True if it is another than before.
    pub(crate) fn rename_peer(&mut self, uri: &Uri) -> bool {
        let other = !same_person(&self.remote.uri, uri);
        if other {
            (self.remote.uri, self.remote.display) = (uri.clone(), None);
        }
        other
    }

    /// The peer's Contact.
    pub(crate) fn target(&self) -> &Uri {
        &self.target
    }

    pub(crate) fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Our tag.
    pub(crate) fn local_tag(&self) -> &str {
        self.local.tag().unwrap_or_default()
    }

    /// The peer's tag: empty if it comes from before RFC 3261.
    pub(crate) fn remote_tag(&self) -> &str {
        self.remote.tag().unwrap_or_default()
    }

    /// Is this request in order (RFC 3261 section 12.2.2)?
    pub(crate) fn takes(&mut self, request: &Request) -> Result<(), OutOfOrder> {
        let number = request.headers.cseq().map_err(|_| OutOfOrder)?.seq;
        if self.remote_seq.is_some_and(|last| number <= last) {
            return Err(OutOfOrder);
        }
        self.remote_seq = Some(number);
        Ok(())
    }

    /// Is the request from this dialog's peer, and not from another branch?
    pub(crate) fn is_from_peer(&self, request: &Request) -> bool {
        request.headers.tag("From").unwrap_or_default() == self.remote_tag()
    }

    /// The next request of ours inside the dialog (RFC 3261 section 12.2.1.1), without a Via.
    pub(crate) fn request(&mut self, method: Method) -> Request {
        let seq = self.next_seq();
        self.write(method, seq)
    }

    /// The ACK for the 2xx of the INVITE that had this CSeq number (RFC 3261 section 13.2.2.4).
    pub(crate) fn ack(&self, seq: u32) -> Request {
        self.write(Method::Ack, seq)
    }

    /// The CSeq number of our last request.
    pub(crate) fn local_seq(&self) -> u32 {
        self.local_seq
    }

    /// The CSeq number for a request that is sent once more.
    pub(crate) fn next_seq(&mut self) -> u32 {
        self.local_seq += 1;
        self.local_seq
    }

    /// Our requests in this dialog have come as far as this number.
    pub(crate) fn count_from(&mut self, last: u32) {
        self.local_seq = self.local_seq.max(last);
    }

    /// The 2xx has come to a dialog that a provisional response began: its routes and its target hold now, the numbers
    /// go on (RFC 3261 section 13.2.2.4).
    pub(crate) fn confirmed(&mut self, response: &Response) -> Result<(), SipError> {
        let Self { routes, target, .. } = Self::answered(response)?;
        (self.routes, self.target) = (routes, target);
        Ok(())
    }

    /// The Contact of a request or a response that refreshes the target (RFC 3261 section 12.2).
    pub(crate) fn refresh_target(&mut self, headers: &Headers) {
        if let Ok(Some(contact)) = headers.contact() {
            self.target = contact.uri;
        }
    }

    /// Where requests go: to the first route, or to the peer's Contact (RFC 3261 section 8.1.2).
    pub(crate) fn next_hop(&self) -> Hop {
        self.routes.first().map_or(&self.target, |route| &route.uri).into()
    }

    fn write(&self, method: Method, seq: u32) -> Request {
        let strict = self.routes.first().filter(|first| first.uri.sip().is_none_or(|uri| !uri.has_param("lr")));
        let mut routes: Vec<String> = self.routes.iter().map(ToString::to_string).collect();
        let uri = match strict {
            None => self.target.clone(),
            Some(first) => {
                // A strict router finds itself in the Request-URI and the target at the end of the Route.
                routes.remove(0);
                routes.push(NameAddr::new(self.target.clone()).to_string());
                first.uri.clone()
            }
        };
        let mut request = Request::new(method.clone(), uri);
        for route in routes {
            request.headers.push("Route", route);
        }
        request.headers.push("Max-Forwards", make::MAX_FORWARDS);
        request.headers.push("From", self.local.to_string());
        request.headers.push("To", self.remote.to_string());
        request.headers.push("Call-ID", &self.call_id);
        request.headers.push("CSeq", CSeq { seq, method }.to_string());
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Message;

    fn answered(record_route: &str) -> Dialog {
        let text = format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\n{record_route}\
             From: <sip:a@example.org>;tag=1\r\nTo: <sip:b@example.org>;tag=2\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\n\
             Contact: <sip:b@192.0.2.9:5070;transport=tcp>\r\n\r\n"
        );
        match Message::parse(text.as_bytes()) {
            Ok(Message::Response(response)) => Dialog::answered(&response).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_routes_a_request_goes_to_the_contact() {
        let mut dialog = answered("");
        assert_eq!(dialog.next_hop(), "sip:b@192.0.2.9:5070;transport=tcp".parse::<Uri>().unwrap().into());
        let (ack, bye) = (dialog.ack(7), dialog.request(Method::Bye));
        assert_eq!(ack.headers.get("CSeq"), Some("7 ACK"));
        assert_eq!(bye.headers.get("CSeq"), Some("8 BYE"));
        assert_eq!(bye.uri.to_string(), "sip:b@192.0.2.9:5070;transport=tcp");
        assert_eq!((bye.headers.get("From"), bye.headers.get("Route")), (Some("<sip:a@example.org>;tag=1"), None));
    }

    #[test]
    fn a_loose_router_stands_in_the_route_and_a_strict_one_in_the_request_uri() {
        let record = "Record-Route: <sip:192.0.2.3;lr>, <sip:192.0.2.2;lr>\r\n";
        let loose = answered(record).ack(7);
        assert_eq!(loose.uri.to_string(), "sip:b@192.0.2.9:5070;transport=tcp");
        let routes: Vec<_> = loose.headers.all("Route").collect();
        assert_eq!(routes, ["<sip:192.0.2.2;lr>", "<sip:192.0.2.3;lr>"], "the caller reads them backwards");
        let strict = answered(&record.replace(";lr", "")).ack(7);
        assert_eq!(strict.uri.to_string(), "sip:192.0.2.2");
        let routes: Vec<_> = strict.headers.all("Route").collect();
        assert_eq!(routes, ["<sip:192.0.2.3>", "<sip:b@192.0.2.9:5070;transport=tcp>"]);
    }

    #[test]
    fn a_request_must_count_up() {
        let mut dialog = answered("");
        let bye = |seq: u32| {
            let mut request = Request::new(Method::Bye, "sip:a@192.0.2.1".parse().unwrap());
            request.headers.push("CSeq", format!("{seq} BYE"));
            request
        };
        assert!(dialog.takes(&bye(5)).is_ok());
        assert!(dialog.takes(&bye(5)).is_err() && dialog.takes(&bye(4)).is_err() && dialog.takes(&bye(6)).is_ok());
    }
}
