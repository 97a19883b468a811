//! How far a computation is.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::SharedState;
use crate::body::PathOf;
use crate::problem::{Answer, Refusals};

/// How a job stands.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It waits for its turn.
    Waiting,
    /// It is being computed.
    Running,
    /// No request of that name is being answered: none was made, or it has been answered.
    Unknown,
}

/// How far a job is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"state": "running", "done": 12, "of": 51}))]
pub struct JobInfo {
    /// How it stands.
    state: JobState,
    /// How many steps it has taken, such as passes through the network.
    done: usize,
    /// How many it is expected to take; 0 where that is not known.
    of: usize,
}

/// Says how far the request is that was sent with the header `X-Job: NAME`, a name of 1 to 64 letters, digits and dashes that the client
/// makes up.
#[utoipa::path(
    get,
    path = "/jobs/{name}",
    tag = "about",
    params(("name" = String, Path, example = "mine-1")),
    responses((status = 200, body = JobInfo), Refusals)
)]
pub async fn job(State(shared): State<SharedState>, PathOf(name): PathOf<String>) -> Answer<Json<JobInfo>> {
    Ok(Json(match shared.queue.standing(&name) {
        None => JobInfo { state: JobState::Unknown, done: 0, of: 0 },
        Some(standing) => {
            let [done, of] = standing.steps;
            let state = if standing.is_running { JobState::Running } else { JobState::Waiting };
            JobInfo { state, done, of }
        }
    }))
}
