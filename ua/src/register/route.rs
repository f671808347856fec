//! Routes that are known before a request is sent: an outbound proxy, and what Service-Route said (RFC 3608).

use crate::sip::{NameAddr, Request, Uri};

/// Writes a route set into a request outside any dialog (RFC 3261 section 8.1.1.1), and says where it goes then: to the
/// first route, or to the Request-URI.
pub(crate) fn preload(request: &mut Request, routes: &[NameAddr]) -> Uri {
    // RFC 5630 section 5.1.1: what is for a sips URI visits nothing but sips URIs.
    let secure = request.uri.sip().is_some_and(|uri| uri.is_secure());
    let routes: Vec<_> =
        routes.iter().map(|route| if secure { secured(route.clone()) } else { route.clone() }).collect();
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

fn secured(mut route: NameAddr) -> NameAddr {
    if let Uri::Sip(uri) = route.uri {
        route.uri = Uri::Sip(uri.secured());
    }
    route
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
    fn what_is_for_a_sips_uri_visits_nothing_else() {
        let mut request = Request::new(Method::Invite, "sips:bob@b.org".parse().unwrap());
        let routes: [NameAddr; 2] = ["<sip:p1.a.org;lr>", "<sips:p2.a.org;lr>"].map(|route| route.parse().unwrap());
        assert_eq!(preload(&mut request, &routes).to_string(), "sips:p1.a.org;lr");
        assert_eq!(request.headers.all("Route").collect::<Vec<_>>(), ["<sips:p1.a.org;lr>", "<sips:p2.a.org;lr>"]);
    }

    #[test]
    fn a_strict_router_stands_in_the_request_uri() {
        let (uri, routes, next) = routed(&["<sip:p1.a.org>", "<sip:p2.a.org;lr>"]);
        assert_eq!((uri.as_str(), next.as_str()), ("sip:p1.a.org", "sip:p1.a.org"));
        assert_eq!(routes, ["<sip:p2.a.org;lr>", "<sip:bob@b.org>"]);
    }
}
