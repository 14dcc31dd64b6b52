//! Given / when / then for every transition of an invitation.

use super::*;
use crate::mail::{Outcome, Reason};
use crate::{Refusal, Root, What};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn start() -> Timestamp {
    Timestamp::from_seconds(1_700_000_000)
}

fn digest(letter: char) -> String {
    letter.to_string().repeat(64)
}

fn created() -> Event {
    Event::Created(Created {
        kind: Kind::Organization,
        public_id: None,
        target: Uuid::from_u128(3),
        role: Role::Admin,
        invited_by: Actor::User(Uuid::from_u128(5)),
        link: Uuid::from_u128(4),
        digests: Digests { code: digest('a'), mail: digest('b') },
        valid_days: 7,
        updated_in_db_at: None,
        waited: false,
        subject: Subject { id: Uuid::from_u128(9), commitment: Some(digest('c')) },
        personal: Recipient::Known { email: Address::parse("a@x.com").unwrap(), message: None },
    })
}

fn given(events: &[Event]) -> Invitation {
    let mut state = Invitation::default();
    for (event, version) in events.iter().zip(1..) {
        let origin = Origin {
            tenant: TenantName::default_tenant(),
            id: Uuid::from_u128(1),
            at: start(),
            tseq: version,
            version,
        };
        state.evolve(event, &origin);
    }
    state
}

fn user() -> Uuid {
    Uuid::from_u128(6)
}

fn caller() -> String {
    Actor::User(user()).to_string()
}

fn accept(letter: char) -> Command {
    Command::Accept(Accept { by: user(), caller: caller(), digest: digest(letter), why_not: None })
}

fn accepted() -> Event {
    Event::Accepted(Accepted { by: user(), generation: 1, proof: Proof::Code, holds_address: false })
}

fn wrong(generation: u32) -> Event {
    Event::AcceptRefused(AcceptRefused { generation, caller: caller(), because: Because::WrongCode })
}

fn cancelled() -> Event {
    Event::Cancelled(Cancelled { by: Actor::Deployment })
}

fn resend() -> Command {
    let digests = Digests { code: digest('d'), mail: digest('e') };
    Command::Resend { by: Actor::Deployment, digests, valid_days: 7, waited: false }
}

fn resent() -> Event {
    let digests = Digests { code: digest('d'), mail: digest('e') };
    Event::ResendRequested(ResendRequested {
        generation: 2,
        by: Actor::Deployment,
        digests,
        valid_days: 7,
        waited: false,
    })
}

fn declined() -> Event {
    Event::Declined(Declined { generation: 1, subject: given(&[created()]).subject, personal: None })
}

fn expired() -> Event {
    Event::Expired(Expired { generation: 1 })
}

#[test]
fn an_invitation_is_made_once() {
    let Event::Created(new) = created() else { unreachable!() };
    let create = || Command::Create(Box::new(new.clone()));
    assert_eq!(Invitation::default().decide(create(), start()), Ok(vec![created()]));
    assert_eq!(given(&[created()]).decide(create(), start()), Err(Refusal::IdTaken));
}

#[test]
fn nothing_but_creating_can_be_done_to_one_that_does_not_exist() {
    let commands = [accept('a'), resend(), Command::Cancel { by: Actor::Deployment }, Command::Expire];
    for command in commands {
        assert_eq!(Invitation::default().decide(command, start()), Err(Refusal::NotFound(What::Invitation)));
    }
}

#[test]
fn either_secret_accepts_and_the_event_says_which() {
    let state = given(&[created()]);
    for (letter, proof) in [('a', Proof::Code), ('b', Proof::Mail)] {
        let event = Event::Accepted(Accepted { by: user(), generation: 1, proof, holds_address: false });
        assert_eq!(state.decide(accept(letter), start()), Ok(vec![event]));
    }
}

#[test]
fn accepting_twice_is_one_acceptance_and_another_user_is_too_late() {
    let state = given(&[created(), accepted()]);
    assert_eq!(state.decide(accept('a'), start()), Ok(vec![]));
    let other = Accept { by: Uuid::from_u128(7), caller: "user:7".into(), digest: digest('a'), why_not: None };
    assert_eq!(state.decide(Command::Accept(other), start()), Err(Refusal::NotPending(State::Accepted)));
}

#[test]
fn five_wrong_codes_lock_out_that_caller_alone() {
    let mut events = vec![created()];
    for _ in 0..MAX_WRONG_TRIES {
        assert_eq!(given(&events).decide(accept('z'), start()), Ok(vec![wrong(1)]));
        events.push(wrong(1));
    }
    let state = given(&events);
    assert_eq!(state.decide(accept('z'), start()), Err(Refusal::Locked));
    assert_eq!(
        state.decide(accept('a'), start()),
        Err(Refusal::Locked),
        "a right code must not be told from a wrong one"
    );
    let other = Accept { by: Uuid::from_u128(7), caller: "user:7".into(), digest: digest('a'), why_not: None };
    assert!(state.decide(Command::Accept(other), start()).is_ok());
}

#[test]
fn sending_again_unlocks_kills_the_old_secrets_and_renews_the_term() {
    let mut events = vec![created()];
    events.extend((0..MAX_WRONG_TRIES).map(|_| wrong(1)));
    let later = start().plus(DAY);
    assert_eq!(given(&events).decide(resend(), later), Ok(vec![resent()]));
    events.push(resent());
    let state = given(&events);
    assert_eq!(state.decide(accept('a'), later), Err(Refusal::WrongCode), "an old secret is wrong, and no guess");
    let event = Event::Accepted(Accepted { by: user(), generation: 2, proof: Proof::Code, holds_address: false });
    assert_eq!(state.decide(accept('d'), later), Ok(vec![event]));
    assert_eq!(state.expires_at, start().plus(7 * DAY));
}

#[test]
fn sending_again_waits_a_minute() {
    let state = given(&[created()]);
    let soon = start().plus(Duration::from_secs(18));
    assert_eq!(state.decide(resend(), soon), Err(Refusal::TooSoon { retry_after_s: 42 }));
    assert_eq!(state.decide(resend(), start().plus(RESEND_PAUSE)), Ok(vec![resent()]));
}

#[test]
fn rights_are_asked_again_and_a_refused_try_is_remembered() {
    let state = given(&[created()]);
    for because in [Because::InviterMayNot, Because::AddressNotProven] {
        let accept = Accept { by: user(), caller: caller(), digest: digest('a'), why_not: Some(because) };
        let event = Event::AcceptRefused(AcceptRefused { generation: 1, caller: caller(), because });
        assert_eq!(state.decide(Command::Accept(accept), start()), Ok(vec![event.clone()]));
        assert!(given(&[created(), event]).is_pending(start()), "the invitation is not used up");
    }
}

#[test]
fn of_one_caller_five_refused_tries_are_remembered_and_no_more() {
    let event =
        Event::AcceptRefused(AcceptRefused { generation: 1, caller: caller(), because: Because::InviterMayNot });
    let mut events = vec![created()];
    events.extend(std::iter::repeat_n(event, 5));
    let accept = Accept { by: user(), caller: caller(), digest: digest('a'), why_not: Some(Because::InviterMayNot) };
    assert_eq!(given(&events).decide(Command::Accept(accept), start()), Err(Refusal::InviterMayNot));
}

#[test]
fn it_is_over_at_the_second_it_is_due_whether_swept_or_not() {
    let state = given(&[created()]);
    let due = start().plus(7 * DAY);
    let just_before = Timestamp(due.0 - 1);
    assert_eq!(state.state_at(just_before), State::Pending);
    assert_eq!(state.state_at(due), State::Expired);
    assert_eq!(state.decide(accept('a'), due), Err(Refusal::NotPending(State::Expired)));
    assert_eq!(state.decide(Command::Expire, just_before), Ok(vec![]));
    assert_eq!(state.decide(Command::Expire, due), Ok(vec![expired()]));
    assert_eq!(given(&[created(), expired()]).decide(Command::Expire, due), Ok(vec![]));
}

#[test]
fn what_has_ended_stays_ended() {
    let ends = [
        (accepted(), State::Accepted),
        (cancelled(), State::Cancelled),
        (declined(), State::Declined),
        (expired(), State::Expired),
    ];
    let later = start().plus(DAY);
    for (end, state) in ends {
        let ended = given(&[created(), end]);
        assert_eq!(ended.state, state);
        let other = Accept { by: Uuid::from_u128(8), caller: "user:8".into(), digest: digest('a'), why_not: None };
        let gone = Err(Refusal::NotPending(state));
        assert_eq!(ended.decide(Command::Accept(other), later), gone);
        assert_eq!(ended.decide(resend(), later), gone);
        assert_eq!(ended.decide(Command::Update { role: Some(Role::Member), updated_in_db_at: None }, later), gone);
        let decline = Command::Decline { digest: digest('a'), caller: caller(), reason: None };
        assert_eq!(ended.decide(decline, later), gone);
        let cancel = ended.decide(Command::Cancel { by: Actor::Deployment }, later);
        assert_eq!(cancel, if state == State::Cancelled { Ok(vec![]) } else { gone });
    }
}

#[test]
fn an_update_says_only_what_changed() {
    let state = given(&[created()]);
    let same = Command::Update { role: Some(Role::Admin), updated_in_db_at: None };
    assert_eq!(state.decide(same, start()), Ok(vec![]));
    let update = Command::Update { role: Some(Role::Member), updated_in_db_at: None };
    let event = Event::Updated(Updated { role: Some(Role::Member), updated_in_db_at: None });
    assert_eq!(state.decide(update, start()), Ok(vec![event]));
}

#[test]
fn declining_needs_a_right_secret_and_seals_the_reason() {
    let state = given(&[created()]);
    let decline = |letter, reason: Option<&str>| Command::Decline {
        digest: digest(letter),
        caller: caller(),
        reason: reason.map(ToOwned::to_owned),
    };
    assert_eq!(state.decide(decline('z', None), start()), Ok(vec![wrong(1)]));
    let personal = Some(DeclineReason { reason: "No time.".into() });
    let event = Event::Declined(Declined { generation: 1, subject: state.subject.clone(), personal });
    assert_eq!(state.decide(decline('b', Some("No time.")), start()), Ok(vec![event]));
}

#[test]
fn reports_about_an_earlier_sending_say_nothing_about_this_one() {
    let failed = Event::EmailFailed(EmailFailed { generation: 1, reason: Reason::GaveUp });
    assert_eq!(given(&[created(), failed.clone()]).email_status, mail::Status::Failed);
    assert_eq!(given(&[created(), resent(), failed]).email_status, mail::Status::Queued);
    let unknown = Event::EmailFailed(EmailFailed { generation: 1, reason: Reason::OutcomeUnknown });
    assert_eq!(given(&[created(), unknown]).email_status, mail::Status::Unknown);
    assert_eq!(given(&[created(), Event::EmailSent(EmailSent { generation: 1 })]).email_status, mail::Status::Sent);
    let record = Command::RecordDelivery { generation: 2, outcome: Outcome::Sent };
    assert_eq!(given(&[created()]).decide(record, start()), Ok(vec![]), "nothing was sent that was not asked for");
}

#[test]
fn delivery_reports_and_refused_tries_do_not_count_as_changes() {
    let mut state = given(&[created()]);
    let later =
        Origin { tenant: TenantName::default_tenant(), id: Uuid::nil(), at: start().plus(DAY), tseq: 2, version: 2 };
    for event in [Event::EmailSent(EmailSent { generation: 1 }), wrong(1)] {
        state.evolve(&event, &later);
        assert_eq!(state.updated_at, start());
    }
    state.evolve(&cancelled(), &later);
    assert_eq!(state.updated_at, start().plus(DAY));
}
