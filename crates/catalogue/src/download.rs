//! Fetching one file: goes on where an earlier attempt stopped, and keeps nothing that is not what was published.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::http::StatusCode;
use ureq::tls::{RootCerts, TlsConfig};

use crate::checksum::Hashes;
use crate::{CatalogueError, FileEntry};

/// How long a server may take to accept a connection, and to begin with its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one answer may take; what has arrived until then is kept, and the next attempt goes on from there.
const LONGEST_ANSWER: Duration = Duration::from_secs(600);
/// The largest file whose size the catalogue does not state.
const LARGEST: u64 = 4 << 30;
/// How often a fetch is begun anew although nothing arrived.
const ATTEMPTS: usize = 3;

/// Is told how a fetch goes on.
pub trait Progress {
    /// A file is begun: its size, where it is known, and how much of it is here already, in bytes.
    fn begins(&mut self, file: &str, size: Option<u64>, here: u64);
    /// More bytes of it are here.
    fn advances(&mut self, bytes: u64);
    /// A file is complete. `sha256` is told where no checksum was published to compare with.
    fn ends(&mut self, file: &str, sha256: Option<&str>);
}

/// What fetches.
pub(crate) fn agent() -> Agent {
    // The system's certificates: companies and universities have their own.
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_recv_body(Some(LONGEST_ANSWER))
        .max_redirects(10)
        .user_agent(concat!("deepinside/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

/// Fetches a file to `target`, from the first of its addresses that has it.
pub(crate) fn fetch(
    agent: &Agent,
    file: &FileEntry,
    target: &Path,
    progress: &mut dyn Progress,
) -> Result<(), CatalogueError> {
    let part = target.with_file_name(format!("{}.part", file.name));
    let mut first = None;
    for url in &file.urls {
        match fetch_from(agent, url, file, &part, progress) {
            Ok(hashes) => {
                check(url, file, &part, hashes, progress)?;
                return std::fs::rename(&part, target)
                    .map_err(|source| CatalogueError::Io { path: target.to_owned(), source });
            }
            Err(error @ CatalogueError::Network { .. }) => first = first.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    Err(first.unwrap_or_else(|| CatalogueError::Network {
        url: file.name.clone(),
        cause: "no address is known".to_owned(),
    }))
}

/// Compares what has arrived with what was published; deletes it where it is something else.
fn check(
    url: &str,
    file: &FileEntry,
    part: &Path,
    hashes: Hashes,
    progress: &mut dyn Progress,
) -> Result<(), CatalogueError> {
    let checksum = file.checksum();
    let Some(checksum) = checksum else {
        progress.ends(&file.name, Some(&hashes.sha256()));
        return Ok(());
    };
    if let Some(difference) = hashes.compare(Some(&checksum)) {
        let _ = std::fs::remove_file(part);
        return Err(CatalogueError::Mismatch {
            url: url.to_owned(),
            what: difference.what,
            expected: difference.expected,
            found: difference.found,
        });
    }
    progress.ends(&file.name, None);
    Ok(())
}

/// Fetches into the part file, in several attempts as long as something arrives.
fn fetch_from(
    agent: &Agent,
    url: &str,
    file: &FileEntry,
    part: &Path,
    progress: &mut dyn Progress,
) -> Result<Hashes, CatalogueError> {
    let mut fruitless = 0;
    loop {
        let before = length(part);
        match attempt(agent, url, file, part, progress) {
            Err(CatalogueError::Network { .. }) if length(part) > before => fruitless = 0,
            Err(error @ CatalogueError::Network { .. }) => {
                fruitless += 1;
                if fruitless == ATTEMPTS || before == 0 {
                    return Err(error);
                }
            }
            other => return other,
        }
    }
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn attempt(
    agent: &Agent,
    url: &str,
    file: &FileEntry,
    part: &Path,
    progress: &mut dyn Progress,
) -> Result<Hashes, CatalogueError> {
    let network = |cause: String| CatalogueError::Network { url: url.to_owned(), cause };
    let io = |source| CatalogueError::Io { path: part.to_owned(), source };
    let limit = file.size.unwrap_or(LARGEST);
    let mut here = length(part);
    if here > limit {
        std::fs::remove_file(part).map_err(io)?;
        here = 0;
    }
    let mut hashes = Hashes::default();
    if file.size == Some(here) && here > 0 {
        return Ok(Hashes::of_file(part).map_err(io)?.1);
    }
    let mut request = agent.get(url);
    if here > 0 {
        request = request.header("Range", format!("bytes={here}-"));
    }
    let response = request.call().map_err(|error| network(sentence(&error)))?;
    let (status, headers) = (response.status(), response.headers());
    let range = headers.get("content-range").and_then(|value| value.to_str().ok());
    let goes_on = status == StatusCode::PARTIAL_CONTENT
        && range.is_some_and(|range| range.starts_with(&format!("bytes {here}-")));
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        // What is here is no beginning of what is there.
        std::fs::remove_file(part).map_err(io)?;
        return Err(network("the server has less than was here; it was begun anew".to_owned()));
    }
    if !goes_on && status != StatusCode::OK {
        return Err(network(format!("the server answers {status}")));
    }
    let mut target = if goes_on {
        hashes = Hashes::of_file(part).map_err(io)?.1;
        OpenOptions::new().append(true).open(part).map_err(io)?
    } else {
        here = 0;
        File::create(part).map_err(io)?
    };
    let announced = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let total = file.size.or(announced.map(|rest| here.saturating_add(rest)));
    progress.begins(&file.name, total, here);
    let mut body = response.into_body().into_reader();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) => return Err(network(format!("the connection broke off: {error}"))),
        };
        here += count as u64;
        if here > limit {
            drop(target);
            let _ = std::fs::remove_file(part);
            return Err(CatalogueError::Mismatch {
                url: url.to_owned(),
                what: "size",
                expected: format!("{limit} bytes"),
                found: "more".to_owned(),
            });
        }
        hashes.update(&buffer[..count]);
        target.write_all(&buffer[..count]).map_err(io)?;
        progress.advances(count as u64);
    }
    match total {
        Some(total) if here < total => {
            Err(network(format!("the connection ended after {here} of {total} bytes")))
        }
        _ => Ok(hashes),
    }
}

/// What a person can do about an error of the network.
fn sentence(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => {
            "the server cannot be reached; is this machine online (HTTPS_PROXY names a proxy)?".to_owned()
        }
        ureq::Error::Io(cause) => format!("the server cannot be reached ({cause}); is this machine online?"),
        ureq::Error::Timeout(_) => "the server does not answer in time".to_owned(),
        other => other.to_string(),
    }
}
