//! A process that dies in the middle of a mail, at each step. The first one
//! runs on a runtime of its own that is dropped where it stands, and nothing of
//! it runs on when the next one starts.

use crate::house::{House, rows};
use crate::provider::{Provider, Reply};
use crate::runner::Hold;
use delivery::{MailState, TransportOptions};
use domain::invitation::Invitation;
use std::time::Duration;
use tokio::runtime::Runtime;

const MINUTE: Duration = Duration::from_secs(60);

/// Starts delivery, waits for the moment, and ends it without a word.
async fn dies(house: &House, transport: TransportOptions, moment: impl Future<Output = ()>) {
    let runtime = Runtime::new().unwrap();
    let delivery = house.delivery(transport);
    {
        let _inside = runtime.enter();
        delivery.start();
    }
    moment.await;
    // In the background a task could go on to its next wait beside the next process, and write there.
    tokio::task::spawn_blocking(move || runtime.shutdown_timeout(MINUTE)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_row_it_is_sent() {
    let house = House::new().await;
    let provider = Provider::answering([]).await;
    let invited = house.invite("a@guest.example").await;
    // Nobody listens: the row is there, its attempt is a definite failure.
    let nobody: TransportOptions = "mandrill://Key-1@127.0.0.1:1".parse().unwrap();
    house.deliver(nobody).await;
    house.clock.advance(MINUTE);
    house.deliver(provider.transport()).await;
    assert_eq!(provider.asked().len(), 1);
    assert_eq!(house.kinds::<Invitation>(invited), ["Created", "EmailSent"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_attempt_the_outcome_is_unknown_and_it_is_repeated_once() {
    let house = House::new().await;
    let provider = Provider::answering([Reply::Hang]).await;
    let invited = house.invite("a@guest.example").await;
    dies(&house, provider.transport(), provider.was_asked(1)).await;

    let delivery = house.delivery(provider.transport());
    delivery.start();
    delivery.idle().await;
    assert_eq!((provider.asked().len(), rows(&delivery)[0].state), (1, MailState::Queued));
    house.clock.advance(MINUTE);
    delivery.idle().await;
    delivery.close().await;
    let ids = provider.message_ids();
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
    assert_eq!(house.kinds::<Invitation>(invited), ["Created", "EmailSent"]);
    assert_eq!(rows(&delivery), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_deaths_in_the_middle_of_sending_end_in_a_dead_letter() {
    let house = House::new().await;
    let provider = Provider::answering([Reply::Hang, Reply::Hang]).await;
    let invited = house.invite("a@guest.example").await;
    dies(&house, provider.transport(), provider.was_asked(1)).await;
    // The second start finds the first attempt, and waits before it repeats it.
    house.deliver(provider.transport()).await;
    house.clock.advance(MINUTE);
    dies(&house, provider.transport(), provider.was_asked(2)).await;
    let delivery = house.deliver(provider.transport()).await;
    house.clock.advance(48 * 60 * MINUTE);
    house.deliver(provider.transport()).await;
    assert_eq!(provider.asked().len(), 2);
    assert_eq!(house.kinds::<Invitation>(invited), ["Created", "EmailFailed"]);
    assert_eq!(rows(&delivery)[0].state, MailState::Dead);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_providers_word_it_is_recorded_without_sending() {
    let house = House::new().await;
    let provider = Provider::answering([]).await;
    let invited = house.invite("a@guest.example").await;
    house.runner.hold.send_replace(Hold::BeforeCommit);
    let mut held = house.runner.held.subscribe();
    let moment = async { assert!(held.wait_for(|n| *n > 0).await.is_ok()) };
    dies(&house, provider.transport(), moment).await;
    house.runner.hold.send_replace(Hold::Nowhere);
    assert_eq!(house.kinds::<Invitation>(invited), ["Created"]);

    let delivery = house.deliver(provider.transport()).await;
    assert_eq!(provider.asked().len(), 1);
    assert_eq!(house.kinds::<Invitation>(invited), ["Created", "EmailSent"]);
    assert_eq!(rows(&delivery), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_result_in_the_log_the_row_goes_and_nothing_is_doubled() {
    let house = House::new().await;
    let provider = Provider::answering([Reply::status("invalid")]).await;
    let invited = house.invite("a@guest.example").await;
    house.runner.hold.send_replace(Hold::AfterCommit);
    let mut held = house.runner.held.subscribe();
    let moment = async { assert!(held.wait_for(|n| *n > 0).await.is_ok()) };
    dies(&house, provider.transport(), moment).await;
    house.runner.hold.send_replace(Hold::Nowhere);
    assert_eq!(house.kinds::<Invitation>(invited), ["Created", "EmailFailed"]);

    let delivery = house.deliver(provider.transport()).await;
    assert_eq!(provider.asked().len(), 1);
    assert_eq!(house.kinds::<Invitation>(invited), ["Created", "EmailFailed"]);
    assert_eq!(rows(&delivery), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_end_was_not_on_disk_yet_is_settled_by_the_log() {
    let house = House::new().await;
    let provider = Provider::answering([Reply::SentLater]).await;
    let invited = house.invite("a@guest.example").await;
    let delivery = house.delivery(provider.transport());
    delivery.start();
    provider.was_asked(1).await;
    // What a crash would bring back: the row as it was when the attempt began.
    let (key, attempted) = house.state.scan("outbox", "", None, 1).unwrap().remove(0);
    provider.let_go();
    delivery.idle().await;
    delivery.close().await;
    house.state.commit(store::Batch::new().put("outbox", &key, attempted)).await.unwrap();

    let delivery = house.deliver(provider.transport()).await;
    assert_eq!(provider.asked().len(), 1);
    assert_eq!(house.kinds::<Invitation>(invited), ["Created", "EmailSent"]);
    assert_eq!(rows(&delivery), []);
}
