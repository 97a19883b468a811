//! Connections that have to make room: what they are told, and how long that may take.

use std::net::Shutdown;
use std::time::Duration;

use axum::body::to_bytes;
use axum::response::IntoResponse as _;
use socket2::SockRef;

use crate::connections::Socket;
use crate::problem::Problem;

/// How long a client that was told to leave may take to hear it.
pub const TIME: Duration = Duration::from_secs(1);

/// How many descriptors there are beside those of so many connections: for the next one, and for those that have to make room and take
/// that time. Beyond them each is closed at once.
pub fn places(connections: usize) -> usize {
    (connections / 8).max(2)
}

/// Answers a request that has not come yet, and throws away what comes of it for so long: were the connection closed over it, the
/// answer would be lost.
pub async fn refuse(stream: Socket, time: Duration) {
    let answer = answer().await;
    // No answer is on its way, so there is room for one.
    if stream.try_write(&answer).is_err() {
        return;
    }
    let rest = async {
        SockRef::from(&*stream).shutdown(Shutdown::Write)?;
        let mut scratch = [0; 4096];
        loop {
            stream.readable().await?;
            match stream.try_read(&mut scratch) {
                Ok(0) => return std::io::Result::Ok(()),
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    };
    // What breaks off was heard or is the client's affair.
    let _ = tokio::time::timeout(time, rest).await;
}

/// The refusal of [`Problem::crowded`] as bytes.
async fn answer() -> Vec<u8> {
    let (parts, body) = Problem::crowded().into_response().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let mut bytes = format!("HTTP/1.1 {}\r\n", parts.status).into_bytes();
    for (name, value) in &parts.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
        .extend_from_slice(format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_refusal_is_an_answer() {
        let text = String::from_utf8(answer().await).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        let headers: Vec<&str> = head.lines().collect();
        assert!(headers.contains(&"retry-after: 1"), "{head}");
        assert!(headers.contains(&format!("content-length: {}", body.len()).as_str()), "{head}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap()["error"]["code"], "crowded");
    }
}
