//! How many connections the system's limit of open files allows.

use crate::ServerError;
#[cfg(unix)]
use crate::leaving;

/// How many connections may be accepted before the sockets of as many that had to make room are closed. Were it one, a crowd would be
/// accepted no faster than threads take turns.
pub const CLOSING: usize = 16;

/// How many open files a server needs besides its connections: those that are being closed, models, photographs and labels while they
/// are read, and what the program holds by itself.
#[cfg(unix)]
const OTHERS: usize = 24 + CLOSING;

/// With how many connections a page still works: a browser opens six.
#[cfg(unix)]
const LEAST: usize = 8;

/// As many connections as are wanted, or as the system has descriptors for.
///
/// # Errors
/// When it has too few for a page.
#[cfg(unix)]
pub fn affordable(wanted: usize) -> Result<usize, ServerError> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { return Ok(wanted) };
    // Those that were told to leave have theirs for a moment longer.
    let both = limit.saturating_sub(OTHERS);
    let most = both - leaving::places(both).min(both);
    if most < LEAST.min(wanted) {
        return Err(ServerError::Options(format!(
            "the system allows this program {limit} open files, and a server needs at least {}; raise the limit \
             (ulimit -n)",
            OTHERS + LEAST + leaving::places(LEAST)
        )));
    }
    Ok(wanted.min(most))
}

/// As many connections as are wanted: this system has no such limit.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn affordable(wanted: usize) -> Result<usize, ServerError> {
    Ok(wanted)
}
