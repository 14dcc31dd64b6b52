//! A disk that gives back other bytes than it was given, in what can be folded again.

use crate::support::House;
use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

const PAGE: usize = 4_096;
const WAIT: Duration = Duration::from_secs(20);
const LISTS: [&str; 5] = [
    "/api/ledger/invitations?state=all",
    "/api/ledger/users",
    "/api/ledger/employees",
    "/api/ledger/integrations",
    "/api/ledger/organizations",
];

/// Overwrites every page but those that are read when the file is opened: the first,
/// what holds the schema, and how far each view has come.
fn overwrite(data: &Path) {
    let path = data.join("views.db");
    let bytes = std::fs::read(&path).unwrap();
    let holds = |page: &[u8], text: &str| page.windows(text.len()).any(|window| window == text.as_bytes());
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    let mut overwritten = 0;
    for (number, page) in (0_u64..).zip(bytes.chunks(PAGE)).skip(1) {
        if !holds(page, "CREATE ") && !holds(page, "notifications") {
            file.seek(SeekFrom::Start(number * PAGE as u64)).unwrap();
            file.write_all(&[0xa5; PAGE]).unwrap();
            overwritten += 1;
        }
    }
    assert!(overwritten > 10, "{overwritten} pages");
}

/// What the lists say, once they say something; and whether one of them said "later" before.
fn read(house: &House) -> (Vec<String>, bool) {
    let (begun, mut late) = (Instant::now(), false);
    let texts = LISTS.map(|list| {
        loop {
            let answer = house.deployment().get(list);
            if answer.status == 200 {
                return answer.text();
            }
            assert_eq!(answer.status, 503, "{list}: {}", answer.text());
            assert!(answer.header("retry-after").is_some(), "{list}");
            assert!(begun.elapsed() < WAIT, "{list} does not come back");
            late = true;
            std::thread::yield_now();
        }
    });
    (texts.to_vec(), late)
}

#[test]
fn lists_from_a_damaged_file_are_late_and_then_as_they_were() {
    let mut house = House::start();
    let organization = house.organization("Acme Roofing");
    house.integration("Acme Calendar");
    let ann = house.admin_of(organization, "ann@acme.example");
    for guest in 0..40 {
        ann.client.invite_document(organization, &format!("guest{guest}@guests.example"), "member").expect(201);
    }
    let sent = house.letters().len();
    let whole = read(&house);
    assert!(!whole.1);

    house.restart_after(overwrite);
    assert_eq!(read(&house), (whole.0.clone(), true), "damaged while it was stopped");
    assert_eq!(read(&house), whole, "and once only");
    // Closed and opened, so that nothing but the file has the rows.
    house.restart();
    overwrite(&house.data());
    assert_eq!(read(&house), (whole.0.clone(), true), "damaged while it ran");
    house.visitor().get("/readyz").expect(200);
    assert_eq!(house.letters().len(), sent, "nothing is sent again");
    house.restart();
    assert_eq!(read(&house), whole);
}
