//! Where the log ends: asked by every request, answered to many at once.
//!
//! A question is answered by a look that began after it came, so that everything
//! acknowledged before it came, by whichever node, is within the answer.

use sqlx::{Executor as _, PgConnection, Row as _};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Position, ReadError,
    server::{ANSWER_WITHIN, Address, Fault, Waiting, within},
};

/// Questions that may wait.
const WAITING: usize = 4_096;

/// None: it could not be found out.
type Answer = oneshot::Sender<Option<Position>>;

/// Asks for as long as anybody may want to know.
pub(super) struct Ends {
    questions: mpsc::Sender<Answer>,
}

impl Ends {
    pub(super) fn start(waiting: &Waiting, address: Address) -> Self {
        let (questions, asked) = mpsc::channel(WAITING);
        waiting.spawn(answer(address, asked));
        Self { questions }
    }

    pub(super) async fn ask(&self) -> Result<Position, ReadError> {
        let (answer, told) = oneshot::channel();
        if self.questions.try_send(answer).is_err() {
            return Err(ReadError::Server("too many ask where the log ends".into()));
        }
        let found = told.await.ok().flatten();
        found.ok_or_else(|| ReadError::Server("it could not be found out where the log ends".into()))
    }
}

async fn answer(address: Address, mut asked: mpsc::Receiver<Answer>) {
    let (mut held, mut waiting) = (None, Vec::new());
    while asked.recv_many(&mut waiting, WAITING).await > 0 {
        let found = match look(&address, &mut held).await {
            Ok(position) => Some(position),
            Err(fault) => {
                held = None;
                tracing::debug!(error = &*fault, "it could not be found out where the log ends");
                None
            }
        };
        for answer in waiting.drain(..) {
            // Who hung up does not hear it.
            let _ = answer.send(found);
        }
    }
}

async fn look(address: &Address, held: &mut Option<PgConnection>) -> Result<Position, Fault> {
    if let Some(kept) = held.as_mut() {
        // It may have died while nobody asked.
        match look_on(kept, address).await {
            Ok(position) => return Ok(position),
            Err(_) => *held = None,
        }
    }
    look_on(held.insert(address.connect().await?), address).await
}

async fn look_on(on: &mut PgConnection, address: &Address) -> Result<Position, Fault> {
    const END: &str = "SELECT position FROM ledger.head";
    let asking = async {
        if address.is_pooled() {
            // One message.
            return Ok(on.fetch_one(END).await?.try_get::<i64, _>(0)?);
        }
        Ok(sqlx::query_scalar::<_, i64>(END).fetch_one(on).await?)
    };
    Ok(within(ANSWER_WITHIN, asking).await?.cast_unsigned())
}
