//! Waiting for the server from code that is not async.
//!
//! The store's reads are plain functions, called on threads of their own and on
//! workers of a tokio runtime. The connections live on a runtime with one thread;
//! who asks waits for its answer by blocking. On a worker of a multi-threaded
//! runtime the others go on meanwhile (`block_in_place`); a current-thread runtime
//! stands still for as long. Not for use within a `LocalSet`.

use std::{future::Future, sync::mpsc, time::Duration};

use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};

use super::Fault;
use crate::OpenError;

pub(crate) struct Waiting {
    /// None only while it is dropped.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Waiting {
    /// `name` is that of its thread.
    pub(crate) fn start(name: &str) -> Result<Self, OpenError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(name)
            .enable_all()
            .build()
            .map_err(OpenError::Thread)?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// What lives on as long as this does runs there.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs to the end on the runtime's own thread, and waits, wherever the caller is.
    pub(crate) fn run<T: Send + 'static>(&self, asking: impl Future<Output = T> + Send + 'static) -> Result<T, Fault> {
        let (tell, told) = mpsc::sync_channel(1);
        self.handle.spawn(async move {
            // Who no longer waits does not hear it.
            let _ = tell.send(asking.await);
        });
        let wait = || told.recv().map_err(|_| Fault::from("the question was never answered"));
        match Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
            Ok(_) | Err(_) => wait(),
        }
    }

    /// Runs on a plain thread of its own, and waits: for what is done once, and borrows.
    pub(crate) fn apart<T: Send>(
        &self,
        within: Duration,
        asking: impl AsyncFnOnce() -> Result<T, OpenError> + Send,
    ) -> Result<T, OpenError> {
        on_a_thread(|| self.handle.block_on(async { in_time(within, asking()).await }))
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // The last ledger may be dropped by an async task, where waiting for the thread is not allowed.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Connections of one thread, the writer's, which moves them along itself while it waits: between the
/// server's answer and who waits for it no other thread has to be woken.
#[cfg(feature = "postgres")]
pub(crate) struct OwnWaiting {
    /// None only while it is dropped.
    runtime: Option<Runtime>,
}

#[cfg(feature = "postgres")]
impl OwnWaiting {
    pub(crate) fn start() -> Result<Self, OpenError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(OpenError::Thread)?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Runs on the calling thread, which must be a plain one. Nothing moves on here otherwise.
    pub(crate) fn run<T>(&self, asking: impl Future<Output = T>) -> T {
        match &self.runtime {
            Some(runtime) => runtime.block_on(asking),
            None => unreachable!("it is being dropped, and nobody has it any more"),
        }
    }

    /// As [`Waiting::apart`], for connections that stay here.
    pub(crate) fn apart<T: Send>(
        &self,
        within: Duration,
        asking: impl AsyncFnOnce() -> Result<T, OpenError> + Send,
    ) -> Result<T, OpenError> {
        on_a_thread(|| self.run(async { in_time(within, asking()).await }))
    }
}

#[cfg(feature = "postgres")]
impl Drop for OwnWaiting {
    fn drop(&mut self) {
        // As above.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn in_time<T>(within: Duration, asking: impl Future<Output = Result<T, OpenError>>) -> Result<T, OpenError> {
    tokio::time::timeout(within, asking).await.unwrap_or_else(|late| Err(OpenError::Server(late.into())))
}

fn on_a_thread<T: Send>(work: impl FnOnce() -> Result<T, OpenError> + Send) -> Result<T, OpenError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("open".into());
        let worked = thread.spawn_scoped(scope, work).map_err(OpenError::Thread)?;
        worked.join().unwrap_or_else(|_| Err(OpenError::Thread(std::io::Error::other("it panicked"))))
    })
}
