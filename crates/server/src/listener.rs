//! Accepting connections, with bounds on their number and on the time they take, and ending in good order.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use crate::connections::{Connections, Place, Requests, Socket};
use crate::descriptors::CLOSING;
use crate::heads::{Ambiguous, Heads};
use crate::leaving;
use crate::lingering::Lingering;
use crate::problem::Problem;
use crate::{SharedState, api};

/// How long requests may take to finish once the server is to end. With what follows, it is gone within five seconds.
const FAREWELL: Duration = Duration::from_secs(3);

/// Answers until it is asked to end.
pub async fn serve(listener: std::net::TcpListener, shared: SharedState) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut ending = shared.ending.subscribe();
    let connections = Connections::new(shared.options.limits.connections);
    let router = api::router(Arc::clone(&shared));
    let graceful = GracefulShutdown::new();
    // The next connection is accepted before another makes room for it, so one of the further descriptors is its own.
    let bound = shared.options.limits.connections;
    let leaving = Arc::new(Semaphore::new(leaving::places(bound) - 1));
    let descriptors = Arc::new(Semaphore::new(bound + leaving::places(bound) + CLOSING));
    let keeper = tokio::spawn(keep_tidy(Arc::clone(&shared)));
    // Made once: a signal that comes before a listener would be lost.
    let mut asked_to_end = std::pin::pin!(async {
        if shared.options.heeds_signals { asked_to_end().await } else { std::future::pending().await }
    });
    loop {
        let accepted = async {
            // While all others are being answered, further ones wait in the system's own queue. So do they for the moment in which
            // sockets are closed: were they accepted faster, there would be no descriptor for the next one.
            let descriptor = Arc::clone(&descriptors).acquire_owned().await.map_err(std::io::Error::other)?;
            let (stream, client) = listener.accept().await?;
            let stream = Socket::new(stream, descriptor);
            let place = connections.enter(&stream).await;
            Ok::<_, std::io::Error>((stream, client, place))
        };
        let accepted = tokio::select! {
            biased;
            () = &mut asked_to_end => break,
            _ = ending.wait_for(|ending| *ending) => break,
            accepted = accepted => accepted,
        };
        let (stream, client, place) = match accepted {
            Ok(accepted) => accepted,
            Err(_) => {
                // Something else took the descriptors, or the client was faster. A connection that waits gives its descriptor back.
                connections.make_room();
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let connection = connection(Arc::clone(&stream), client, router.clone(), place.requests(), &shared);
        tokio::spawn(attend(graceful.watch(connection), stream, place, Arc::clone(&leaving)));
    }
    drop(listener);
    shared.ending.send_replace(true);
    shared.ascents.cancel_all();
    keeper.abort();
    let _ = tokio::time::timeout(FAREWELL, graceful.shutdown()).await;
    Ok(())
}

/// Answers a connection until it ends or has to make room for another.
async fn attend(connection: impl Future, stream: Arc<Socket>, place: Place, leaving: Arc<Semaphore>) {
    let mut connection = Box::pin(connection);
    let requests = place.requests();
    tokio::select! {
        // A connection that breaks off is the client's affair.
        _ = &mut connection => return,
        () = requests.told_to_leave() => {}
    }
    let permit = leaving.try_acquire();
    let time = if permit.is_ok() { leaving::TIME } else { Duration::ZERO };
    if requests.is_answering() {
        // What has not been answered is refused by its own handler.
        let _ = tokio::time::timeout(time, connection).await;
        return;
    }
    drop(connection);
    if let Some(stream) = Arc::into_inner(stream)
        && !requests.was_answered()
    {
        leaving::refuse(stream, time).await;
    }
}

fn connection(
    stream: Arc<Socket>,
    client: SocketAddr,
    router: axum::Router,
    requests: Requests,
    shared: &SharedState,
) -> impl hyper_util::server::graceful::GracefulConnection + Send + use<> {
    // Small answers must not wait for more.
    let _ = stream.set_nodelay(true);
    let (heads, time) = (Heads::default(), shared.options.limits.read_time);
    let stream = Lingering::new(stream, time, requests.clone(), heads.clone());
    let service = tower::service_fn(move |mut request: Request<Incoming>| {
        let answering = requests.begin();
        request.extensions_mut().insert(ConnectInfo(client));
        if heads.is_ambiguous(request.headers()) {
            request.extensions_mut().insert(Ambiguous);
        }
        let request = request.map(|body| requests.watch(axum::body::Body::new(body)));
        let answer = router.clone().oneshot(request);
        let requests = requests.clone();
        async move {
            let answer = tokio::select! {
                biased;
                answer = answer => answer?,
                () = requests.told_to_leave() => Problem::crowded().into_response(),
            };
            Ok::<_, Infallible>(answer.map(|body| answering.until_the_end_of(body)))
        }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(time)
        .max_headers(64)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
}

/// Now and then drops what is not used.
async fn keep_tidy(shared: SharedState) {
    let age = shared.options.limits.idle;
    loop {
        tokio::time::sleep(age.min(Duration::from_secs(10)).max(Duration::from_millis(50))).await;
        let shared = Arc::clone(&shared);
        // Giving back large memory takes a moment.
        let _ = tokio::task::spawn_blocking(move || shared.prepared.drop_idle(age)).await;
    }
}

#[cfg(unix)]
async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    // Where signals cannot be listened for, they end the program as they always do.
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        result = tokio::signal::ctrl_c() => if result.is_err() { std::future::pending::<()>().await },
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn asked_to_end() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
