//! Clients that stay and take nothing: others are answered all the same.

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use deepinside::{Model, Settings};
use deepinside_server::{Limits, ServerOptions};
use serde_json::json;
use support::{Reply, Running, options};

fn crowded(connections: usize) -> Running {
    let limits = Limits { connections, ..options().limits };
    Running::with(ServerOptions { limits, ..options() })
}

/// An ordinary client is answered within this time, however many others there are.
#[track_caller]
fn expect_answers(server: &Running) {
    for path in ["/healthz", "/", "/api/v1/models"] {
        let start = Instant::now();
        assert_eq!(server.get(path).status, 200);
        assert!(start.elapsed() < Duration::from_secs(5), "{path}: {:?}", start.elapsed());
    }
}

/// As many connections as there may be watched a class model, read nothing, and kept all others out.
#[test]
fn watchers_that_never_read_lock_no_client_out() {
    let server = crowded(16);
    let long = json!({"objective": {"class": 1}, "recipe": "lucid", "changes": {"iterations": 10_000}});
    let id = server.post("/api/v1/class-models", &long).ok()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/class-models/{id}/events");
    let request = server.request("GET", &path, &[], b"");
    let mut watchers: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = server.connect();
            // Those that made room for later ones may be gone already.
            let _ = stream.write_all(&request);
            stream
        })
        .collect();
    expect_answers(&server);
    // A place among the watchers is refused in words, with the time after which to ask again. Watchers that read nothing for two seconds may
    // have had to go by now: then others take their places.
    let refused = (0..40).find_map(|_| {
        let mut stream = server.connect();
        stream.write_all(&request).unwrap();
        let mut head = [0; 12];
        if stream.peek(&mut head).unwrap() == head.len() && head == *b"HTTP/1.1 429" {
            return Some(Reply::read(&mut stream));
        }
        watchers.push(stream);
        None
    });
    let refused = refused.expect("all places are taken at some time");
    assert_eq!(refused.refused(429, "watchers"), "too many clients are watching already");
    assert_eq!(refused.header("retry-after"), Some("5"));
    drop(watchers);
    server.wait("a place for a watcher", |server| {
        let mut stream = server.connect();
        stream.write_all(&request).unwrap();
        let mut head = [0; 15];
        stream.read_exact(&mut head).unwrap();
        head.starts_with(b"HTTP/1.1 200")
    });
}

/// Bodies that never come to their end held their places for a minute.
#[test]
fn bodies_that_never_end_lock_no_client_out() {
    let server = crowded(8);
    let head = format!(
        "POST /api/v1/classify HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{{",
        server.address
    );
    let senders: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    expect_answers(&server);
    // Those that made room were closed without a word.
    let mut refused = 0;
    for mut stream in senders {
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        if !bytes.is_empty() {
            let reply = Reply::parse(&bytes);
            reply.refused(503, "crowded");
            assert_eq!(reply.header("retry-after"), Some("1"));
            refused += 1;
        }
    }
    assert!(refused > 0);
}

/// A client that was about to send its request, when others took its place, was closed without an answer.
#[test]
fn a_client_that_makes_room_is_told_to_come_again() {
    let server = crowded(8);
    let mut connections: Vec<TcpStream> = (0..24).map(|_| server.connect()).collect();
    // The first ones make room for the last ones; their requests come too late.
    server.wait("room for the last one", |server| server.get("/healthz").status == 200);
    let request = server.request("GET", "/healthz", &[], b"");
    for stream in &mut connections[..8] {
        let _ = stream.write_all(&request);
        let reply = Reply::read(stream);
        assert_eq!(reply.refused(503, "crowded"), "too many clients at once; ask again soon");
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
}

/// Requests that waited for a computation held all places, and the page was answered when the last of them was.
#[test]
fn what_waits_for_a_computation_leaves_places_to_others() {
    let server = crowded(8);
    let long =
        json!({"photograph": "example-cat", "crops": "ten", "smooth_grad": {"samples": 199}}).to_string();
    let kind = [("Content-Type", "application/json")];
    let request = server.request("POST", "/api/v1/saliency", &kind, long.as_bytes());
    let mut clients: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(&request).unwrap();
            stream
        })
        .collect();
    expect_answers(&server);
    let statuses: Vec<u16> = clients.iter_mut().map(|stream| Reply::read(stream).status).collect();
    assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 429, 503].contains(status)), "{statuses:?}");
}

/// Answers that no client takes held their places for ever.
#[test]
fn answers_that_are_not_read_lock_no_client_out() {
    let server = crowded(8);
    // More than the buffers of both sides hold: requests that follow each other on one connection.
    let request = server.request("GET", "/api/v1/examples/example-rocket", &[], b"");
    let request = String::from_utf8(request).unwrap().replace("Connection: close\r\n", "");
    let readers: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = server.connect();
            stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
            for _ in 0..400 {
                if stream.write_all(request.as_bytes()).is_err() {
                    break;
                }
            }
            stream
        })
        .collect();
    expect_answers(&server);
    drop(readers);
}

/// Uploaded models take so much memory together, and can be removed.
#[test]
fn uploaded_models_are_bounded_and_can_be_removed() {
    let onnx = std::fs::read(support::fixtures().join("onnx/shuffle/model.onnx")).unwrap();
    let kind = "application/octet-stream";
    // Its file, and its weights for both directions.
    let model = Model::from_onnx(onnx.clone().into(), "mine", Settings::default()).unwrap();
    let one = onnx.len() + 8 * model.graph.parameters();
    let limits = Limits { uploaded_models_bytes: 2 * one - 1, ..options().limits };
    let server = Running::with(ServerOptions { allow_model_upload: true, limits, ..options() });
    let upload = || server.post_bytes("/api/v1/models?name=mine", kind, &onnx);
    assert_eq!(upload().json()["id"], "mine");
    let refused = upload().refused(413, "too_large");
    assert!(refused.contains("remove one first"), "{refused}");
    let remove = |id: &str| server.send("DELETE", &format!("/api/v1/models/{id}"), &[], b"");
    server.post("/api/v1/classify", &json!({"photograph": "example-cat", "model": "mine"})).ok();
    assert_eq!(remove("mine").status, 204);
    remove("mine").refused(404, "not_found");
    server.get("/api/v1/models/mine").refused(404, "not_found");
    // What was prepared for one is never taken for another, so names are not given twice.
    assert_eq!(upload().json()["id"], "mine-2");
    remove("residual").refused(409, "conflict");
}
