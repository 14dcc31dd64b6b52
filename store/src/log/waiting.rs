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
        let died = || OpenError::Thread(std::io::Error::other("it panicked"));
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("open".into());
            let answer = async || tokio::time::timeout(within, asking()).await;
            let asked = thread.spawn_scoped(scope, || self.handle.block_on(answer())).map_err(OpenError::Thread)?;
            let in_time = asked.join().map(|answer| answer.unwrap_or_else(|late| Err(OpenError::Server(late.into()))));
            in_time.unwrap_or_else(|_| Err(died()))
        })
    }

    /// Runs on the calling thread, which must be a plain one: the writer's.
    #[cfg(feature = "postgres")]
    pub(crate) fn on_this_thread<T>(&self, asking: impl Future<Output = T>) -> T {
        self.handle.block_on(asking)
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
