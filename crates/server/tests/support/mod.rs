//! A server on a free port, and a client that can also misbehave.

#![allow(dead_code, reason = "each test uses a part")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base64::Engine as _;
use deepinside_server::{Handle, Limits, ModelSource, Origin, Server, ServerOptions};
use serde_json::Value;

/// A small network of five classes that reads 3×32×32.
pub fn residual() -> ModelSource {
    source("residual", "onnx/residual/model.onnx")
}

pub fn source(id: &str, fixture: &str) -> ModelSource {
    let path = fixtures().join(fixture);
    let flag = Some(path.display().to_string());
    ModelSource { id: id.to_owned(), flag, origin: Origin::Path(path), exemplars: None, mistakes: None }
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/tests/fixtures")
}

pub fn options() -> ServerOptions {
    ServerOptions {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        any_port: false,
        models: vec![residual(), source("next", "onnx/next/model.onnx")],
        hosts: Vec::new(),
        frame_ancestors: Vec::new(),
        heeds_signals: false,
        token: None,
        allow_model_upload: false,
        trial: None,
        threads: 1,
        limits: Limits { uploads_a_minute: 100_000, ..Limits::default() },
    }
}

/// A server that ends with the test.
pub struct Running {
    pub address: SocketAddr,
    pub url: String,
    pub handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub fn new() -> Self {
        Self::with(options())
    }

    pub fn with(options: ServerOptions) -> Self {
        let server = Server::bind(options).unwrap();
        let (address, url, handle) = (server.address(), server.url(), server.handle());
        let thread = std::thread::spawn(move || server.run().unwrap());
        Self { address, url, handle, thread: Some(thread) }
    }

    /// Ends the server and waits until it has.
    pub fn stop(&mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }

    /// A body of bytes.
    pub fn post_bytes(&self, path: &str, kind: &str, body: &[u8]) -> Reply {
        self.send("POST", path, &[("Content-Type", kind)], body)
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut stream = self.connect();
        stream.write_all(&self.request(method, path, headers, body)).unwrap();
        Reply::read(&mut stream)
    }

    /// The bytes of a request. A header Host among `headers` replaces the usual one.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() || method != "GET" {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        let mut bytes = (head + "\r\n").into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }

    /// One number of /metrics.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name} is missing in {text}")).parse().unwrap()
    }

    /// Waits until something holds.
    pub fn wait(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < Duration::from_secs(60), "{what} never came");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            let joined = thread.join();
            if !std::thread::panicking() {
                joined.unwrap();
            }
        }
    }
}

/// What was answered.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Self::parse(&bytes)
    }

    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = bytes[end + 4..].to_vec();
        let reply = Self { status, head, body };
        match reply.header("transfer-encoding") {
            Some("chunked") => Self { body: unchunked(&reply.body), ..reply },
            _ => reply,
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of a success.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.head, String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// Expects a refusal in the documented form; gives its message.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status, status, "{} {}", self.head, String::from_utf8_lossy(&self.body));
        let json = self.json();
        assert_eq!(json["error"]["code"], code, "{json}");
        json["error"]["message"].as_str().unwrap().to_owned()
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        whole.extend_from_slice(body[end + 2..].get(..length).unwrap_or_default());
        match body.get(end + 2 + length + 2..) {
            Some(rest) if length > 0 => body = rest,
            _ => break,
        }
    }
    whole
}

/// The shape and the numbers of an array.
pub fn numbers(array: &Value) -> (Vec<usize>, Vec<f32>) {
    let bytes = base64::engine::general_purpose::STANDARD.decode(array["data"].as_str().unwrap()).unwrap();
    let shape: Vec<usize> =
        array["shape"].as_array().unwrap().iter().map(|extent| extent.as_u64().unwrap() as usize).collect();
    let numbers: Vec<f32> = match array["type"].as_str().unwrap() {
        "float32" => bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect(),
        "uint8" => bytes.into_iter().map(f32::from).collect(),
        other => panic!("{other}"),
    };
    assert_eq!(shape.iter().product::<usize>(), numbers.len());
    (shape, numbers)
}

/// Server-sent events, one after the other.
pub struct Events {
    stream: TcpStream,
    text: String,
    is_head_read: bool,
}

impl Events {
    pub fn open(server: &Running, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut stream = server.connect();
        stream.write_all(&server.request("GET", path, headers, b"")).unwrap();
        Self { stream, text: String::new(), is_head_read: false }
    }

    /// The next event: its name, identifier and data; none when the stream has ended.
    pub fn next(&mut self) -> Option<(String, Option<String>, Value)> {
        loop {
            if !self.is_head_read
                && let Some(end) = self.text.find("\r\n\r\n")
            {
                assert!(self.text.starts_with("HTTP/1.1 200"), "{}", self.text);
                assert!(self.text.contains("text/event-stream"), "{}", self.text);
                self.text.drain(..end + 4);
                self.is_head_read = true;
            }
            if let Some(end) = self.text.find("\n\n").filter(|_| self.is_head_read) {
                let event: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
                };
                if let (Some(name), Some(data)) = (field("event"), field("data")) {
                    return Some((name, field("id"), serde_json::from_str(&data).unwrap()));
                }
                continue;
            }
            let mut bytes = [0; 65536];
            match self.stream.read(&mut bytes).unwrap() {
                0 => return None,
                // Each event is one chunk; their lengths stand on lines of their own, which no field's name begins.
                count => self.text.push_str(&String::from_utf8_lossy(&bytes[..count])),
            }
        }
    }

    /// The next event of that name.
    pub fn next_of(&mut self, wanted: &str) -> Value {
        loop {
            let (name, _, data) = self.next().unwrap_or_else(|| panic!("no event '{wanted}' came"));
            if name == wanted {
                return data;
            }
        }
    }
}
