//! The heads of requests as they came, for what a parsed request no longer shows.
//!
//! A request with `Content-Length` and `Transfer-Encoding` is read in two ways by two programs, and what one takes for its end
//! the other takes for another request (RFC 9112, section 6.3). The parser drops the length where the encoding stands first.

use std::sync::{Arc, Mutex};

use axum::http::{HeaderMap, header};

use crate::lock;

/// As much of a head as is kept: no longer one is read.
const LONGEST: usize = 64 << 10;

/// The bytes of a connection since its last request.
#[derive(Clone, Default)]
pub struct Heads(Arc<Mutex<Vec<u8>>>);

/// A request that two programs may read in two ways.
#[derive(Clone, Copy)]
pub struct Ambiguous;

impl Heads {
    /// More bytes have come between two requests.
    pub fn append(&self, bytes: &[u8]) {
        let mut kept = lock(&self.0);
        let room = LONGEST.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Whether the request of these headers is ambiguous: it has a length beside an encoding, or an encoding that is more than pieces
    /// (`gzip, chunked`, or one said twice), of which some programs take another part. What was kept of its bytes is forgotten.
    pub fn is_ambiguous(&self, headers: &HeaderMap) -> bool {
        let head = std::mem::take(&mut *lock(&self.0));
        let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
        let Some(encoding) = encodings.next() else { return false };
        encodings.next().is_some()
            || !encoding.as_bytes().eq_ignore_ascii_case(b"chunked")
            || headers.contains_key(header::CONTENT_LENGTH)
            || !is_without_length(&head)
    }
}

/// Whether bytes begin with a whole head that has no header Content-Length. Of requests that a client sends before it was
/// answered the heads are not known, and so not without.
fn is_without_length(head: &[u8]) -> bool {
    let lines = head.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let mut lines = lines.skip_while(|line| line.is_empty());
    if !lines.next().is_some_and(|first| first.windows(5).any(|five| five == b"HTTP/")) {
        return false;
    }
    for line in lines {
        if line.is_empty() {
            return true;
        }
        let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
        if name.trim_ascii().eq_ignore_ascii_case(b"content-length") {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_found_wherever_it_stands() {
        for (head, expected) in [
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nContent-Length: 5", true),
            ("\r\nPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", true),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\ncontent-LENGTH:5\r\n\r\n", false),
            ("POST / HTTP/1.1\nContent-Length: 5\nTransfer-Encoding: chunked\n\n", false),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", false),
            ("0\r\n\r\n", false),
            ("", false),
        ] {
            assert_eq!(is_without_length(head.as_bytes()), expected, "{head:?}");
        }
    }
}
