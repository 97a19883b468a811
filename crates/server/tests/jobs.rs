//! How far a computation is that a request with a name asked for.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use support::Running;

#[test]
fn a_request_with_a_name_says_how_far_it_is() {
    let server = Running::new();
    let unknown = json!({"state": "unknown", "done": 0, "of": 0});
    assert_eq!(server.get("/api/v1/jobs/mine-1").ok(), unknown);
    // The own crop, which chooses classes, and ten crops, each with its scores and 200 noisy copies forward and backward.
    let body =
        json!({"photograph": "example-cat", "classes": [1], "crops": "ten", "smooth_grad": {"samples": 200}});
    let headers = [("Content-Type", "application/json"), ("X-Job", "mine-1")];
    let is_answered = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            server.send("POST", "/api/v1/saliency", &headers, body.to_string().as_bytes()).ok();
            is_answered.store(true, Ordering::SeqCst);
        });
        let mut seen = Vec::new();
        while !is_answered.load(Ordering::SeqCst) {
            let info = server.get("/api/v1/jobs/mine-1").ok();
            if info["state"] == "running" && info["of"] != 0 {
                assert_eq!(info["of"], 1 + 10 * (1 + 200 * 2));
                seen.push(info["done"].as_u64().unwrap());
            }
        }
        assert!(seen.windows(2).all(|pair| pair[0] <= pair[1]), "{seen:?}");
        assert!(seen.last().is_some_and(|last| (1..=4011).contains(last)), "{seen:?}");
    });
    assert_eq!(server.get("/api/v1/jobs/mine-1").ok(), unknown);
}

#[test]
fn a_name_that_is_none_is_refused() {
    let server = Running::new();
    for name in ["", "a b", "../etc", &"x".repeat(65)] {
        server.send("GET", "/api/v1/models", &[("X-Job", name)], b"").refused(400, "malformed");
    }
    server.send("GET", "/api/v1/models", &[("X-Job", "a-1")], b"").ok();
}
