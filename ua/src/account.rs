//! Who we are: one account or several, each with a name, and perhaps a registrar, a proxy and passwords of its own.

use crate::sip::{NameAddr, Request, SipError, SipUri, Uri};
use keyphone_config::{Config, Login};
use std::time::Duration;

/// Somebody that we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The address of record: what From says, and IDi and IDr.
    pub me: Uri,
    /// What a peer may show beside it.
    pub display_name: Option<String>,
    /// We answer to every name: whoever is called, it is us. Otherwise we are `me` and nobody else.
    pub any_name: bool,
    /// What servers are answered that ask who we are; none of them is sent to a realm that it is not for.
    pub logins: Vec<Login>,
    /// Where `me` is registered, if it is told to: the Request-URI of its REGISTER.
    pub registrar: Option<Uri>,
    /// The proxies that every request visits first, whomever it is for: an outbound proxy, for instance.
    pub routes: Vec<NameAddr>,
    /// How long a registration is to hold.
    pub expires: Duration,
    /// How much its Contact is to be preferred to others of the same address of record, in thousandths; `None` leaves it
    /// to the registrar (RFC 3261 section 20.10, `q`).
    pub preference: Option<u16>,
    /// The user of its Contact, if that is not the user of `me`: requests for `me` go to another account then.
    pub contact_user: Option<String>,
}

impl Account {
    /// Somebody with a name and nothing else.
    pub fn new(me: Uri) -> Self {
        let expires = keyphone_config::Account::default().expires;
        Self {
            me,
            display_name: None,
            any_name: false,
            logins: vec![],
            registrar: None,
            routes: vec![],
            expires,
            preference: None,
            contact_user: None,
        }
    }

    /// As the configuration says.
    ///
    /// # Errors
    /// One sentence, if a URI is one that this phone cannot read.
    pub fn read(account: &keyphone_config::Account) -> Result<Self, SipError> {
        let proxy = account.proxy.as_ref().map(|proxy| proxy.as_str().parse()).transpose()?;
        Ok(Self {
            me: account.from.as_str().parse()?,
            display_name: account.display_name.clone(),
            any_name: account.from == keyphone_config::Account::default().from,
            logins: account.login.iter().cloned().collect(),
            registrar: account.registrar.as_ref().map(|uri| uri.as_str().parse()).transpose()?,
            routes: proxy.into_iter().map(loose).collect(),
            expires: account.expires,
            preference: None,
            contact_user: None,
        })
    }

    /// Where it registers: where it was told to, or at the domain of its name (RFC 3261 section 10.2.6).
    pub fn registrar(&self) -> Uri {
        let of_domain = |me: &SipUri| {
            let domain = SipUri::new(me.is_secure(), me.host().clone());
            Uri::Sip(me.port().into_iter().fold(domain, SipUri::with_port))
        };
        match (&self.registrar, self.me.sip()) {
            (Some(registrar), _) => registrar.clone(),
            (None, Some(me)) => of_domain(me),
            (None, None) => self.me.clone(),
        }
    }

    /// Whether a URI names this account: port and parameters do not count.
    fn is(&self, uri: &Uri) -> bool {
        match (self.me.sip(), uri.sip()) {
            (Some(me), Some(uri)) => me.user_text() == uri.user_text() && me.host().matches(uri.host()),
            _ => self.me == *uri,
        }
    }

    /// Whether a URI has its user name: that is how our Contacts tell accounts apart.
    fn has_user_of(&self, uri: &Uri) -> bool {
        let user = |uri: &Uri| uri.sip().and_then(SipUri::user_text);
        user(uri).is_some() && user(uri) == user(&self.me)
    }
}

/// A proxy as a Route names it. It is a loose router, for strict ones are from before RFC 3261.
fn loose(uri: Uri) -> NameAddr {
    match uri {
        Uri::Sip(sip) if !sip.has_param("lr") => NameAddr::new(Uri::Sip(sip.with_param("lr", None))),
        other => NameAddr::new(other),
    }
}

/// All accounts: at least one. They are numbered from 0, which is the one that calls unless another is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    main: Account,
    others: Vec<Account>,
    speaking: usize,
    /// What the registrar of the one that speaks gave it (RFC 3608).
    service_route: Vec<NameAddr>,
}

impl Accounts {
    /// As the configuration says.
    ///
    /// # Errors
    /// As [`Account::read`].
    pub fn new(config: &Config) -> Result<Self, SipError> {
        let others = config.more_accounts.iter().map(Account::read).collect::<Result<_, _>>()?;
        Ok(Self { main: Account::read(&config.account)?, others, speaking: 0, service_route: vec![] })
    }

    /// The first, to be changed.
    pub fn main_mut(&mut self) -> &mut Account {
        &mut self.main
    }

    /// Adds one more, and gives its number.
    pub fn push(&mut self, account: Account) -> usize {
        self.others.push(account);
        self.others.len()
    }

    /// All of them, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        std::iter::once(&self.main).chain(&self.others)
    }

    /// The one that speaks: the first, unless an endpoint made these settings for another.
    pub(crate) fn speaking(&self) -> &Account {
        self.iter().nth(self.speaking).unwrap_or(&self.main)
    }

    pub(crate) fn speak_for(&mut self, account: usize) {
        self.speaking = account;
    }

    /// The proxies that a request of the one that speaks visits first: its own, then those that its registrar named
    /// (RFC 3608 section 6.1: "appended to any locally configured route").
    pub(crate) fn routes(&self) -> Vec<NameAddr> {
        [self.speaking().routes.as_slice(), &self.service_route].concat()
    }

    pub(crate) fn set_service_route(&mut self, routes: &[NameAddr]) {
        if self.service_route != routes {
            self.service_route = routes.to_vec();
        }
    }

    /// Whom a request from outside is for: the account whose Contact the Request-URI is, by its user; of several, the
    /// one that To names. Otherwise the first, which may still find that it is not the one who is meant.
    pub(crate) fn called(&self, request: &Request) -> usize {
        if self.others.is_empty() {
            return 0;
        }
        let to = request.headers.to().map(|to| to.uri);
        let named = |account: &Account| to.as_ref().is_ok_and(|to| account.is(to));
        let meant = |account: &Account| account.has_user_of(&request.uri);
        let number = self.iter().position(|account| meant(account) && named(account));
        number.or_else(|| self.iter().position(meant)).or_else(|| self.iter().position(named)).unwrap_or_default()
    }
}

impl From<Account> for Accounts {
    fn from(main: Account) -> Self {
        Self { main, others: vec![], speaking: 0, service_route: vec![] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Method;

    fn account(uri: &str) -> Account {
        Account::new(uri.parse().unwrap())
    }

    #[test]
    fn a_call_is_for_the_account_that_to_names() {
        let mut accounts = Accounts::from(account("sip:alice@a.org"));
        accounts.push(account("sip:alice@b.org"));
        accounts.push(account("sip:carol@c.org:5070"));
        let called = |uri: &str, to: &str| {
            let mut request = Request::new(Method::Invite, uri.parse().unwrap());
            request.headers.push("To", format!("<{to}>"));
            accounts.called(&request)
        };
        assert_eq!(called("sip:alice@192.0.2.1:5060", "sip:alice@B.org;user=phone"), 1);
        assert_eq!(called("sip:alice@192.0.2.1:5060", "sip:alice@a.org:5090"), 0);
        // Calls for others were forwarded to carol: her Contact tells.
        assert_eq!(called("sip:carol@192.0.2.1:5060", "sip:office@c.org"), 2);
        assert_eq!(called("sip:carol@192.0.2.1:5060", "sip:alice@b.org"), 2);
        assert_eq!(called("sip:nobody@192.0.2.1:5060", "sip:nobody@a.org"), 0);
    }

    #[test]
    fn an_account_registers_at_its_domain_unless_told_otherwise() {
        let mut alice = account("sip:alice@a.org:5070");
        assert_eq!(alice.registrar().to_string(), "sip:a.org:5070");
        alice.registrar = Some("sips:reg.a.org".parse().unwrap());
        assert_eq!(alice.registrar().to_string(), "sips:reg.a.org");
    }

    #[test]
    fn a_proxy_is_a_loose_router() {
        let config = keyphone_config::Account {
            proxy: Some("sip:192.0.2.9:5070;transport=tcp".parse().unwrap()),
            ..Default::default()
        };
        let account = Account::read(&config).unwrap();
        assert_eq!(account.routes[0].to_string(), "<sip:192.0.2.9:5070;transport=tcp;lr>");
    }
}
