use crate::clock::{DAY, HOUR, MINUTE, SECOND};
use crate::{House, PASSWORD};
use domain::Patch;
use domain::employee::Changes;
use domain::{Actor, Clock, Failure, Refusal, TenantName};
use identity::Principal;
use store::{State, StateOptions};
use uuid::Uuid;

#[tokio::test]
async fn a_session_names_its_user_and_their_tenant() {
    let house = House::new().await;
    let jane = house.user("jane@x.com").await;
    let session = house.log_in("Jane@X.com", PASSWORD).await.unwrap();
    let principal = house.identity.authenticate(session.token.reveal()).await.unwrap();
    assert_eq!(principal.actor(), Actor::User(jane.id));
    assert_eq!(principal.tenant(), Some(&TenantName::default_tenant()));
    let Principal::User(seen) = principal else { panic!("{principal:?}") };
    assert_eq!(seen.token.reveal(), session.token.reveal());
    assert_eq!(seen.csrf, session.csrf);
    assert_eq!(seen.expires_at, Some(house.clock.now().plus(7 * DAY)));
    assert!(house.identity.verify_csrf(&seen, &session.csrf));
    assert!(!house.identity.verify_csrf(&seen, &session.csrf[1..]));
    assert!(!house.identity.verify_csrf(&seen, ""));
}

#[tokio::test]
async fn a_session_ends_seven_days_after_the_log_in_however_busy_it_was() {
    let house = House::new().await;
    house.user("jane@x.com").await;
    let session = house.log_in("jane@x.com", PASSWORD).await.unwrap();
    for _ in 0..6 {
        house.clock.advance(DAY);
        assert_eq!(house.standing(&session.token).await, "user");
    }
    house.clock.advance(DAY - SECOND);
    assert_eq!(house.standing(&session.token).await, "user");
    house.clock.advance(SECOND);
    assert_eq!(house.standing(&session.token).await, "expired");
    assert_eq!(house.standing(&session.token).await, "expired");
}

#[tokio::test]
async fn a_session_ends_after_seventy_two_hours_without_use() {
    let house = House::new().await;
    house.user("jane@x.com").await;
    let session = house.log_in("jane@x.com", PASSWORD).await.unwrap();
    house.clock.advance(HOUR);
    assert_eq!(house.standing(&session.token).await, "user");
    house.clock.advance(72 * HOUR - SECOND);
    assert_eq!(house.standing(&session.token).await, "user");
    house.clock.advance(72 * HOUR);
    assert_eq!(house.standing(&session.token).await, "expired");
}

#[tokio::test]
async fn uses_are_remembered_across_a_restart() {
    let mut house = House::new().await;
    house.user("jane@x.com").await;
    let session = house.log_in("jane@x.com", PASSWORD).await.unwrap();
    house.clock.advance(71 * HOUR);
    assert_eq!(house.standing(&session.token).await, "user");
    house.restart();
    house.clock.advance(71 * HOUR);
    assert_eq!(house.standing(&session.token).await, "user");
    house.restart();
    house.clock.advance(72 * HOUR);
    assert_eq!(house.standing(&session.token).await, "expired");
}

#[tokio::test]
async fn a_use_is_kept_at_most_once_a_minute() {
    let house = House::new().await;
    house.user("jane@x.com").await;
    let session = house.log_in("jane@x.com", PASSWORD).await.unwrap();
    let kept = || house.state.scan("session_use", "", None, 10).unwrap();
    house.clock.advance(MINUTE - SECOND);
    house.standing(&session.token).await;
    assert_eq!(kept(), vec![]);
    house.clock.advance(SECOND);
    house.standing(&session.token).await;
    let first = kept();
    assert_eq!(first.len(), 1);
    house.clock.advance(MINUTE - SECOND);
    house.standing(&session.token).await;
    assert_eq!(kept(), first);
    house.clock.advance(SECOND);
    house.standing(&session.token).await;
    assert_ne!(kept(), first);
}

#[tokio::test]
async fn a_session_that_is_to_be_remembered_has_no_end() {
    let mut house = House::new().await;
    house.user("jane@x.com").await;
    let mut request = crate::log_in("192.0.2.1", "jane@x.com", PASSWORD);
    request.remember_me = true;
    let session = house.identity.log_in(request).await.unwrap();
    assert_eq!((session.expires_at, session.remember_me), (None, true));
    house.clock.advance(400 * DAY);
    house.identity.sweep().await.unwrap();
    assert_eq!(house.standing(&session.token).await, "user");
    house.restart();
    assert_eq!(house.standing(&session.token).await, "user");
    assert_eq!(house.identity.renew(&session).await.unwrap().expires_at, None);
}

#[tokio::test]
async fn who_logged_out_is_unknown_at_once_and_after_a_restart() {
    let mut house = House::new().await;
    house.user("jane@x.com").await;
    let session = house.log_in("jane@x.com", PASSWORD).await.unwrap();
    let other = house.log_in("jane@x.com", PASSWORD).await.unwrap();
    assert_eq!(house.standing(&session.token).await, "user");
    house.identity.log_out(&session).await.unwrap();
    assert_eq!(house.standing(&session.token).await, "unknown");
    assert_eq!(house.standing(&other.token).await, "user");
    house.restart();
    assert_eq!(house.standing(&session.token).await, "unknown");
    assert_eq!(house.standing(&other.token).await, "user");
}

#[tokio::test]
async fn renewing_gives_new_tokens_and_no_later_end() {
    let house = House::new().await;
    house.user("jane@x.com").await;
    let old = house.log_in("jane@x.com", PASSWORD).await.unwrap();
    house.clock.advance(2 * DAY);
    assert_eq!(house.standing(&old.token).await, "user");
    let new = house.identity.renew(&old).await.unwrap();
    assert_ne!(new.token.reveal(), old.token.reveal());
    assert!(!house.identity.verify_csrf(&new, &old.csrf));
    assert_eq!(new.created_at, old.created_at.plus(2 * DAY));
    assert_eq!((new.logged_in_at, new.expires_at), (old.logged_in_at, old.expires_at));
    assert_eq!(house.standing(&old.token).await, "unknown");
    assert_eq!(house.standing(&new.token).await, "user");
    let again = house.identity.renew(&old).await.unwrap_err();
    assert!(matches!(again, Failure::Refused(Refusal::NotPermitted)), "{again:?}");
    house.clock.advance(2 * DAY);
    assert_eq!(house.standing(&new.token).await, "user");
    house.clock.advance(2 * DAY);
    assert_eq!(house.standing(&new.token).await, "user");
    house.clock.advance(DAY);
    assert_eq!(house.standing(&new.token).await, "expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_renewals_at_once_one_wins() {
    let house = House::new().await;
    house.user("jane@x.com").await;
    let old = house.log_in("jane@x.com", PASSWORD).await.unwrap();
    let renewals = (0..50).map(|_| {
        let (identity, old) = (house.identity.clone(), old.clone());
        tokio::spawn(async move { identity.renew(&old).await.ok() })
    });
    let mut won = vec![];
    for renewal in renewals.collect::<Vec<_>>() {
        won.extend(renewal.await.unwrap());
    }
    assert_eq!(won.len(), 1);
    assert_eq!(house.standing(&won[0].token).await, "user");
}

#[tokio::test]
async fn ending_all_sessions_of_a_user_ends_only_theirs() {
    let mut house = House::new().await;
    let jane = house.user("jane@x.com").await;
    house.user("joe@x.com").await;
    let mut ended = vec![];
    for _ in 0..3 {
        ended.push(house.log_in("jane@x.com", PASSWORD).await.unwrap());
    }
    let joe = house.log_in("joe@x.com", PASSWORD).await.unwrap();
    assert_eq!(house.standing(&ended[0].token).await, "user");
    house.identity.end_sessions_of(jane.id).await.unwrap();
    for _ in 0..2 {
        for session in &ended {
            assert_eq!(house.standing(&session.token).await, "expired");
        }
        assert_eq!(house.standing(&joe.token).await, "user");
        house.restart();
    }
    assert!(house.identity.renew(&ended[0]).await.is_err());
}

#[tokio::test]
async fn an_off_boarded_employee_has_no_session_and_no_log_in() {
    let house = House::new().await;
    let jane = house.user("jane@x.com").await;
    let record = house.employee(&jane).await;
    let session = house.log_in("jane@x.com", PASSWORD).await.unwrap();
    assert_eq!(house.standing(&session.token).await, "user");
    house.change(&record, Changes { active: Some(false), ..Changes::default() }).await;
    assert_eq!(house.standing(&session.token).await, "expired");
    let refused = house.log_in("jane@x.com", PASSWORD).await.unwrap_err();
    assert!(matches!(refused, identity::LogInError::Refused));
    // Coming back opens no old session.
    house.change(&record, Changes { active: Some(true), ..Changes::default() }).await;
    assert_eq!(house.standing(&session.token).await, "expired");
    assert!(house.log_in("jane@x.com", PASSWORD).await.is_ok());
}

#[tokio::test]
async fn the_day_of_off_boarding_ends_a_session_by_the_clock_alone() {
    let house = House::new().await;
    let jane = house.user("jane@x.com").await;
    let record = house.employee(&jane).await;
    let date_off_boarded = Patch::Set("2024-06-05".to_owned());
    house.change(&record, Changes { date_off_boarded, ..Changes::default() }).await;
    let session = house.log_in("jane@x.com", PASSWORD).await.unwrap();
    house.clock.advance(36 * HOUR - SECOND);
    assert_eq!(house.standing(&session.token).await, "user");
    house.clock.advance(SECOND);
    assert_eq!(house.standing(&session.token).await, "expired");
}

#[tokio::test]
async fn an_ended_session_is_told_from_an_unknown_one_for_thirty_days() {
    let house = House::new().await;
    house.user("jane@x.com").await;
    let session = house.log_in("jane@x.com", PASSWORD).await.unwrap();
    house.clock.advance(72 * HOUR + 30 * DAY - SECOND);
    assert_eq!(house.identity.sweep().await.unwrap(), 0);
    assert_eq!(house.standing(&session.token).await, "expired");
    house.clock.advance(SECOND);
    assert_eq!(house.identity.sweep().await.unwrap(), 1);
    assert_eq!(house.standing(&session.token).await, "unknown");
    for space in ["session", "session_of", "session_use"] {
        assert_eq!(house.state.count(space).unwrap(), 0, "{space}");
    }
}

#[tokio::test]
async fn the_hundred_and_first_session_of_a_user_displaces_the_oldest() {
    let house = House::new().await;
    let jane = house.user("jane@x.com").await;
    let tenant = TenantName::default_tenant();
    let open = || house.identity.open_session(&tenant, jane.id, true);
    let first = open().await.unwrap();
    house.clock.advance(SECOND);
    let second = open().await.unwrap();
    house.clock.advance(SECOND);
    for _ in 0..98 {
        open().await.unwrap();
    }
    assert_eq!(house.standing(&first.token).await, "user");
    open().await.unwrap();
    assert_eq!(house.standing(&first.token).await, "unknown");
    assert_eq!(house.standing(&second.token).await, "user");
    assert_eq!(house.state.count("session").unwrap(), 100);
    assert_eq!(house.state.count("session_of").unwrap(), 100);
}

#[tokio::test]
async fn no_token_and_no_address_stands_in_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(StateOptions::Sqlite { path: folder.path().join("state.db") }).unwrap();
    let house = House::with(state, |_| {}).await;
    let jane = house.user("jane@x.com").await;
    let session = house.log_in("jane@x.com", PASSWORD).await.unwrap();
    house.log_in("jane@x.com", "a wrong password").await.unwrap_err();
    let application = Uuid::new_v4();
    let token = house.identity.new_application_token(&TenantName::default_tenant(), application).await.unwrap();
    house.clock.advance(HOUR);
    assert_eq!(house.standing(&session.token).await, "user");
    house.state.close().await;
    let mut bytes = vec![];
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let has = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(has(&jane.id.to_string()), "the state was written");
    for secret in [session.token.reveal(), &session.csrf, token.reveal(), PASSWORD, "jane@x.com", "192.0.2.1"] {
        assert!(!has(secret) && !has(&secret[7.min(secret.len() - 1)..]), "{secret}");
    }
}
