//! A node: what it answers, and what goes wrong when it is told to.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{net::TcpListener, runtime::Runtime, sync::oneshot};
use tokio_rustls::TlsAcceptor;
use tonic::{
    Status,
    body::{BoxBody, empty_body},
    codegen::{
        http::{HeaderMap, Response, header::AUTHORIZATION},
        tokio_stream::{StreamExt, wrappers::TcpListenerStream},
    },
    metadata::MetadataMap,
    transport::Server,
};

use super::{
    connection::Connection,
    service::{FeaturesService, GossipService, Named, StreamsService},
    streams::Streams,
    wire::{
        AppendContent, AppendResp, ClusterInfo, EndPoint, MemberInfo, ReadContent, ReadReq, ReadResp, SupportedMethods,
    },
};

/// What happens to an append.
#[derive(Clone, Debug)]
pub enum Append {
    /// It lands, and the client hears that the server is not available.
    LandsUnheard,
    /// It does not land, and the client hears the same.
    IsLostUnheard,
    /// It lands, and the client hears nothing.
    LandsInSilence,
    /// The client hears that it took too long; it lands when the test lets it.
    TimesOut(Gate),
    /// It waits until the test lets it go on, with or without its client.
    Waits(Gate),
}

/// What happens to a read.
#[derive(Clone, Debug)]
pub enum Read {
    /// Ends after so many answers as if they were all.
    EndsAfter(usize),
    Unavailable,
}

/// Holds back what is within the server, until it is opened.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let _open = self.0.1.wait_while(self.0.0.lock().unwrap(), |open| !*open).unwrap();
    }
}

pub struct Node {
    streams: Arc<Mutex<Streams>>,
    /// Ports of all nodes of the cluster.
    ports: Vec<u16>,
    port: u16,
    /// The port of the one that leads.
    leader: Arc<AtomicU64>,
    appends: Mutex<VecDeque<Append>>,
    reads: Mutex<VecDeque<Read>>,
    /// How long every answer takes.
    delay: Mutex<Duration>,
    version: Mutex<&'static str>,
    running: Mutex<Option<Runtime>>,
    seal: Option<TlsAcceptor>,
    /// What whoever asks has to say of themselves, if anything.
    login: Mutex<Option<String>>,
    /// Appends that came, and were not yet decided about.
    pub arrived: AtomicU64,
    is_silent: AtomicBool,
}

impl Node {
    pub fn new(
        streams: &Arc<Mutex<Streams>>,
        ports: &[u16],
        port: u16,
        leader: &Arc<AtomicU64>,
        seal: Option<TlsAcceptor>,
    ) -> Arc<Node> {
        Arc::new(Node {
            streams: streams.clone(),
            ports: ports.to_vec(),
            port,
            leader: leader.clone(),
            appends: Mutex::default(),
            reads: Mutex::default(),
            delay: Mutex::default(),
            version: Mutex::new("24.10.4"),
            running: Mutex::default(),
            seal,
            login: Mutex::default(),
            arrived: AtomicU64::new(0),
            is_silent: AtomicBool::new(false),
        })
    }

    /// Listens, and answers until it is stopped.
    pub fn start(self: &Arc<Node>) {
        let listener = std::net::TcpListener::bind(("127.0.0.1", self.port)).unwrap();
        self.start_on(listener);
    }

    pub fn start_on(self: &Arc<Node>, listener: std::net::TcpListener) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        listener.set_nonblocking(true).unwrap();
        let node = self.clone();
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener).unwrap()
        };
        runtime.spawn(async move {
            let server = Server::builder()
                .add_service(Named::<StreamsService>::new(&node))
                .add_service(Named::<FeaturesService>::new(&node))
                .add_service(Named::<GossipService>::new(&node));
            let accepted = TcpListenerStream::new(listener).map(|accepted| accepted.map(Connection::new));
            match &node.seal {
                None => server.serve_with_incoming(accepted).await.unwrap(),
                Some(seal) => {
                    let sealed = accepted.then(|accepted| async { seal.accept(accepted?).await });
                    // Who does not believe the server hangs up, which is no fault of the server.
                    server.serve_with_incoming(sealed.filter(Result::is_ok)).await.unwrap();
                }
            }
        });
        *self.running.lock().unwrap() = Some(runtime);
    }

    /// Falls: connections and what was asked on them are gone.
    pub fn stop(&self) {
        if let Some(runtime) = self.running.lock().unwrap().take() {
            // Waiting is not allowed on the threads of another one.
            std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(5))).join().unwrap();
        }
    }

    /// What happens to the next appends, one after the other.
    pub fn then(&self, append: Append) {
        self.appends.lock().unwrap().push_back(append);
    }

    pub fn then_read(&self, read: Read) {
        self.reads.lock().unwrap().push_back(read);
    }

    /// Faults that have not happened yet.
    pub fn to_come(&self) -> usize {
        self.appends.lock().unwrap().len() + self.reads.lock().unwrap().len()
    }

    pub fn answer_after(&self, delay: Duration) {
        *self.delay.lock().unwrap() = delay;
    }

    /// Takes questions, and answers none.
    pub fn fall_silent(&self, silent: bool) {
        self.is_silent.store(silent, SeqCst);
    }

    pub fn pretend_to_be(&self, version: &'static str) {
        *self.version.lock().unwrap() = version;
    }

    pub fn admit(&self, user: &str, password: &str) {
        *self.login.lock().unwrap() = Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
    }

    /// What is answered to whoever may not ask: streams are for those with the right log-in, and a wrong one is
    /// refused everywhere, before anybody has looked whether it is gRPC.
    pub fn turns_away(&self, path: &str, headers: &HeaderMap) -> Option<Response<BoxBody>> {
        let login = self.login.lock().unwrap();
        match (&*login, headers.get(AUTHORIZATION)) {
            (Some(expected), Some(told)) if told != expected => {
                Some(Response::builder().status(401).body(empty_body()).unwrap())
            }
            (Some(_), None) if path.contains("Streams/") => {
                let mut told = MetadataMap::new();
                told.insert("exception", "access-denied".parse().unwrap());
                Some(Status::with_metadata(tonic::Code::PermissionDenied, "Access Denied", told).into_http())
            }
            _ => None,
        }
    }

    /// By which name nodes tell of each other.
    fn host(&self) -> &'static str {
        if self.seal.is_some() { "localhost" } else { "127.0.0.1" }
    }

    pub fn check_leads(&self, headers: &MetadataMap) -> Result<(), Status> {
        let leader = self.leader.load(SeqCst);
        let wanted = headers.get("requires-leader").is_some_and(|wanted| wanted == "true");
        if !wanted || u64::from(self.port) == leader {
            return Ok(());
        }
        let mut told = MetadataMap::new();
        told.insert("exception", "not-leader".parse().unwrap());
        told.insert("leader-endpoint-host", self.host().parse().unwrap());
        told.insert("leader-endpoint-port", leader.to_string().parse().unwrap());
        Err(Status::with_metadata(tonic::Code::NotFound, "Leader info available", told))
    }

    async fn pause(&self) {
        if self.is_silent.load(SeqCst) {
            std::future::pending::<()>().await;
        }
        let delay = *self.delay.lock().unwrap();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    pub async fn append(self: Arc<Node>, parts: Vec<AppendContent>) -> Result<AppendResp, Status> {
        self.pause().await;
        self.arrived.fetch_add(1, SeqCst);
        let fault = self.appends.lock().unwrap().pop_front();
        match fault {
            None => self.land(parts),
            Some(Append::LandsUnheard) => {
                self.land(parts)?;
                Err(Status::unavailable("Server Is Not Ready"))
            }
            Some(Append::IsLostUnheard) => Err(Status::unavailable("Server Is Not Ready")),
            Some(Append::LandsInSilence) => {
                self.land(parts)?;
                std::future::pending().await
            }
            Some(Append::TimesOut(gate)) => {
                drop(self.behind(gate, parts));
                Err(Status::aborted("Operation timed out: commit timeout"))
            }
            Some(Append::Waits(gate)) => {
                self.behind(gate, parts).await.map_err(|_| Status::unavailable("the node fell"))?
            }
        }
    }

    /// Goes on when the test lets it, whatever becomes of the client and of the node's connections.
    fn behind(
        self: &Arc<Node>,
        gate: Gate,
        parts: Vec<AppendContent>,
    ) -> oneshot::Receiver<Result<AppendResp, Status>> {
        let node = self.clone();
        let (tell, told) = oneshot::channel();
        std::thread::spawn(move || {
            gate.wait();
            let _ = tell.send(node.land(parts));
        });
        told
    }

    fn land(&self, parts: Vec<AppendContent>) -> Result<AppendResp, Status> {
        let mut parts = parts.into_iter();
        let Some(AppendContent::Options(options)) = parts.next() else {
            return Err(Status::invalid_argument("an append without its header"));
        };
        let proposed: Option<Vec<_>> = parts
            .map(|part| match part {
                AppendContent::Proposed(message) => Some(message),
                AppendContent::Options(_) => None,
            })
            .collect();
        let (Some(stream), Some(expected), Some(proposed)) = (options.stream_identifier, options.expected, proposed)
        else {
            return Err(Status::invalid_argument("an append without stream or revision"));
        };
        let name = String::from_utf8(stream.stream_name).unwrap();
        self.streams.lock().unwrap().append(&name, expected, &proposed)
    }

    pub async fn read(&self, asked: ReadReq) -> Result<Vec<ReadResp>, Status> {
        self.pause().await;
        let fault = self.reads.lock().unwrap().pop_front();
        if let Some(Read::Unavailable) = fault {
            return Err(Status::unavailable("Server Is Not Ready"));
        }
        let lacks = |what: &str| Status::invalid_argument(format!("a read without {what}"));
        let options = asked.options.ok_or_else(|| lacks("options"))?;
        let stream = options.stream.ok_or_else(|| lacks("a stream"))?;
        let name = stream.stream_identifier.ok_or_else(|| lacks("a name"))?.stream_name;
        let compatibility = options.control_option.map_or(0, |control| control.compatibility);
        let from = stream.from.ok_or_else(|| lacks("a place"))?;
        let count = options.count.ok_or_else(|| lacks("a count"))?;
        let name = String::from_utf8(name).unwrap();
        let mut told =
            self.streams.lock().unwrap().read(&name, from, options.read_direction == 1, count, compatibility);
        if let Some(Read::EndsAfter(answers)) = fault {
            told.truncate(answers);
            // What a cut answer lacks first is its end.
            told.retain(|said| !matches!(said.content, Some(ReadContent::LastStreamPosition(_))));
        }
        Ok(told)
    }

    pub fn features(&self) -> SupportedMethods {
        SupportedMethods { event_store_server_version: (*self.version.lock().unwrap()).to_owned() }
    }

    pub fn gossip(&self) -> ClusterInfo {
        let leader = self.leader.load(SeqCst);
        let members = self.ports.iter().map(|port| MemberInfo {
            instance_id: None,
            state: if u64::from(*port) == leader { 8 } else { 6 },
            is_alive: true,
            http_end_point: Some(EndPoint { address: self.host().to_owned(), port: u32::from(*port) }),
        });
        ClusterInfo { members: members.collect() }
    }
}
