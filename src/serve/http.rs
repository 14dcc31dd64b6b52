//! The accept loop: poem's endpoints behind hyper, with the time-outs and
//! limits that poem's own server has not.
//!
//! A stop is graceful: nothing new is accepted, requests under way are
//! answered, and only then does the loop end.

use hyper_util::rt::{TokioIo, TokioTimer};
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Response};
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// From the first byte waited for to the end of the header. hyper counts an
/// idle keep-alive connection's wait too, so idle ones end after it as well.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Request line and headers together.
const MAX_HEADER_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;
/// How long requests under way may take once a stop is asked for.
const DRAIN: Duration = Duration::from_secs(25);
/// Pause after an accept that failed (out of file descriptors, as a rule).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How many connections there may be at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seats {
    /// In all; more wait in the kernel's backlog.
    pub all: usize,
    /// Of one peer; more are closed at once.
    pub per_peer: usize,
}

type Peers = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// Serves until `stop` says true; returns when the last request is answered.
pub(crate) async fn run(
    listener: TcpListener,
    endpoint: impl Endpoint<Output = Response> + 'static,
    seats: Seats,
    mut stop: watch::Receiver<bool>,
) {
    let endpoint = Arc::new(endpoint);
    let places = Arc::new(Semaphore::new(seats.all));
    let peers = Peers::default();
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = asked(&mut stop) => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let (socket, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(seat) = Seat::take(&peers, peer.ip(), seats.per_peer) else { continue };
        let (endpoint, stop) = (endpoint.clone(), stop.clone());
        connections.spawn(async move {
            serve(socket, peer, &endpoint, stop).await;
            drop((seat, place));
        });
    }
    drop(listener);
    let drained = tokio::time::timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!(left = connections.len(), "requests were still under way when the time to finish was over");
    }
}

/// Ends when a stop is asked for, or when nobody is left to ask.
async fn asked(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (socket, peer) = listener.accept().await?;
    socket.set_nodelay(true)?;
    Ok((socket, peer, place))
}

async fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    endpoint: &Arc<impl Endpoint<Output = Response> + 'static>,
    mut stop: watch::Receiver<bool>,
) {
    let local = socket.local_addr().map_or_else(|_| LocalAddr::default(), |a| LocalAddr(Addr::SocketAddr(a)));
    let remote = RemoteAddr(Addr::SocketAddr(peer));
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let request = poem::Request::from((request, local.clone(), remote.clone(), Scheme::HTTP));
        let endpoint = endpoint.clone();
        async move { Ok::<_, Infallible>(hyper::Response::from(endpoint.get_response(request).await)) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(socket), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = asked(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // A peer that went away or was too slow: its own business, and common.
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// One connection counted for its peer.
struct Seat {
    peers: Peers,
    peer: IpAddr,
}

impl Seat {
    fn take(peers: &Peers, peer: IpAddr, most: usize) -> Option<Self> {
        let mut counts = peers.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(peer).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Self { peers: peers.clone(), peer })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.peer);
            }
        }
    }
}
