//! `deepinside serve` starts, says where, offers the models that were named, and ends in order. What it answers is tested in the crate
//! of the server.

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use support::fixtures;

struct Serving {
    program: Child,
    url: String,
}

impl Serving {
    fn start(arguments: &[&str], token: Option<&str>) -> Self {
        Self::start_with(&fixtures(), arguments, token)
    }

    /// With networks of this folder.
    fn start_with(cache: &Path, arguments: &[&str], token: Option<&str>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deepinside"));
        command.env_remove("DEEPINSIDE_TOKEN").env("DEEPINSIDE_CACHE", cache).arg("serve").args(arguments);
        if let Some(token) = token {
            command.env("DEEPINSIDE_TOKEN", token);
        }
        let mut program = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(program.stdout.as_mut().unwrap()).read_line(&mut url).unwrap();
        Self { program, url: url.trim().to_owned() }
    }

    fn get(&self, path: &str) -> String {
        let address = self.url.trim_start_matches("http://").split('/').next().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[test]
fn says_where_and_ends_when_it_is_asked_to() {
    let network = fixtures().join("onnx/residual/model.onnx").to_string_lossy().into_owned();
    let mut serving = Serving::start(&["--port", "0", "-m", &network, "--threads", "1"], None);
    assert!(serving.url.starts_with("http://127.0.0.1:"), "{}", serving.url);
    assert!(serving.get("/healthz").ends_with("ok"));
    let models = serving.get("/api/v1/models");
    let flag = serde_json::to_string(&network).unwrap();
    let listed = format!("\"id\":\"model\",\"name\":\"model\",\"flag\":{flag},\"is_default\":true");
    assert!(models.contains(&listed), "{models}");
    if cfg!(feature = "builtin-model") {
        assert!(models.contains("\"id\":\"built-in\""), "{models}");
    }
    if cfg!(unix) {
        let status =
            Command::new("kill").args(["-TERM", &serving.program.id().to_string()]).status().unwrap();
        assert!(status.success());
        assert!(serving.program.wait().unwrap().success());
    }
}

/// `serve -m squeezenet-1.1` listed that network twice, and `-m built-in` was no network.
#[test]
fn a_network_is_listed_once_by_whatever_name_it_is_given() {
    let cache = tempfile::tempdir().unwrap();
    let network = fixtures().join("onnx/residual/model.onnx");
    let mut add = Command::new(env!("CARGO_BIN_EXE_deepinside"));
    add.env("DEEPINSIDE_CACHE", cache.path()).args(["model", "add", "--name", "mine"]).arg(&network);
    assert!(add.output().unwrap().status.success());
    let path = network.to_string_lossy();
    let given = ["--port", "0", "-m", "mine", "-m", &path, "-m", "mine"];
    let has_own = cfg!(feature = "builtin-model");
    let given = if has_own { [&given[..], &["-m", "built-in"]].concat() } else { given.to_vec() };
    let models = Serving::start_with(cache.path(), &given, None).get("/api/v1/models");
    let models: serde_json::Value =
        serde_json::from_str(&models[models.find("\r\n\r\n").unwrap()..]).unwrap();
    let ids: Vec<&str> =
        models.as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    let expected: &[&str] = if has_own { &["mine", "built-in"] } else { &["mine"] };
    assert_eq!(ids, expected);
    if has_own {
        let first = Serving::start_with(cache.path(), &["--port", "0", "-m", "built-in"], None);
        assert!(first.get("/api/v1/models").contains("[{\"id\":\"built-in\""));
    }
}

#[test]
fn a_token_of_the_environment_is_needed_everywhere() {
    let serving = Serving::start(&["--port", "0"], Some("9f3c1a7e5b2d8046"));
    assert!(serving.url.ends_with("/?token=9f3c1a7e5b2d8046"), "{}", serving.url);
    assert!(serving.get("/api/v1/models").starts_with("HTTP/1.1 401"));
    assert!(serving.get("/api/v1/models?token=9f3c1a7e5b2d8046").starts_with("HTTP/1.1 200"));
    for weak in ["0123456789abcdef", "passwordpassword", "short"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deepinside"));
        let output = command.args(["serve", "--port", "0"]).env("DEEPINSIDE_TOKEN", weak).output().unwrap();
        let text = support::stderr(&output);
        assert!(
            !output.status.success() && text.contains("DEEPINSIDE_TOKEN") && !text.contains(weak),
            "{text}"
        );
    }
}

#[test]
fn says_what_is_wrong() {
    for (arguments, said) in [
        (&["-m", "no-such.onnx"][..], "no-such.onnx"),
        (&["--address", "somewhere"], "0.0.0.0:8080"),
        (&["--address", "127.0.0.1:0", "--port", "1"], "--port"),
        (&["--address", "192.0.2.1:0"], "cannot listen on 192.0.2.1:0"),
        (&["--workers", "0"], "--workers"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deepinside"));
        let output = command.arg("serve").args(arguments).output().unwrap();
        let text = support::stderr(&output);
        assert!(!output.status.success() && text.contains(said), "{arguments:?}: {text}");
    }
}

/// The process in which uploaded models are opened first: what it says, and what becomes of it when it may take too little.
#[cfg(unix)]
#[test]
fn a_model_is_tried_within_bounds() {
    let tried = |network: &Path, memory: u64| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deepinside"));
        command.args(["--try-uploaded-model", &memory.to_string(), "20"]);
        command.stdin(std::fs::File::open(network).unwrap()).output().unwrap()
    };
    let good = fixtures().join("onnx/shuffle/model.onnx");
    let whole = tried(&good, 4 << 30);
    assert_eq!((whole.status.code(), whole.stdout.len()), (Some(0), 0));
    let refused = tried(&fixtures().join("hostile/labels.txt"), 4 << 30);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stdout).contains("ONNX"), "{refused:?}");
    // A run that takes more than its file explains is refused here, and not at each request.
    for (name, told) in [("enlarged", "billion operations"), ("sines", "billion operations")] {
        let refused = tried(&fixtures().join(format!("hostile/{name}.onnx")), 4 << 30);
        assert_eq!(refused.status.code(), Some(1), "{name}");
        assert!(String::from_utf8_lossy(&refused.stdout).contains(told), "{refused:?}");
    }
    // Less than the program itself has taken already.
    assert!(!tried(&good, 1 << 20).status.success());
}

/// An uploaded model passes through that process.
#[cfg(unix)]
#[test]
fn an_uploaded_model_is_tried_and_taken() {
    let serving = Serving::start(&["--port", "0", "--threads", "1", "--allow-model-upload"], None);
    let address = serving.url.trim_start_matches("http://").split('/').next().unwrap();
    let onnx = std::fs::read(fixtures().join("onnx/shuffle/model.onnx")).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /api/v1/models?name=mine HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: \
         application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        onnx.len()
    )
    .unwrap();
    stream.write_all(&onnx).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}
