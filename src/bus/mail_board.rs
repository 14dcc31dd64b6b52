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
use serde_json::Value;
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

/// The mail and its result, if this event reports one.
pub(super) fn result_of(
    tenant: &TenantName,
    id: Uuid,
    stream: &StreamId,
    kind: &str,
    payload: &Value,
) -> Option<(MailRef, MailResult)> {
    let number = |member: &str| payload.get(member).and_then(Value::as_u64);
    let aggregate =
        [Invitation::TYPE, Employee::TYPE, User::TYPE].into_iter().find(|t| *t == stream.aggregate_type())?;
    let (number, part) = match kind {
        "EmailSent" | "EmailFailed" => (number("generation")?, 0),
        "NoticeSent" | "NoticeFailed" => (number("asked")?, number("part").unwrap_or(0)),
        _ => return None,
    };
    let result = match payload.get("reason") {
        None => MailResult::Sent,
        Some(reason) => MailResult::Failed(serde_json::from_value::<Reason>(reason.clone()).ok()?),
    };
    let mail = MailRef { tenant: tenant.clone(), aggregate, id, number, part: u8::try_from(part).ok()? };
    Some((mail, result))
}
