//! Every address of the API does what it says, with numbers that the library computes.

mod support;

use std::path::Path;
use std::sync::Arc;

use deepinside::attribution::Runner;
use deepinside::drawing::Picture;
use deepinside::evidence::{EvidenceOptions, gather};
use deepinside::saliency::{SaliencyOptions, Wanted, saliency};
use deepinside::vision::Crop;
use deepinside::{BackwardRule, Model, Settings, Threads};
use serde_json::json;
use support::{Running, fixtures, numbers};

fn model() -> Model {
    Model::open_with(fixtures().join("onnx/residual/model.onnx"), Settings::default()).unwrap()
}

fn runner() -> Runner {
    Runner::new(Arc::new(model()), Threads::new(1).unwrap())
}

fn cat() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/cat.png")
}

#[test]
fn the_page_and_the_state_of_the_server() {
    let server = Running::new();
    let page = server.get("/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("<title>"));
    assert_eq!(server.get("/healthz").text(), "ok");
    assert_eq!(server.metric("deepinside_jobs_running"), 0.0);
    assert!(server.metric("process_resident_memory_bytes") > 1e6);
    assert!(
        server
            .get("/metrics")
            .text()
            .contains("deepinside_requests_total{method=\"GET\",route=\"/healthz\",status=\"200\"} 1")
    );
}

#[test]
fn models_and_their_classes() {
    let server = Running::new();
    let list = server.get("/api/v1/models").ok();
    assert_eq!(list[0]["id"], "residual");
    assert_eq!((&list[0]["is_default"], &list[1]["is_default"]), (&json!(true), &json!(false)));
    assert_eq!((&list[1]["is_open"], &list[1]["classes"]), (&json!(false), &json!(null)));
    let model = server.get("/api/v1/models/residual").ok();
    assert_eq!(model["input"], json!({"channels": 3, "height": 32, "width": 32}));
    assert_eq!((&model["classes"], &model["score_value"]), (&json!(5), &json!("scores")));
    assert_eq!(server.get("/api/v1/models").ok()[0]["is_open"], true);
    let classes = server.get("/api/v1/models/residual/classes?limit=2").ok();
    assert_eq!(
        classes,
        json!([{"index": 0, "synset": null, "name": "class 0"}, {"index": 1, "synset": null, "name": "class 1"}])
    );
    let classes = server.get("/api/v1/models/residual/classes?query=3").ok();
    assert_eq!(classes, json!([{"index": 3, "synset": null, "name": "class 3"}]));
    let recipes = server.get("/api/v1/models/residual/recipes").ok();
    assert_eq!((&recipes[0]["name"], &recipes[3]["jitter"]), (&json!("paper"), &json!(16.0)));
}

#[test]
fn the_graph_and_the_filters_of_its_first_layer() {
    let server = Running::new();
    let graph = server.get("/api/v1/models/residual/graph").ok();
    let model = model();
    assert_eq!(graph["nodes"].as_array().unwrap().len(), model.graph.nodes().len());
    let values = graph["values"].as_array().unwrap();
    assert_eq!(
        values[0],
        json!({"name": "images", "shape": [1, 3, 32, 32], "is_shown": false, "has_filters": false})
    );
    let first = values.iter().find(|value| value["has_filters"] == true).unwrap();
    let name = first["name"].as_str().unwrap();
    let (shape, found) =
        numbers(&server.get(&format!("/api/v1/models/residual/filters?value={name}")).ok()["filters"]);
    let node = model.graph.nodes().iter().find(|node| node.inputs[0] == model.input).unwrap();
    let weights = model.graph.value(node.inputs[1]).weights().unwrap();
    assert_eq!((&shape[..], found), (weights.shape().extents(), weights.to_vec()));
    server.get("/api/v1/models/residual/filters?value=scores").refused(404, "not_found");
    server.get("/api/v1/models/residual/filters?value=none").refused(404, "not_found");
}

#[test]
fn photographs_are_named_after_their_content() {
    let server = Running::new();
    let examples = server.get("/api/v1/examples").ok();
    assert_eq!(examples[0]["id"], "example-cat");
    let file = server.get("/api/v1/examples/example-cat");
    assert_eq!((file.status, file.header("content-type")), (200, Some("image/png")));
    assert_eq!(file.body, std::fs::read(cat()).unwrap());
    let info = server.get("/api/v1/photographs/example-cat").ok();
    assert_eq!(info, json!({"id": "example-cat", "width": 451, "height": 300}));

    let raw = server.post_bytes("/api/v1/photographs", "image/png", &file.body);
    assert_eq!(raw.status, 201);
    let form = [
        b"--x\r\nContent-Disposition: form-data; name=\"photograph\"; filename=\"../../c.png\"\r\n\r\n"
            .as_slice(),
        &file.body,
        b"\r\n--x--\r\n",
    ]
    .concat();
    let form = server.post_bytes("/api/v1/photographs", "multipart/form-data; boundary=x", &form);
    assert_eq!((form.status, form.json()), (201, raw.json()));
    let id = raw.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&format!("/api/v1/photographs/{id}")).ok(), raw.json());

    let large = Picture::filled(2000, 1000, [9, 9, 9]).unwrap().to_jpeg(90).unwrap();
    let large = server.post_bytes("/api/v1/photographs", "application/octet-stream", &large).ok();
    let preview = server.get(&format!("/api/v1/photographs/{}/preview", large["id"].as_str().unwrap()));
    assert_eq!(preview.header("content-type"), Some("image/jpeg"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("preview.jpg");
    std::fs::write(&path, &preview.body).unwrap();
    let preview = model().load_photograph(&path).unwrap();
    assert_eq!([preview.width(), preview.height()], [1024, 512]);
}

#[test]
fn saliency_has_the_library_s_numbers() {
    let server = Running::new();
    let body = json!({"photograph": "example-cat", "classes": [3, 1], "signed": true, "crops": "centre"});
    let reply = server.post("/api/v1/saliency", &body).ok();
    let mut runner = runner();
    let photograph = runner.model().load_photograph(&cat()).unwrap();
    let wanted = Wanted::Classes(vec![3]);
    let options = SaliencyOptions { wanted, crop: Some(Crop::Centre), ..SaliencyOptions::default() };
    let expected = saliency(&mut runner, &photograph, &options).unwrap().remove(0);
    let map = &reply["maps"][0];
    assert_eq!(numbers(&map["map"]), (vec![32, 32], expected.map.data().to_vec()));
    assert_eq!(map["class"]["index"], 3);
    assert_eq!(map["class"]["score"].as_f64().unwrap() as f32, expected.class.score);
    assert_eq!(
        map["maximum"].as_f64().unwrap() as f32,
        expected.map.data().iter().copied().fold(0.0, f32::max)
    );
    assert_eq!(map["is_constant"], false);
    let (_, signed) = numbers(&map["signed"]);
    let gradient = expected.gradient.data();
    let sum = gradient[5] + gradient[1024 + 5] + gradient[2048 + 5];
    assert!((signed[5] - sum).abs() <= 1e-6 * sum.abs().max(1.0));
    assert_eq!(reply["maps"][1]["class"]["index"], 1);
    // The network's input is the whole resized photograph.
    assert_eq!(reply["region"], json!([0.0, 0.0, 451.0, 300.0]));
    let command = reply["command"].as_str().unwrap().lines().next().unwrap().to_owned();
    assert!(command.starts_with("deepinside saliency examples/cat.png -m "), "{command}");
    assert!(command.ends_with("--class 3 --crop centre --raw-gradient gradient.npy"), "{command}");

    // A mirrored crop's map is turned back.
    let mirrored =
        json!({"photograph": "example-cat", "classes": [3], "crops": "mirrored-centre", "rule": "guided"});
    let (_, map) = numbers(&server.post("/api/v1/saliency", &mirrored).ok()["maps"][0]["map"]);
    let options = SaliencyOptions {
        crop: Some(Crop::MirroredCentre),
        rule: BackwardRule::Guided,
        stays_mirrored: true,
        ..options
    };
    let expected = saliency(&mut runner, &photograph, &options).unwrap().remove(0);
    let turned: Vec<f32> = expected.map.data().chunks(32).flat_map(|row| row.iter().rev().copied()).collect();
    assert_eq!(map, turned);
}

#[test]
fn saliency_over_many_crops_lies_on_the_whole_photograph() {
    let server = Running::new();
    let body = json!({"photograph": "example-cat", "crops": "ten", "smooth_grad": {"samples": 2}, "smoothing": 0.02, "seed": 4});
    let reply = server.post("/api/v1/saliency", &body).ok();
    let (shape, map) = numbers(&reply["maps"][0]["map"]);
    assert_eq!(shape, [300, 451]);
    assert!(map.iter().any(|number| *number > 0.0));
    assert_eq!(reply["region"], json!([0.0, 0.0, 451.0, 300.0]));
    let again = server.post("/api/v1/saliency", &body).ok();
    assert_eq!(again["maps"], reply["maps"]);
    assert!(
        reply["command"].as_str().unwrap().ends_with("--ten-crops --smooth-grad 2 --seed 4 --smoothing 0.02")
    );
    let best = server.post("/api/v1/saliency", &json!({"photograph": "example-cat"})).ok();
    assert_eq!(best["maps"][0]["class"], best["top"][0]);
}

/// The page showed the speckle of one pass only.
#[test]
fn the_readable_map_is_the_library_s() {
    let server = Running::new();
    let reply = server
        .post("/api/v1/saliency", &json!({"photograph": "example-cat", "classes": [1], "readable": true}))
        .ok();
    let mut runner = runner();
    let photograph = runner.model().load_photograph(&cat()).unwrap();
    let options = EvidenceOptions::readable(runner.model());
    let expected = gather(&mut runner, &photograph, &[1], &options).unwrap();
    assert_eq!(numbers(&reply["maps"][0]["map"]), (vec![300, 451], expected.maps[0].data().to_vec()));
    let command = reply["command"].as_str().unwrap();
    assert!(command.ends_with("--class 1"), "{command}");
    let both = json!({"photograph": "example-cat", "readable": true, "smoothing": 0.01});
    server.post("/api/v1/saliency", &both).refused(409, "conflict");
    // The paper's map alone needs a flag on the command line.
    let paper = server.post("/api/v1/saliency", &json!({"photograph": "example-cat"})).ok();
    assert!(paper["command"].as_str().unwrap().ends_with("--one-pass"), "{paper}");
}

#[test]
fn what_speaks_for_one_class_and_against_another() {
    let server = Running::new();
    let ask = |body| server.post("/api/v1/saliency", &body).ok()["maps"][0].clone();
    let signed = |map: &serde_json::Value| numbers(&map["signed"]).1;
    let one = ask(json!({"photograph": "example-cat", "classes": [0], "signed": true}));
    let other = ask(json!({"photograph": "example-cat", "classes": [2], "signed": true}));
    let difference = ask(json!({"photograph": "example-cat", "classes": [0], "minus": 2, "signed": true}));
    for ((one, other), difference) in signed(&one).iter().zip(signed(&other)).zip(signed(&difference)) {
        assert!((one - other - difference).abs() < 1e-4, "{one} {other} {difference}");
    }
}

/// A fifth to two fifths of a photograph was a black frame, under one crop and smoothing.
#[test]
fn what_the_network_saw_is_told_apart_from_what_is_zero() {
    let server = Running::new();
    for crops in ["centre", "ten", "whole"] {
        let body = json!({"photograph": "example-cat", "classes": [1], "crops": crops, "smoothing": 0.01});
        let reply = server.post("/api/v1/saliency", &body).ok();
        let (shape, map) = numbers(&reply["maps"][0]["map"]);
        let edges: Vec<f64> =
            reply["region"].as_array().unwrap().iter().map(|edge| edge.as_f64().unwrap()).collect();
        let seen: Vec<Vec<f64>> = serde_json::from_value(reply["seen"].clone()).unwrap();
        // Of a pixel at the border a part may be seen.
        let inside = |x: f64, y: f64, apart: f64| {
            seen.iter().any(|place| {
                x > place[0] - apart && x < place[2] + apart && y > place[1] - apart && y < place[3] + apart
            })
        };
        let mut hidden = 0;
        for row in 0..shape[0] {
            for column in 0..shape[1] {
                let x = (column as f64 + 0.5) * edges[2] / shape[1] as f64;
                let y = (row as f64 + 0.5) * edges[3] / shape[0] as f64;
                hidden += usize::from(!inside(x, y, 0.0));
                if !inside(x, y, 1.0) {
                    assert_eq!(map[row * shape[1] + column], 0.0, "{crops}: {x}, {y}");
                }
            }
        }
        let share = hidden as f64 / map.len() as f64;
        let unseen = reply["unseen"].as_f64().unwrap();
        assert!((share - unseen).abs() < 0.01, "{crops}: {share} of the pixels, and {unseen}");
        assert!(crops != "whole" || unseen == 0.0, "{unseen}");
    }
}

/// The map of a margin over many crops is the library's, and the command line says how to make it.
#[test]
fn a_margin_over_ten_crops() {
    let server = Running::new();
    let body =
        json!({"photograph": "example-cat", "classes": [0], "minus": 2, "crops": "ten", "smoothing": 0.02});
    let reply = server.post("/api/v1/saliency", &body).ok();
    assert!(reply["command"].as_str().unwrap().ends_with("--class 0 --minus 2 --ten-crops --smoothing 0.02"));
    // The network takes the whole photograph, and so do all of its crops.
    assert_eq!(reply["unseen"], 0.0);
    let mut runner = runner();
    let options = EvidenceOptions {
        minus: Some(2),
        crops: Crop::TEN.to_vec(),
        smoothing: 0.02,
        ..EvidenceOptions::default()
    };
    let photograph = runner.model().load_photograph(&cat()).unwrap();
    let expected = gather(&mut runner, &photograph, &[0], &options).unwrap();
    assert_eq!(numbers(&reply["maps"][0]["map"]).1, expected.maps[0].data());
    // The map of the class alone is another one.
    let alone = server.post(
        "/api/v1/saliency",
        &json!({"photograph": "example-cat", "classes": [0], "crops": "ten", "smoothing": 0.02}),
    );
    assert_ne!(alone.ok()["maps"][0]["map"], reply["maps"][0]["map"]);
    server
        .post(
            "/api/v1/saliency",
            &json!({"photograph": "example-cat", "classes": [0], "minus": 5, "crops": "ten"}),
        )
        .refused(404, "not_found");
}

#[test]
fn classification_and_localisation() {
    let server = Running::new();
    let reply =
        server.post("/api/v1/classify", &json!({"photograph": "example-cat", "top": 2, "crop": "ten"})).ok();
    let top = reply["top"].as_array().unwrap();
    assert_eq!(top.len(), 2);
    assert!(top[0]["probability"].as_f64() >= top[1]["probability"].as_f64());
    assert!(reply["command"].as_str().unwrap().ends_with("--crop ten --top 2"));

    let body =
        json!({"photograph": "example-cat", "method": "paper", "foreground_quantile": 0.9, "refinements": 1});
    let reply = server.post("/api/v1/localise", &body).ok();
    let ([shape, markers_shape], [mask, markers]) = {
        let (mask, markers) = (numbers(&reply["mask"]), numbers(&reply["markers"]));
        ([mask.0, markers.0], [mask.1, markers.1])
    };
    assert_eq!((&shape[..], &markers_shape[..]), (&[300, 451][..], &[300, 451][..]));
    assert_eq!(numbers(&reply["map"]).0, [300, 451]);
    let count = |number: f32| markers.iter().filter(|&&marker| marker == number).count();
    // A tenth above the quantile of 0.9, three tenths below that of 0.3.
    assert!((count(2.0) as f64 / markers.len() as f64 - 0.1).abs() < 0.01);
    assert!((count(1.0) as f64 / markers.len() as f64 - 0.3).abs() < 0.02);
    assert!(mask.contains(&1.0));
    let bounds: Vec<f64> =
        reply["objects"][0]["box"].as_array().unwrap().iter().map(|edge| edge.as_f64().unwrap()).collect();
    assert!(bounds[0] < bounds[2] && bounds[2] <= 451.0 && bounds[3] <= 300.0);
    let object = &reply["objects"][0];
    assert_eq!((&object["is_constant"], &object["nothing_chosen"]), (&json!(false), &json!(false)));
    let several =
        server.post("/api/v1/localise", &json!({"photograph": "example-cat", "classes": [4, 2]})).ok();
    assert_eq!((&several["objects"][0]["index"], &several["objects"][1]["index"]), (&json!(4), &json!(2)));
    assert!(several.get("markers").is_none());
}

/// Every method that the command line has.
#[test]
fn every_method_localises() {
    let server = Running::new();
    let mut found = std::collections::BTreeSet::new();
    for name in deepinside::localise::Method::NAMES {
        let reply =
            server.post("/api/v1/localise", &json!({"photograph": "example-cat", "method": name})).ok();
        let named = format!("--method {name}");
        assert_eq!(reply["command"].as_str().unwrap().contains(&named), name != "default", "{name}");
        assert_eq!(reply.get("markers").is_some(), name.starts_with("paper"), "{name}");
        found.insert(reply["mask"].to_string());
    }
    assert!(found.len() > 6, "only {} different masks", found.len());
}

/// Boxes are in pixels of the photograph, also where it was reduced.
#[test]
fn boxes_of_large_photographs_are_in_their_own_pixels() {
    let server = Running::new();
    let cat = model().load_photograph(&cat()).unwrap();
    let large = deepinside::vision::resize::resize_image(&cat, 1800, 2706, Default::default()).unwrap();
    let jpeg = Picture::from_photograph(&large).unwrap().to_jpeg(95).unwrap();
    let id = server.post_bytes("/api/v1/photographs", "image/jpeg", &jpeg).ok()["id"].clone();
    let body = json!({"photograph": id, "classes": [1], "method": "mean"});
    let reply = server.post("/api/v1/localise", &body).ok();
    let (shape, mask) = numbers(&reply["mask"]);
    assert_eq!(shape, [681, 1024]);
    let marked: Vec<usize> = (0..mask.len()).filter(|&index| mask[index] == 1.0).collect();
    let columns = || marked.iter().map(|index| index % 1024);
    let edges = [
        columns().min().unwrap() as f64 * 2706.0 / 1024.0,
        (marked[0] / 1024) as f64 * 1800.0 / 681.0,
        (columns().max().unwrap() + 1) as f64 * 2706.0 / 1024.0,
        (marked[marked.len() - 1] / 1024 + 1) as f64 * 1800.0 / 681.0,
    ];
    for (found, expected) in reply["objects"][0]["box"].as_array().unwrap().iter().zip(edges) {
        assert!((found.as_f64().unwrap() - expected).abs() < 1e-6, "{found} {expected}");
    }
}

#[test]
fn layers_and_units() {
    let server = Running::new();
    let graph = server.get("/api/v1/models/residual/graph").ok();
    let value = graph["values"].as_array().unwrap().iter().find(|value| value["is_shown"] == true).unwrap();
    let name = value["name"].as_str().unwrap();
    let body = json!({"photograph": "example-cat", "value": name, "class": 1});
    let reply = server.post("/api/v1/layers", &body).ok();
    let (shape, activations) = numbers(&reply["activations"]);
    assert_eq!(json!(shape), reply["shape"]);
    assert_eq!((&reply["class"]["index"], &reply["reduced_by"]), (&json!(1), &json!(1)));
    assert_eq!(numbers(&reply["gradients"]).0, shape);
    let mut runner = runner();
    let model = runner.model().clone();
    let options = deepinside::layers::LayersOptions { class: Some(1), ..Default::default() };
    let photograph = model.load_photograph(&cat()).unwrap();
    let input = model.input_of(&photograph, model.crop).unwrap();
    let all = deepinside::layers::layers(&mut runner, input.data(), &options).unwrap();
    let layer = all.layers.iter().find(|layer| layer.name == name).unwrap();
    let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1.0));
    assert!(close(&activations, layer.activation.data()));
    assert!(close(&numbers(&reply["gradients"]).1, layer.gradient.data()));

    for rule in ["gradient", "deconvnet", "guided"] {
        let body = json!({"photograph": "example-cat", "value": name, "channel": 1, "rule": rule});
        let unit = server.post("/api/v1/unit", &body).ok();
        assert_eq!(numbers(&unit["picture"]).0, [32, 32, 3]);
        let area = shape[1] * shape[2];
        let strongest = activations[area..2 * area].iter().copied().fold(f32::MIN, f32::max);
        assert!((unit["activation"].as_f64().unwrap() as f32 - strongest).abs() < 1e-5);
        let (_, picture) = numbers(&unit["picture"]);
        let (_, map) = numbers(&unit["map"]);
        let largest = |pixel: &[f32]| pixel.iter().map(|number| number.abs()).fold(0.0, f32::max);
        assert_eq!(picture.chunks(3).map(largest).collect::<Vec<_>>(), map);
    }
    let placed = json!({"photograph": "example-cat", "value": name, "channel": 0, "position": [2, 3]});
    let unit = server.post("/api/v1/unit", &placed).ok();
    assert_eq!(unit["activation"].as_f64().unwrap() as f32, activations[2 * shape[2] + 3]);
    for wrong in [json!({"channel": 9999}), json!({"channel": 0, "position": [0, 9999]})] {
        let mut body = json!({"photograph": "example-cat", "value": name});
        body.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        server.post("/api/v1/unit", &body).refused(404, "not_found");
    }
}

#[test]
fn a_comparison_is_a_matrix_of_the_same_maps() {
    let server = Running::new();
    let body = json!({"photograph": "example-cat", "classes": [0, 4], "methods": [
        {"name": "plain"}, {"name": "smooth", "rule": "guided", "crops": "whole", "smoothing": 0.05}]});
    let reply = server.post("/api/v1/compare", &body).ok();
    assert_eq!(reply["methods"], json!(["plain", "smooth"]));
    assert_eq!(
        (reply["cells"].as_array().unwrap().len(), reply["cells"][0].as_array().unwrap().len()),
        (2, 2)
    );
    let single = server.post("/api/v1/saliency", &json!({"photograph": "example-cat", "classes": [4]})).ok();
    assert_eq!(reply["cells"][0][1]["map"], single["maps"][0]["map"]);
    assert_eq!(numbers(&reply["cells"][1][0]["map"]).0, [300, 451]);
    assert_eq!(reply["command"].as_str().unwrap().lines().count(), 4);
}

#[test]
fn a_frame_of_the_camera() {
    let server = Running::new();
    let frame: Vec<u8> = (0..32 * 32 * 3).map(|index| (index * 7 % 256) as u8).collect();
    let reply = server.post_bytes("/api/v1/live?class=2", "application/octet-stream", &frame);
    assert_eq!(reply.status, 200);
    assert_eq!(
        (reply.body.len(), reply.header("x-size"), reply.header("x-class")),
        (1024, Some("32,32"), Some("2"))
    );
    let top: serde_json::Value = serde_json::from_str(reply.header("x-top").unwrap()).unwrap();
    assert_eq!(top.as_array().unwrap().len(), 3);
    assert!(reply.body.contains(&255), "the brightest pixel is not white");
    server.post_bytes("/api/v1/live", "application/octet-stream", &frame[1..]).refused(422, "unfit");
    server.post_bytes("/api/v1/live", "image/jpeg", &frame).refused(415, "media_type");
    server.post_bytes("/api/v1/live?class=5", "application/octet-stream", &frame).refused(404, "not_found");
}

#[test]
fn models_are_taken_only_where_that_is_allowed() {
    let onnx = std::fs::read(fixtures().join("onnx/shuffle/model.onnx")).unwrap();
    let kind = "application/octet-stream";
    Running::new().post_bytes("/api/v1/models", kind, &onnx).refused(403, "model_upload");
    let server =
        Running::with(deepinside_server::ServerOptions { allow_model_upload: true, ..support::options() });
    let reply = server.post_bytes("/api/v1/models?name=my+Net", kind, &onnx);
    assert_eq!(reply.status, 201);
    assert_eq!((&reply.json()["id"], &reply.json()["is_open"]), (&json!("my-net"), &json!(true)));
    let body = json!({"photograph": "example-cat", "model": "my-net"});
    server.post("/api/v1/classify", &body).ok();
    assert_eq!(server.post_bytes("/api/v1/models?name=my-net", kind, &onnx).json()["id"], "my-net-2");
    server.post_bytes("/api/v1/models", kind, b"no network").refused(422, "unfit");
    // Its weights lie in another file, which a request must not name.
    let elsewhere = std::fs::read(fixtures().join("onnx/external_data/model.onnx")).unwrap();
    server.post_bytes("/api/v1/models", kind, &elsewhere).refused(422, "unfit");
}
