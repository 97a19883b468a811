//! The local web page of deepinside: a JSON API over the library, and the page itself, served from memory.
//!
//! ```text
//! connection ──listener──▶ guard (Host, Origin, token) ──▶ api ──queue──▶ a thread ──prepared──▶ the library
//!                                                     └──▶ page (embedded)
//! ```
//!
//! Requests wait in a bounded `queue`; what is prepared for one is kept a while for the next (`prepared`, `pool`). A client that goes
//! away takes the computation along. No path that a request names is ever opened: photographs are kept in memory by the name of
//! their content, models are those that the program was started with, and the page is a table in the program.
//!
//! The OpenAPI document is made from the handlers themselves, see `api`.

#![forbid(unsafe_code)]

pub mod api;
mod ascents;
mod body;
mod connections;
mod descriptors;
mod guard;
mod heads;
mod inventory;
mod jobs;
mod leaving;
mod lingering;
mod listener;
mod live;
mod metrics;
mod models;
mod numbers;
mod options;
mod page;
mod photographs;
mod pool;
mod prepared;
mod problem;
mod queue;
mod rate;
mod trial;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use deepinside::Threads;
use socket2::SockRef;
use tokio::sync::{Semaphore, watch};

pub use crate::models::{free_id, id_of};
pub use crate::options::{Limits, ModelSource, Origin, ServerOptions};
pub use crate::trial::{Trial, open as open_for_trial};

/// Why a server could not be started or broke off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// It cannot listen there.
    #[error("cannot listen on {address}: {source}{}", advice(.source))]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The system refuses threads or sockets.
    #[error("the server cannot run: {0}")]
    System(#[from] std::io::Error),
    /// The library cannot be used.
    #[error(transparent)]
    Library(#[from] deepinside::Error),
    /// The options contradict each other.
    #[error("{0}")]
    Options(String),
}

fn advice(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::AddrInUse => "; name another port with --port, or 0 for a free one",
        std::io::ErrorKind::PermissionDenied => "; ports below 1024 need rights, name another with --port",
        _ => "",
    }
}

/// What all requests share.
struct Shared {
    options: ServerOptions,
    models: models::Models,
    photographs: photographs::Photographs,
    arrays: inventory::Inventory<deepinside::files::Array>,
    prepared: prepared::Prepared,
    queue: queue::Queue,
    rate: rate::Rate,
    /// One for each file that may arrive at a time.
    arriving: Arc<Semaphore>,
    /// One for the model that may arrive.
    model_arriving: Semaphore,
    /// One for each client that may watch a class model: they stay, and others need places, too.
    watchers: Arc<Semaphore>,
    /// One for each wrong token that is being answered.
    guesses: Semaphore,
    /// What a browser that knew the token is given instead of it.
    session: String,
    metrics: metrics::Metrics,
    ascents: ascents::Ascents,
    live: live::Live,
    openapi: std::sync::OnceLock<axum::body::Bytes>,
    /// Becomes true when the server ends.
    ending: watch::Sender<bool>,
}

/// How many wrong tokens are answered at once; each takes [`guard::GUESS`].
const GUESSES: usize = 4;

/// How many connections may wait in the system's own queue to be accepted.
const QUEUED: i32 = 4096;

type SharedState = Arc<Shared>;

/// Locks even what a panic left behind: everything behind a lock here is changed in single steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server that listens and has not begun to answer.
pub struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
    shared: SharedState,
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// When it cannot listen there, listens to other machines without a token, or the system allows it too few open files.
    pub fn bind(mut options: ServerOptions) -> Result<Self, ServerError> {
        let limits = &mut options.limits;
        limits.connections = descriptors::affordable(limits.connections)?;
        // Those that wait for a computation, and those that send a file, hold their places; so do watchers, with another quarter.
        // What is left is for requests that are answered at once.
        limits.waiting = limits.waiting.min(limits.connections / 4);
        limits.uploads_at_once = limits.uploads_at_once.min((limits.connections / 8).max(1));
        if options.models.is_empty() {
            return Err(ServerError::Options(
                "a server needs at least one model; name one with --model".to_owned(),
            ));
        }
        if options.token.is_none() && !options.address.ip().is_loopback() {
            return Err(ServerError::Options(format!(
                "{} may be reached from other machines, so a token is needed",
                options.address.ip()
            )));
        }
        // What stands in a header of every answer holds no header of its own, and no further directive.
        let is_source = |name: &String| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && !b";,".contains(&byte))
        };
        if let Some(name) = options.frame_ancestors.iter().find(|name| !is_source(name)) {
            return Err(ServerError::Options(format!(
                "'{}' names no page that may show this one; http://localhost:8888 does",
                name.escape_default()
            )));
        }
        if !options.frame_ancestors.is_empty() && options.token.is_none() {
            return Err(ServerError::Options(
                "a server whose page stands in another's has a token".to_owned(),
            ));
        }
        let bind = |address: SocketAddr| {
            let listener = std::net::TcpListener::bind(address)?;
            // The usual 128 are soon taken, and a client whose turn is lost asks again only after a second.
            SockRef::from(&listener).listen(QUEUED)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let taken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::AddrInUse;
        let listener = match bind(options.address) {
            Err(error) if taken(&error) && options.any_port => bind(SocketAddr::new(options.address.ip(), 0)),
            other => other,
        };
        let listener = listener.map_err(|source| ServerError::Listen { address: options.address, source })?;
        let address = listener.local_addr()?;
        let threads = Threads::new(options.threads).map_err(deepinside::Error::from)?;
        Ok(Self { listener, address, shared: Arc::new(Shared::new(options, threads, new_token()?)) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address for a browser, with the token where one is needed.
    pub fn url(&self) -> String {
        // A client cannot go to "any address"; this machine is one of them.
        let ip = match self.address.ip() {
            ip if !ip.is_unspecified() => ip.to_string(),
            std::net::IpAddr::V4(_) => "127.0.0.1".to_owned(),
            std::net::IpAddr::V6(_) => "::1".to_owned(),
        };
        let host = if ip.contains(':') { format!("[{ip}]") } else { ip };
        let port = self.address.port();
        match &self.shared.options.token {
            Some(token) => format!("http://{host}:{port}/?token={token}"),
            None => format!("http://{host}:{port}/"),
        }
    }

    /// What another thread does with the server.
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.shared))
    }

    /// Answers requests until the program is asked to end (SIGINT, SIGTERM, where it heeds them) or [`Handle::stop`] is called; what is being
    /// answered then is finished within a few seconds.
    ///
    /// # Errors
    /// When the system refuses threads or sockets.
    pub fn run(self) -> Result<(), ServerError> {
        let limits = &self.shared.options.limits;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(limits.workers + limits.uploads_at_once + 8)
            .thread_keep_alive(limits.idle)
            .thread_name("deepinside-server")
            .enable_all()
            .build()?;
        let shared = Arc::clone(&self.shared);
        let result = runtime.block_on(listener::serve(self.listener, shared));
        // A computation that does not stop must not keep the program.
        runtime.shutdown_timeout(std::time::Duration::from_secs(1));
        Ok(result?)
    }
}

/// Another thread's way to a server: gives it photographs, and ends it.
#[derive(Clone)]
pub struct Handle(SharedState);

impl Handle {
    /// Keeps a photograph's file in memory as if it had been uploaded; answers what requests call it.
    ///
    /// # Errors
    /// When it is no picture that can be read, or too large.
    pub fn add_photograph(&self, file: &[u8]) -> Result<String, ServerError> {
        let kept = self.0.photographs.add(file, &deepinside::Interrupt::default());
        kept.map(|kept| kept.id.clone()).map_err(|problem| ServerError::Options(problem.message))
    }

    /// Asks the server to end.
    pub fn stop(&self) {
        self.0.ending.send_replace(true);
    }
}

impl Shared {
    fn new(options: ServerOptions, threads: Threads, session: String) -> Self {
        let limits = &options.limits;
        Self {
            models: models::Models::new(
                options.models.clone(),
                limits.uploaded_models_bytes,
                options.trial.clone().map(|trial| (trial, limits.job_time)),
            ),
            photographs: photographs::Photographs::new(limits.photograph_bytes, limits.pixels),
            arrays: inventory::Inventory::new(limits.array_bytes),
            prepared: prepared::Prepared::new(threads),
            queue: queue::Queue::new(limits.workers, limits.waiting, limits.job_time),
            rate: rate::Rate::new(limits.uploads_a_minute),
            arriving: Arc::new(Semaphore::new(limits.uploads_at_once)),
            model_arriving: Semaphore::new(1),
            watchers: Arc::new(Semaphore::new((limits.connections / 4).max(1))),
            guesses: Semaphore::new(GUESSES),
            session,
            metrics: metrics::Metrics::default(),
            ascents: ascents::Ascents::new(limits),
            live: live::Live::default(),
            openapi: std::sync::OnceLock::new(),
            ending: watch::Sender::new(false),
            options,
        }
    }
}

/// A token that cannot be guessed: 128 random bits.
///
/// # Errors
/// When the system has no random numbers.
pub fn new_token() -> Result<String, ServerError> {
    let mut bits = [0u8; 16];
    getrandom::fill(&mut bits).map_err(|error| ServerError::System(std::io::Error::other(error)))?;
    Ok(bits.iter().map(|byte| format!("{byte:02x}")).collect())
}
