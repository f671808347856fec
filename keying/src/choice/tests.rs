use super::*;
use crate::mikey::wire::registry::DhGroup;
use crate::{Error, Identity};
use ModeName::{DhHmac, DhSign, Null, Psk, Rsa, RsaR};
use Verdict::{Next, Offered, PassedOver};

/// Of a call for which we have all there is.
fn all() -> Facts {
    Facts {
        shared_key: Ok(()),
        cached_envelope: false,
        their_certificate: Ok(()),
        our_certificate: Ok(()),
        our_rsa_certificate: Ok(()),
        trust: Ok(()),
        hop: Hop::Tls,
        group: DhGroup::Oakley5,
        conference: None,
    }
}

fn no_key() -> Result<(), Lack> {
    Err(Error::NoKey(Identity::new("sip:bob@example.org")).into())
}

fn no_certificate() -> Result<(), Lack> {
    Err(Error::NoCertificate(Identity::new("sip:bob@example.org")).into())
}

/// Of a call to somebody with whom we share no key.
fn certificates() -> Facts {
    Facts { shared_key: no_key(), ..all() }
}

/// Of a call for which we have nothing but a key.
fn key_only() -> Facts {
    let none = no_certificate;
    Facts { their_certificate: none(), our_certificate: none(), our_rsa_certificate: none(), trust: none(), ..all() }
}

fn auto() -> Preferences {
    Preferences::default()
}

fn listed(modes: &[ModeName]) -> Preferences {
    let systems = modes.iter().copied().map(System::Mikey).collect();
    Preferences { order: Order::Listed, systems, ..auto() }
}

fn needs(pfs: bool, both_contribute: bool) -> Preferences {
    Preferences { needs: Needs { pfs, both_contribute }, ..auto() }
}

fn expecting(fork: bool, retarget: bool, early_media: bool) -> Preferences {
    Preferences { expected: Expected { fork, retarget, early_media }, ..auto() }
}

fn modes(choice: &Choice) -> Vec<ModeName> {
    choice.offers().map(|System::Mikey(mode)| mode).collect()
}

fn offered(facts: &Facts, wanted: &Preferences) -> Vec<ModeName> {
    modes(&choose(facts, wanted))
}

fn considered(choice: &Choice, mode: ModeName) -> &Considered {
    choice.considered.iter().find(|considered| considered.system == System::Mikey(mode)).unwrap()
}

/// What stands against a mode, or for it.
fn why(facts: &Facts, wanted: &Preferences, mode: ModeName) -> Vec<Reason> {
    considered(&choose(facts, wanted), mode).why.clone()
}

#[test]
fn rule_1_a_shared_key_is_used_if_there_is_one() {
    let choice = choose(&all(), &auto());
    assert_eq!(modes(&choice)[0], Psk);
    assert_eq!(considered(&choice, Psk).why, [Reason::Rule(Rule::One)]);
    assert_eq!(considered(&choice, Psk).verdict, Offered);
    assert_eq!(why(&certificates(), &auto(), Psk), [Reason::Lacks(no_key().unwrap_err())]);
}

#[test]
fn rule_2_a_shared_key_goes_with_diffie_hellman_if_more_is_required() {
    for wanted in [needs(true, false), needs(false, true), needs(true, true)] {
        let choice = choose(&all(), &wanted);
        assert_eq!(modes(&choice)[0], DhHmac, "{wanted:?}");
        assert_eq!(considered(&choice, DhHmac).why, [Reason::Rule(Rule::Two)]);
        assert_eq!(considered(&choice, Psk).verdict, PassedOver);
    }
    assert_eq!(why(&all(), &auto(), DhHmac), [Reason::Unasked(Rule::Two)]);
    assert_eq!(why(&all(), &needs(true, false), Psk), [Reason::NoPfs(Psk)]);
    assert_eq!(why(&all(), &needs(false, true), Psk), [Reason::OneSided]);
    assert_eq!(why(&all(), &needs(true, true), Psk), [Reason::NoPfs(Psk), Reason::OneSided]);
}

#[test]
fn rule_3_the_callees_rsa_key_is_used_if_we_have_it() {
    assert_eq!(offered(&certificates(), &auto()), [Rsa, RsaR, DhSign]);
    assert_eq!(why(&certificates(), &auto(), Rsa), [Reason::Rule(Rule::Three)]);
    let unsigned = Facts { our_certificate: no_certificate(), ..certificates() };
    assert_eq!(why(&unsigned, &auto(), Rsa).len(), 1, "and it has to be signed by us");
}

#[test]
fn rule_4_a_callee_without_our_certificate_gets_it_with_the_offer() {
    let facts = Facts { their_certificate: no_certificate(), ..certificates() };
    assert_eq!(offered(&facts, &auto()), [RsaR, DhSign]);
    assert_eq!(why(&facts, &auto(), RsaR), [Reason::Rule(Rule::Four)]);
    // "As the inclusion of the random number cannot be forced by the Initiator, true PFS cannot be provided."
    assert_eq!(why(&facts, &needs(true, false), RsaR), [Reason::NoPfs(RsaR)]);
    assert_eq!(offered(&facts, &needs(false, true)), [RsaR, DhSign], "but both contribute");
    let elliptic = Facts { our_rsa_certificate: Err(Lack::Rsa(Holder::We)), ..facts };
    assert_eq!(offered(&elliptic, &auto()), [DhSign]);
}

#[test]
fn rule_5_forward_secrecy_between_strangers_is_signed_diffie_hellman() {
    let choice = choose(&certificates(), &needs(true, true));
    assert_eq!(modes(&choice), [DhSign]);
    assert_eq!(considered(&choice, DhSign).why, [Reason::Rule(Rule::Five)]);
    assert_eq!(why(&certificates(), &auto(), DhSign), [Reason::Unasked(Rule::Five)], "where nothing requires it");
    let nobody = Facts { trust: Err(Lack::Trust), ..certificates() };
    assert_eq!(why(&nobody, &needs(true, true), DhSign), [Reason::Lacks(Lack::Trust)]);
}

#[test]
fn rule_6_nothing_but_tls_protects_who_asked_for_that_and_has_nothing_else() {
    let nothing = Facts { shared_key: no_key(), ..key_only() };
    assert_eq!(offered(&nothing, &auto()), [] as [ModeName; 0], "auto never means it");
    assert_eq!(why(&nothing, &auto(), Null), [Reason::NotNamed]);
    let mut with_null = auto();
    with_null.systems.push(System::Mikey(Null));
    assert_eq!(offered(&nothing, &with_null), [Null]);
    assert_eq!(why(&nothing, &with_null, Null), [Reason::Rule(Rule::Six)]);
    let clear = Facts { hop: Hop::Clear, ..nothing };
    assert_eq!(offered(&clear, &with_null), [] as [ModeName; 0]);
    assert_eq!(why(&clear, &with_null, Null), [Reason::NoTls]);
    assert_eq!(offered(&clear, &listed(&[Null])), [] as [ModeName; 0], "not even where it is all that is allowed");
    assert_eq!(offered(&all(), &with_null).last(), Some(&Null), "and it is the last way of all");
    let wanted = Preferences { needs: Needs { pfs: true, both_contribute: false }, ..with_null };
    assert_eq!(why(&nothing_but_tls(), &wanted, Null), [Reason::NoPfs(Null)]);
}

#[test]
fn nothing_that_is_expected_puts_what_protects_nothing_before_what_does() {
    let mut callee = Facts { their_certificate: no_certificate(), ..certificates() };
    for (fork, retarget, early_media) in [(false, false, true), (true, false, true), (false, true, false)] {
        let mut wanted = expecting(fork, retarget, early_media);
        wanted.systems.push(System::Mikey(Null));
        assert_eq!(modes(&choose(&callee, &wanted)).last(), Some(&Null), "{wanted:?}");
        let wanted = Preferences { expected: wanted.expected, ..listed(&[Null, RsaR]) };
        assert_eq!(offered(&callee, &wanted), [RsaR, Null]);
    }
    callee.shared_key = Ok(());
    assert_eq!(
        offered(&callee, &listed(&[Null, Psk])),
        [Null, Psk],
        "who lists it first, and expects nothing, means it"
    );
}

#[test]
fn the_envelope_key_of_an_earlier_call_is_as_good_as_a_shared_key_and_not_for_diffie_hellman() {
    let facts = Facts { cached_envelope: true, ..certificates() };
    assert_eq!(offered(&facts, &auto()), [Psk, Rsa, RsaR, DhSign]);
    assert_eq!(why(&facts, &auto(), DhHmac), [Reason::Lacks(no_key().unwrap_err())]);
    assert_eq!(offered(&facts, &needs(true, false)), [DhSign]);
}

fn nothing_but_tls() -> Facts {
    Facts { shared_key: no_key(), ..key_only() }
}

#[test]
fn what_may_fork_is_keyed_apart_even_where_a_key_is_shared() {
    let wanted = expecting(true, false, false);
    assert_eq!(offered(&all(), &wanted), [RsaR, DhSign, DhHmac, Psk, Rsa]);
    assert_eq!(why(&all(), &wanted, Psk), [Reason::Rule(Rule::One), Reason::SharesKey]);
    assert_eq!(why(&all(), &wanted, RsaR), [Reason::Rule(Rule::Four), Reason::Forks]);
    assert_eq!(why(&all(), &wanted, DhHmac), [Reason::Unasked(Rule::Two), Reason::ForksToHolders]);
    assert_eq!(offered(&key_only(), &wanted), [DhHmac, Psk], "who has nothing else goes by it all the same");
}

#[test]
fn what_may_be_sent_on_is_keyed_with_whoever_answers() {
    let wanted = expecting(false, true, false);
    assert_eq!(offered(&all(), &wanted), [RsaR, DhSign, Psk, Rsa, DhHmac]);
    assert_eq!(why(&all(), &wanted, Rsa), [Reason::Rule(Rule::Three), Reason::Retarget(false)]);
    assert_eq!(why(&all(), &wanted, DhSign), [Reason::Unasked(Rule::Five), Reason::Retarget(true)]);
}

#[test]
fn early_media_is_heard_by_keys_that_are_there_before_the_answer() {
    let wanted = expecting(false, false, true);
    assert_eq!(offered(&all(), &wanted), [Psk, Rsa, RsaR, DhHmac, DhSign]);
    assert_eq!(why(&all(), &wanted, Rsa), [Reason::Rule(Rule::Three), Reason::EarlyMedia(true)]);
    assert_eq!(why(&all(), &wanted, RsaR), [Reason::Rule(Rule::Four), Reason::EarlyMedia(false)]);
}

#[test]
fn forward_secrecy_goes_before_early_media_and_so_does_a_call_that_may_fork() {
    let mut wanted = expecting(false, false, true);
    wanted.needs.pfs = true;
    assert_eq!(offered(&all(), &wanted), [DhHmac, DhSign]);
    assert_eq!(why(&all(), &wanted, DhHmac), [Reason::Rule(Rule::Two), Reason::EarlyMedia(false)]);
    assert_eq!(offered(&all(), &expecting(true, false, true))[0], RsaR);
    assert_eq!(offered(&all(), &expecting(false, true, true))[0], RsaR);
}

#[test]
fn forward_secrecy_and_a_call_that_may_fork_meet_in_signed_diffie_hellman() {
    let mut wanted = expecting(true, true, true);
    wanted.needs.pfs = true;
    assert_eq!(offered(&all(), &wanted), [DhSign, DhHmac]);
}

#[test]
fn a_conference_is_begun_by_the_side_that_the_mode_wants() {
    let side = |side| Facts { conference: Some(side), ..all() };
    assert_eq!(offered(&side(Side::Member), &auto()), [RsaR]);
    assert_eq!(offered(&side(Side::Focus), &auto()), [Psk, Rsa]);
    assert_eq!(why(&side(Side::Member), &auto(), Psk), [Reason::NotOurs]);
    for diffie_hellman in [DhSign, DhHmac] {
        assert_eq!(why(&side(Side::Member), &auto(), diffie_hellman), [Reason::ForTwo]);
    }
    let mut wanted = auto();
    wanted.needs.pfs = true;
    assert_eq!(offered(&side(Side::Member), &wanted), [] as [ModeName; 0], "there is no conference with PFS");
}

#[test]
fn auto_never_chooses_a_group_that_only_we_have() {
    for group in DhGroup::ALL.iter().copied().filter(|group| group.is_private()) {
        let facts = Facts { group, ..all() };
        assert_eq!(offered(&facts, &auto()), [Psk, Rsa, RsaR]);
        assert_eq!(why(&facts, &auto(), DhSign), [Reason::PrivateGroup(group)]);
        assert_eq!(offered(&facts, &needs(true, false)), [] as [ModeName; 0], "not even where all else fails");
        assert_eq!(offered(&facts, &listed(&[DhSign])), [DhSign], "who names the mode means the group, too");
    }
}

#[test]
fn a_list_is_in_its_own_order_and_passes_over_what_cannot_be() {
    let wanted = listed(&[DhSign, Psk, RsaR]);
    let choice = choose(&all(), &wanted);
    assert_eq!(modes(&choice), [DhSign, Psk, RsaR]);
    assert_eq!(considered(&choice, Psk).why, [Reason::Listed(2), Reason::Rule(Rule::One)]);
    assert_eq!(considered(&choice, Psk).verdict, Next);
    assert_eq!(considered(&choice, Rsa).why, [Reason::NotListed]);
    assert_eq!(offered(&key_only(), &wanted), [Psk]);
    for mode in ModeName::ALL {
        assert_eq!(offered(&all(), &listed(&[*mode])), [*mode], "one alone is that one");
    }
}

#[test]
fn expectations_turn_a_list_round_and_requirements_shorten_it() {
    let mut wanted = listed(&[Psk, DhSign]);
    wanted.expected.fork = true;
    assert_eq!(offered(&all(), &wanted), [DhSign, Psk]);
    wanted.needs.pfs = true;
    assert_eq!(offered(&all(), &wanted), [DhSign]);
}

#[test]
fn where_nothing_is_left_every_reason_is_named() {
    let nothing = Facts { shared_key: no_key(), ..key_only() };
    let why = choose(&nothing, &auto()).nothing().unwrap();
    let key = "mikey-psk, mikey-dhhmac: we share no key with sip:bob@example.org: give one with --psk ";
    let certificate = "mikey-rsa, mikey-rsar, mikey-dhsign: we have no certificate of sip:bob@example.org";
    assert!(why[0].starts_with(key) && why[1].starts_with(certificate) && why.len() == 2, "{why:?}");
    assert_eq!(choose(&all(), &auto()).nothing(), None);
    assert_eq!(choose(&all(), &listed(&[])).nothing().unwrap(), [] as [String; 0]);
}

#[test]
fn what_was_refused_is_followed_by_the_next_and_never_by_what_is_not_in_the_choice() {
    let choice = choose(&all(), &auto());
    let system = System::Mikey;
    assert_eq!(modes(&choice), [Psk, Rsa, RsaR, DhHmac, DhSign]);
    assert_eq!(choice.after(&[system(Psk)], Blame::Unknown), Some(system(Rsa)));
    assert_eq!(choice.after(&[system(Psk), system(Rsa)], Blame::Unknown), Some(system(RsaR)));
    let all_tried: Vec<_> = choice.offers().collect();
    assert_eq!(choice.after(&all_tried, Blame::Unknown), None);
    let choice = choose(&all(), &listed(&[DhSign, RsaR, DhHmac]));
    assert_eq!(choice.after(&[system(DhSign)], Blame::Credential), Some(system(DhHmac)), "another certificate is none");
    assert_eq!(choice.after(&[system(DhSign)], Blame::Clock), None, "the clock is wrong in every mode");
    let choice = choose(&all(), &auto());
    assert_eq!(choice.after(&[system(Psk)], Blame::Recipient), Some(system(RsaR)), "which names nobody");
}

#[test]
fn no_choice_has_what_is_not_allowed_whatever_the_facts() {
    let held = |bits: u8, bit: u8| if bits >> bit & 1 == 1 { Ok(()) } else { Err(Lack::Trust) };
    let allowed = [listed(&[Psk]), listed(&[Null, DhSign]), auto(), needs(true, false), needs(false, true)];
    for bits in 0..64 {
        let facts = Facts {
            shared_key: held(bits, 0),
            their_certificate: held(bits, 1),
            our_certificate: held(bits, 2),
            our_rsa_certificate: held(bits, 3),
            trust: held(bits, 4),
            hop: if bits >> 5 == 1 { Hop::Tls } else { Hop::Clear },
            ..all()
        };
        for wanted in &allowed {
            let choice = choose(&facts, wanted);
            assert_eq!(choice.considered.len(), ModeName::ALL.len(), "nothing is left unsaid");
            assert!(choice.offers().all(|system| wanted.allow(system)));
            assert!(choice.considered.iter().all(|considered| !considered.why.is_empty()));
            let mut verdicts: Vec<_> = choice.considered.iter().map(|considered| considered.verdict).collect();
            assert_eq!(verdicts.iter().filter(|verdict| **verdict == Offered).count(), modes(&choice).len().min(1));
            verdicts.sort();
            assert!(verdicts.iter().eq(choice.considered.iter().map(|considered| &considered.verdict)), "in order");
        }
    }
}

#[test]
fn what_is_accepted_is_what_is_allowed_and_has_what_is_required() {
    let accepted = |wanted: Preferences| {
        ModeName::ALL.iter().copied().filter(|mode| wanted.allow(System::Mikey(*mode))).collect::<Vec<_>>()
    };
    assert_eq!(accepted(auto()), [Psk, Rsa, DhSign, DhHmac, RsaR]);
    assert_eq!(accepted(needs(true, false)), [DhSign, DhHmac]);
    assert_eq!(accepted(needs(false, true)), [DhSign, DhHmac, RsaR]);
    assert_eq!(accepted(listed(&[Null, Psk])), [Null, Psk]);
}

#[test]
fn the_table_is_that_of_rfc_5197() {
    // Early media, secure forking, retarget, conference, manual keys, PKI, PFS, both contribute.
    for (mode, row) in [
        (Psk, "y--yy---"),
        (Rsa, "y--y-y--"),
        (DhSign, "-yy--yyy"),
        (Null, "y--y----"),
        (DhHmac, "----y-yy"),
        (RsaR, "-yyy-y-y"),
    ] {
        let can = Properties::of(mode);
        let cells = [
            can.early_media,
            can.forking == Forking::Safe,
            can.retarget,
            can.conference.is_some(),
            can.by == Credential::SharedKey,
            can.by == Credential::Certificates,
            can.pfs,
            can.both,
        ];
        let cells: String = cells.iter().map(|yes| if *yes { 'y' } else { '-' }).collect();
        assert_eq!(cells, row, "{mode}");
    }
}

#[test]
fn every_reason_is_a_sentence_that_says_where_it_comes_from() {
    for rule in [Rule::One, Rule::Two, Rule::Three, Rule::Four, Rule::Five, Rule::Six] {
        let text = Reason::Rule(rule).to_string();
        assert!(text.ends_with(&format!("(RFC 5197 section 5, rule {})", rule as u8)), "{text}");
    }
    for (reason, section) in [
        (Reason::EarlyMedia(true), "5.1"),
        (Reason::SharesKey, "5.2"),
        (Reason::Retarget(false), "5.3"),
        (Reason::ForTwo, "5.4"),
        (Reason::NoPfs(Psk), "5.5"),
    ] {
        assert!(reason.to_string().ends_with(&format!("(RFC 5197 section {section})")), "{reason}");
    }
}
