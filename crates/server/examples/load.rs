//! Loads a running server on this machine from 64 clients at once, and says what came of it:
//!
//! ```sh
//! deepinside serve --port 7900 &
//! cargo run --release -p deepinside-server --example load -- 127.0.0.1:7900 60
//! ```
//!
//! With `--crowd` behind it, others come meanwhile who want nothing but places: 10,000 connections without a request, 500 whose heads come
//! a byte at a time, 300 that watch a class model and never read, and 5,000 that ask for a map and go away.
//!
//! Each client goes round: classify, saliency, a preview, now and then an upload, and now and then it goes away in the middle. Answers
//! other than 2xx, 4xx, and 503 with Retry-After are faults. Meanwhile the page itself is asked for, and its times measured. In the end the server has a
//! minute to give memory back.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const CLIENTS: usize = 64;

/// What many clients do until they are told to stop; how many they were.
type Crowd = fn(SocketAddr, &AtomicBool) -> Outcome<usize>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), seconds) = (arguments.next(), arguments.next()) else {
        return Err("usage: load ADDRESS:PORT [SECONDS] [--crowd]".into());
    };
    let is_crowded = arguments.next().is_some_and(|flag| flag == "--crowd");
    let address: SocketAddr = address.parse()?;
    if !address.ip().is_loopback() {
        return Err("only servers of this machine are loaded".into());
    }
    let time = Duration::from_secs(seconds.as_deref().unwrap_or("60").parse()?);
    let photograph = photograph()?;
    // Everything that stays is made first, so that before and after are alike.
    for kind in 0..4 {
        request(address, kind, &photograph, false)?;
    }
    let before = resident(address)?;
    let (statuses, peak, pages) =
        (Mutex::new(BTreeMap::<String, u64>::new()), Mutex::new(before), Mutex::new(Vec::new()));
    let (is_over, came) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (statuses, photograph) = (&statuses, &photograph);
            scope.spawn(move || {
                let mut round = client;
                while start.elapsed() < time {
                    let goes_away = round % 17 == 16;
                    let result = request(address, round % 4, photograph, goes_away);
                    let named = match &result {
                        Ok(status) => status.to_string(),
                        Err(error) => format!("failed: {error}"),
                    };
                    *lock(statuses).entry(named).or_default() += 1;
                    if result.is_ok_and(|status| status == 429) {
                        std::thread::sleep(Duration::from_millis(200));
                    }
                    round += 1;
                }
            });
        }
        if is_crowded {
            let crowds: [(&str, Crowd); 4] = [
                ("idle connections", idle),
                ("slow clients", slow),
                ("watchers that never read", watchers),
                ("abandoned requests", abandoned),
            ];
            for (name, crowd) in crowds {
                let (is_over, came) = (&is_over, &came);
                scope.spawn(move || {
                    // What did not come is a fault of this program or of this machine's limits.
                    let result = crowd(address, is_over);
                    let number = result.map_or_else(|error| error.to_string(), |number| number.to_string());
                    lock(came).push(format!("{name}: {number}"));
                });
            }
        }
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let page = get(address, "/");
                let status =
                    page.map_or_else(|error| format!("failed: {error}"), |(status, _)| status.to_string());
                lock(&pages).push((asked.elapsed(), status));
                if let Ok(now) = resident(address) {
                    let mut peak = lock(&peak);
                    *peak = now.max(*peak);
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        scope.spawn(|| {
            std::thread::sleep(time);
            is_over.store(true, Ordering::Relaxed);
        });
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{CLIENTS} clients for {} s", time.as_secs())?;
    for (status, count) in lock(&statuses).iter() {
        writeln!(out, "  {status}: {count}")?;
    }
    for crowd in lock(&came).iter() {
        writeln!(out, "  {crowd}")?;
    }
    let mut times: Vec<f64> = lock(&pages).iter().map(|(time, _)| time.as_secs_f64() * 1e3).collect();
    times.sort_by(f64::total_cmp);
    let refused = lock(&pages).iter().filter(|(_, status)| status != "200").count();
    let at = |share: f64| times.get((share * (times.len() - 1) as f64) as usize).copied().unwrap_or_default();
    writeln!(
        out,
        "the page: {} times, {refused} not answered; median {:.1} ms, 99 % {:.1} ms, at most {:.1} ms",
        times.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    )?;
    let megabytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    writeln!(out, "memory: {:.0} MiB before, at most {:.0} MiB", megabytes(before), megabytes(*lock(&peak)))?;
    for wait in [1, 15, 30, 30] {
        std::thread::sleep(Duration::from_secs(wait));
        writeln!(out, "  {wait} s later: {:.0} MiB", megabytes(resident(address)?))?;
    }
    Ok(())
}

/// Connections without a request.
fn idle(address: SocketAddr, is_over: &AtomicBool) -> Outcome<usize> {
    let mut kept = Vec::new();
    while kept.len() < 10_000 && !is_over.load(Ordering::Relaxed) {
        kept.push(connect(address)?);
        std::thread::sleep(Duration::from_millis(2));
    }
    wait_for(is_over);
    Ok(kept.len())
}

/// Requests whose heads never end.
fn slow(address: SocketAddr, is_over: &AtomicBool) -> Outcome<usize> {
    let mut kept = (0..500).map(|_| connect(address)).collect::<Outcome<Vec<_>>>()?;
    while !is_over.load(Ordering::Relaxed) {
        for stream in &mut kept {
            // Those that had to make room come again.
            if stream.write_all(b"G").is_err() {
                *stream = connect(address)?;
            }
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(kept.len())
}

/// Watchers of a class model that never read.
fn watchers(address: SocketAddr, is_over: &AtomicBool) -> Outcome<usize> {
    let wish =
        br#"{"objective": {"class": 1}, "recipe": "lucid", "changes": {"iterations": 10000}, "seed": 1}"#;
    let begin = || {
        let mut stream = connect(address)?;
        let head = "Connection: close\r\nContent-Type: application/json";
        write!(
            stream,
            "POST /api/v1/class-models HTTP/1.1\r\nHost: {address}\r\n{head}\r\nContent-Length: {}\r\n\r\n",
            wish.len()
        )?;
        stream.write_all(wish)?;
        answer(&mut stream)
    };
    // As a client that is told to come again does.
    let mut begun = begin();
    while !matches!(begun, Ok((201, _))) && !is_over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(500));
        begun = begin();
    }
    let text = String::from_utf8_lossy(&begun?.1).into_owned();
    let id =
        text.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).ok_or("no class model")?;
    let mut kept = Vec::new();
    for _ in 0..300 {
        let mut stream = connect(address)?;
        write!(stream, "GET /api/v1/class-models/{id}/events HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
        kept.push(stream);
    }
    wait_for(is_over);
    Ok(kept.len())
}

/// Requests whose clients go away.
fn abandoned(address: SocketAddr, is_over: &AtomicBool) -> Outcome<usize> {
    let mut sent = 0;
    while sent < 5_000 && !is_over.load(Ordering::Relaxed) {
        request(address, 1, b"", true)?;
        sent += 1;
        std::thread::sleep(Duration::from_millis(8));
    }
    Ok(sent)
}

fn wait_for(is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A photograph of two megapixels.
fn photograph() -> Outcome<Vec<u8>> {
    let rgb =
        (0..1200 * 1600 * 3u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 26) as u8 * 3).collect();
    Ok(deepinside::drawing::Picture::new(1600, 1200, rgb)?.to_jpeg(80)?)
}

/// One of the requests; the status of its answer.
fn request(address: SocketAddr, kind: usize, photograph: &[u8], goes_away: bool) -> Outcome<u16> {
    let json = "application/json";
    let (method, path, media_type, body): (_, _, _, &[u8]) = match kind {
        0 => ("POST", "/api/v1/classify", json, br#"{"photograph": "example-cat"}"#),
        1 => {
            ("POST", "/api/v1/saliency", json, br#"{"photograph": "example-coffee", "classes": [967, 504]}"#)
        }
        2 => ("GET", "/api/v1/photographs/example-rocket/preview", json, b""),
        _ => ("POST", "/api/v1/photographs", "image/jpeg", photograph),
    };
    let mut stream = connect(address)?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )?;
    // A refused upload is answered before its end.
    let _ = stream.write_all(body);
    if goes_away {
        return Ok(0);
    }
    Ok(answer(&mut stream)?.0)
}

fn get(address: SocketAddr, path: &str) -> Outcome<(u16, Vec<u8>)> {
    let mut stream = connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    answer(&mut stream)
}

fn connect(address: SocketAddr) -> Outcome<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
    stream.set_read_timeout(Some(Duration::from_secs(90)))?;
    Ok(stream)
}

fn answer(stream: &mut TcpStream) -> Outcome<(u16, Vec<u8>)> {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    let status = bytes.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    match (status, read) {
        (Some(status), _) => Ok((status, bytes)),
        (None, Err(error)) => Err(error.into()),
        (None, Ok(_)) => Err("no answer".into()),
    }
}

/// The server's resident memory in bytes.
fn resident(address: SocketAddr) -> Outcome<u64> {
    let (_, bytes) = get(address, "/metrics")?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
    Ok(line.ok_or("no memory in /metrics")?.parse()?)
}
