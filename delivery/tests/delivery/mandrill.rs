//! Mandrill's interface, as its documentation has it, against a server here.

use crate::house::{House, rows, secret_of};
use crate::provider::{Provider, Reply};
use delivery::MailState;
use domain::invitation::{self, Invitation, Recipient};
use domain::mail::Reason;
use domain::{Address, invitation::Event};
use serde_json::json;
use std::time::Duration;

/// What one mail became when the provider said this once: the result in the
/// log, or none when it is to be tried again.
async fn outcome(reply: Reply) -> Option<Result<(), Reason>> {
    let house = House::new().await;
    let provider = Provider::answering([reply]).await;
    let invited = house.invite("a@guest.example").await;
    let mut options = house.options(provider.transport());
    options.timeouts.connect = Duration::from_millis(50);
    options.timeouts.answer = Duration::from_millis(50);
    let delivery = house.delivery_with(options);
    delivery.start();
    delivery.idle().await;
    delivery.close().await;
    assert_eq!(provider.asked().len(), 1);
    match house.last::<Invitation>(invited) {
        Event::EmailSent(_) => Some(Ok(())),
        Event::EmailFailed(e) => Some(Err(e.reason)),
        _ => {
            assert_eq!(rows(&delivery)[0].state, MailState::Queued);
            None
        }
    }
}

#[tokio::test]
async fn the_request_is_what_its_documentation_asks_for() {
    let house = House::new().await;
    let provider = Provider::answering([]).await;
    let message = Some("See you\nthere".to_owned());
    let invited = house
        .invite_with("Jörg@Büro.example", |created| {
            created.personal = Recipient::Known { email: Address::parse("Jörg@Büro.example").unwrap(), message };
        })
        .await;
    house.deliver(provider.transport()).await;
    let (path, body) = provider.asked().remove(0);
    let link = house.bus.load::<Invitation>(&house.tenant, invited).await.unwrap().link;
    let url = format!("https://invite.example/i/{link}#{}", secret_of(invited, 1));
    assert_eq!(path, "/api/1.0/messages/send.json");
    assert_eq!((&body["key"], &body["async"]), (&json!("Key-1"), &json!(false)));
    let message = &body["message"];
    assert_eq!(message["subject"], "Jane Mead invites you to join Acme Payments");
    assert_eq!(message["from_email"], "invitations@acme.example");
    assert_eq!(message["from_name"], "Invitations");
    assert_eq!(message["to"], json!([{"email": "Jörg@xn--bro-hoa.example", "type": "to"}]));
    for switched_off in ["track_opens", "track_clicks", "auto_text", "auto_html", "view_content_link"] {
        assert_eq!(message[switched_off], json!(false), "{switched_off}");
    }
    assert_eq!(message["headers"]["Auto-Submitted"], "auto-generated");
    assert_eq!(provider.message_ids().len(), 1);
    let text = message["text"].as_str().unwrap();
    assert!(text.lines().any(|line| line == url), "{text}");
    assert!(text.ends_with("Jane Mead added these words:\n\n> See you\n> there\n"), "{text}");
    assert!(message["html"].as_str().unwrap().contains(&format!("href=\"{url}\"")), "{message}");
}

#[tokio::test]
async fn taken_is_taken_in_each_of_its_words() {
    for word in ["sent", "queued", "scheduled"] {
        assert_eq!(outcome(Reply::status(word)).await, Some(Ok(())), "{word}");
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let cases = [
        (Reply::status("invalid"), Reason::AddressInvalid),
        (Reply::rejected("hard-bounce"), Reason::RecipientRefused),
        (Reply::rejected("spam"), Reason::RecipientRefused),
        (Reply::rejected("unsigned"), Reason::AccountRefused),
        (Reply::rejected("rule"), Reason::MessageRefused),
        (Reply::error("Invalid_Key"), Reason::AccountRefused),
        (Reply::error("PaymentRequired"), Reason::AccountRefused),
        (Reply::error("ValidationError"), Reason::MessageRefused),
        (Reply::Json(401, String::new()), Reason::AccountRefused),
        (Reply::Json(413, String::new()), Reason::MessageRefused),
    ];
    for (reply, reason) in cases {
        assert_eq!(outcome(reply.clone()).await, Some(Err(reason)), "{reply:?}");
    }
}

#[tokio::test]
async fn its_troubles_are_waited_out() {
    let cases = [
        Reply::error("GeneralError"),
        Reply::Json(503, "<html>".into()),
        Reply::Json(429, "{}".into()),
        // Of these the outcome is unknown.
        Reply::Json(504, "<html>".into()),
        Reply::Json(200, "[]".into()),
        Reply::Json(200, "not json".into()),
        Reply::Close,
        Reply::Hang,
    ];
    for reply in cases {
        assert_eq!(outcome(reply.clone()).await, None, "{reply:?}");
    }
}

#[tokio::test]
async fn a_time_out_counts_as_one_of_two() {
    let house = House::new().await;
    let provider = Provider::answering([Reply::Hang, Reply::Hang]).await;
    let invited = house.invite("a@guest.example").await;
    let mut options = house.options(provider.transport());
    options.timeouts.connect = Duration::from_millis(50);
    options.timeouts.answer = Duration::from_millis(50);
    let delivery = house.delivery_with(options);
    delivery.start();
    delivery.idle().await;
    house.clock.advance(Duration::from_secs(60));
    delivery.idle().await;
    delivery.close().await;
    let unknown = invitation::EmailFailed { generation: 1, reason: Reason::OutcomeUnknown };
    assert_eq!(house.last::<Invitation>(invited), Event::EmailFailed(unknown));
    assert_eq!(provider.asked().len(), 2);
}
