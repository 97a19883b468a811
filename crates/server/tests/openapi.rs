//! The OpenAPI document is true: what it lists is answered, and its examples work.

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::Running;

const METHODS: [&str; 5] = ["get", "post", "patch", "delete", "put"];

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| -> Vec<_> {
        METHODS
            .iter()
            .filter_map(|method| Some((path.clone(), (*method).to_owned(), item.get(*method)?.clone())))
            .collect()
    };
    paths.iter().flat_map(of_path).collect()
}

#[test]
fn it_lists_the_api_and_every_address_is_answered() {
    let server = Running::new();
    let document = server.get("/api/v1/openapi.json").ok();
    assert_eq!(document, deepinside_server::api::document());
    let operations = operations(&document);
    let listed: BTreeSet<String> = operations
        .iter()
        .map(|(path, method, _)| format!("{method} {}", path.replace("/api/v1", "")))
        .collect();
    let expected = [
        "get /openapi.json",
        "get /jobs/{name}",
        "get /models",
        "post /models",
        "get /models/{model}",
        "delete /models/{model}",
        "get /models/{model}/classes",
        "get /models/{model}/graph",
        "get /models/{model}/filters",
        "get /models/{model}/recipes",
        "get /examples",
        "get /examples/{id}",
        "post /photographs",
        "get /photographs/{id}",
        "get /photographs/{id}/preview",
        "post /classify",
        "post /saliency",
        "get /methods",
        "post /arrays",
        "post /attributions",
        "post /localise",
        "post /layers",
        "post /confusions",
        "post /exemplars",
        "post /unit",
        "post /reports",
        "post /compare",
        "post /live",
        "post /class-models",
        "get /class-models/{id}",
        "patch /class-models/{id}",
        "delete /class-models/{id}",
        "get /class-models/{id}/events",
        "post /class-models/{id}/pause",
        "post /class-models/{id}/resume",
        "post /class-models/{id}/rewind",
        "get /class-models/{id}/picture.png",
        "get /class-models/{id}/animation.png",
        "get /class-models/{id}/animation.gif",
        "get /class-models/{id}/animation.webp",
    ];
    assert_eq!(listed, expected.iter().map(|text| (*text).to_owned()).collect());
    for (path, method, operation) in &operations {
        let reply = server.send(&method.to_uppercase(), &path.replace(['{', '}'], ""), &[], b"");
        let no_address =
            reply.status == 404 && String::from_utf8_lossy(&reply.body).contains("no such address");
        assert!(reply.status != 405 && !no_address, "{method} {path}: {}", reply.status);
        // Whatever is answered is documented.
        let statuses = operation["responses"].as_object().unwrap();
        assert!(statuses.contains_key(&reply.status.to_string()), "{method} {path}: {}", reply.status);
        assert!(operation["summary"].is_string() || operation["description"].is_string(), "{method} {path}");
    }
}

/// Calls `look` with every object of a JSON value.
fn objects(value: &Value, look: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            look(object);
            object.values().for_each(|value| objects(value, look));
        }
        Value::Array(values) => values.iter().for_each(|value| objects(value, look)),
        _ => {}
    }
}

/// Programs that read the document find all that it refers to, and learn that files are bytes and pairs have two members.
#[test]
fn it_is_whole_and_exact() {
    let document = deepinside_server::api::document();
    let mut references = BTreeSet::new();
    objects(&document, &mut |object| {
        references.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
    });
    assert!(references.contains("#/components/schemas/ErrorBody"));
    for reference in &references {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
    let post = |path: &str| document["paths"][format!("/api/v1/{path}")]["post"].clone();
    let frame = &post("live")["requestBody"]["content"]["application/octet-stream"]["schema"];
    assert_eq!((&frame["type"], &frame["format"]), (&json!("string"), &json!("binary")));
    let schemas = &document["components"]["schemas"];
    for (schema, property, length) in [
        ("UnitRequest", "position", 2),
        ("ValueObjective", "position", 2),
        ("RecipeChanges", "zoom", 2),
        ("SaliencyAnswer", "region", 4),
        ("FoundObject", "box", 4),
    ] {
        let property = &schemas[schema]["properties"][property];
        assert_eq!([&property["minItems"], &property["maxItems"]], [length, length], "{schema}: {property}");
    }
}

/// Numbers of classes are 32 bits wide, which programs that make requests must learn.
#[test]
fn unsigned_integers_are_bounded_on_both_sides() {
    let document = deepinside_server::api::document();
    let mut found = 0;
    objects(&document, &mut |schema| {
        let least = schema.get("minimum").and_then(Value::as_f64);
        let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
        if format.ends_with("int32") && least == Some(0.0) {
            assert!(schema["maximum"].as_f64().is_some_and(|most| most <= f64::from(u32::MAX)), "{schema:?}");
            found += 1;
        }
    });
    assert!(found > 5, "only {found} integers");
}

/// Follows a reference.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// What a job finds of two photographs in a layer of the built-in network.
#[cfg(feature = "builtin-model")]
fn gallery(folder: &std::path::Path) -> deepinside_jobs::exemplars::Gallery {
    use deepinside_jobs::exemplars::{ExemplarOptions, Gallery, run};
    use deepinside_jobs::input::{InputOptions, Inputs, Selection};
    let model = std::sync::Arc::new(deepinside::Model::built_in(deepinside::Settings::default()).unwrap());
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let names = ["cat.png", "coffee.png"].map(|name| examples.join(name).into_os_string());
    let inputs =
        Inputs::gather(&names, &InputOptions::default(), Selection::default(), &mut std::io::empty());
    let inputs = inputs.unwrap();
    let options = ExemplarOptions {
        out: folder.to_owned(),
        layers: vec!["_bn0.relu6".to_owned()],
        top: 2,
        crop: None,
        shard: None,
        workers: 1,
    };
    run(&model, &inputs, &options, &deepinside::Interrupt::default(), &mut |_| {}).unwrap();
    Gallery::open(&model, folder, inputs).unwrap()
}

/// An evaluation in which one photograph is said to show a tench.
#[cfg(feature = "builtin-model")]
fn mistakes(folder: &std::path::Path) -> deepinside::evaluation::Mistakes {
    let model = deepinside::Model::built_in(deepinside::Settings::default()).unwrap();
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let path = folder.join("results.jsonl");
    let line = |name: &str, class: usize, rank: usize, named: usize| json!({"file": examples.join(name), "class_index": class, "rank": rank, "named": named, "seconds": 0.1});
    let lines = [
        json!({"settings": {"measure": "classification"}}),
        line("cat.png", 0, 400, 282),
        line("coffee.png", 967, 0, 967),
        line("gone.png", 0, 7, 282),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(&path, text + "{\"file\": \"unfinished").unwrap();
    for (foreign, told) in [
        ("", "its first line holds no settings"),
        (
            "{\"settings\": {\"measure\": \"localisation\"}}\n",
            "no file of `evaluate classification --details`",
        ),
        (
            "{\"settings\": {\"measure\": \"classification\"}}\n{\"file\": \"a\", \"class_index\": 1, \"rank\": 0, \"named\": 1000, \"seconds\": 1}\n",
            "it names class 1000",
        ),
    ] {
        let other = folder.join("other.jsonl");
        std::fs::write(&other, foreign).unwrap();
        let error = deepinside::evaluation::Mistakes::read(&other, &model).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
    deepinside::evaluation::Mistakes::read(&path, &model).unwrap()
}

#[cfg(feature = "builtin-model")]
#[test]
fn its_examples_work_with_the_built_in_network() {
    use deepinside_server::{ModelSource, Origin, ServerOptions};
    let folder = tempfile::tempdir().unwrap();
    let exemplars = Some(std::sync::Arc::new(gallery(folder.path())));
    let mistakes = Some(std::sync::Arc::new(mistakes(folder.path())));
    let built_in =
        ModelSource { id: "built-in".to_owned(), origin: Origin::BuiltIn, flag: None, exemplars, mistakes };
    let server = Running::with(ServerOptions { models: vec![built_in], threads: 0, ..support::options() });
    let document = server.get("/api/v1/openapi.json").ok();
    let mut tried = 0;
    for (path, method, operation) in operations(&document) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let example = &resolved(&document, schema)["example"];
        if path.contains('{') || !example.is_object() {
            continue;
        }
        tried += 1;
        let reply = server.post(&path, example);
        assert!((200..300).contains(&reply.status), "{method} {path} {example}: {}", reply.text());
    }
    assert_eq!(tried, 11);
    let found = server.post("/api/v1/confusions", &json!({"confusion": 0})).ok();
    assert_eq!((&found["photographs"], &found["wrong"]), (&json!(3), &json!(2)));
    let [confusion] = found["confusions"].as_array().unwrap().as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (&confusion["class"], &confusion["count"], &confusion["of"]),
        (&json!("tench, Tinca tinca"), &json!(2), &json!(2))
    );
    let worst = found["worst"].as_array().unwrap();
    let told: Vec<_> = worst.iter().map(|one| (one["photograph"].as_str().unwrap(), &one["rank"])).collect();
    assert_eq!(told, [("cat.png", &json!(400)), ("gone.png", &json!(7))]);
    for picture in ["picture", "margin"] {
        let url = worst[0]["drawn"][picture].as_str().unwrap();
        assert!(url.starts_with("data:image/jpeg;base64,/9j/"), "{url:.60}");
    }
    assert!(worst[1]["drawn"].is_null());
    server.post("/api/v1/confusions", &json!({"confusion": 1})).refused(404, "not_found");
    let known = server.get("/api/v1/models/built-in").ok()["exemplar_layers"].clone();
    assert_eq!(known, json!(["_bn0.relu6"]));
    let unit = server.post("/api/v1/exemplars", &json!({"value": "_bn0.relu6", "channel": 3})).ok();
    assert_eq!(unit["photographs"], 2);
    let exemplars = unit["exemplars"].as_array().unwrap();
    let names: std::collections::BTreeSet<&str> =
        exemplars.iter().map(|exemplar| exemplar["photograph"].as_str().unwrap()).collect();
    // Names without the folders of this machine.
    assert_eq!(names, ["cat.png", "coffee.png"].into());
    assert!(exemplars[0]["activation"].as_f64() >= exemplars[1]["activation"].as_f64());
    for exemplar in exemplars {
        for picture in ["picture", "map"] {
            let url = exemplar["seen"][picture].as_str().unwrap();
            assert!(url.starts_with("data:image/jpeg;base64,/9j/"), "{url:.60}");
        }
    }
    let drawn = |method: &str| json!({"value": "_bn0.relu6", "channel": 3, "method": method});
    // Between the first layer and the photograph is one rectifier, by which guided backpropagation changes nothing.
    let times_input = server.post("/api/v1/exemplars", &drawn("input-x-gradient")).ok();
    assert_eq!(times_input["exemplars"][0]["seen"]["picture"], exemplars[0]["seen"]["picture"]);
    assert_ne!(times_input["exemplars"][0]["seen"]["map"], exemplars[0]["seen"]["map"]);
    for method in ["grad-cam", "none"] {
        server.post("/api/v1/exemplars", &drawn(method)).refused(409, "conflict");
    }
    for (value, channel) in [("_bn0.relu6", 32), ("_bn1.relu6", 0), ("nothing", 0)] {
        server
            .post("/api/v1/exemplars", &json!({"value": value, "channel": channel}))
            .refused(404, "not_found");
    }
    let class = server.post("/api/v1/classify", &json!({"photograph": "example-cat"})).ok()["top"][0].clone();
    assert!(class["name"].as_str().unwrap().contains("cat"), "{class}");
    let found = server.get("/api/v1/models/built-in/classes?query=tab").ok();
    assert!(found.as_array().unwrap().iter().any(|class| class["name"] == "tabby, tabby cat"), "{found}");
    let filters = server.get("/api/v1/models/built-in/filters?value=_bn0.relu6").ok();
    assert_eq!(support::numbers(&filters["filters"]).0, [32, 3, 3, 3]);
}
