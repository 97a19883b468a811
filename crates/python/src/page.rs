//! The page of a model that is in memory, served on a thread of this process.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use deepinside_server::{
    Handle, Limits, ModelSource, Origin, Server, ServerError, ServerOptions, id_of, new_token,
};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::model::NativeModel;

/// A server that answers until it is stopped.
#[pyclass(frozen, module = "deepinside._native")]
pub struct NativeServer {
    handle: Handle,
    url: String,
    port: u16,
    thread: Mutex<Option<JoinHandle<()>>>,
}

fn refused(error: ServerError) -> PyErr {
    match error {
        ServerError::Options(sentence) => PyValueError::new_err(sentence),
        other => PyOSError::new_err(other.to_string()),
    }
}

/// Starts a server of a model, for this machine alone and with a new token. Python keeps its signals.
///
/// `flag` is what the command line's `-m` takes for the model, `frame_ancestors` the pages that may show this one in a frame, `hosts`
/// further names of the server, and port 0 a free one.
#[pyfunction]
pub fn serve(
    model: &NativeModel,
    flag: Option<String>,
    frame_ancestors: Vec<String>,
    hosts: Vec<String>,
    port: u16,
) -> PyResult<NativeServer> {
    let name = flag.as_deref().unwrap_or(&model.model.name);
    let id = if model.model.built_in.is_some() { "built-in".to_owned() } else { id_of(name.as_ref()) };
    let server = Server::bind(ServerOptions {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        any_port: false,
        models: vec![ModelSource {
            id,
            origin: Origin::Open(Arc::clone(&model.model)),
            flag,
            exemplars: None,
            mistakes: None,
        }],
        hosts,
        frame_ancestors,
        heeds_signals: false,
        token: Some(new_token().map_err(refused)?),
        allow_model_upload: false,
        trial: None,
        threads: model.threads.count(),
        limits: Limits::default(),
    })
    .map_err(refused)?;
    let (handle, url, port) = (server.handle(), server.url(), server.address().port());
    let run = move || {
        // Without threads or sockets there is no answer, which the page says itself.
        let _ = server.run();
    };
    let thread = std::thread::Builder::new().name("deepinside-page".to_owned()).spawn(run)?;
    Ok(NativeServer { handle, url, port, thread: Mutex::new(Some(thread)) })
}

#[pymethods]
impl NativeServer {
    /// The address for a browser on this machine, with the token.
    #[getter]
    fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    #[getter]
    fn port(&self) -> u16 {
        self.port
    }

    /// Keeps a photograph's file; answers what the page calls it.
    fn add_photograph(&self, py: Python<'_>, file: &Bound<'_, PyBytes>) -> PyResult<String> {
        let bytes = file.as_bytes();
        py.detach(|| self.handle.add_photograph(bytes)).map_err(refused)
    }

    /// Ends the server, and waits until it has: a few seconds at most.
    fn stop(&self, py: Python<'_>) {
        self.handle.stop();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A thread that panicked has ended, too.
            let _ = py.detach(|| thread.join());
        }
    }
}
