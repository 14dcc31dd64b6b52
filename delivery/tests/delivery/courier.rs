//! What becomes of a mail, by the provider's word.

use crate::house::{House, rows};
use crate::provider::{Provider, Reply};
use delivery::{Delivery, MailState, RetrySchedule, TransportOptions};
use domain::bus::MailRef;
use domain::invitation::{self, Cancelled, Invitation};
use domain::mail::{Outcome, Reason};
use domain::use_cases::RecordDelivery;
use domain::{Actor, Channel, Context, IdempotencyKey, Root as _, mail};
use sha2::{Digest as _, Sha256};
use std::sync::atomic::Ordering;
use std::time::Duration;
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);

fn started(house: &House, transport: TransportOptions) -> Delivery {
    let delivery = house.delivery(transport);
    delivery.start();
    delivery
}

fn failed(house: &House, id: Uuid) -> Option<Reason> {
    match house.last::<Invitation>(id) {
        invitation::Event::EmailFailed(e) => Some(e.reason),
        _ => None,
    }
}

#[tokio::test]
async fn a_definite_refusal_is_recorded_at_once_and_never_repeated() {
    let house = House::new().await;
    let provider = Provider::answering([Reply::rejected("hard-bounce")]).await;
    let invited = house.invite_with("a@guest.example", |created| created.waited = true).await;
    let delivery = started(&house, provider.transport());
    delivery.idle().await;
    assert_eq!(failed(&house, invited), Some(Reason::RecipientRefused));
    house.clock.advance(48 * 60 * MINUTE);
    delivery.idle().await;
    delivery.close().await;
    assert_eq!(provider.asked().len(), 1);
    assert_eq!(rows(&delivery), []);
    assert_eq!(house.kinds::<Invitation>(invited), ["Created", "EmailFailed"]);
}

#[tokio::test]
async fn what_is_not_taken_now_is_tried_by_the_schedule_and_then_given_up() {
    let house = House::new().await;
    let provider = Provider::answering((0..3).map(|_| Reply::Json(503, "{}".into()))).await;
    let invited = house.invite("a@guest.example").await;
    let mut options = house.options(provider.transport());
    options.retry = RetrySchedule { steps: vec![MINUTE, 5 * MINUTE], jitter_percent: 0 };
    let delivery = house.delivery_with(options);
    delivery.start();
    for (pause, tries) in [(MINUTE, 1), (5 * MINUTE, 2), (MINUTE, 3)] {
        delivery.idle().await;
        assert_eq!(provider.asked().len(), tries);
        house.clock.advance(pause - Duration::from_secs(1));
        delivery.idle().await;
        assert_eq!(provider.asked().len(), tries, "too soon");
        house.clock.advance(Duration::from_secs(1));
    }
    delivery.idle().await;
    assert_eq!(provider.asked().len(), 3);
    assert_eq!(failed(&house, invited), Some(Reason::GaveUp));
    let dead = rows(&delivery);
    assert_eq!((dead[0].state, dead[0].reason, dead[0].attempts), (MailState::Dead, Some(Reason::GaveUp), 3));
    assert_eq!((delivery.figures().dead, delivery.figures().queued), (1, 0));

    // By hand it is a mail like any other, with a result of its own.
    delivery.retry(&dead[0].id).await.unwrap();
    delivery.idle().await;
    delivery.close().await;
    assert_eq!(provider.asked().len(), 4);
    assert_eq!(house.kinds::<Invitation>(invited), ["Created", "EmailFailed", "EmailSent"]);
    assert_eq!((rows(&delivery), delivery.figures().dead), (vec![], 0));
}

#[tokio::test]
async fn of_unknown_outcome_at_most_two_mails_go_out() {
    let house = House::new().await;
    let provider = Provider::answering([Reply::Close, Reply::Close]).await;
    let invited = house.invite("a@guest.example").await;
    let delivery = started(&house, provider.transport());
    delivery.idle().await;
    assert_eq!(rows(&delivery)[0].state, MailState::Queued);
    house.clock.advance(MINUTE);
    delivery.idle().await;
    house.clock.advance(48 * 60 * MINUTE);
    delivery.idle().await;
    delivery.close().await;
    let ids = provider.message_ids();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
    assert_eq!(failed(&house, invited), Some(Reason::OutcomeUnknown));
    assert_eq!(rows(&delivery)[0].reason, Some(Reason::OutcomeUnknown));
    let folded = house.bus.load::<Invitation>(&house.tenant, invited).await.unwrap();
    assert_eq!(folded.email_status, mail::Status::Unknown);
}

#[tokio::test]
async fn the_repeat_of_an_unknown_one_may_succeed() {
    let house = House::new().await;
    let provider = Provider::answering([Reply::Close]).await;
    let invited = house.invite("a@guest.example").await;
    let delivery = started(&house, provider.transport());
    delivery.idle().await;
    house.clock.advance(MINUTE);
    delivery.idle().await;
    delivery.close().await;
    assert_eq!(provider.asked().len(), 2);
    assert_eq!(house.kinds::<Invitation>(invited), ["Created", "EmailSent"]);
}

#[tokio::test]
async fn what_nobody_wants_any_more_is_not_sent_and_leaves_no_event() {
    let house = House::new().await;
    let cancelled = house.invite("cancelled@guest.example").await;
    let by = Actor::User(house.jane);
    house.append::<Invitation>(cancelled, invitation::Event::Cancelled(Cancelled { by })).await;
    let again = house.invite("again@guest.example").await;
    house.resend(again, 2).await;
    let late = house.invite_with("late@guest.example", |created| created.valid_days = 0).await;
    let provider = Provider::answering([]).await;
    let delivery = started(&house, provider.transport());
    delivery.idle().await;
    delivery.close().await;
    assert_eq!(provider.recipients(), ["again@guest.example"]);
    assert_eq!(house.kinds::<Invitation>(again), ["Created", "ResendRequested", "EmailSent"]);
    assert_eq!(house.last::<Invitation>(again), invitation::Event::EmailSent(invitation::EmailSent { generation: 2 }));
    assert_eq!(house.kinds::<Invitation>(cancelled), ["Created", "Cancelled"]);
    assert_eq!(house.kinds::<Invitation>(late), ["Created"]);
    assert_eq!((rows(&delivery), delivery.figures().dropped_total), (vec![], 3));
}

#[tokio::test]
async fn each_generation_has_a_message_id_of_its_own() {
    let house = House::new().await;
    let provider = Provider::answering([]).await;
    let invited = house.invite("a@guest.example").await;
    let delivery = started(&house, provider.transport());
    delivery.idle().await;
    house.resend(invited, 2).await;
    delivery.idle().await;
    delivery.close().await;
    let ids = provider.message_ids();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
    assert!(ids.iter().all(|id| id.starts_with("<inv-") && id.ends_with("@invite.example>")), "{ids:?}");
}

#[tokio::test]
async fn a_mail_whose_asking_is_not_known_everywhere_yet_is_sent_all_the_same() {
    let house = House::new().await;
    let provider = Provider::answering([]).await;
    let invited = house.invite("a@guest.example").await;
    let delivery = started(&house, provider.transport());
    delivery.idle().await;
    // What asks stands in the log before whoever asked for it is answered.
    house.runner.known.store(2, Ordering::SeqCst);
    house.resend(invited, 2).await;
    delivery.idle().await;
    delivery.close().await;
    assert_eq!(house.kinds::<Invitation>(invited), ["Created", "EmailSent", "ResendRequested", "EmailSent"]);
    assert_eq!(provider.message_ids().len(), 2);
    assert_eq!(delivery.figures().dropped_total, 0);
}

#[tokio::test]
async fn mails_somebody_waits_for_go_first() {
    let house = House::new().await;
    let provider = Provider::answering([Reply::SentLater]).await;
    let mut options = house.options(provider.transport());
    options.sending = 1;
    let delivery = house.delivery_with(options);
    house.invite("first@guest.example").await;
    delivery.start();
    provider.was_asked(1).await;
    house.invite("second@guest.example").await;
    house.invite_with("waited@guest.example", |created| created.waited = true).await;
    // The one place is taken; the follower goes on meanwhile.
    while delivery.figures().cursor < house.ledger.head() {
        tokio::task::yield_now().await;
    }
    provider.let_go();
    delivery.idle().await;
    delivery.close().await;
    assert_eq!(provider.recipients(), ["first@guest.example", "waited@guest.example", "second@guest.example"]);
}

#[tokio::test]
async fn a_result_the_ledger_does_not_take_is_recorded_later_without_sending() {
    let house = House::new().await;
    let provider = Provider::answering([]).await;
    let invited = house.invite("a@guest.example").await;
    house.runner.busy.store(2, Ordering::SeqCst);
    let delivery = started(&house, provider.transport());
    delivery.idle().await;
    assert_eq!(house.kinds::<Invitation>(invited), ["Created"]);
    assert_eq!(rows(&delivery)[0].state, MailState::Sending);
    for _ in 0..2 {
        house.clock.advance(MINUTE);
        delivery.idle().await;
    }
    delivery.close().await;
    assert_eq!(provider.asked().len(), 1);
    assert_eq!(house.kinds::<Invitation>(invited), ["Created", "EmailSent"]);
    assert_eq!(rows(&delivery), []);
}

/// The first mail's failure comes to the log after the invitation was sent again.
#[tokio::test]
async fn a_mail_that_fails_after_it_was_replaced_leaves_no_dead_letter() {
    let house = House::new().await;
    let provider = Provider::answering([Reply::error("ValidationError")]).await;
    let invited = house.invite("a@guest.example").await;
    house.runner.busy.store(1, Ordering::SeqCst);
    let delivery = started(&house, provider.transport());
    delivery.idle().await;
    assert_eq!(house.kinds::<Invitation>(invited), ["Created"]);
    house.resend(invited, 2).await;
    delivery.idle().await;
    house.clock.advance(MINUTE);
    delivery.idle().await;
    delivery.close().await;
    assert_eq!(house.kinds::<Invitation>(invited), ["Created", "ResendRequested", "EmailSent", "EmailFailed"]);
    assert_eq!((rows(&delivery), delivery.figures().dead), (vec![], 0));
}

/// Another service had the mail, was stopped, and says only now that it does not know what became of it.
#[tokio::test]
async fn a_mail_whose_failure_is_in_the_log_already_stays_a_dead_letter_whatever_became_of_it_since() {
    let house = House::new().await;
    let provider = Provider::answering([Reply::SentLater]).await;
    let invited = house.invite("a@guest.example").await;
    let delivery = started(&house, provider.transport());
    provider.was_asked(1).await;
    let mail = MailRef { tenant: house.tenant.clone(), aggregate: Invitation::TYPE, id: invited, number: 1, part: 0 };
    let key = format!("invitation/{}/{invited}/1/0", house.tenant);
    let mut context = Context::new(
        house.tenant.clone(),
        Actor::System,
        Channel::Courier,
        Uuid::now_v7(),
        domain::Clock::now(&*house.clock),
    );
    let fingerprint = Sha256::digest(key.as_bytes()).into();
    context.idempotency = Some(IdempotencyKey { key, operation: "record_delivery", fingerprint });
    let case = RecordDelivery { mail, outcome: Outcome::Failed(Reason::OutcomeUnknown) };
    house.bus.perform(context, case).await.unwrap();
    provider.let_go();
    delivery.idle().await;
    delivery.close().await;
    assert_eq!(house.kinds::<Invitation>(invited), ["Created", "EmailFailed"]);
    let rows = rows(&delivery);
    assert_eq!(rows.iter().map(|row| row.state).collect::<Vec<_>>(), [MailState::Dead], "what the log says is seen");
}

#[tokio::test]
async fn an_abandoned_mail_is_over_and_the_log_says_so() {
    let house = House::new().await;
    let nobody: TransportOptions = "mandrill://Key-1@127.0.0.1:1".parse().unwrap();
    let invited = house.invite("a@guest.example").await;
    let delivery = started(&house, nobody);
    delivery.idle().await;
    let id = rows(&delivery)[0].id.clone();
    delivery.abandon(&id).await.unwrap();
    delivery.idle().await;
    delivery.close().await;
    assert_eq!(failed(&house, invited), Some(Reason::Abandoned));
    assert_eq!((rows(&delivery), delivery.figures().queued), (vec![], 0));
    assert_eq!(delivery.retry(&id).await.unwrap_err().to_string(), format!("no mail `{id}` is waiting or dead"));
    assert!(delivery.retry("soon").await.is_err());
}

#[tokio::test]
async fn a_mail_that_is_being_sent_is_left_alone_by_operators() {
    let house = House::new().await;
    let provider = Provider::answering([Reply::SentLater]).await;
    house.invite("a@guest.example").await;
    let delivery = started(&house, provider.transport());
    provider.was_asked(1).await;
    let id = rows(&delivery)[0].id.clone();
    assert!(delivery.abandon(&id).await.is_err());
    assert!(delivery.retry(&id).await.is_err());
    assert_eq!(delivery.figures().sending, 1);
    provider.let_go();
    delivery.idle().await;
    delivery.close().await;
    assert_eq!((provider.asked().len(), rows(&delivery).len()), (1, 0));
}

#[tokio::test]
async fn closing_ends_what_is_under_way_first() {
    let house = House::new().await;
    let provider = Provider::answering([Reply::SentLater]).await;
    let invited = house.invite("a@guest.example").await;
    let delivery = started(&house, provider.transport());
    provider.was_asked(1).await;
    let closing = tokio::spawn({
        let delivery = delivery.clone();
        async move { delivery.close().await }
    });
    house.invite("b@guest.example").await;
    provider.let_go();
    closing.await.unwrap();
    assert_eq!(house.kinds::<Invitation>(invited), ["Created", "EmailSent"]);
    assert_eq!(provider.recipients(), ["a@guest.example"]);
}

#[tokio::test]
async fn a_template_that_fails_on_one_mail_is_that_mails_failure() {
    let house = House::new().await;
    let templates = tempfile::tempdir().unwrap();
    std::fs::create_dir(templates.path().join("organization")).unwrap();
    let subject = "{% if inviter == 'Zoe' %}{{ nothing }}{% else %}Hello{% endif %}";
    std::fs::write(templates.path().join("organization/subject.txt"), subject).unwrap();
    let zoe = Uuid::now_v7();
    house.user(zoe, "zoe@acme.example", "Zoe").await;
    let broken = house.invite_with("a@guest.example", |created| created.invited_by = Actor::User(zoe)).await;
    let fine = house.invite("b@guest.example").await;
    let provider = Provider::answering([]).await;
    let mut options = house.options(provider.transport());
    options.templates = Some(templates.path().to_owned());
    let delivery = house.delivery_with(options);
    delivery.start();
    delivery.idle().await;
    delivery.close().await;
    assert_eq!(failed(&house, broken), Some(Reason::TemplateBroken));
    assert_eq!(house.kinds::<Invitation>(fine), ["Created", "EmailSent"]);
    assert_eq!(provider.recipients(), ["b@guest.example"]);
    assert_eq!(rows(&delivery)[0].reason, Some(Reason::TemplateBroken));
}
