//! A canary: whatever is logged, no address, no secret and no word of a provider is in it.

use crate::house::{House, secret_of};
use crate::provider::{Provider, Reply};
use std::io;
use std::sync::{Arc, LazyLock, Mutex};
use tracing_subscriber::fmt::MakeWriter;

/// All that any test of this program logged, on whatever thread.
static LINES: LazyLock<Lines> = LazyLock::new(|| {
    let lines = Lines::default();
    let logs = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    logs.with_writer(lines.clone()).init();
    lines
});

/// From here on everything is logged, and kept.
pub fn begin() {
    LazyLock::force(&LINES);
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn logs_name_mails_by_their_ids_alone() {
    let house = House::new().await;
    let replies = [Reply::error("Invalid_Key"), Reply::Close, Reply::rejected("hard-bounce"), Reply::status("sent")];
    let provider = Provider::answering(replies).await;
    let mut invited = vec![];
    for n in 0..4 {
        invited.push(house.invite(&format!("canary-{n}@guest.example")).await);
    }
    house.deliver(provider.transport()).await;
    let text = String::from_utf8(LINES.0.lock().unwrap().clone()).unwrap();
    // Libraries below write lines of their own within the mail's span.
    let ours = |line: &&str| line.contains(&invited[0].to_string()) && line.contains(": delivery::");
    let mine: Vec<&str> = text.lines().filter(ours).collect();
    let first = mine.first().expect("the refusal is logged");
    assert!(first.contains("request_id=00000000-0000-0000-0000-000000000007"), "{first}");
    assert!(first.contains("status=500") && first.contains("reason=\"account_refused\""), "{first}");
    let secrets = invited.iter().map(|id| secret_of(*id, 1));
    for private in ["canary-", "guest.example", "secret words", "Key-1"].map(str::to_owned).into_iter().chain(secrets) {
        let leaking: Vec<&str> = text.lines().filter(|line| line.contains(&private)).collect();
        assert!(leaking.is_empty(), "{private} stands in {leaking:#?}");
    }
}
