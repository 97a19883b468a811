//! Bad and excessive requests get a sentence in the documented form, and the server stays as it was.

mod support;

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use deepinside::drawing::Picture;
use deepinside_server::{Limits, ServerOptions};
use serde_json::json;
use support::{Reply, Running, options};

/// A PNG file of a hundred bytes whose header promises a picture of that size.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Picture::filled(1, 1, [0; 3]).unwrap().to_png().unwrap();
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let checksum = checksum(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    assert!(bytes.len() < 120);
    bytes
}

/// The checksum of a PNG chunk (CRC-32 of ISO 3309), bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |sum, &byte| {
        (0..8).fold(
            sum ^ u32::from(byte),
            |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 },
        )
    })
}

#[test]
fn what_does_not_exist() {
    let server = Running::new();
    for path in [
        "/nothing",
        "/api/v1",
        "/api/v1/nothing",
        "/api/v2/models",
        "/api/v1/models/none",
        "/api/v1/models/none/graph",
        "/api/v1/photographs/0123",
        "/api/v1/photographs/none/preview",
        "/api/v1/examples/example-dog",
        "/api/v1/class-models/1",
        "/api/v1/class-models/1/events",
        "/../Cargo.toml",
        "/..%2f..%2fCargo.toml",
        "/api/v1/photographs/..%2f..%2f..%2fetc%2fpasswd",
        "/api/v1/models/%2fetc%2fpasswd/graph",
    ] {
        server.get(path).refused(404, "not_found");
    }
    for body in [
        json!({"photograph": "none"}),
        json!({"photograph": "/etc/passwd"}),
        json!({"photograph": "example-cat", "model": "none"}),
        json!({"photograph": "example-cat", "classes": [5]}),
        json!({"photograph": "example-cat", "classes": [1], "minus": 5}),
    ] {
        server.post("/api/v1/saliency", &body).refused(404, "not_found");
    }
    let message = server.post("/api/v1/saliency", &json!({"photograph": "example-cat", "classes": [5]}));
    assert!(message.refused(404, "not_found").contains("0 to 4"));
    server
        .post("/api/v1/layers", &json!({"photograph": "example-cat", "value": "x"}))
        .refused(404, "not_found");
    for (method, path) in [
        ("DELETE", "/api/v1/models"),
        ("GET", "/api/v1/saliency"),
        ("POST", "/"),
        ("PUT", "/api/v1/photographs/x"),
    ] {
        let refusal = server.send(method, path, &[], b"");
        assert_eq!(refusal.status, 405, "{method} {path}");
        assert_eq!(refusal.json()["error"]["code"], "method");
    }
}

#[test]
fn what_is_no_request() {
    let server = Running::new();
    let json = |body: &[u8]| server.post_bytes("/api/v1/classify", "application/json", body);
    json(b"{\"photograph\": ").refused(400, "malformed");
    json(b"").refused(400, "malformed");
    json(b"\xff\xfe").refused(400, "malformed");
    json(b"[]").refused(422, "unfit");
    assert!(json(b"{\"foto\": 1}").refused(422, "unfit").contains("foto"));
    assert!(json(b"{}").refused(422, "unfit").contains("photograph"));
    json(b"{\"photograph\": \"example-cat\", \"top\": 0}").refused(422, "unfit");
    json(b"{\"photograph\": \"example-cat\", \"top\": -1}").refused(422, "unfit");
    json(b"{\"photograph\": \"example-cat\", \"crop\": \"middle\"}").refused(422, "unfit");
    server.post_bytes("/api/v1/classify", "text/plain", b"{}").refused(415, "media_type");
    server.post_bytes("/api/v1/classify", "application/json", &vec![b' '; 2 << 20]).refused(413, "too_large");
    for body in [
        json!({"photograph": "example-cat", "classes": []}),
        json!({"photograph": "example-cat", "classes": vec![1; 21]}),
        json!({"photograph": "example-cat", "smoothing": 0.7}),
        json!({"photograph": "example-cat", "smooth_grad": {"samples": 0}}),
        json!({"photograph": "example-cat", "smooth_grad": {"samples": 1_000_000}}),
        json!({"photograph": "example-cat", "smooth_grad": {"samples": 1, "noise": -0.1}}),
    ] {
        server.post("/api/v1/saliency", &body).refused(422, "unfit");
    }
    for body in [
        json!({"photograph": "example-cat", "signed": true, "crops": "ten"}),
        json!({"photograph": "example-cat", "signed": true, "smooth_grad": {"samples": 2}}),
        json!({"photograph": "example-cat", "signed": true, "smoothing": 0.1}),
    ] {
        server.post("/api/v1/saliency", &body).refused(409, "conflict");
    }
    let cut = json!({"photograph": "example-cat", "refinements": 2});
    assert!(server.post("/api/v1/localise", &cut).refused(409, "conflict").contains("graph cut"));
    server.get("/api/v1/models/residual/classes?limit=x").refused(422, "unfit");
    server.get("/api/v1/models/residual/classes?limit=0").refused(422, "unfit");
}

#[test]
fn what_is_no_photograph() {
    let limits = Limits { upload_bytes: 100_000, pixels: 1_000_000, ..options().limits };
    let server = Running::with(ServerOptions { limits, ..options() });
    let send = |kind: &str, bytes: &[u8]| server.post_bytes("/api/v1/photographs", kind, bytes);
    send("image/png", b"no picture").refused(415, "media_type");
    send("text/html", b"<html>").refused(415, "media_type");
    send("image/png", b"").refused(422, "unfit");
    let png = Picture::filled(40, 40, [1, 2, 3]).unwrap().to_png().unwrap();
    send("image/png", &png[..png.len() - 20]).refused(422, "unfit");
    let jpeg = Picture::filled(40, 40, [1, 2, 3]).unwrap().to_jpeg(80).unwrap();
    send("image/jpeg", &jpeg[..jpeg.len() - 20]).refused(422, "unfit");
    let message = send("image/png", &bomb(60_000, 60_000)).refused(413, "too_large");
    assert!(message.contains("60000") && message.contains("1000000"), "{message}");
    send("image/png", &bomb(u32::MAX >> 1, 1)).refused(413, "too_large");
    send("image/png", &vec![0; 100_001]).refused(413, "too_large");
    // Without a length the bytes themselves are counted, also those of a form around its file: here a part's head never ends.
    for (kind, first) in [("image/png", "x"), ("multipart/form-data; boundary=x", "--x\r\n")] {
        let mut stream = server.connect();
        let head = format!(
            "POST /api/v1/photographs HTTP/1.1\r\nHost: {}\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{first}\r\n",
            server.address,
            first.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let chunk = [b"4000\r\n".as_slice(), &[7; 0x4000], b"\r\n"].concat();
        for _ in 0..12 {
            // The server may have answered and closed before the last one.
            let _ = stream.write_all(&chunk);
        }
        Reply::read(&mut stream).refused(413, "too_large");
    }
    for (kind, body) in [
        ("multipart/form-data", b"--x--\r\n".as_slice()),
        ("multipart/form-data; boundary=x", b"--x\r\nnonsense"),
        ("multipart/form-data; boundary=x", b"no form at all"),
    ] {
        send(kind, body).refused(400, "malformed");
    }
    let other = b"--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n1\r\n--x--\r\n";
    assert!(send("multipart/form-data; boundary=x", other).refused(422, "unfit").contains("photograph"));
    assert_eq!(server.metric("deepinside_photographs"), 0.0);
    assert_eq!(send("image/png", &png).status, 201);
}

/// Whatever the format and the way, the size is read from the header, and nothing is decoded.
#[test]
fn pictures_that_promise_too_much_are_refused_in_every_format() {
    let server = Running::new();
    let path = "/api/v1/photographs";
    let side = 60_000u16.to_le_bytes();
    let gif = [
        b"GIF89a".as_slice(),
        &side,
        &side,
        &[0x80, 0, 0],
        &[0; 6],
        b",\0\0\0\0",
        &side,
        &side,
        &[0, 2, 0, 0x3b],
    ];
    let mut bmp =
        [b"BM".as_slice(), &54u32.to_le_bytes(), &[0; 4], &54u32.to_le_bytes(), &40u32.to_le_bytes()]
            .concat();
    bmp.extend([60_000i32.to_le_bytes(), 60_000i32.to_le_bytes()].concat());
    bmp.extend([1, 0, 24, 0]);
    bmp.extend([0; 24]);
    let pnm = b"P6 60000 60000 255\n".to_vec();
    for (kind, bytes) in [("image/gif", gif.concat()), ("image/bmp", bmp), ("image/x-portable-pixmap", pnm)] {
        let message = server.post_bytes(path, kind, &bytes).refused(413, "too_large");
        assert!(message.contains("60000×60000") && message.contains("50000000"), "{kind}: {message}");
    }
    let form = [
        b"--x\r\nContent-Disposition: form-data; name=\"photograph\"\r\n\r\n".as_slice(),
        &bomb(60_000, 60_000),
        b"\r\n--x--\r\n",
    ];
    let message = server.post_bytes(path, "multipart/form-data; boundary=x", &form.concat());
    assert!(message.refused(413, "too_large").starts_with("the picture 'photograph' is 60000×60000 pixels"));
    assert_eq!(server.metric("deepinside_photographs"), 0.0);
}

/// What is announced as too long is refused before a byte of it is sent; what is no HTTP is refused, too.
#[test]
fn requests_that_http_itself_forbids() {
    let server = Running::new();
    let ask = |text: &[u8]| {
        let mut stream = server.connect();
        // The server may have answered and closed before the last byte.
        let _ = stream.write_all(text);
        Reply::read(&mut stream)
    };
    let upload = |headers: &str| {
        ask(format!(
            "POST /api/v1/photographs HTTP/1.1\r\nHost: {}\r\nContent-Type: image/png\r\nConnection: close\r\n{headers}\r\n\r\n",
            server.address
        )
        .as_bytes())
    };
    upload("Content-Length: 10000000000").refused(413, "too_large");
    assert_eq!(upload("Content-Length: -1").status, 400);
    assert_eq!(upload("Content-Length: 3\r\nContent-Length: 5").status, 400);
    let head = |rest: &str| {
        ask(format!("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{rest}\r\n\r\n").as_bytes())
    };
    assert_eq!(head(&format!("X: {}", "a".repeat(200_000))).status, 431);
    let many: Vec<String> = (0..100).map(|number| format!("X{number}: 1")).collect();
    assert_eq!(head(&many.join("\r\n")).status, 431);
    assert_eq!(ask(format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000)).as_bytes()).status, 414);
    assert!(ask(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").refused(400, "malformed").contains("Host"));
    // Not even a deeply nested body costs the parser its stack.
    server.post_bytes("/api/v1/classify", "application/json", &[b'['; 100_000]).refused(400, "malformed");
    server
        .post_bytes(
            "/api/v1/saliency",
            "application/json",
            b"{\"photograph\": \"example-cat\", \"smoothing\": 1e999}",
        )
        .refused(400, "malformed");
    assert_eq!(server.get("/healthz").status, 200);
}

/// Heads that never end take all connections, but make room for later ones.
#[test]
fn many_slow_clients_do_not_keep_others_out() {
    let limits = Limits { connections: 8, read_time: Duration::from_secs(3600), ..options().limits };
    let server = Running::with(ServerOptions { limits, ..options() });
    let mut slow: Vec<_> = (0..24).map(|_| server.connect()).collect();
    for stream in &mut slow {
        let _ = stream.write_all(b"G");
    }
    assert_eq!(server.get("/healthz").status, 200);
}

/// A class model that is watched goes on, however many others connect.
#[test]
fn a_client_that_is_being_answered_is_not_cut_off_for_others() {
    let limits = Limits { connections: 4, ..options().limits };
    let server = Running::with(ServerOptions { limits, ..options() });
    let wish = json!({"objective": {"class": 1}, "recipe": "lucid", "changes": {"iterations": 10_000}});
    let id = server.post("/api/v1/class-models", &wish).ok()["id"].as_str().unwrap().to_owned();
    let mut watching = server.connect();
    let path = format!("/api/v1/class-models/{id}/events");
    watching.write_all(&server.request("GET", &path, &[], b"")).unwrap();
    let mut part = [0; 256];
    watching.read_exact(&mut part).unwrap();
    let others: Vec<_> = (0..12).map(|_| server.connect()).collect();
    assert_eq!(server.get("/healthz").status, 200);
    // More than what can have been on its way before.
    for _ in 0..100 {
        watching.read_exact(&mut part).unwrap();
    }
    drop(others);
}

#[test]
fn a_client_that_uploads_too_often_is_asked_to_wait() {
    let limits = Limits { uploads_a_minute: 8, ..options().limits };
    let server = Running::with(ServerOptions { limits, ..options() });
    let png = Picture::filled(4, 4, [1; 3]).unwrap().to_png().unwrap();
    let send = || server.post_bytes("/api/v1/photographs", "image/png", &png);
    assert_eq!([send().status, send().status], [201, 201]);
    let refusal = send();
    refusal.refused(429, "rate");
    assert!((1..=8).contains(&refusal.header("retry-after").unwrap().parse::<u64>().unwrap()));
}

/// A computation that takes as long as it is let.
fn endless() -> serde_json::Value {
    json!({"photograph": "example-cat", "classes": (0..5).cycle().take(20).collect::<Vec<_>>(), "crops": "ten",
        "smooth_grad": {"samples": 200}})
}

#[test]
fn beyond_the_queue_clients_are_asked_to_come_again_and_one_that_goes_away_makes_room() {
    let limits = Limits { workers: 1, waiting: 1, ..options().limits };
    let server = Running::with(ServerOptions { limits, ..options() });
    let body = endless().to_string();
    let start = || {
        let mut stream = server.connect();
        let headers = [("Content-Type", "application/json")];
        stream.write_all(&server.request("POST", "/api/v1/saliency", &headers, body.as_bytes())).unwrap();
        stream
    };
    let running = start();
    server.wait("the first job", |server| server.metric("deepinside_jobs_running") == 1.0);
    let waiting = start();
    server.wait("the second job", |server| server.metric("deepinside_jobs_waiting") == 1.0);
    let refusal = server.post("/api/v1/classify", &json!({"photograph": "example-cat"}));
    refusal.refused(429, "queue_full");
    assert_eq!(refusal.header("retry-after"), Some("1"));
    // What computes nothing is answered all the same.
    assert_eq!(server.get("/").status, 200);
    drop(waiting);
    server.wait("the place in the queue", |server| server.metric("deepinside_jobs_waiting") == 0.0);
    drop(running);
    server.wait("the worker", |server| server.metric("deepinside_jobs_running") == 0.0);
    server.post("/api/v1/classify", &json!({"photograph": "example-cat"})).ok();
    assert_eq!(server.metric("deepinside_jobs_refused_total"), 1.0);
}

#[test]
fn a_computation_that_takes_too_long_is_stopped() {
    let limits = Limits { job_time: Duration::from_millis(300), ..options().limits };
    let server = Running::with(ServerOptions { limits, ..options() });
    server.post("/api/v1/saliency", &endless()).refused(504, "too_long");
    server.wait("the worker", |server| server.metric("deepinside_jobs_running") == 0.0);
}

/// The first few of very many passes show how long all take; without that, the refusal would be that of a job that was stopped.
#[test]
fn what_would_take_too_long_is_refused_before_its_time_is_up() {
    let limits = Limits { job_time: Duration::from_millis(500), ..options().limits };
    let server = Running::with(ServerOptions { limits, ..options() });
    let body = json!({"photograph": "example-cat", "method": "rise", "parameters": {"samples": 100_000}});
    let sentence = server.post("/api/v1/attributions", &body).refused(422, "too_much");
    assert!(sentence.contains("100000 passes") && sentence.contains("fewer samples"), "{sentence}");
}

#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let server = Running::new();
    let request = server.request(
        "POST",
        "/api/v1/classify",
        &[("Content-Type", "application/json")],
        &vec![b' '; 8 << 20],
    );
    let mut stream = server.connect();
    // The length alone is refused; the body comes when the answer has been sent.
    let (head, body) = request.split_at(request.len() - (8 << 20));
    stream.write_all(head).unwrap();
    assert_eq!(stream.peek(&mut [0]).unwrap(), 1);
    std::thread::sleep(Duration::from_millis(100));
    for piece in body.chunks(1 << 20) {
        stream.write_all(piece).unwrap();
    }
    Reply::read(&mut stream).refused(413, "too_large");
}

#[test]
fn slow_clients_are_let_go() {
    let limits = Limits {
        read_time: Duration::from_millis(300),
        body_time: Duration::from_millis(900),
        ..options().limits
    };
    let server = Running::with(ServerOptions { limits, ..options() });
    // A head that never ends.
    let mut slow = server.connect();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: loc").unwrap();
    let mut rest = Vec::new();
    let start = Instant::now();
    let _ = slow.read_to_end(&mut rest);
    assert!(start.elapsed() < Duration::from_secs(30));
    // A body that stops.
    let mut slow = server.connect();
    let request = server.request("POST", "/api/v1/photographs", &[("Content-Type", "image/png")], &[1; 1000]);
    slow.write_all(&request[..request.len() - 500]).unwrap();
    Reply::read(&mut slow).refused(408, "slow");
    // A body that trickles, each byte in time.
    let mut slow = server.connect();
    slow.write_all(&request[..request.len() - 900]).unwrap();
    for _ in 0..12 {
        std::thread::sleep(Duration::from_millis(100));
        if slow.write_all(b"1").is_err() {
            break;
        }
    }
    Reply::read(&mut slow).refused(408, "slow");
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn two_servers_do_not_collide() {
    let first = Running::new();
    let taken = ServerOptions { address: first.address, ..options() };
    let error = deepinside_server::Server::bind(taken.clone()).err().unwrap().to_string();
    assert!(error.contains("--port"), "{error}");
    let second = Running::with(ServerOptions { any_port: true, ..taken });
    assert_ne!(first.address.port(), second.address.port());
    let png = Picture::filled(4, 4, [1; 3]).unwrap().to_png().unwrap();
    let id =
        first.post_bytes("/api/v1/photographs", "image/png", &png).ok()["id"].as_str().unwrap().to_owned();
    second.get(&format!("/api/v1/photographs/{id}")).refused(404, "not_found");
}

#[test]
fn a_server_that_ends_finishes_what_it_began() {
    let mut server = Running::new();
    let mut stream = server.connect();
    let body = json!({"photograph": "example-cat", "smooth_grad": {"samples": 20}}).to_string();
    let headers = [("Content-Type", "application/json")];
    stream.write_all(&server.request("POST", "/api/v1/saliency", &headers, body.as_bytes())).unwrap();
    server.wait("the job", |server| server.metric("deepinside_jobs_running") == 1.0);
    server.stop();
    let reply = Reply::read(&mut stream);
    assert_eq!(reply.status, 200);
    assert!(std::net::TcpStream::connect(server.address).is_err());
}

/// The end was promised within five seconds, whatever clients do.
#[test]
fn a_server_ends_in_time_while_clients_hold_on() {
    let mut server = Running::new();
    let body = endless().to_string();
    let headers = [("Content-Type", "application/json")];
    let start = |bytes: &[u8]| {
        let mut stream = server.connect();
        stream.write_all(bytes).unwrap();
        stream
    };
    let computing = start(&server.request("POST", "/api/v1/saliency", &headers, body.as_bytes()));
    server.wait("the job", |server| server.metric("deepinside_jobs_running") == 1.0);
    let growing = json!({"objective": {"class": 1}, "recipe": "lucid", "changes": {"iterations": 10_000}});
    let id = server.post("/api/v1/class-models", &growing).ok()["id"].as_str().unwrap().to_owned();
    let watching = start(&server.request("GET", &format!("/api/v1/class-models/{id}/events"), &[], b""));
    let slow = start(b"GET / HTTP/1.1\r\nHo");
    let sending =
        start(b"POST /api/v1/photographs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\na");
    let asked = Instant::now();
    server.stop();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    drop((computing, watching, slow, sending));
}
