//! Work that is done to its end, whoever stops waiting for it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;

/// It panicked; what it said, the panic's own message has told.
#[derive(Debug, thiserror::Error)]
#[error("a use case panicked")]
pub(super) struct Panicked;

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Runs on the task that asks, which costs no change of tasks; dropped before
/// its end, as when a client hangs up, it goes on on a task of its own.
pub(super) struct Uncut<T: Send + 'static>(Option<Work<T>>);

impl<T: Send + 'static> Uncut<T> {
    pub fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl<T: Send + 'static> Future for Uncut<T> {
    type Output = Result<T, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Not put back if it panics: what has panicked cannot go on.
        let Some(mut work) = self.0.take() else { return Poll::Pending };
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Ready(answer)) => Poll::Ready(Ok(answer)),
            Ok(Poll::Pending) => {
                self.0 = Some(work);
                Poll::Pending
            }
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    }
}

impl<T: Send + 'static> Drop for Uncut<T> {
    fn drop(&mut self) {
        // Without a runtime the program is ending, and its writer answers nobody any more.
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn what_is_begun_is_ended_though_nobody_waits() {
        let (go, gone) = oneshot::channel();
        let (done, is_done) = oneshot::channel();
        let mut work = Box::pin(Uncut::new(async move {
            let word: u32 = gone.await.unwrap();
            done.send(word).unwrap();
        }));
        assert!(futures_util::poll!(&mut work).is_pending());
        drop(work);
        go.send(7).unwrap();
        assert_eq!(is_done.await, Ok(7));
    }

    #[tokio::test]
    async fn who_waits_gets_the_answer_once() {
        assert_eq!(Uncut::new(async { 7 }).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_too() {
        assert!(Uncut::new(async { [0_u8; 1][std::hint::black_box(1)] }).await.is_err());
    }
}
