//! Who waits for a mail's result, and the results of the last moments.
//!
//! Only a convenience for requests that wait: the log is the truth and is asked
//! first, and a result that nobody waits for is forgotten.

use domain::bus::{MailRef, MailResult};
use domain::employee::Employee;
use domain::invitation::Invitation;
use domain::mail::Reason;
use domain::user::User;
use domain::{Root, TenantName};
use serde::{Deserialize, Deserializer};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::StreamId;
use tokio::sync::oneshot;
use uuid::Uuid;

/// Results kept for waiters that come a moment late.
const MAX_RECENT: usize = 1_024;

#[derive(Default)]
struct Board {
    recent: VecDeque<(MailRef, MailResult)>,
    waiting: HashMap<MailRef, Vec<oneshot::Sender<MailResult>>>,
}

#[derive(Default)]
pub(super) struct MailBoard {
    board: Mutex<Board>,
}

impl MailBoard {
    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn post(&self, mail: MailRef, result: MailResult) {
        let mut board = self.lock();
        for waiter in board.waiting.remove(&mail).unwrap_or_default() {
            // A waiter that gave up has dropped its end.
            let _ = waiter.send(result);
        }
        if board.recent.len() == MAX_RECENT {
            board.recent.pop_front();
        }
        board.recent.push_back((mail, result));
    }

    pub async fn wait(&self, mail: MailRef, within: Duration) -> Option<MailResult> {
        let receiver = {
            let mut board = self.lock();
            if let Some((_, result)) = board.recent.iter().rev().find(|(m, _)| *m == mail) {
                return Some(*result);
            }
            let (sender, receiver) = oneshot::channel();
            board.waiting.entry(mail.clone()).or_default().push(sender);
            receiver
        };
        let result = tokio::time::timeout(within, receiver).await.ok().and_then(Result::ok);
        if result.is_none() {
            let mut board = self.lock();
            if let Some(waiters) = board.waiting.get_mut(&mail) {
                waiters.retain(|w| !w.is_closed());
                if waiters.is_empty() {
                    board.waiting.remove(&mail);
                }
            }
        }
        result
    }
}

/// What an event says that reports a result.
#[derive(Deserialize)]
struct Told {
    generation: Option<u64>,
    asked: Option<u64>,
    part: Option<u8>,
    reason: Option<Reason>,
}

/// The mail and its result, if this event reports one; only then its payload is looked at.
pub(super) fn result_of<'p>(
    tenant: &TenantName,
    id: Uuid,
    stream: &StreamId,
    kind: &str,
    payload: impl Deserializer<'p>,
) -> Option<(MailRef, MailResult)> {
    let aggregate =
        [Invitation::TYPE, Employee::TYPE, User::TYPE].into_iter().find(|t| *t == stream.aggregate_type())?;
    let is_letter = match kind {
        "EmailSent" | "EmailFailed" => true,
        "NoticeSent" | "NoticeFailed" => false,
        _ => return None,
    };
    let Told { generation, asked, part, reason } = Told::deserialize(payload).ok()?;
    let (number, part) = if is_letter { (generation?, 0) } else { (asked?, part.unwrap_or(0)) };
    let mail = MailRef { tenant: tenant.clone(), aggregate, id, number, part };
    let result = reason.map_or(MailResult::Sent, MailResult::Failed);
    Some((mail, result))
}
