//! Who may ask, and what browsers are told to forbid.

mod support;

use std::net::SocketAddr;

use deepinside_server::{Server, ServerOptions};
use serde_json::json;
use support::{Running, options};

#[test]
fn every_answer_tells_the_browser_what_to_forbid() {
    let server = Running::new();
    for path in ["/", "/api/v1/models", "/nothing", "/api/v1/photographs/none"] {
        let reply = server.get(path);
        let policy = reply.header("content-security-policy").unwrap();
        for part in [
            "default-src 'self'",
            "object-src 'none'",
            "frame-ancestors 'none'",
            "img-src 'self' data: blob:",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("x-frame-options"), Some("DENY"));
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(reply.header("cross-origin-resource-policy"), Some("same-origin"));
        assert!(reply.header("access-control-allow-origin").is_none());
    }
}

#[test]
fn a_name_that_was_rebound_to_this_machine_is_refused() {
    let server = Running::with(ServerOptions { hosts: vec!["studio.local".to_owned()], ..options() });
    let port = server.address.port();
    let ask = |host: &str| server.send("GET", "/api/v1/models", &[("Host", host)], b"");
    for host in
        ["evil.example", &format!("evil.example:{port}"), "localhost.evil.example", "127.0.0.1.evil.example"]
    {
        ask(host).refused(403, "host");
    }
    for host in
        ["localhost", &format!("localhost:{port}"), &format!("127.0.0.1:{port}"), "[::1]:9", "studio.local:1"]
    {
        assert_eq!(ask(host).status, 200, "{host}");
    }
    server.send("GET", "/", &[("Host", "evil.example")], b"").refused(403, "host");
}

#[test]
fn requests_of_other_sites_are_refused() {
    let server = Running::new();
    let own = format!("http://{}", server.address);
    let body = json!({"photograph": "example-cat"}).to_string();
    let ask = |headers: &[(&str, &str)]| {
        let headers = [&[("Content-Type", "application/json")], headers].concat();
        server.send("POST", "/api/v1/classify", &headers, body.as_bytes())
    };
    assert_eq!(ask(&[("Origin", &own)]).status, 200);
    assert_eq!(ask(&[("Sec-Fetch-Site", "same-origin")]).status, 200);
    for origin in ["http://evil.example", "null", "https://localhost", "http://127.0.0.1:1", "file://"] {
        ask(&[("Origin", origin)]).refused(403, "origin");
    }
    for site in ["cross-site", "same-site"] {
        ask(&[("Sec-Fetch-Site", site)]).refused(403, "origin");
        server.send("GET", "/api/v1/models", &[("Sec-Fetch-Site", site)], b"").refused(403, "origin");
        // Following a link from another site shows the page.
        assert_eq!(server.send("GET", "/", &[("Sec-Fetch-Site", site)], b"").status, 200);
    }
}

#[test]
fn other_machines_need_the_token() {
    let open = ServerOptions { address: SocketAddr::from(([0, 0, 0, 0], 0)), ..options() };
    let error = Server::bind(open).err().unwrap().to_string();
    assert!(error.contains("token"), "{error}");
    let token = deepinside_server::new_token().unwrap();
    assert_eq!(token.len(), 32);
    assert_ne!(token, deepinside_server::new_token().unwrap());
    // What a token does is the same at every address; this one keeps the test on this machine.
    let server = Running::with(ServerOptions { token: Some(token.clone()), ..options() });
    assert_eq!(server.url, format!("http://{}/?token={token}", server.address));
    let ask = |path: &str, headers: &[(&str, &str)]| server.send("GET", path, headers, b"");
    for path in ["/", "/api/v1/models", "/metrics", "/api/v1/models?token=wrong", "/page.js"] {
        ask(path, &[]).refused(401, "token");
    }
    assert_eq!(ask("/healthz", &[]).status, 200);
    ask("/api/v1/models", &[("Authorization", "Bearer wrong")]).refused(401, "token");
    ask("/api/v1/models", &[("Cookie", &format!("deepinside-session-{}=wrong", server.address.port()))])
        .refused(401, "token");
    let bearer = format!("Bearer {token}");
    assert_eq!(ask("/api/v1/models", &[("Authorization", &bearer)]).status, 200);
    for word in ["bearer", "BEARER"] {
        let ask = ask("/api/v1/models", &[("Authorization", &format!("{word} {token}"))]);
        assert_eq!(ask.status, 200, "{word}");
    }
    let first = ask(&format!("/?token={token}"), &[]);
    assert_eq!(first.status, 200);
    let cookie = first.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = format!("other=1; {}", cookie.split(';').next().unwrap());
    let second = ask("/api/v1/models", &[("Cookie", &cookie)]);
    assert_eq!((second.status, second.header("set-cookie")), (200, None));
    // Cookies are not kept apart by the port, so their names must be.
    assert!(cookie.contains(&format!("deepinside-session-{}=", server.address.port())), "{cookie}");
    // It is not the token: of a stolen one nothing is left when the server has ended.
    assert!(!cookie.contains(&token), "{cookie}");
    let of_token = format!("deepinside-session-{}={token}", server.address.port());
    ask("/api/v1/models", &[("Cookie", &of_token)]).refused(401, "token");
    // Routes that know what may stand in their query do not meet the token there.
    let found = ask(&format!("/api/v1/models/built-in/classes?query=a&token={token}"), &[]);
    assert_eq!(
        found.status,
        ask("/api/v1/models/built-in/classes?query=a", &[("Authorization", &bearer)]).status
    );
    assert_ne!(found.status, 422);
}

/// A notebook shows the page in a frame; only that server lets it, and asks for its token all the same.
#[test]
fn only_named_pages_may_frame_the_page() {
    let token = deepinside_server::new_token().unwrap();
    let named = vec!["http://localhost:8888".to_owned(), "vscode-webview:".to_owned()];
    let hosts = vec!["proxied.example".to_owned()];
    let framed = ServerOptions { frame_ancestors: named, token: Some(token.clone()), hosts, ..options() };
    for name in ["", "a b", "x; script-src *", "x, y", "a\nb"] {
        let refused = ServerOptions { frame_ancestors: vec![name.to_owned()], ..framed.clone() };
        assert!(Server::bind(refused).is_err(), "{name}");
    }
    assert!(Server::bind(ServerOptions { token: None, ..framed.clone() }).is_err());
    let server = Running::with(framed);
    let ask = |path: &str, headers: &[(&str, &str)]| server.send("GET", path, headers, b"");
    ask("/", &[]).refused(401, "token");
    ask("/", &[("Host", "evil.example")]).refused(403, "host");
    let first = ask(&format!("/?token={token}"), &[("Sec-Fetch-Site", "cross-site")]);
    let policy = first.header("content-security-policy").unwrap();
    assert!(policy.ends_with("frame-ancestors http://localhost:8888 vscode-webview:"), "{policy}");
    assert!(first.header("x-frame-options").is_none());
    let cookie = first.head.lines().find(|line| line.contains("SameSite=None")).unwrap();
    assert!(
        cookie.contains("Secure") && cookie.contains("Partitioned") && !cookie.contains(&token),
        "{cookie}"
    );
    let cookie = cookie.split_once(": ").unwrap().1.split(';').next().unwrap();
    assert_eq!(ask("/page.js", &[("Cookie", cookie)]).status, 200);
    // The notebook's page may show this one, and may not ask in its name.
    let asked = [("Cookie", cookie), ("Origin", "http://localhost:8888")];
    ask("/api/v1/models", &asked).refused(403, "origin");
    // What stands between the two calls the server by another name than the browser does.
    let proxied = [("Cookie", cookie), ("Origin", "https://proxied.example")];
    assert_eq!(ask("/api/v1/models", &proxied).status, 200);
    let photograph = std::fs::read(support::fixtures().join("../../../../examples/cat.png")).unwrap();
    let id = server.handle.add_photograph(&photograph).unwrap();
    assert_eq!(ask(&format!("/api/v1/photographs/{id}"), &[("Cookie", cookie)]).status, 200);
    assert!(server.handle.add_photograph(b"no picture").is_err());
}

/// Wrong tokens could be tried as fast as the network is.
#[test]
fn guesses_of_the_token_are_slow() {
    let token = deepinside_server::new_token().unwrap();
    let server = Running::with(ServerOptions { token: Some(token.clone()), ..options() });
    let start = std::time::Instant::now();
    let guess = |number: usize| {
        let bearer = format!("Bearer {number}");
        server.send("GET", "/api/v1/models", &[("Authorization", &bearer)], b"").status
    };
    let guess = &guess;
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let guesses: Vec<_> = (0..40).map(|number| scope.spawn(move || guess(number))).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    let seconds = start.elapsed().as_secs_f64();
    assert!(statuses.iter().all(|status| [401, 429].contains(status)), "{statuses:?}");
    let looked_at = statuses.iter().filter(|status| **status == 401).count();
    assert!(looked_at as f64 <= 4.0 * (seconds / 0.5 + 1.0), "{looked_at} in {seconds} s");
    // Clients that know the token are not kept out by those that do not.
    let bearer = format!("Bearer {token}");
    assert_eq!(server.send("GET", "/api/v1/models", &[("Authorization", &bearer)], b"").status, 200);
}

/// Programs in front of this one may take another header or another end of the body than this one.
#[test]
fn requests_that_can_be_read_in_two_ways_are_malformed() {
    let server = Running::new();
    let host = server.address;
    let ask = |head: &str, body: &str| {
        use std::io::Write as _;
        let mut stream = server.connect();
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
        support::Reply::read(&mut stream)
    };
    let twice = format!("GET / HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\nConnection: close");
    ask(&twice, "").refused(400, "malformed");
    let same = format!("GET / HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\nConnection: close");
    ask(&same, "").refused(400, "malformed");
    let elsewhere = format!("GET http://evil.example/ HTTP/1.1\r\nHost: {host}\r\nConnection: close");
    ask(&elsewhere, "").refused(400, "malformed");
    let (length, encoding) = ("Content-Length: 4", "Transfer-Encoding: chunked");
    let post = format!("POST /api/v1/classify HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json");
    for [first, second] in [[length, encoding], [encoding, length]] {
        let reply = ask(&format!("{post}\r\n{first}\r\n{second}"), "2\r\n{}\r\n0\r\n\r\n");
        reply.refused(400, "malformed");
        assert_eq!(reply.header("connection"), Some("close"));
    }
    for encoding in [
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ] {
        ask(&format!("{post}\r\n{encoding}"), "2\r\n{}\r\n0\r\n\r\n").refused(400, "malformed");
    }
    // Either alone is read.
    for (one, body) in [("Content-Length: 2", "{}"), (encoding, "2\r\n{}\r\n0\r\n\r\n")] {
        let reply = ask(&format!("{post}\r\n{one}\r\nConnection: close"), body);
        assert_eq!(reply.status, 422, "{}", reply.head);
    }
}

/// Of two origins the first was looked at, and one that is no text was taken for none.
#[test]
fn headers_that_let_requests_through_stand_once_and_are_text() {
    let token = deepinside_server::new_token().unwrap();
    let server = Running::with(ServerOptions { token: Some(token.clone()), ..options() });
    let (ours, bearer) = (format!("http://{}", server.address), format!("Bearer {token}"));
    for headers in [
        vec![("Origin", ours.as_str()), ("Origin", "http://evil.example")],
        vec![("Origin", "http://évil.example")],
        vec![("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")],
        vec![("Authorization", "Bearer wrong")],
    ] {
        let headers = [headers, vec![("Authorization", bearer.as_str())]].concat();
        server.send("GET", "/api/v1/models", &headers, b"").refused(400, "malformed");
    }
}
