//! Class models that grow while they are watched.

mod support;

use std::time::Duration;

use deepinside_server::{Limits, ServerOptions};
use serde_json::{Value, json};
use support::{Events, Running, options};

fn begin(server: &Running, body: Value) -> String {
    let reply = server.post("/api/v1/class-models", &body);
    assert_eq!(reply.status, 201, "{}", reply.text());
    format!("/api/v1/class-models/{}", reply.json()["id"].as_str().unwrap())
}

/// One that goes on for long.
fn long() -> Value {
    json!({"objective": {"class": 1}, "recipe": "lucid", "changes": {"iterations": 10_000}, "seed": 3})
}

#[test]
fn frames_arrive_and_the_picture_is_there_in_the_end() {
    let server = Running::new();
    let body =
        json!({"objective": {"class": 1}, "recipe": "yosinski", "changes": {"iterations": 30}, "seed": 3});
    let path = begin(&server, body);
    let mut events = Events::open(&server, &format!("{path}/events"), &[]);
    let (mut frames, mut states) = (Vec::new(), Vec::new());
    while let Some((name, id, data)) = events.next() {
        match name.as_str() {
            "frame" => {
                assert_eq!(id, Some(data["iteration"].to_string()));
                assert!(data["image"].as_str().unwrap().starts_with("data:image/jpeg;base64,/9j/"));
                assert_eq!(data["iterations"], 30);
                frames.push(data["iteration"].as_u64().unwrap());
            }
            "state" => states.push(data["state"].as_str().unwrap().to_owned()),
            _ => {}
        }
        if states.last().is_some_and(|state| state == "finished") {
            break;
        }
    }
    assert_eq!(frames.last(), Some(&30));
    assert!(frames.is_sorted());
    let info = server.get(&path).ok();
    assert_eq!((&info["state"], &info["iteration"]), (&json!("finished"), &json!(30)));
    assert_eq!(info["values"].as_array().unwrap().len(), 30);
    assert!(info["values"][29].as_f64() > info["values"][0].as_f64());
    assert!(info["command"].as_str().unwrap().ends_with("--recipe yosinski --set iterations=30 --seed 3"));
    assert_eq!(&server.get(&format!("{path}/picture.png")).body[1..4], b"PNG");
    assert_eq!(&server.get(&format!("{path}/animation.gif")).body[..4], b"GIF8");
    assert_eq!(&server.get(&format!("{path}/animation.webp")).body[8..12], b"WEBP");
    let animation = server.get(&format!("{path}/animation.png"));
    assert!(animation.body.windows(4).any(|four| four == b"acTL"));
}

/// The same numbers as the library's own ascent.
#[test]
fn the_values_are_the_library_s() {
    use deepinside::class_model::{Ascent, Objective, Recipe, Wish};
    let server = Running::new();
    let path = begin(
        &server,
        json!({"objective": {"class": 2}, "recipe": "lucid", "changes": {"iterations": 6}, "seed": 5}),
    );
    server.wait("the end", |server| server.get(&path).ok()["state"] == "finished");
    let network = support::fixtures().join("onnx/residual/model.onnx");
    let model = deepinside::Model::open_with(&network, Default::default()).unwrap();
    let recipe = Recipe { iterations: 6, ..Recipe::lucid() };
    let wishes = [Wish { objective: Objective::Class(2), seed: 5 }];
    let threads = deepinside::Threads::new(1).unwrap();
    let mut ascent = Ascent::new(&model, &wishes, &recipe, None, &threads).unwrap();
    let values: Vec<f32> = (0..6).map(|_| ascent.step().unwrap()[0].value).collect();
    let found: Vec<f32> = server.get(&path).ok()["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value.as_f64().unwrap() as f32)
        .collect();
    assert_eq!(found, values);
}

#[test]
fn a_slider_takes_effect_at_the_next_step() {
    let server = Running::new();
    let path = begin(&server, long());
    let mut events = Events::open(&server, &format!("{path}/events"), &[]);
    events.next_of("frame");
    let changed = server.send(
        "PATCH",
        &path,
        &[("Content-Type", "application/json")],
        json!({"changes": {"learning_rate": 0.0, "l2": 0.5}}).to_string().as_bytes(),
    );
    assert_eq!(changed.ok()["recipe"]["l2"], 0.5);
    server.wait("the change", |server| server.get(&path).ok()["timeline"].as_array().unwrap().len() == 1);
    let timeline = server.get(&path).ok()["timeline"].clone();
    assert_eq!(timeline[0]["changes"], json!({"learning_rate": 0.0, "l2": 0.5}));
    // Without a learning rate and unmoved the picture stays as it is.
    let still =
        json!({"changes": {"jitter": 0.0, "rotation": 0.0, "zoom": [1.0, 1.0], "mirror": false, "noise": 0.0}}).to_string();
    server.send("PATCH", &path, &[("Content-Type", "application/json")], still.as_bytes()).ok();
    server.wait("the second change", |server| {
        server.get(&path).ok()["timeline"].as_array().unwrap().len() == 2
    });
    let at = server.get(&path).ok()["iteration"].as_u64().unwrap();
    server.wait("some steps", |server| server.get(&path).ok()["iteration"].as_u64().unwrap() > at + 5);
    let values = server.get(&path).ok()["values"].as_array().unwrap().clone();
    assert_eq!(values[values.len() - 1], values[values.len() - 2]);
    server.send("DELETE", &path, &[], b"").ok();
}

#[test]
fn pause_go_back_and_on() {
    let server = Running::new();
    let path = begin(
        &server,
        json!({"objective": {"class": 1}, "recipe": "lucid", "changes": {"iterations": 48}, "seed": 3}),
    );
    let mut events = Events::open(&server, &format!("{path}/events"), &[]);
    while events.next_of("state")["state"] != "finished" {}
    let once = server.get(&path).ok()["values"].clone();
    assert!(server.get(&path).ok()["snapshots"].as_array().unwrap().contains(&json!(24)));
    server.post(&format!("{path}/pause"), &json!({})).refused(409, "conflict");
    // From there on the same steps are taken again.
    server.post(&format!("{path}/rewind"), &json!({"iteration": 25})).ok();
    assert_eq!(events.next_of("frame")["iteration"], 25);
    while events.next_of("state")["state"] != "finished" {}
    assert_eq!(server.get(&path).ok()["values"], once);
    // And others with another recipe.
    let more = json!({"changes": {"iterations": 10_000}}).to_string();
    server.send("PATCH", &path, &[("Content-Type", "application/json")], more.as_bytes()).ok();
    assert_eq!(server.post(&format!("{path}/pause"), &json!({})).ok()["state"], "paused");
    server.post(&format!("{path}/rewind"), &json!({"iteration": 0})).ok();
    server.wait("the beginning", |server| server.get(&path).ok()["iteration"] == 0);
    assert_eq!(server.get(&path).ok()["state"], "paused");
    server.post(&format!("{path}/resume"), &json!({})).ok();
    server.wait("some steps", |server| server.get(&path).ok()["iteration"].as_u64().unwrap() > 3);
    assert_eq!(server.send("DELETE", &path, &[], b"").ok()["state"], "cancelled");
    server.post(&format!("{path}/resume"), &json!({})).refused(409, "conflict");
    server.wait("the thread", |server| server.metric("deepinside_class_models_growing") == 0.0);
    assert_eq!(server.get(&format!("{path}/picture.png")).status, 200);
}

#[test]
fn a_watcher_who_comes_back_is_told_where_things_stand() {
    let server = Running::new();
    let path = begin(&server, json!({"objective": {"class": 1}, "changes": {"iterations": 5}}));
    server.wait("the end", |server| server.get(&path).ok()["state"] == "finished");
    let mut events = Events::open(&server, &format!("{path}/events"), &[]);
    assert_eq!(events.next_of("frame")["iteration"], 5);
    let mut events = Events::open(&server, &format!("{path}/events"), &[("Last-Event-ID", "5")]);
    assert_eq!(events.next().unwrap().0, "state");
    server.send("DELETE", &path, &[], b"").ok();
    assert!(events.next().is_none_or(|(name, ..)| name == "state"));
}

/// News without a picture brought the last picture that a watcher had been told of once more, however old.
#[test]
fn a_watcher_who_comes_back_is_not_shown_an_old_picture() {
    let server = Running::new();
    let path = begin(&server, json!({"objective": {"class": 1}, "changes": {"iterations": 200}}));
    let mut events = Events::open(&server, &format!("{path}/events"), &[]);
    events.next_of("frame");
    drop(events);
    server.wait("the end", |server| server.get(&path).ok()["state"] == "finished");
    let mut events = Events::open(&server, &format!("{path}/events"), &[]);
    assert_eq!(events.next_of("frame")["iteration"], 200);
    server.send("DELETE", &path, &[], b"").ok();
    while let Some((name, _, data)) = events.next() {
        assert_ne!(name, "frame", "{data}");
    }
}

#[test]
fn a_change_that_a_rewind_leaves_in_force_is_still_told() {
    let server = Running::new();
    let path = begin(&server, json!({"objective": {"class": 1}, "changes": {"iterations": 10_000}}));
    server.wait("some steps", |server| server.get(&path).ok()["iteration"].as_u64().unwrap() > 3);
    let change = json!({"changes": {"l2": 0.5}}).to_string();
    server.send("PATCH", &path, &[("Content-Type", "application/json")], change.as_bytes()).ok();
    server.wait("the change", |server| server.get(&path).ok()["timeline"].as_array().unwrap().len() == 1);
    server.post(&format!("{path}/pause"), &json!({})).ok();
    server.post(&format!("{path}/rewind"), &json!({"iteration": 0})).ok();
    server.wait("the beginning", |server| server.get(&path).ok()["iteration"] == 0);
    assert_eq!(server.get(&path).ok()["timeline"], json!([{"iteration": 0, "changes": {"l2": 0.5}}]));
    server.send("DELETE", &path, &[], b"").ok();
}

/// Going back to step 54 went back to the state that was kept before, and from there with the changes that came later.
#[test]
fn going_back_leads_to_the_very_picture_of_that_step() {
    let server = Running::new();
    let path = begin(&server, long());
    let step = |server: &Running| server.get(&path).ok()["iteration"].as_u64().unwrap();
    let patch = |changes: Value| {
        let body = json!({ "changes": changes }).to_string();
        server.send("PATCH", &path, &[("Content-Type", "application/json")], body.as_bytes()).ok();
    };
    server.wait("some steps", |server| step(server) > 3);
    patch(json!({"jitter": 3, "total_variation": 0.25}));
    let changed = step(&server);
    server.wait("more steps", |server| step(server) > changed + 3);
    let pause = || {
        server.post(&format!("{path}/pause"), &json!({})).ok();
        // The step that was being taken ends.
        std::thread::sleep(Duration::from_millis(100));
        step(&server)
    };
    let place = pause();
    let kept = server.get(&path).ok()["snapshots"].clone();
    assert!(!kept.as_array().unwrap().contains(&json!(place)), "{place} is kept: {kept}");
    let picture = server.get(&format!("{path}/picture.png")).body;
    let values = server.get(&path).ok()["values"].clone();
    patch(json!({"total_variation": 0.0, "jitter": 0}));
    server.post(&format!("{path}/resume"), &json!({})).ok();
    server.wait("a few more", |server| step(server) > place + 3);
    pause();
    server.post(&format!("{path}/rewind"), &json!({ "iteration": place })).ok();
    server.wait("that step", |server| step(server) == place);
    let same = |server: &Running| server.get(&format!("{path}/picture.png")).body == picture;
    server.wait("its picture", same);
    let info = server.get(&path).ok();
    assert_eq!((&info["values"], &info["state"]), (&values, &json!("paused")));
    server.send("DELETE", &path, &[], b"").ok();
}

#[test]
fn one_that_is_not_watched_is_given_up() {
    let limits = Limits { unwatched: Duration::from_millis(200), ..options().limits };
    let server = Running::with(ServerOptions { limits, ..options() });
    let path = begin(&server, long());
    let mut events = Events::open(&server, &format!("{path}/events"), &[]);
    events.next_of("frame");
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(server.metric("deepinside_class_models_growing"), 1.0);
    drop(events);
    server.wait("the end", |server| server.metric("deepinside_class_models_growing") == 0.0);
    let info = server.get(&path).ok();
    assert_eq!(info["state"], "cancelled");
    assert!(info["message"].as_str().unwrap().contains("was not watched"));
}

#[test]
fn too_many_and_impossible_ones_are_refused() {
    let limits = Limits { class_models: 2, ..options().limits };
    let server = Running::with(ServerOptions { limits, ..options() });
    let ask = |body: Value| server.post("/api/v1/class-models", &body);
    for body in [
        json!({"objective": {"class": 5}}),
        json!({"objective": {"class": 1, "minus": 5}}),
        json!({"objective": {"value": "none"}}),
        json!({"objective": {"value": "scores", "channel": 5}}),
        json!({"objective": {"value": "scores", "channel": 1, "position": [1, 0]}}),
        json!({"objective": {"class": 1}, "model": "none"}),
    ] {
        ask(body).refused(404, "not_found");
    }
    for body in [
        json!({"objective": {}}),
        json!({"objective": {"class": 1, "value": "scores"}}),
        json!({"objective": {"class": 1}, "recipe": "lucent"}),
        json!({"objective": {"class": 1}, "changes": {"iterations": 1_000_000}}),
        json!({"objective": {"class": 1}, "changes": {"margin": 100_000}}),
        json!({"objective": {"class": 1}, "changes": {"start": "zero"}}),
        json!({"objective": {"class": 1}, "seed": u64::MAX}),
    ] {
        ask(body).refused(422, "unfit");
    }
    for body in [
        json!({"objective": {"class": 1}, "recipe": "lucid", "changes": {"blur": 1.0}}),
        json!({"objective": {"class": 1}, "changes": {"zoom": [2.0, 1.0]}}),
        json!({"objective": {"value": "scores", "position": [0, 0]}}),
    ] {
        ask(body).refused(409, "conflict");
    }
    let path = begin(&server, long());
    let settled = json!({"changes": {"margin": 3}}).to_string();
    let patched = server.send("PATCH", &path, &[("Content-Type", "application/json")], settled.as_bytes());
    assert!(patched.refused(409, "conflict").contains("margin"));
    begin(&server, json!({"objective": {"value": "scores"}, "changes": {"iterations": 10_000}}));
    let refusal = ask(long());
    refusal.refused(429, "class_models");
    assert!(refusal.header("retry-after").is_some());
    server.send("DELETE", &path, &[], b"").ok();
    server.wait("the thread", |server| server.metric("deepinside_class_models_growing") == 1.0);
    begin(&server, long());
}
