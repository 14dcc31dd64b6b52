//! The composition root: opens every room, wires them, and serves.
//!
//! Promise: what does not open leaves the data folder as it was and says why;
//! a stop answers every accepted request, and flushes what is queued; a write
//! that failed under our feet ends the process, because only a restart can
//! tell what is on disk.

mod beside;
mod bootstrap;
mod doctor;
mod figures;
mod house;
mod http;
mod local;
mod log;
mod metrics;
mod others;
mod pages;
mod powers;
mod published;
mod recent;
pub mod site;
mod sweeper;

pub use house::{House, StartError};
pub use local::Local;

use crate::clock::SystemClock;
use crate::settings::Settings;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use store::FolderLock;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A service that answers on a socket.
pub struct Running {
    pub house: House,
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    loops: Vec<tokio::task::JoinHandle<()>>,
}

impl Running {
    /// Opens the house and starts to listen. Tests start it with a clock of their own.
    ///
    /// # Errors
    /// [`StartError`] names what could not be opened, and why.
    pub async fn start(settings: &Settings, clock: Arc<dyn domain::Clock>) -> Result<Self, StartError> {
        let listener = TcpListener::bind(settings.listen).await.map_err(|source| not_listening(settings, source))?;
        let address =
            listener.local_addr().map_err(|source| StartError::Listen { address: settings.listen, source })?;
        let mut house = House::open(settings, clock, &format!("http://{address}")).await?;
        let published = house.published();
        if let Err(unfit) = published.check().await {
            house.close().await;
            return Err(unfit);
        }
        house.deliver();
        let seats = http::Seats { all: settings.limits.connections, per_peer: settings.limits.connections_per_peer };
        let (stop, stopped) = watch::channel(false);
        let loops = vec![
            tokio::spawn(http::run(listener, house.endpoint(), seats, stopped.clone())),
            tokio::spawn(published.run(house.publishing(), stopped.clone())),
            tokio::spawn(sweeper::run(house.sweeping(), house.bus(), house.views(), house.identity(), stopped)),
        ];
        Ok(Self { house, address, stop, loops })
    }

    /// Answers what was accepted, flushes, and closes every room.
    pub async fn stop(self) {
        // The loops hold the receivers until they end.
        let _ = self.stop.send(true);
        for ended in self.loops {
            if let Err(died) = ended.await {
                tracing::error!(error = &died as &dyn std::error::Error, "a part of the service died");
            }
        }
        self.house.close().await;
    }
}

/// Who starts the service twice by mistake meets the first one at its port before
/// its folder, and wants to hear of the first one.
fn not_listening(settings: &Settings, source: std::io::Error) -> StartError {
    match FolderLock::holder(&settings.data) {
        Ok(Some(holder)) => StartError::InUse { folder: settings.data.clone(), holder },
        Ok(None) | Err(_) => StartError::Listen { address: settings.listen, source },
    }
}

/// `invitation-ledger serve`: until a signal asks it to stop.
///
/// # Errors
/// [`StartError`] names what could not be opened, and why.
pub async fn serve(settings: &Settings) -> Result<(), StartError> {
    let running = Running::start(settings, Arc::new(SystemClock)).await?;
    greet(settings, &running);
    let mut failed = running.house.watch_failed();
    tokio::select! {
        () = asked_to_stop() => tracing::info!("stopping: answering what was accepted"),
        _ = failed.wait_for(|failed| *failed) => {
            tracing::error!("a write failed below the ledger; the process ends so that a start can read what is on disk");
            std::process::abort();
        }
    }
    running.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// What a person sees who has just started it.
#[expect(clippy::print_stdout, reason = "the answer of the command")]
fn greet(settings: &Settings, running: &Running) {
    let data = settings.data.display();
    println!("invitation-ledger {} serves {} from {data}", env!("CARGO_PKG_VERSION"), settings.public_url);
    if let Some(server) = running.house.ledger().server() {
        println!("  log               {server}");
    }
    if let Some(server) = running.house.published().figures().and_then(|copy| copy.server) {
        println!("  views' copy       {server}");
    }
    println!("  start page        {}/", settings.public_url);
    println!("  API documents     {}/docs", settings.public_url);
    println!("  operators' token  {data}/admin-token");
    if let (Some(token), true) = (running.house.new_admin_token(), std::io::stdout().is_terminal()) {
        println!("                    {token}   (made now; this is the only time it is shown)");
    }
}

async fn asked_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            // Without it, an interrupt still stops the service.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = interrupt => {}
        () = terminate => {}
    }
}
