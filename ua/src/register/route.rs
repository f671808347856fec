//! Routes that are known before a request is sent: an outbound proxy, and what Service-Route said (RFC 3608).

use crate::sip::{NameAddr, Request, Uri};

/// Writes a route set into a request outside any dialog (RFC 3261 section 8.1.1.1), and says where it goes then: to the
/// first route, or to the Request-URI.
pub(crate) fn preload(request: &mut Request, routes: &[NameAddr]) -> Uri {
    let Some(first) = routes.first() else { return request.uri.clone() };
    let mut routes = routes.iter().map(ToString::to_string).collect::<Vec<_>>();
    if first.uri.sip().is_none_or(|uri| !uri.has_param("lr")) {
        // A strict router finds itself in the Request-URI and the target at the end of the Route (section 12.2.1.1).
        routes.remove(0);
        routes.push(NameAddr::new(request.uri.clone()).to_string());
        request.uri = match &first.uri {
            Uri::Sip(sip) => Uri::Sip(sip.clone().for_request()),
            other => other.clone(),
        };
    }
    for route in routes {
        request.headers.push("Route", route);
    }
    first.uri.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Method;

    fn routed(routes: &[&str]) -> (String, Vec<String>, String) {
        let mut request = Request::new(Method::Invite, "sip:bob@b.org".parse().unwrap());
        let routes: Vec<NameAddr> = routes.iter().map(|route| route.parse().unwrap()).collect();
        let next = preload(&mut request, &routes);
        (request.uri.to_string(), request.headers.all("Route").map(str::to_owned).collect(), next.to_string())
    }

    #[test]
    fn a_request_goes_to_the_first_route_or_to_whom_it_is_for() {
        assert_eq!(routed(&[]), ("sip:bob@b.org".into(), vec![], "sip:bob@b.org".into()));
        let (uri, routes, next) = routed(&["<sip:p1.a.org;lr>", "<sip:p2.a.org;lr>"]);
        assert_eq!((uri.as_str(), next.as_str()), ("sip:bob@b.org", "sip:p1.a.org;lr"));
        assert_eq!(routes, ["<sip:p1.a.org;lr>", "<sip:p2.a.org;lr>"]);
    }

    #[test]
    fn a_strict_router_stands_in_the_request_uri() {
        let (uri, routes, next) = routed(&["<sip:p1.a.org>", "<sip:p2.a.org;lr>"]);
        assert_eq!((uri.as_str(), next.as_str()), ("sip:p1.a.org", "sip:p1.a.org"));
        assert_eq!(routes, ["<sip:p2.a.org;lr>", "<sip:bob@b.org>"]);
    }
}
