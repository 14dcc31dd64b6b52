use crate::clock::{MINUTE, SECOND};
use crate::{House, PASSWORD};
use domain::Failure;
use domain::Unavailable;
use identity::{LogInError, PasswordError, PasswordSettings, TooMany};
use std::sync::Arc;
use std::time::Instant;
use store::{State, StateOptions};
use uuid::Uuid;

const WRONG: &str = "not the right password";

fn word<T>(answer: &Result<T, LogInError>) -> String {
    match answer {
        Ok(_) => "in".to_owned(),
        Err(LogInError::Refused) => "refused".to_owned(),
        Err(LogInError::TooMany(TooMany { retry_after_s })) => format!("in {retry_after_s} s"),
        Err(LogInError::Unavailable(failure)) => format!("{failure:?}"),
    }
}

#[tokio::test]
async fn unknown_wrong_foreign_and_malformed_are_refused_in_one_word() {
    let house = House::new().await;
    house.user("jane@x.com").await;
    let mut foreign = crate::log_in("192.0.2.1", "jane@x.com", PASSWORD);
    foreign.tenant = domain::TenantName::parse("acme").unwrap();
    let answers = [
        house.log_in("jane@x.com", WRONG).await,
        house.log_in("jane@x.com", "").await,
        house.log_in("nobody@x.com", PASSWORD).await,
        house.log_in("no address", PASSWORD).await,
        house.log_in("", "").await,
        house.identity.log_in(foreign).await,
    ];
    for answer in &answers {
        assert_eq!(word(answer), "refused");
    }
    assert_eq!(word(&house.log_in("jane@x.com", PASSWORD).await), "in");
}

#[tokio::test]
async fn an_unknown_user_costs_the_work_of_a_wrong_password() {
    let state = State::open(StateOptions::Memory).unwrap();
    let expensive = PasswordSettings::default();
    let house = House::with(state, |options| options.passwords = expensive).await;
    house.user("jane@x.com").await;
    // The fastest of several, so that a busy machine does not decide: work that is left out is left out each time.
    let mut fastest = [f64::MAX; 2];
    let ratio = |fastest: [f64; 2]| fastest[1] / fastest[0];
    for round in 0..40 {
        if round >= 4 && (0.5..2.0).contains(&ratio(fastest)) {
            break;
        }
        house.clock.advance(15 * MINUTE);
        let unknown = format!("nobody{round}@x.com");
        for (email, best) in ["jane@x.com", unknown.as_str()].into_iter().zip(&mut fastest) {
            let start = Instant::now();
            assert_eq!(word(&house.log_in(email, WRONG).await), "refused");
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    let ratio = ratio(fastest);
    assert!((0.5..2.0).contains(&ratio), "unknown took {ratio} times as long");
}

#[tokio::test]
async fn a_password_has_twelve_characters_at_least() {
    let house = House::new().await;
    let user = Uuid::new_v4();
    let answer = house.identity.set_password(user, "elf letters").await;
    assert!(matches!(answer, Err(PasswordError::TooShort)));
    let answer = house.identity.set_password(user, &"x".repeat(1_025)).await;
    assert!(matches!(answer, Err(PasswordError::TooLong)));
    assert_eq!(house.state.count("password").unwrap(), 0);
    house.identity.set_password(user, "zwölf Zeich.").await.unwrap();
    let kept = house.state.get("password", &user.to_string()).unwrap().unwrap();
    assert!(String::from_utf8(kept).unwrap().starts_with("$argon2id$v=19$m=8,t=1,p=1$"));
}

#[tokio::test]
async fn the_password_of_an_account_that_was_not_made_is_forgotten() {
    let house = House::new().await;
    let jane = house.user("jane@x.com").await;
    let never = Uuid::new_v4();
    house.identity.set_password(never, PASSWORD).await.unwrap();
    house.identity.forget_password(never).await.unwrap();
    assert_eq!(house.state.get("password", &never.to_string()).unwrap(), None);
    assert!(house.state.get("password", &jane.id.to_string()).unwrap().is_some());
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_and_the_old_password() {
    let house = House::new().await;
    let jane = house.user("jane@x.com").await;
    let session = house.log_in("jane@x.com", PASSWORD).await.unwrap();
    house.identity.set_password(jane.id, "another good one").await.unwrap();
    assert_eq!(house.standing(&session.token).await, "expired");
    assert_eq!(word(&house.log_in("jane@x.com", PASSWORD).await), "refused");
    assert_eq!(word(&house.log_in("jane@x.com", "another good one").await), "in");
}

#[tokio::test]
async fn after_ten_failures_of_an_account_even_the_right_password_waits() {
    let mut house = House::new().await;
    house.user("jane@x.com").await;
    house.user("joe@x.com").await;
    for _ in 0..10 {
        assert_eq!(word(&house.log_in("jane@x.com", WRONG).await), "refused");
        house.clock.advance(SECOND);
    }
    assert_eq!(word(&house.log_in("JANE@x.com", PASSWORD).await), "in 890 s");
    assert_eq!(word(&house.log_in_from("192.0.2.9", "jane@x.com", PASSWORD).await), "in 890 s");
    assert_eq!(word(&house.log_in("joe@x.com", PASSWORD).await), "in");
    house.restart();
    house.clock.advance(889 * SECOND);
    assert_eq!(word(&house.log_in("jane@x.com", PASSWORD).await), "in 1 s");
    house.clock.advance(SECOND);
    assert_eq!(word(&house.log_in("jane@x.com", PASSWORD).await), "in");
    for _ in 0..10 {
        assert_eq!(word(&house.log_in("jane@x.com", WRONG).await), "refused");
    }
}

#[tokio::test]
async fn an_account_that_does_not_exist_is_counted_too() {
    let house = House::new().await;
    for _ in 0..10 {
        assert_eq!(word(&house.log_in("nobody@x.com", WRONG).await), "refused");
    }
    assert_eq!(word(&house.log_in("nobody@x.com", WRONG).await), "in 900 s");
}

#[tokio::test]
async fn after_fifty_failures_of_a_peer_it_waits_whatever_the_account() {
    let house = House::new().await;
    house.user("jane@x.com").await;
    for n in 0..50 {
        assert_eq!(word(&house.log_in_from("2001:db8::1", &format!("a{n}@x.com"), WRONG).await), "refused");
    }
    assert_eq!(word(&house.log_in_from("2001:db8::2", "jane@x.com", PASSWORD).await), "in 900 s");
    assert_eq!(word(&house.log_in_from("2001:db8:1::2", "jane@x.com", PASSWORD).await), "in");
    house.clock.advance(15 * MINUTE);
    assert_eq!(word(&house.log_in_from("2001:db8::2", "jane@x.com", PASSWORD).await), "in");
    assert_eq!(house.identity.sweep().await.unwrap(), 100);
    assert_eq!(house.state.count("log_in_failure").unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_guesses_at_once_are_ten_guesses() {
    let house = House::new().await;
    house.user("jane@x.com").await;
    let guesses = (0..100).map(|n| {
        let identity = house.identity.clone();
        tokio::spawn(async move {
            let peer = format!("192.0.2.{n}");
            word(&identity.log_in(crate::log_in(&peer, "jane@x.com", WRONG)).await)
        })
    });
    let mut words = vec![];
    for guess in guesses.collect::<Vec<_>>() {
        words.push(guess.await.unwrap());
    }
    let count = |word: &str| words.iter().filter(|w| *w == word).count();
    assert_eq!((count("refused"), count("in 900 s")), (10, 90));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_right_passwords_at_once_are_all_let_in() {
    let house = House::new().await;
    house.user("jane@x.com").await;
    let tries = (0..100).map(|_| {
        let identity = house.identity.clone();
        tokio::spawn(async move { word(&identity.log_in(crate::log_in("192.0.2.1", "jane@x.com", PASSWORD)).await) })
    });
    for one in tries.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), "in");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_when_too_many_wait_is_told_to_come_back() {
    let state = State::open(StateOptions::Memory).unwrap();
    let slow = PasswordSettings { memory_kib: 8_192, iterations: 2, lanes: 1, at_once: 1 };
    let house = House::with(state, |options| options.passwords = slow).await;
    let identity = Arc::new(house.identity.clone());
    let tries = (0..200).map(|n| {
        let identity = identity.clone();
        tokio::spawn(async move {
            let (peer, email) = (format!("192.0.2.{n}"), format!("a{n}@x.com"));
            identity.log_in(crate::log_in(&peer, &email, WRONG)).await
        })
    });
    let mut busy = 0;
    for one in tries.collect::<Vec<_>>() {
        match one.await.unwrap() {
            Err(LogInError::Unavailable(Failure::Unavailable(Unavailable::Busy { retry_after_s: 1 }))) => busy += 1,
            other => assert_eq!(word(&other), "refused"),
        }
    }
    assert!(busy > 0, "200 tries found places");
}
