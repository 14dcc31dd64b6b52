//! From the log to the outbox, once.

use crate::house::{House, recipients, rows};
use crate::provider::Provider;
use delivery::{Delivery, MailState, OperatorError, OutboxFilter, TransportOptions};
use domain::invitation::{self, Invitation};
use domain::mail::Reason;
use domain::{Actor, TenantName, employee, user};
use std::collections::BTreeMap;
use store::{Append, Batch, NewEvent, State, StateOptions, Unit};
use uuid::Uuid;

#[tokio::test]
async fn every_asking_event_makes_its_mails_and_the_log_hears_of_each() {
    let house = House::new().await;
    let invited = house.invite("a@guest.example").await;
    let (moved, asked) = house.employee_moves("old@guest.example", "new@guest.example").await;
    let notice = user::Event::AccountNoticeRequested(user::AccountNoticeRequested { by: Actor::User(house.jane) });
    let noticed = house.append::<user::User>(house.jane, notice).await;

    let delivery = house.deliver(TransportOptions::File).await;

    let to = recipients(&house.files());
    assert_eq!(to, ["a@guest.example", "jane.mead@acme.example", "new@guest.example", "old@guest.example"]);
    assert_eq!(house.kinds::<Invitation>(invited), ["Created", "EmailSent"]);
    assert_eq!(house.kinds::<employee::Employee>(moved), ["Created", "Updated", "NoticeSent", "NoticeSent"]);
    let sent = house.last::<user::User>(house.jane);
    assert_eq!(sent, user::Event::NoticeSent(user::NoticeSent { asked: noticed }));
    assert_eq!(asked, 2);
    assert_eq!(rows(&delivery), []);
    let figures = delivery.figures();
    assert_eq!((figures.sent_total, figures.queued, figures.dead), (4, 0, 0));
    assert_eq!(figures.cursor, figures.head);
}

#[tokio::test]
async fn a_result_names_the_event_that_asked_and_the_courier() {
    let house = House::new().await;
    let invited = house.invite("a@guest.example").await;
    house.deliver(TransportOptions::File).await;
    let events = house.ledger.read_stream(&house.stream::<Invitation>(invited), 0, None).unwrap();
    assert_eq!(
        house.last::<Invitation>(invited),
        invitation::Event::EmailSent(invitation::EmailSent { generation: 1 })
    );
    assert_eq!(events.len(), 2);
}

#[tokio::test]
async fn a_new_start_sends_nothing_again() {
    let house = House::new().await;
    house.invite("a@guest.example").await;
    let provider = Provider::answering([]).await;
    house.deliver(provider.transport()).await;
    house.deliver(provider.transport()).await;
    let delivery = house.deliver(provider.transport()).await;
    assert_eq!(provider.recipients(), ["a@guest.example"]);
    assert_eq!(delivery.figures().cursor, house.ledger.head());
}

#[tokio::test]
async fn without_a_transport_asks_wait_in_the_log() {
    let house = House::new().await;
    let invited = house.invite("a@guest.example").await;
    let none = house.deliver(TransportOptions::None).await;
    assert_eq!(none.figures().transport, "none");
    assert_eq!((none.figures().cursor, rows(&none).len()), (0, 0));
    house.deliver(TransportOptions::File).await;
    assert_eq!(recipients(&house.files()), ["a@guest.example"]);
    assert_eq!(house.kinds::<Invitation>(invited), ["Created", "EmailSent"]);
}

#[tokio::test]
async fn a_lost_outbox_sends_nothing_by_itself_and_shows_what_has_no_result() {
    let mut house = House::new().await;
    let sent = house.invite("sent@guest.example").await;
    house.deliver(TransportOptions::File).await;
    let open = house.invite("open@guest.example").await;
    house.state = State::open(StateOptions::Memory).unwrap();
    let provider = Provider::answering([]).await;

    let delivery = house.delivery(provider.transport());
    delivery.start();
    delivery.idle().await;
    let dead = rows(&delivery);
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].aggregate_id, dead[0].state), (open, MailState::Dead));
    assert_eq!(dead[0].reason, Some(Reason::OutcomeUnknown));
    assert_eq!(provider.asked(), []);

    // What is asked for from here on goes out as ever; the dead letter by hand.
    house.invite("new@guest.example").await;
    delivery.retry(&dead[0].id).await.unwrap();
    delivery.idle().await;
    delivery.close().await;
    let mut to = provider.recipients();
    to.sort();
    assert_eq!(to, ["new@guest.example", "open@guest.example"]);
    assert_eq!(house.kinds::<Invitation>(open), ["Created", "EmailSent"]);
    assert_eq!(house.kinds::<Invitation>(sent), ["Created", "EmailSent"]);
    assert_eq!(rows(&delivery), []);
}

#[tokio::test]
async fn a_dead_letter_of_a_lost_outbox_can_be_given_up_and_the_log_says_so() {
    let mut house = House::new().await;
    let open = house.invite("open@guest.example").await;
    house.state = State::open(StateOptions::Memory).unwrap();
    let provider = Provider::answering([]).await;
    let delivery = house.deliver(provider.transport()).await;
    let dead = rows(&delivery).remove(0);
    delivery.abandon(&dead.id).await.unwrap();
    let reason = Reason::Abandoned;
    let expected = invitation::Event::EmailFailed(invitation::EmailFailed { generation: 1, reason });
    assert_eq!(house.last::<Invitation>(open), expected);
    assert_eq!((rows(&delivery), delivery.figures().dead, provider.asked().len()), (vec![], 0, 0));
}

#[tokio::test]
async fn an_event_nobody_can_read_stops_following_loudly() {
    let house = House::new().await;
    let invited = house.invite("a@guest.example").await;
    let stream = house.stream::<Invitation>(invited);
    let newer = NewEvent {
        id: Uuid::now_v7(),
        kind: "Teleported".to_owned(),
        schema: 9,
        payload: serde_json::json!({}),
        metadata: BTreeMap::new(),
    };
    let appends = vec![Append { stream, expected: 1, events: vec![newer] }];
    let tenant = house.tenant.as_str().to_owned();
    house.ledger.submit(Unit { tenant, appends, ..Unit::default() }).await.unwrap();
    let provider = Provider::answering([]).await;
    let delivery = house.deliver(provider.transport()).await;
    let stopped = delivery.figures().stopped;
    assert_eq!(stopped.as_deref(), Some("the event at position 5 cannot be read"));
    assert_eq!(provider.asked(), []);
}

#[tokio::test]
async fn rows_of_another_log_are_dropped() {
    let house = House::new().await;
    house.invite("a@guest.example").await;
    // Nobody listens there, so the row waits.
    let nobody: TransportOptions = "mandrill://Key-1@127.0.0.1:1".parse().unwrap();
    let delivery = house.deliver(nobody).await;
    assert_eq!(rows(&delivery).len(), 1);

    let mut other = House::new().await;
    let there = other.invite("b@guest.example").await;
    other.state = house.state.clone();
    let delivery = other.deliver(TransportOptions::File).await;
    let left: Vec<Uuid> = rows(&delivery).iter().map(|r| r.aggregate_id).collect();
    assert_eq!(left, [there]);
    assert_eq!(rows(&delivery)[0].state, MailState::Dead);
    assert_eq!(other.files(), Vec::<String>::new());
}

#[tokio::test]
async fn an_outbox_from_an_older_backup_asks_the_log_before_it_sends() {
    let mut house = House::new().await;
    house.invite("first@guest.example").await;
    house.deliver(TransportOptions::File).await;
    let backup = copy(&house.state);
    let second = house.invite("second@guest.example").await;
    house.deliver(TransportOptions::File).await;

    house.state = backup;
    let provider = Provider::answering([]).await;
    let delivery = house.deliver(provider.transport()).await;
    assert_eq!(provider.asked(), []);
    assert_eq!(rows(&delivery), []);
    assert_eq!(house.kinds::<Invitation>(second), ["Created", "EmailSent"]);
}

/// The outbox as it stands.
fn copy(state: &State) -> State {
    let copy = State::open(StateOptions::Memory).unwrap();
    let mut batch = Batch::new();
    for space in ["outbox", "outbox_dead", "outbox_cursor"] {
        for (key, value) in state.scan(space, "", None, 1_000).unwrap() {
            batch = batch.put(space, &key, value);
        }
    }
    copy.commit_later(batch);
    copy
}

#[tokio::test]
async fn rows_hold_nothing_personal_and_no_secret() {
    let house = House::new().await;
    let invited = house.invite("very.private@guest.example").await;
    let nobody: TransportOptions = "mandrill://Key-1@127.0.0.1:1".parse().unwrap();
    house.deliver(nobody).await;
    let kept = house.state.scan("outbox", "", None, 10).unwrap();
    assert_eq!(kept.len(), 1);
    let text = String::from_utf8(kept[0].1.clone()).unwrap();
    assert!(text.contains(&invited.to_string()), "{text}");
    for private in ["very.private", "guest.example", &crate::house::secret_of(invited, 1), "Jane"] {
        assert!(!text.contains(private), "{private} stands in {text}");
    }
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let house = House::new().await;
    let mut invited = vec![];
    for n in 0..5 {
        invited.push(house.invite(&format!("g{n}@guest.example")).await);
    }
    let nobody: TransportOptions = "mandrill://Key-1@127.0.0.1:1".parse().unwrap();
    let delivery: Delivery = house.deliver(nobody).await;
    let mut seen = vec![];
    let mut filter = OutboxFilter { state: Some(MailState::Queued), limit: 2, ..OutboxFilter::default() };
    loop {
        let page = delivery.list(&filter).unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some(last.id.clone());
        seen.extend(page.iter().map(|r| r.aggregate_id));
    }
    assert_eq!(seen, invited);
    assert!(delivery.list(&OutboxFilter { after: Some("x".into()), ..filter }).is_err());
    assert_eq!(delivery.find(&rows(&delivery)[0].id).unwrap(), Some(rows(&delivery)[0].clone()));
}

#[tokio::test]
async fn a_mail_is_named_by_its_tenant_s_own_numbers() {
    let mut house = House::new().await;
    let acme = std::mem::replace(&mut house.tenant, TenantName::parse("bolt").unwrap());
    house.user(Uuid::now_v7(), "joe@bolt.example", "Joe Bolt").await;
    house.tenant = acme;
    house.invite("first@guest.example").await;
    let nobody: TransportOptions = "mandrill://Key-1@127.0.0.1:1".parse().unwrap();
    let delivery: Delivery = house.deliver(nobody).await;
    let asked = house.ledger.read_tenant("acme", 0, 100).unwrap().last().unwrap().clone();
    let id = rows(&delivery)[0].id.clone();
    assert_eq!((asked.position, id.clone()), (asked.tseq + 1, format!("acme-{}-0", asked.tseq)));
    assert_eq!(delivery.find(&id).unwrap(), Some(rows(&delivery)[0].clone()));
    delivery.retry(&id).await.unwrap();
    for never in [format!("acme-{}-0", asked.position), format!("bolt-{}-0", asked.tseq), "none-1-0".to_owned()] {
        assert!(matches!(delivery.find(&never), Err(OperatorError::NotFound(_))), "{never}");
    }
    assert_eq!(delivery.find(&format!("acme-{}-1", asked.tseq)).unwrap(), None);
}
