//! Where a log ends that other nodes append to: asked by every request, answered to many at once.
//!
//! A question is answered by a look that began after it came, so that everything
//! acknowledged before it came, by whichever node, is within the answer.

use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use super::Fault;
use crate::{Position, ReadError};

/// Questions that may wait.
const WAITING: usize = 4_096;

/// None: it could not be found out.
type Answer = oneshot::Sender<Option<Position>>;

/// Knows how to find the end out.
pub(crate) trait Look: Send + 'static {
    fn look(&mut self) -> impl Future<Output = Result<Position, Fault>> + Send;
}

/// Looks for as long as anybody may want to know.
pub(crate) struct Ends {
    questions: mpsc::Sender<Answer>,
}

impl Ends {
    pub(crate) fn start(runtime: &Handle, look: impl Look) -> Self {
        let (questions, asked) = mpsc::channel(WAITING);
        runtime.spawn(answer(look, asked));
        Self { questions }
    }

    pub(crate) async fn ask(&self) -> Result<Position, ReadError> {
        let (answer, told) = oneshot::channel();
        if self.questions.try_send(answer).is_err() {
            return Err(ReadError::Server("too many ask where the log ends".into()));
        }
        let found = told.await.ok().flatten();
        found.ok_or_else(|| ReadError::Server("it could not be found out where the log ends".into()))
    }
}

async fn answer(mut look: impl Look, mut asked: mpsc::Receiver<Answer>) {
    let mut waiting = Vec::new();
    while asked.recv_many(&mut waiting, WAITING).await > 0 {
        let found = match look.look().await {
            Ok(position) => Some(position),
            Err(fault) => {
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
