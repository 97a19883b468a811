//! Numbers about the server itself, in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::{SharedState, lock};

/// The upper ends of the classes of durations, in seconds.
const ENDS: [f64; 10] = [0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0];

/// What is counted.
#[derive(Default)]
pub struct Metrics {
    /// By method and route.
    routes: Mutex<BTreeMap<(String, String), Route>>,
    open: AtomicI64,
}

#[derive(Default)]
struct Route {
    statuses: BTreeMap<u16, u64>,
    /// How many took at most as long as each end.
    durations: [u64; ENDS.len()],
    count: u64,
    sum: f64,
}

/// Counts a request.
pub async fn count(State(shared): State<SharedState>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    // The route and not the address, so that their number is bounded.
    let route = request.extensions().get::<MatchedPath>().map_or("page", MatchedPath::as_str).to_owned();
    // Clients may invent methods; those that no route has are counted as one.
    let method = match *request.method() {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS => request.method().as_str().to_owned(),
        _ => "OTHER".to_owned(),
    };
    let _open = Open::new(&shared);
    let response = next.run(request).await;
    let seconds = start.elapsed().as_secs_f64();
    let mut routes = lock(&shared.metrics.routes);
    let route = routes.entry((method, route)).or_default();
    *route.statuses.entry(response.status().as_u16()).or_default() += 1;
    route.count += 1;
    route.sum += seconds;
    for (count, end) in route.durations.iter_mut().zip(ENDS) {
        *count += u64::from(seconds <= end);
    }
    drop(routes);
    response
}

/// Counts down when a request is answered or its client has gone.
struct Open(SharedState);

impl Open {
    fn new(shared: &SharedState) -> Self {
        shared.metrics.open.fetch_add(1, Ordering::Relaxed);
        Self(SharedState::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// `GET /metrics`.
pub async fn metrics(State(shared): State<SharedState>) -> Response {
    let text = text(&shared);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

fn text(shared: &SharedState) -> String {
    let mut text = String::new();
    let [running, waiting] = shared.queue.occupied();
    let [photographs, bytes] = shared.photographs.size();
    let open = shared.metrics.open.load(Ordering::Relaxed);
    let gauges = [
        ("requests_open", "Requests that are being served.", open as f64),
        ("jobs_running", "Computations that run.", running as f64),
        ("jobs_waiting", "Computations that wait for a worker.", waiting as f64),
        ("photographs", "Photographs in memory.", photographs as f64),
        ("photograph_bytes", "About how much memory they take.", bytes as f64),
        ("prepared_networks", "Networks that are prepared and idle.", shared.prepared.idle() as f64),
        ("class_models_growing", "Class models with a thread.", shared.ascents.alive() as f64),
        ("models", "Models that are offered.", shared.models.all().len() as f64),
    ];
    for (name, help, number) in gauges {
        single(&mut text, name, "gauge", help, number);
    }
    if let Some(resident) = resident_bytes() {
        let help = "Resident memory of the process.";
        // Prometheus's own name for it, without a prefix.
        let _ = writeln!(
            text,
            "# HELP process_resident_memory_bytes {help}\n# TYPE process_resident_memory_bytes gauge\n\
             process_resident_memory_bytes {resident}"
        );
    }
    let refused = shared.queue.refused() as f64;
    single(
        &mut text,
        "jobs_refused_total",
        "counter",
        "Computations refused since the queue was full.",
        refused,
    );
    routes(&mut text, &lock(&shared.metrics.routes));
    text
}

fn single(text: &mut String, name: &str, kind: &str, help: &str, number: f64) {
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "# HELP deepinside_{name} {help}\n# TYPE deepinside_{name} {kind}\ndeepinside_{name} {number}"
    );
}

fn routes(text: &mut String, routes: &BTreeMap<(String, String), Route>) {
    text.push_str("# HELP deepinside_requests_total Requests by route and status.\n");
    text.push_str("# TYPE deepinside_requests_total counter\n");
    for ((method, route), counts) in routes {
        for (status, count) in &counts.statuses {
            let _ = writeln!(
                text,
                "deepinside_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}} {count}"
            );
        }
    }
    text.push_str("# HELP deepinside_request_seconds Until the answer begins.\n");
    text.push_str("# TYPE deepinside_request_seconds histogram\n");
    for ((method, route), counts) in routes {
        let labels = format!("method=\"{method}\",route=\"{route}\"");
        let name = "deepinside_request_seconds";
        for (count, end) in counts.durations.iter().zip(ENDS) {
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{end}\"}} {count}");
        }
        let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", counts.count);
        let _ = writeln!(
            text,
            "{name}_sum{{{labels}}} {}\n{name}_count{{{labels}}} {}",
            counts.sum, counts.count
        );
    }
}

/// The resident memory of this process; none where the system does not tell.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(1024 * kilobytes)
}
