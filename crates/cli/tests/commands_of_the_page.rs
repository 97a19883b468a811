//! Every command line that the server shows, and the page with it, is one that this program takes, and gives the server's numbers bit by
//! bit.

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use deepinside::files::{Array, npy};
use serde_json::{Value, json};
use support::fixtures;

struct Serving {
    program: Child,
    address: String,
}

impl Serving {
    fn start() -> Self {
        let network = fixtures().join("onnx/residual/model.onnx");
        let mut command = Command::new(env!("CARGO_BIN_EXE_deepinside"));
        command.args(["serve", "--port", "0", "--threads", "1", "-m"]).arg(network);
        command.env_remove("DEEPINSIDE_TOKEN").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut program = command.spawn().unwrap();
        let mut url = String::new();
        BufReader::new(program.stdout.as_mut().unwrap()).read_line(&mut url).unwrap();
        let address = url.trim().trim_start_matches("http://").split('/').next().unwrap().to_owned();
        Self { program, address }
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        serde_json::from_slice(&self.send("POST", path, "application/json", body.to_string().as_bytes()))
            .unwrap()
    }

    fn get(&self, path: &str) -> Vec<u8> {
        self.send("GET", path, "application/json", b"")
    }

    /// The body of a successful answer.
    fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{method} /api/v1/{path} HTTP/1.1\r\nHost: {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            self.address,
            body.len()
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 20"), "{path} {}", String::from_utf8_lossy(&answer));
        answer.split_off(end + 4)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// An array of an answer.
fn numbers(value: &Value) -> Array {
    let bytes = base64::engine::general_purpose::STANDARD.decode(value["data"].as_str().unwrap()).unwrap();
    let numbers = bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    let shape: Vec<usize> = serde_json::from_value(value["shape"].clone()).unwrap();
    Array::new(shape, numbers).unwrap()
}

/// Gives a command line to a shell, where the examples are, with some flags more; what it printed.
fn run(line: &str, flags: &[&str]) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_deepinside"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).env("PATH", path);
    let output = command.arg("-c").arg(format!("{line} --threads 1 \"$@\"")).arg("sh").args(flags).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

struct Workshop(tempfile::TempDir);

impl Workshop {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_string_lossy().into_owned()
    }

    /// What a command line that shows a map writes of its numbers.
    fn raw(&self, line: &str) -> Array {
        let (picture, raw) = (self.path("picture.png"), self.path("raw.npy"));
        run(line, &["-o", &picture, "--raw", &raw]);
        npy::read(PathBuf::from(raw)).unwrap()
    }
}

fn assert_same(found: &Array, expected: &Array, line: &str) {
    assert_eq!(found.shape(), expected.shape(), "{line}");
    // What the command line did not see is NaN, and 0 in an answer, which says what was seen beside it.
    let same = |(found, expected): (&f32, &f32)| found == expected || (found.is_nan() && *expected == 0.0);
    assert!(found.data().iter().zip(expected.data()).all(same), "{line}: other numbers");
}

/// Maps of mirrored crops were turned back by the server alone, and `--smoothing 0` lay in another frame.
#[test]
fn saliency() {
    let (serving, workshop) = (Serving::start(), Workshop::new());
    for choice in [
        json!({}),
        json!({"classes": [3, 1]}),
        json!({"classes": [2], "minus": 0}),
        json!({"rule": "guided"}),
        json!({"rule": "deconvnet", "crops": "top-left"}),
        json!({"crops": "whole"}),
        json!({"crops": "mirrored-centre"}),
        json!({"crops": "mirrored-centre", "rule": "smooth"}),
        json!({"crops": "ten"}),
        json!({"smooth_grad": {"samples": 3}, "seed": 7}),
        json!({"smooth_grad": {"samples": 2, "noise": 0.3}, "crops": "ten", "smoothing": 0.02}),
        json!({"smoothing": 0.05, "classes": [1], "minus": 3}),
        json!({"smoothing": 0.0}),
        json!({"readable": true}),
        json!({"readable": true, "classes": [1], "minus": 2}),
    ] {
        let mut body = json!({"photograph": "example-cat"});
        body.as_object_mut().unwrap().extend(choice.as_object().unwrap().clone());
        let answer = serving.post("saliency", &body);
        let lines: Vec<&str> = answer["command"].as_str().unwrap().lines().collect();
        let maps = answer["maps"].as_array().unwrap();
        assert_eq!(lines.len(), maps.len());
        for (line, map) in lines.into_iter().zip(maps) {
            assert_same(&workshop.raw(line), &numbers(&map["map"]), line);
        }
    }
}

#[test]
fn signed_gradients() {
    let (serving, workshop) = (Serving::start(), Workshop::new());
    for crop in ["centre", "mirrored-centre"] {
        let body = json!({"photograph": "example-cat", "classes": [1], "crops": crop, "signed": true});
        let answer = serving.post("saliency", &body);
        let line =
            answer["command"].as_str().unwrap().replace("gradient.npy", &workshop.path("gradient.npy"));
        run(&line, &["-o", &workshop.path("picture.png")]);
        let gradient = npy::read(PathBuf::from(workshop.path("gradient.npy"))).unwrap();
        let area = gradient.data().len() / 3;
        let mut sum = vec![0.0f32; area];
        for channel in gradient.data().chunks_exact(area) {
            sum.iter_mut().zip(channel).for_each(|(sum, number)| *sum += number);
        }
        assert_eq!(sum, numbers(&answer["maps"][0]["signed"]).data(), "{line}");
    }
}

#[test]
fn methods_of_the_table() {
    let (serving, workshop) = (Serving::start(), Workshop::new());
    for choice in [
        json!({"method": "gradient"}),
        json!({"method": "integrated-gradients", "parameters": {"steps": 5}, "target": "2 - 1"}),
        json!({"method": "grad-cam", "parameters": {"positive": false}, "crop": "mirrored-centre"}),
        json!({"method": "smooth-grad", "parameters": {"samples": 3, "deviation": 0.2}, "crop": "whole"}),
        json!({"method": "occlusion", "parameters": {"window": 16, "stride": 16}, "target": "p(1)"}),
    ] {
        let mut body = json!({"photograph": "example-cat"});
        body.as_object_mut().unwrap().extend(choice.as_object().unwrap().clone());
        let answer = serving.post("attributions", &body);
        let line = answer["command"].as_str().unwrap();
        assert_same(&workshop.raw(line), &numbers(&answer["attributions"][0]["values"]), line);
    }
}

#[test]
fn layers_and_classes() {
    let (serving, workshop) = (Serving::start(), Workshop::new());
    let answer = serving.post("classify", &json!({"photograph": "example-cat", "top": 3, "crop": "ten"}));
    let line = answer["command"].as_str().unwrap();
    let said: Value = serde_json::from_str(&run(line, &["--json"])).unwrap();
    assert_eq!(said["top"].as_array().unwrap().len(), 3);
    for (said, answered) in said["top"].as_array().unwrap().iter().zip(answer["top"].as_array().unwrap()) {
        assert_eq!((&said["index"], &said["score"]), (&answered["index"], &answered["score"]), "{line}");
    }

    let graph: Vec<String> = {
        let model = deepinside::Model::open(fixtures().join("onnx/residual/model.onnx")).unwrap();
        let shown = deepinside::layers::shown_values(&model);
        shown.into_iter().map(|value| model.graph.value(value).name.clone()).collect()
    };
    for (value, rule) in graph.iter().zip(["gradient", "guided", "deconvnet"]) {
        let body = json!({"photograph": "example-cat", "value": value, "class": 2, "rule": rule});
        let answer = serving.post("layers", &body);
        let line = answer["command"].as_str().unwrap();
        let raw = workshop.path("layers");
        run(line, &["-o", &workshop.path("pictures"), "--raw", &raw]);
        let file = |kind: &str| {
            Path::new(&raw).join(format!("{}-{kind}.npy", deepinside::file_name::portable(value)))
        };
        assert_same(&npy::read(file("activation")).unwrap(), &numbers(&answer["activations"]), line);
        assert_same(&npy::read(file("gradient")).unwrap(), &numbers(&answer["gradients"]), line);
    }
}

#[test]
fn boxes() {
    let (serving, workshop) = (Serving::start(), Workshop::new());
    for choice in [json!({}), json!({"method": "paper"}), json!({"classes": [1]}), json!({"top": 2})] {
        let mut body = json!({"photograph": "example-cat"});
        body.as_object_mut().unwrap().extend(choice.as_object().unwrap().clone());
        let answer = serving.post("localise", &body);
        let line = answer["command"].as_str().unwrap().lines().next().unwrap();
        let said: Value =
            serde_json::from_str(&run(line, &["-o", &workshop.path("picture.png"), "--json"])).unwrap();
        let boxes = |value: &Value| -> Vec<Value> {
            value.as_array().unwrap().iter().map(|object| object["box"].clone()).collect()
        };
        assert_eq!(boxes(&said["boxes"]), boxes(&answer["objects"]), "{line}");
    }
}

#[test]
fn methods_beside_each_other() {
    let (serving, workshop) = (Serving::start(), Workshop::new());
    let methods = json!([
        {"name": "plain"},
        {"name": "mirrored", "crops": "mirrored-top-right", "rule": "guided"},
        {"name": "noisy", "smooth_grad": {"samples": 2, "noise": 0.2}, "seed": 3, "smoothing": 0.01},
    ]);
    let body = json!({"photograph": "example-cat", "classes": [2, 0], "methods": methods});
    let answer = serving.post("compare", &body);
    let lines: Vec<&str> = answer["command"].as_str().unwrap().lines().collect();
    let cells: Vec<&Value> =
        answer["cells"].as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap()).collect();
    assert_eq!((lines.len(), cells.len()), (6, 6));
    for (line, cell) in lines.into_iter().zip(cells) {
        assert_same(&workshop.raw(line), &numbers(&cell["map"]), line);
    }
}

/// The server does not know what an uploaded photograph is called; its line says PHOTOGRAPH where the name goes.
#[test]
fn uploaded_photographs() {
    let (serving, workshop) = (Serving::start(), Workshop::new());
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let file = workshop.path("it's a cup.png");
    std::fs::copy(examples.join("coffee.png"), &file).unwrap();
    let sent = serving.send("POST", "photographs", "image/png", &std::fs::read(&file).unwrap());
    let id = serde_json::from_slice::<Value>(&sent).unwrap()["id"].as_str().unwrap().to_owned();
    let quoted = format!("'{}'", file.replace('\'', "'\\''"));
    for (path, choice) in [
        ("saliency", json!({"classes": [1], "crops": "whole"})),
        ("attributions", json!({"method": "grad-cam", "target": "1"})),
    ] {
        let mut body = json!({"photograph": id});
        body.as_object_mut().unwrap().extend(choice.as_object().unwrap().clone());
        let answer = serving.post(path, &body);
        let line = answer["command"].as_str().unwrap().replacen("PHOTOGRAPH", &quoted, 1);
        let map = match path {
            "saliency" => &answer["maps"][0]["map"],
            _ => &answer["attributions"][0]["values"],
        };
        assert_same(&workshop.raw(&line), &numbers(map), &line);
    }
}

#[test]
fn class_models() {
    let (serving, workshop) = (Serving::start(), Workshop::new());
    for (objective, recipe) in [(json!({"class": 2}), "paper"), (json!({"class": 1, "minus": 0}), "transfer")]
    {
        let body = json!({"objective": objective, "recipe": recipe, "changes": {"iterations": 4}, "seed": 5});
        let begun = serving.post("class-models", &body);
        let id = begun["id"].as_str().unwrap();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(120);
        loop {
            let info: Value = serde_json::from_slice(&serving.get(&format!("class-models/{id}"))).unwrap();
            match info["state"].as_str().unwrap() {
                "finished" => break,
                "running" => assert!(std::time::Instant::now() < end, "{info}"),
                _ => panic!("{info}"),
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let picture = serving.get(&format!("class-models/{id}/picture.png"));
        let (line, own) = (begun["command"].as_str().unwrap(), workshop.path("model.png"));
        run(line, &["-o", &own]);
        assert!(std::fs::read(own).unwrap() == picture, "{line}: another picture");
    }
}

/// A report's numbers are the server's, but for times.
#[test]
fn reports() {
    let (serving, workshop) = (Serving::start(), Workshop::new());
    let methods = ["gradient", "smooth-grad:samples=3", "grad-cam"];
    let body =
        json!({"photograph": "example-cat", "methods": methods, "steps": 5, "depths": 2, "target": "p(1)"});
    let answer = serving.post("reports", &body);
    let line = answer["command"].as_str().unwrap().replace("report.html", &workshop.path("report.html"));
    let said: Value = serde_json::from_str(&run(&line, &["--json"])).unwrap();
    for name in ["target", "number", "measured", "agreement", "notes"] {
        assert_eq!(said[name], answer[name], "{line}: {name}");
    }
    let pairs = said["cards"].as_array().unwrap().iter().zip(answer["cards"].as_array().unwrap());
    assert_eq!(pairs.len(), 3);
    for (said, answered) in pairs {
        for name in [
            "method",
            "randomised",
            "sensitivity",
            "sparseness",
            "completeness",
            "forward_passes",
            "verdict",
            "notes",
        ] {
            assert_eq!(said[name], answered[name], "{line}: {name}");
        }
        for name in ["deletion", "insertion", "deletion_curve", "insertion_curve"] {
            assert_eq!(said["faithfulness"][name], answered["faithfulness"][name], "{line}: {name}");
        }
    }
    assert_eq!(said["controls"].as_array().unwrap().len(), answer["controls"].as_array().unwrap().len());
}
