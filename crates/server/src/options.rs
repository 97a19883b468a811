//! What a server is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use deepinside::Model;
use deepinside::evaluation::Mistakes;
use deepinside_jobs::exemplars::Gallery;

use crate::trial::Trial;

/// Where a model comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// The network that is built in.
    BuiltIn,
    /// A network description, or a folder with a `model.toml`.
    Path(PathBuf),
    /// It was uploaded.
    Uploaded,
    /// It is open already.
    Open(Arc<Model>),
}

/// A model that the page offers.
#[derive(Debug, Clone)]
pub struct ModelSource {
    /// What requests call it.
    pub id: String,
    /// Where it comes from.
    pub origin: Origin,
    /// What `-m` takes for it on the command line; none for the built-in one.
    pub flag: Option<String>,
    /// The photographs that excite its units most, where a job found them.
    pub exemplars: Option<Arc<Gallery>>,
    /// What it took for what, where that was evaluated.
    pub mistakes: Option<Arc<Mistakes>>,
}

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Where it listens; port 0 is a free one.
    pub address: SocketAddr,
    /// Whether a port that is taken is replaced by a free one.
    pub any_port: bool,
    /// The models, the default one first.
    pub models: Vec<ModelSource>,
    /// The names besides `localhost` under which the server may be reached, as in the header Host. A page that a browser reached
    /// under one of them may ask, also where what stands between the two has changed the header.
    pub hosts: Vec<String>,
    /// The pages that may show this server's in a frame, as sources of the content security policy: `http://localhost:8888`,
    /// `vscode-webview:`. Without one, none may.
    pub frame_ancestors: Vec<String>,
    /// Whether SIGINT and SIGTERM end the server. Within another program they are that program's.
    pub heeds_signals: bool,
    /// What a request must know. None only makes sense for addresses of this machine itself.
    pub token: Option<String>,
    /// Whether models may be uploaded.
    pub allow_model_upload: bool,
    /// In which process uploaded models are opened first; without one, the server alone opens them.
    pub trial: Option<Trial>,
    /// The threads that networks run on; 0 means one per core.
    pub threads: usize,
    /// What is too much.
    pub limits: Limits,
}

/// What is too much.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The longest photograph file, in bytes.
    pub upload_bytes: usize,
    /// The most pixels of a photograph.
    pub pixels: u64,
    /// How many photographs a client may upload a minute.
    pub uploads_a_minute: u32,
    /// How many photographs may arrive at once.
    pub uploads_at_once: usize,
    /// The longest model file, in bytes.
    pub model_bytes: usize,
    /// How much memory uploaded models may take together, their files and prepared weights, in bytes.
    pub uploaded_models_bytes: usize,
    /// How many bytes of photographs are kept; those used longest ago are dropped.
    pub photograph_bytes: usize,
    /// How many bytes of arrays are kept, likewise.
    pub array_bytes: usize,
    /// How many jobs run at once.
    pub workers: usize,
    /// How many wait.
    pub waiting: usize,
    /// How long a job may run.
    pub job_time: Duration,
    /// How many class models may grow at once.
    pub class_models: usize,
    /// After what time a class model that is not watched is given up.
    pub unwatched: Duration,
    /// How long a request's head may take to arrive, and any pause in its body.
    pub read_time: Duration,
    /// How long a whole body may take to arrive.
    pub body_time: Duration,
    /// How many connections may be open.
    pub connections: usize,
    /// For how long prepared networks that are not used are kept.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            upload_bytes: 32 << 20,
            pixels: 50_000_000,
            uploads_a_minute: 120,
            uploads_at_once: 4,
            model_bytes: 256 << 20,
            uploaded_models_bytes: 2 << 30,
            photograph_bytes: 256 << 20,
            array_bytes: 64 << 20,
            workers: 2,
            waiting: 16,
            job_time: Duration::from_secs(60),
            class_models: 4,
            unwatched: Duration::from_secs(30),
            read_time: Duration::from_secs(10),
            body_time: Duration::from_secs(60),
            connections: 256,
            idle: Duration::from_secs(60),
        }
    }
}
