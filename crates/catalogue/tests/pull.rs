//! Fetching from a server on this machine that behaves well and badly.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use deepinside_catalogue::{Catalogue, CatalogueError, Found, NetworkEntry, Progress, State, Store};

/// What the server does with each request, in order; the last is repeated.
#[derive(Clone, Copy)]
enum Answer {
    /// All of it, or the part that is asked for.
    Whole,
    /// All of it, whatever is asked for.
    NoRanges,
    /// As `Whole`, but the connection ends after so many bytes.
    BreakAfter(usize),
    /// Another address.
    Redirect,
    /// No such file.
    Missing,
    /// What is asked for begins behind the end.
    NotSatisfiable,
}

/// A server for one file; returns its address and the `Range` headers that it gets.
fn serve(content: Vec<u8>, answers: Vec<Answer>) -> (String, Arc<Mutex<Vec<Option<String>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/file", listener.local_addr().unwrap());
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ranges);
    thread::spawn(move || {
        for (index, stream) in listener.incoming().enumerate() {
            let answer = answers[index.min(answers.len() - 1)];
            // A client that goes away is one of the cases.
            let _ = respond(stream.unwrap(), &content, answer, &seen);
        }
    });
    (address, ranges)
}

fn respond(
    mut stream: TcpStream,
    content: &[u8],
    answer: Answer,
    seen: &Mutex<Vec<Option<String>>>,
) -> std::io::Result<()> {
    let mut range = None;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("range: ") {
            range = Some(value.to_owned());
        }
    }
    seen.lock().unwrap().push(range.clone());
    let start = range
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok())
        .unwrap_or(0);
    let end = "Connection: close\r\n\r\n";
    match answer {
        Answer::Redirect => {
            write!(stream, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n{end}")
        }
        Answer::Missing => write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n{end}"),
        Answer::NotSatisfiable => {
            write!(stream, "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n{end}")
        }
        Answer::NoRanges => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{end}", content.len())?;
            stream.write_all(content)
        }
        Answer::Whole | Answer::BreakAfter(_) => {
            let part = &content[start..];
            if start > 0 {
                let (last, all) = (content.len() - 1, content.len());
                write!(
                    stream,
                    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{last}/{all}\r\n"
                )?;
            } else {
                write!(stream, "HTTP/1.1 200 OK\r\n")?;
            }
            write!(stream, "Content-Length: {}\r\n{end}", part.len())?;
            match answer {
                Answer::BreakAfter(count) => stream.write_all(&part[..count.min(part.len())]),
                _ => stream.write_all(part),
            }
        }
    }
}

fn content() -> Vec<u8> {
    (0..200_000u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// The SHA-256 of [`content`], by Python's hashlib.
const SHA256: &str = "2c4085b1ab9817526311b5a5b04451140dc922067c6922a59a77e1503918357b";

fn entry(url: &str, more: &str) -> NetworkEntry {
    let text = format!(
        "[[network]]\nname = \"net\"\ntitle = \"Net\"\ntask = \"image classification\"\nformat = \"onnx\"\n\
         licence = \"MIT\"\npage = \"https://example.org\"\n[[network.files]]\nname = \"net.onnx\"\nurls = [\"{url}\"]\n{more}\n\
         [network.model]\nnetwork = \"net.onnx\"\n[network.model.input]\nscale = 2.0\n"
    );
    Catalogue::parse(&text).unwrap().networks.remove(0)
}

fn checked(url: &str) -> NetworkEntry {
    entry(url, &format!("size = 200000\nsha256 = \"{SHA256}\""))
}

#[derive(Default)]
struct Seen {
    begun: Vec<(Option<u64>, u64)>,
    bytes: u64,
    sha256: Option<String>,
}

impl Progress for Seen {
    fn begins(&mut self, _: &str, size: Option<u64>, here: u64) {
        self.begun.push((size, here));
    }

    fn advances(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    fn ends(&mut self, _: &str, sha256: Option<&str>) {
        self.sha256 = sha256.map(str::to_owned);
    }
}

fn pull(folder: &Path, entry: &NetworkEntry) -> (Result<std::path::PathBuf, CatalogueError>, Seen) {
    let mut seen = Seen::default();
    (Store::at(folder).pull(entry, &mut seen), seen)
}

#[test]
fn a_network_is_fetched_checked_and_described() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = serve(content(), vec![Answer::Redirect, Answer::Whole]);
    let (entry, store) = (checked(&url), Store::at(folder.path()));
    assert_eq!(store.state(&entry), State::Absent);
    let (result, seen) = pull(folder.path(), &entry);
    let network = result.unwrap();
    assert_eq!((seen.begun, seen.bytes, seen.sha256), (vec![(Some(200_000), 0)], 200_000, None));
    assert_eq!(std::fs::read(network.join("net.onnx")).unwrap(), content());
    let described = std::fs::read_to_string(network.join("model.toml")).unwrap();
    assert!(described.contains("network = \"net.onnx\"") && described.contains("scale = 2.0"), "{described}");
    assert_eq!(store.state(&entry), State::Present);
    assert_eq!(store.verify(&entry).unwrap(), []);
    let mut names: Vec<String> = std::fs::read_dir(&network)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["model.toml", "net.onnx"]);
    // What is here is not fetched again.
    let (_, seen) = pull(folder.path(), &entry);
    assert!(seen.begun.is_empty());
    std::fs::write(network.join("net.onnx"), vec![7; 200_000]).unwrap();
    assert!(matches!(store.verify(&entry), Err(CatalogueError::Damaged { what: "SHA-256", .. })));
}

#[test]
fn a_fetch_that_breaks_off_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (url, ranges) =
        serve(content(), vec![Answer::BreakAfter(70_000), Answer::BreakAfter(50_000), Answer::Whole]);
    let (result, _) = pull(folder.path(), &checked(&url));
    result.unwrap();
    let ranges = ranges.lock().unwrap().clone();
    assert_eq!(ranges, [None, Some("bytes=70000-".to_owned()), Some("bytes=120000-".to_owned())]);
}

#[test]
fn the_next_command_goes_on_where_the_last_one_failed() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = serve(content(), vec![Answer::BreakAfter(70_000), Answer::Missing]);
    let (result, _) = pull(folder.path(), &checked(&url));
    let message = result.unwrap_err().to_string();
    assert!(message.contains("404") && message.contains("goes on from there"), "{message}");
    assert_eq!(Store::at(folder.path()).state(&checked(&url)), State::Partial);
    let (url, ranges) = serve(content(), vec![Answer::Whole]);
    let (result, seen) = pull(folder.path(), &checked(&url));
    result.unwrap();
    assert_eq!((seen.begun, seen.bytes), (vec![(Some(200_000), 70_000)], 130_000));
    assert_eq!(*ranges.lock().unwrap(), [Some("bytes=70000-".to_owned())]);
}

#[test]
fn a_server_without_ranges_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = serve(content(), vec![Answer::BreakAfter(70_000), Answer::NoRanges]);
    let (result, seen) = pull(folder.path(), &checked(&url));
    result.unwrap();
    assert_eq!(seen.begun, [(Some(200_000), 0), (Some(200_000), 0)]);
}

#[test]
fn a_part_of_another_file_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = serve(content(), vec![Answer::BreakAfter(70_000), Answer::NotSatisfiable, Answer::Whole]);
    pull(folder.path(), &checked(&url)).0.unwrap();
}

#[test]
fn what_is_not_the_published_file_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = content();
    other[1] ^= 1;
    let (url, _) = serve(other, vec![Answer::Whole]);
    let message = pull(folder.path(), &checked(&url)).0.unwrap_err().to_string();
    assert!(message.contains(SHA256) && message.contains("not the published file"), "{message}");
    let mut longer = content();
    longer.push(0);
    let (url, _) = serve(longer, vec![Answer::Whole]);
    let message = pull(folder.path(), &checked(&url)).0.unwrap_err().to_string();
    assert!(message.contains("size is more instead of 200000 bytes"), "{message}");
    assert_eq!(std::fs::read_dir(folder.path().join("net")).unwrap().count(), 0);
}

#[test]
fn a_file_without_a_checksum_tells_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = serve(content(), vec![Answer::Whole]);
    let entry = entry(&url, "");
    let (result, seen) = pull(folder.path(), &entry);
    result.unwrap();
    assert_eq!(seen.sha256.as_deref(), Some(SHA256));
    let unknown = Store::at(folder.path()).verify(&entry).unwrap();
    assert_eq!(unknown, [("net.onnx".to_owned(), SHA256.to_owned())]);
}

#[test]
fn offline_is_said_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let message =
        pull(folder.path(), &checked(&format!("http://127.0.0.1:{port}/file"))).0.unwrap_err().to_string();
    assert!(message.contains("cannot be reached") && message.contains("online"), "{message}");
}

#[test]
fn the_second_address_is_tried() {
    let folder = tempfile::tempdir().unwrap();
    let (missing, _) = serve(content(), vec![Answer::Missing]);
    let (url, _) = serve(content(), vec![Answer::Whole]);
    let mut entry = checked(&missing);
    entry.files[0].urls.push(url);
    pull(folder.path(), &entry).0.unwrap();
}

#[test]
fn two_programs_do_not_fetch_at_once() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("net")).unwrap();
    std::fs::write(folder.path().join("net/fetching.lock"), "").unwrap();
    let (result, _) = pull(folder.path(), &checked("http://127.0.0.1:1/file"));
    assert!(matches!(result, Err(CatalogueError::Locked { .. })));
}

/// A `.tar.gz` with one file under a path, which may be one that leaves the folder.
fn archive(path: &str, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let mut builder =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    builder.append(&header, content).unwrap();
    builder.into_inner().unwrap().finish().unwrap()
}

#[test]
fn files_are_taken_out_of_archives_and_nothing_else() {
    let member = |path: &str, sha256: &str| {
        format!(
            "[[network.files.members]]\npath = \"{path}\"\nname = \"inner.onnx\"\nsize = 200000\nsha256 = \"{sha256}\""
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = serve(archive("package/net.onnx", &content()), vec![Answer::Whole]);
    let network = pull(folder.path(), &entry(&url, &member("package/net.onnx", SHA256))).0.unwrap();
    assert_eq!(std::fs::read(network.join("inner.onnx")).unwrap(), content());
    assert_eq!(std::fs::read_dir(&network).unwrap().count(), 2);

    let folder = tempfile::tempdir().unwrap();
    let (url, _) = serve(archive("../evil", &content()), vec![Answer::Whole]);
    let message =
        pull(folder.path(), &entry(&url, &member("package/net.onnx", SHA256))).0.unwrap_err().to_string();
    assert!(message.contains("does not hold package/net.onnx"), "{message}");
    assert!(!folder.path().join("evil").exists() && !folder.path().join("net/evil").exists());

    let (url, _) = serve(archive("package/net.onnx", &content()), vec![Answer::Whole]);
    let wrong = "0".repeat(64);
    let message =
        pull(folder.path(), &entry(&url, &member("package/net.onnx", &wrong))).0.unwrap_err().to_string();
    assert!(message.contains(SHA256), "{message}");
}

#[test]
fn ones_own_networks_are_noted_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (store, catalogue) = (Store::at(folder.path().join("store")), Catalogue::built_in().unwrap());
    let model = folder.path().join("mine.onnx");
    std::fs::write(&model, "x").unwrap();
    store.add(&catalogue, &model, "mine").unwrap();
    let path = model.canonicalize().unwrap();
    assert_eq!(store.find(&catalogue, "mine").unwrap(), Found::At(path.clone()));
    assert_eq!(store.added().unwrap(), [("mine".to_owned(), path)]);
    assert_eq!(store.find(&catalogue, "caffenet").unwrap(), Found::Absent);
    assert_eq!(store.find(&catalogue, "unknown").unwrap(), Found::Unknown);
    assert_eq!(store.find(&catalogue, "../store/mine").unwrap(), Found::Unknown);
    assert!(matches!(store.add(&catalogue, &model, "mine"), Err(CatalogueError::Taken { .. })));
    assert!(matches!(store.add(&catalogue, &model, "caffenet"), Err(CatalogueError::Taken { .. })));
    assert!(matches!(store.add(&catalogue, &model, "a/b"), Err(CatalogueError::Name { .. })));
    assert!(matches!(store.add(&catalogue, &model, ".."), Err(CatalogueError::Name { .. })));
}
