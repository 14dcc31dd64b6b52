//! Following, stopping, rebuilding, coming back.

use crate::story::{Story, tenant};
use crate::{InvitationRow, InviteQuery, InviteSort, ListQuery, Views, ViewsError};
use domain::invitation::{Cancelled, EmailFailed, Event, Invitation, State};
use domain::mail::Reason;
use domain::{Actor, Failure, Unavailable};
use serde_json::json;
use std::io::{Seek, SeekFrom, Write};
use uuid::Uuid;

fn organization() -> Uuid {
    Uuid::from_u128(100)
}

fn everybody(page: u64, per_page: u64) -> InviteQuery {
    InviteQuery { organization: organization(), role: None, state: None, sort: InviteSort::CreatedAsc, page, per_page }
}

async fn invite(story: &mut Story, email: &str) -> Invitation {
    let created = story.created(organization(), email).await;
    story.invite(&tenant(), created).await
}

/// Something of every view.
async fn a_day(story: &mut Story) {
    let (jane, mut joe) = (invite(story, "jane@x.com").await, invite(story, "joe@x.com").await);
    let event = Event::Cancelled(Cancelled { by: Actor::Deployment });
    story.then(&tenant(), joe.id, &mut joe, event).await;
    let failed = Event::EmailFailed(EmailFailed { generation: 1, reason: Reason::GaveUp });
    story.append::<Invitation>(&tenant(), jane.id, &failed).await;
    let by = "deployment";
    let subject = story.subject().await;
    let employee = json!({"by": by, "subject": subject, "personal": {"email": "ann@x.com"}});
    story.append_raw("employee", &tenant(), Uuid::now_v7(), "Created", employee).await;
    story.append_raw("integration", &tenant(), Uuid::now_v7(), "Created", json!({"by": by, "name": "Till"})).await;
    let acme = json!({"by": by, "name": "Acme", "bind_recipient": false});
    story.append_raw("organization", &tenant(), organization(), "Created", acme).await;
}

#[tokio::test]
async fn what_was_written_is_read() {
    let mut story = Story::new();
    let views = story.views();
    for n in 0..20 {
        let invitation = invite(&mut story, &format!("n{n}@x.com")).await;
        let row = views.invitation(&tenant(), invitation.id).await.unwrap().unwrap();
        assert_eq!(row.email, invitation.email);
        assert_eq!(row.position, n + 1);
    }
    views.close().await;
}

#[tokio::test]
async fn a_read_that_cannot_be_brought_up_to_date_says_so() {
    let mut story = Story::new();
    let views = story.views_at(None);
    assert_eq!(views.caught_up().await, Ok(()), "nothing is there to be behind of");
    invite(&mut story, "jane@x.com").await;
    // From here the wait passes at once; keys, made on a thread of their own, need real time.
    tokio::time::pause();
    assert_eq!(views.caught_up().await, Err(Unavailable::ViewsBehind));
    let answer = views.organization_invites(&tenant(), everybody(1, 25)).await;
    assert!(matches!(answer, Err(Failure::Unavailable(Unavailable::ViewsBehind))));
}

#[tokio::test]
async fn pages_end_where_the_list_ends() {
    let mut story = Story::new();
    let views = story.views();
    for n in 0..51 {
        invite(&mut story, &format!("n{n}@x.com")).await;
    }
    let emails = |rows: Vec<InvitationRow>| -> Vec<String> {
        rows.into_iter().map(|row| row.email.unwrap().as_str().to_owned()).collect()
    };
    let expected = |range: std::ops::Range<u32>| range.map(|n| format!("n{n}@x.com")).collect::<Vec<_>>();
    for (number, range) in [(1, 0..25), (2, 25..50), (3, 50..51), (4, 0..0), (u64::MAX, 0..0)] {
        let page = views.organization_invites(&tenant(), everybody(number, 25)).await.unwrap();
        assert_eq!((page.number, page.size, page.total, page.total_pages()), (number, 25, 51, 3));
        assert_eq!(emails(page.rows), expected(range));
    }
    let empty = InviteQuery { organization: Uuid::from_u128(9), ..everybody(1, 25) };
    let page = views.organization_invites(&tenant(), empty).await.unwrap();
    assert_eq!((page.rows.len(), page.total, page.total_pages()), (0, 0, 0));
    views.close().await;
}

#[tokio::test]
async fn an_event_one_view_cannot_fold_stops_that_view_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = Some(folder.path().join("views.db"));
    let mut story = Story::new();
    a_day(&mut story).await;
    let before = story.ledger.head();
    story.append_raw("employee", &tenant(), Uuid::now_v7(), "Promoted", json!({"to": "boss"})).await;
    let views = story.views_at(path.clone());
    views.start().unwrap();
    let jane = invite(&mut story, "late@x.com").await;

    assert!(views.invitation(&tenant(), jane.id).await.unwrap().is_some(), "the others go on");
    assert_eq!(views.caught_up().await, Err(Unavailable::ViewsBehind));
    let stopped = views.stopped().unwrap();
    assert!(stopped.contains("employees") && stopped.contains("employee.Promoted"), "{stopped}");
    assert!(stopped.contains(&format!("position {}", before + 1)), "{stopped}");
    let answer = views.employees(&tenant(), ListQuery { number: 1, size: 25, ..ListQuery::default() }).await;
    assert!(matches!(answer, Err(Failure::Unavailable(Unavailable::ViewsBehind))), "never stale");
    let at = |views: &Views, name: &str| views.progress().into_iter().find(|(view, _)| *view == name).unwrap().1;
    assert_eq!(at(&views, "employees"), before, "it keeps what came before");
    assert_eq!(at(&views, "invitations"), story.ledger.head());
    views.close().await;

    let again = story.views_at(path);
    again.start().unwrap();
    assert!(again.invitation(&tenant(), jane.id).await.unwrap().is_some());
    let mut employees_stopped = again.clone().inner.reached.subscribe();
    employees_stopped.wait_for(|_| again.stopped().is_some()).await.unwrap();
    assert_eq!(at(&again, "employees"), before, "and stops there again");
    again.close().await;
}

#[tokio::test]
async fn a_change_of_something_that_never_was_stops_the_view() {
    let mut story = Story::new();
    let views = story.views();
    story.append_raw("invitation", &tenant(), Uuid::now_v7(), "Expired", json!({"generation": 1})).await;
    let mut reached = views.inner.reached.subscribe();
    reached.wait_for(|_| views.stopped().is_some()).await.unwrap();
    assert!(views.stopped().unwrap().starts_with("invitations: "), "{:?}", views.stopped());
    views.close().await;
}

#[tokio::test]
async fn an_aggregate_that_no_view_knows_is_passed_by() {
    let mut story = Story::new();
    let views = story.views();
    for kind in ["Restored", "Moved", "Opened", "Abandoned", "Reopened"] {
        story.append_raw("ledger", &tenant(), Uuid::now_v7(), kind, json!({})).await;
    }
    assert_eq!(views.caught_up().await, Ok(()));
    views.close().await;
}

#[tokio::test]
async fn a_rebuilt_view_equals_the_live_one_and_reading_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    for path in [None, Some(folder.path().join("views.db"))] {
        let mut story = Story::new();
        let views = story.views_at(path);
        views.start().unwrap();
        a_day(&mut story).await;
        views.caught_up().await.unwrap();
        let names = ["invitations", "employees", "integrations", "directory", "notifications"];
        for view in names.map(Some).into_iter().chain([None]) {
            let live = views.digests().unwrap();
            let mut told = Vec::new();
            views.rebuild(view, &mut |position, head| told.push((position, head))).unwrap();
            assert_eq!(views.digests().unwrap(), live, "{view:?}");
            assert_eq!(told.last(), Some(&(story.ledger.head(), story.ledger.head())), "{view:?}");
            let row = invite(&mut story, "more@x.com").await;
            assert!(views.invitation(&tenant(), row.id).await.unwrap().is_some(), "following goes on after {view:?}");
            views.caught_up().await.unwrap();
            let after = views.digests().unwrap();
            assert_ne!(after[0], live[0], "a digest covers every row");
            assert_eq!(after[1..], live[1..]);
        }
        assert!(
            matches!(views.rebuild(Some("guests"), &mut |_, _| {}), Err(ViewsError::NoSuchView { name }) if name == "guests")
        );
        views.close().await;
    }
}

#[tokio::test]
async fn a_long_log_is_read_ahead_and_rebuilt_while_it_grows() {
    let folder = tempfile::tempdir().unwrap();
    let mut story = Story::new();
    // More than one transaction of those that hurry.
    story.invite_many(organization(), 18_000).await;
    for path in [None, Some(folder.path().join("views.db"))] {
        let views = story.views_at(path);
        views.start().unwrap();
        // The first read does not wait for so much: it says so, and the next ones find it done.
        while views.caught_up().await.is_err() {}
        let live = views.digests().unwrap();
        let mut told = Vec::new();
        views.rebuild(None, &mut |position, _| told.push(position)).unwrap();
        assert_eq!(views.digests().unwrap(), live);
        assert!(told.is_sorted() && told.len() > 2, "{told:?}");
        assert_eq!(told.last(), Some(&18_000));
        let page = views.organization_invites(&tenant(), everybody(720, 25)).await.unwrap();
        let positions: Vec<_> = page.rows.iter().map(|row| row.position).collect();
        assert_eq!((page.total, positions), (18_000, (17_976..=18_000).collect()));
        views.close().await;
    }
}

#[tokio::test]
async fn a_deleted_or_damaged_file_comes_back_equal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("views.db");
    let mut story = Story::new();
    a_day(&mut story).await;
    let mut digests = Vec::new();
    for round in 0..4 {
        match round {
            0 | 1 => {}
            2 => std::fs::remove_file(&path).unwrap(),
            _ => {
                // What the write-ahead log still holds would mend the file.
                let _ = std::fs::remove_file(path.with_extension("db-wal"));
                std::fs::write(&path, b"these are not the rows you are looking for, though there are many of them")
                    .unwrap();
            }
        }
        let views = story.views_at(Some(path.clone()));
        let from = views.progress()[0].1;
        assert_eq!(from, if round == 1 { story.ledger.head() } else { 0 }, "round {round}");
        views.start().unwrap();
        views.caught_up().await.unwrap();
        digests.push(views.digests().unwrap());
        views.close().await;
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

/// Overwrites the roots of all tables and indexes but progress: what is read when
/// the file is opened stays as it was.
fn overwrite_pages(path: &std::path::Path) {
    // Else what the write-ahead log holds would be read instead of the file.
    let outsider = rusqlite::Connection::open(path).unwrap();
    outsider.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let roots = "SELECT rootpage FROM sqlite_master WHERE rootpage > 0 AND tbl_name != 'progress'";
    let mut select = outsider.prepare(roots).unwrap();
    let roots: Vec<i64> = select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    assert!(roots.len() > 10, "{roots:?}");
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    for page in roots {
        file.seek(SeekFrom::Start((page.cast_unsigned() - 1) * 4_096)).unwrap();
        file.write_all(&[0xa5; 4_096]).unwrap();
    }
}

/// Reads until there is an answer; how often it was said that there is none yet.
async fn read_on(views: &Views, id: Uuid) -> (InvitationRow, usize) {
    for refused in 0.. {
        match views.invitation(&tenant(), id).await {
            Ok(row) => return (row.unwrap(), refused),
            Err(Failure::Unavailable(Unavailable::ViewsBehind)) => tokio::task::yield_now().await,
            Err(other) => panic!("{other:?}"),
        }
    }
    unreachable!()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_overwritten_below_an_intact_header_are_noticed_and_folded_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("views.db");
    let mut story = Story::new();
    a_day(&mut story).await;
    let jane = invite(&mut story, "found@x.com").await;
    let views = story.views_at(Some(path.clone()));
    views.start().unwrap();
    views.caught_up().await.unwrap();
    let digests = views.digests().unwrap();
    views.close().await;

    // Of a service that is stopped: the file opens, and the first read finds it out.
    overwrite_pages(&path);
    let views = story.views_at(Some(path.clone()));
    assert_eq!(views.progress()[0].1, story.ledger.head(), "what is read at the start says all is well");
    views.start().unwrap();
    let (row, refused) = read_on(&views, jane.id).await;
    assert_eq!((row.email, refused > 0), (jane.email.clone(), true), "late, and never a fault");
    assert_eq!((views.digests().unwrap(), views.stopped()), (digests, None));

    // Of one that runs, found out by a read.
    overwrite_pages(&path);
    let (row, refused) = read_on(&views, jane.id).await;
    assert_eq!((row.email, refused > 0), (jane.email.clone(), true));
    // And by what is folded.
    overwrite_pages(&path);
    let late = invite(&mut story, "late@x.com").await;
    let (row, _) = read_on(&views, late.id).await;
    assert_eq!(row.email, late.email);
    let live = views.digests().unwrap();
    views.rebuild(None, &mut |_, _| {}).unwrap();
    assert_eq!(views.digests().unwrap(), live);
    views.close().await;
}

#[tokio::test]
async fn a_file_of_another_log_is_not_continued() {
    let folder = tempfile::tempdir().unwrap();
    let path = Some(folder.path().join("views.db"));
    let mut story = Story::new();
    a_day(&mut story).await;
    let views = story.views_at(path.clone());
    views.start().unwrap();
    views.caught_up().await.unwrap();
    views.close().await;

    let mut other = Story::new();
    let theirs = invite(&mut other, "theirs@x.com").await;
    let views = other.views_at(path);
    assert!(views.progress().iter().all(|(_, at)| *at == 0));
    views.start().unwrap();
    let page = views.organization_invites(&tenant(), everybody(1, 25)).await.unwrap();
    assert_eq!(page.rows.iter().map(|row| row.id).collect::<Vec<_>>(), [theirs.id]);
    views.close().await;
}

#[tokio::test]
async fn a_forgotten_person_is_erased_when_the_log_is_folded_again() {
    let mut story = Story::new();
    let views = story.views();
    let jane = invite(&mut story, "jane@x.com").await;
    assert!(views.invitation(&tenant(), jane.id).await.unwrap().unwrap().email.is_some());
    story.vault.destroy(jane.subject.id).unwrap();
    story.ledger.forget_recent();
    views.rebuild(Some("invitations"), &mut |_, _| {}).unwrap();
    let row = views.invitation(&tenant(), jane.id).await.unwrap().unwrap();
    assert_eq!((row.email, row.message, row.state), (None, None, State::Pending));
    views.close().await;
}
