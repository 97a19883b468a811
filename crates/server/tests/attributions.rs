//! Methods of the library's table through the API.

mod support;

use std::path::Path;
use std::sync::Arc;

use deepinside::attribution::{Choices, Given, METHODS, Pass, Runner, method};
use deepinside::files::Array;
use deepinside::{Model, Settings, Target, Threads};
use serde_json::json;
use support::{Running, fixtures, numbers};

#[test]
fn every_method_is_listed_with_its_parameters() {
    let server = Running::new();
    let list = server.get("/api/v1/methods").ok();
    assert_eq!(list.as_array().unwrap().len(), METHODS.len());
    let integrated =
        list.as_array().unwrap().iter().find(|entry| entry["name"] == "integrated-gradients").unwrap();
    let steps = &integrated["parameters"][0];
    assert_eq!(
        (&steps["name"], &steps["kind"], &steps["default"]),
        (&json!("steps"), &json!("whole"), &json!("50"))
    );
    assert_eq!((&steps["least"], &steps["most"]), (&json!(1.0), &json!(10000.0)));
}

#[test]
fn attributions_have_the_library_s_bits() {
    let server = Running::new();
    let model =
        Arc::new(Model::open_with(fixtures().join("onnx/residual/model.onnx"), Settings::default()).unwrap());
    let cat = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/cat.png");
    let input = model.input_of(&model.load_photograph(&cat).unwrap(), model.crop).unwrap();
    let mut runner = Runner::new(Arc::clone(&model), Threads::new(1).unwrap());
    let mut choices = Choices::default();
    choices.given.insert("steps".to_owned(), Given::Text("7".to_owned()));
    let integrated = method("integrated-gradients").unwrap().make(&model, &choices).unwrap();
    let target = Target::difference(3, 1);
    let expected = integrated.attribute(&mut runner, &input, &target).unwrap();
    let body = json!({
        "photograph": "example-cat", "method": "integrated-gradients", "parameters": {"steps": 7}, "target": "3 - 1"
    });
    let reply = server.post("/api/v1/attributions", &body).ok();
    let found = &reply["attributions"][0];
    assert_eq!(numbers(&found["values"]), (vec![3, 32, 32], expected.values.data().to_vec()));
    assert_eq!(numbers(&found["map"]).1, expected.map().unwrap().data());
    assert_eq!(reply["number"].as_f64().unwrap(), runner.number(&input, &target).unwrap());
    assert_eq!(found["completeness"][0].as_f64().unwrap(), expected.completeness.unwrap().sum);
    let command = reply["command"].as_str().unwrap();
    assert!(command.ends_with("--method integrated-gradients --set steps=7 --target '3 - 1'"), "{command}");
}

#[test]
fn what_cannot_be_explained_is_refused_with_a_sentence() {
    let server = Running::new();
    let refused = |body: serde_json::Value| {
        let reply = server.post("/api/v1/attributions", &body);
        assert!((400..500).contains(&reply.status), "{}: {}", reply.status, reply.text());
        reply.text()
    };
    let cat = "example-cat";
    assert!(refused(json!({"photograph": cat, "method": "nothing"})).contains("nearest"));
    assert!(
        refused(json!({"photograph": cat, "method": "rise", "parameters": {"sample": 3}}))
            .contains("samples")
    );
    assert!(
        refused(json!({"photograph": cat, "method": "rise", "parameters": {"masks": "m.npy"}}))
            .contains("array")
    );
    let file = json!({"photograph": cat, "method": "gradient", "target": "cos(scores, /etc/passwd)"});
    assert!(refused(file).contains("/api/v1/arrays"));
    assert!(
        refused(json!({"photograph": cat, "method": "gradient", "layers": ["scores"]})).contains("no layer")
    );
}

#[test]
fn arrays_are_sent_and_named_by_their_id() {
    let server = Running::new();
    let model =
        Arc::new(Model::open_with(fixtures().join("onnx/residual/model.onnx"), Settings::default()).unwrap());
    let shape = &model.graph.value(model.input).shape.extents()[1..];
    let count: usize = shape.iter().product();
    let baseline = Array::new(shape, (0..count).map(|at| (at % 7) as f32 / 7.0).collect()).unwrap();
    let sent = |array: &Array| {
        let mut bytes = Vec::new();
        deepinside::files::npy::write_to(&mut bytes, array).unwrap();
        let sent = server.post_bytes("/api/v1/arrays", "application/octet-stream", &bytes);
        assert_eq!((sent.status, &sent.json()["shape"]), (201, &json!(array.shape())), "{}", sent.text());
        sent.json()["id"].as_str().unwrap().to_owned()
    };
    let id = sent(&baseline);
    let body = json!({
        "photograph": "example-cat", "method": "integrated-gradients", "target": "3",
        "parameters": {"steps": 4, "baseline": {"array": id}}
    });
    let reply = server.post("/api/v1/attributions", &body).ok();
    let cat = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/cat.png");
    let input = model.input_of(&model.load_photograph(&cat).unwrap(), model.crop).unwrap();
    let mut choices = Choices::default();
    choices.given.insert("steps".to_owned(), Given::Text("4".to_owned()));
    choices.given.insert("baseline".to_owned(), Given::Array(Arc::new(baseline)));
    let integrated = method("integrated-gradients").unwrap().make(&model, &choices).unwrap();
    let mut runner = Runner::new(Arc::clone(&model), Threads::new(1).unwrap());
    let expected = integrated.attribute(&mut runner, &input, &Target::class(3)).unwrap();
    assert_eq!(numbers(&reply["attributions"][0]["values"]).1, expected.values.data());
    let command = reply["command"].as_str().unwrap();
    assert!(command.contains(&format!("baseline={id}.npy")), "{command}");
    // A target names one likewise, and no text names a file.
    let weights =
        Array::new([model.score.classes], (0..model.score.classes).map(|at| at as f32).collect()).unwrap();
    let scores = &model.graph.value(model.score.value).name;
    let gradient = |target: String| {
        let body = json!({"photograph": "example-cat", "method": "gradient", "target": target});
        server.post("/api/v1/attributions", &body)
    };
    let found = gradient(format!("dot(\"{scores}\", {})", sent(&weights))).ok();
    let dot: f64 = {
        let pass = Pass { activations: vec![model.score.value], ..Pass::forward() };
        let scores =
            runner.one(&pass, &Target::class(0), input.data(), |passed| passed.activation(model.score.value));
        scores.unwrap().data().iter().zip(weights.data()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    assert!((found["number"].as_f64().unwrap() - dot).abs() < 1e-9 * dot.abs().max(1.0));
    for array in ["/etc/passwd", "0123"] {
        let reply = gradient(format!("dot(\"{scores}\", {array})"));
        assert!(
            (400..500).contains(&reply.status) && reply.text().contains("/api/v1/arrays"),
            "{}",
            reply.text()
        );
    }
}
