//! What phones register with proxies that are not ours: those are told by nobody else whom a call is for.

use super::cast::Cast;
use crate::script::{Name, Script, Way};
use keyphone_config::{Login, Password};
use keyphone_ua::account::Account;
use keyphone_ua::settings::Settings;
use keyphone_ua::sip::Uri;

/// A phone is to be found under a user's name.
struct Binding<'s> {
    user: &'s Name,
    /// The URI of that user.
    aor: String,
    /// How much it is to be preferred, in thousandths, where phones are tried one after the other. For how long each is
    /// tried no registration can say: that is up to the proxy.
    preference: Option<u16>,
}

/// Where a phone is to be found besides its own address. A rule says it all of its user; of others, phones at home do.
fn bindings<'s>(script: &'s Script, cast: &Cast, number: usize) -> Vec<Binding<'s>> {
    let phone = &script.phones[number];
    let mut found = vec![];
    let outside = script.proxies.iter().zip(&cast.proxies).filter(|(_, between)| between.outside.is_some());
    for (proxy, between) in outside {
        let rules = proxy.rules.iter().filter_map(|rule| {
            let place = rule.targets().iter().position(|target| *target == phone.name)?;
            let turn = u16::try_from(place).unwrap_or(u16::MAX);
            let preference =
                matches!(rule.way, Way::Tries(..)).then(|| 1_000_u16.saturating_sub(turn.saturating_mul(10)));
            Some((&rule.user, preference))
        });
        let at_home =
            phone.home.as_ref() == Some(&proxy.name) && !proxy.rules.iter().any(|rule| rule.user == phone.user);
        let all = rules.chain(at_home.then_some((&phone.user, None)));
        found.extend(all.map(|(user, preference)| Binding { user, aor: between.user(user, phone.tls), preference }));
    }
    found
}

/// Gives a phone the accounts that it registers.
pub(super) fn bind(
    script: &Script,
    cast: &Cast,
    number: usize,
    password: Option<&Password>,
    settings: &mut Settings,
) -> Result<(), String> {
    let (phone, role) = (&script.phones[number], &cast.phones[number]);
    if role.outside.is_some() {
        return Ok(());
    }
    for Binding { user, aor, preference } in bindings(script, cast, number) {
        let me: Uri = aor.parse().map_err(|e| format!("{}: {e}", phone.name))?;
        let login = |password: &Password| Login { realm: None, username: user.to_string(), password: password.clone() };
        let logins: Vec<_> = password.map(login).into_iter().collect();
        if aor == role.uri {
            let main = settings.accounts.main_mut();
            main.registrar = Some(main.registrar());
            (main.logins, main.preference) = (logins, preference);
        } else {
            // The call is this phone's, whomever it was for.
            let contact_user = Some(phone.user.to_string());
            let account = Account { logins, preference, contact_user, ..Account::new(me) };
            settings.accounts.push(Account { registrar: Some(account.registrar()), ..account });
        }
    }
    // Who calls through a proxy may be asked who he is, too.
    let main = settings.accounts.main_mut();
    if let Some(password) = password.filter(|_| main.logins.is_empty()) {
        main.logins = vec![Login { realm: None, username: phone.user.to_string(), password: password.clone() }];
    }
    Ok(())
}

/// The numbers of a phone's accounts that are to be registered.
pub(crate) fn numbers(settings: &Settings) -> Vec<usize> {
    settings.accounts.iter().enumerate().filter(|(_, a)| a.registrar.is_some()).map(|(number, _)| number).collect()
}
