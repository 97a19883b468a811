//! Names that steer terminals, forge lines of output or become markup: shown on one line, as text.

mod support;

use std::path::Path;
use std::process::{Command, Output};

use deepinside::drawing::Picture;
use deepinside::printable::is_printable;
use support::{fixtures, stderr, stdout};

fn hostile(name: &str) -> String {
    fixtures().join("hostile").join(name).to_string_lossy().into_owned()
}

fn folder_with_a_photograph() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let pixel = |at: usize| [(at * 5 % 256) as u8, (at * at % 249) as u8, (at * 31 % 251) as u8];
    let picture = Picture::new(24, 20, (0..480).flat_map(pixel).collect()).unwrap();
    picture.write_png(folder.path().join("a.png")).unwrap();
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_deepinside")).current_dir(folder).args(arguments).output().unwrap()
}

/// That a text holds nothing but what shows itself, and no line that a name made.
fn expect_plain(text: &str, what: &str) {
    let stays = |character: char| is_printable(character) || character == '\n';
    assert!(text.chars().all(stays), "{what}: {text:?}");
    assert!(!text.lines().any(|line| line.starts_with("error: forged")), "{what}: {text}");
}

/// `graph` and `classify` printed escape sequences and line feeds of names as they are.
#[test]
fn names_of_layers_and_classes_steer_no_terminal() {
    let folder = folder_with_a_photograph();
    let (network, labels) = (hostile("names.onnx"), hostile("labels.txt"));
    let model = ["-m", &network, "--labels", &labels];
    let commands: [&[&str]; 14] = [
        &["info"],
        &["info", "--json"],
        &["graph", "--format", "dot"],
        &["graph", "--format", "svg"],
        &["graph", "--format", "table"],
        &["graph", "--format", "table", "--json"],
        &["classify", "a.png", "--top", "10"],
        &["classify", "a.png", "--top", "10", "--json"],
        &["compare", "a.png", "--class", "1", "--table"],
        &["compare", "a.png", "--layer", "nothing", "--channel", "0"],
        &["layers", "a.png", "--class", "1", "-o", "layers", "--json"],
        &["localise", "a.png", "--class", "1"],
        &["saliency", "a.png", "--class", "\u{1b}[31m"],
        &["class-model", "1", "--recipe", "lucid", "--iterations", "2"],
    ];
    for command in commands {
        let output = run(folder.path(), &[command, &model].concat());
        let out = String::from_utf8_lossy(&output.stdout);
        expect_plain(&out, &format!("{command:?}"));
        expect_plain(&stderr(&output), &format!("{command:?}, standard error"));
        assert!(!out.contains("<script>") || !command.contains(&"svg"), "{command:?}");
    }
    let listed = stdout(&run(folder.path(), &[&["graph", "--format", "table"], &model[..]].concat()));
    assert!(listed.contains("\\u{1b}]0;title\\u{7}\\u{1b}[31m<script>"), "{listed}");
}

/// What an error shows of a text file is the author's, too.
#[test]
fn lines_of_a_network_are_shown_without_their_escape_sequences() {
    let folder = folder_with_a_photograph();
    let text = "name: \"a\u{1b}[31m\u{9b}2J\"\nlayer { name: \"x\u{1b}[31m\" type: \"Co\u{202e}nv\" bottom: \"y\" }\n";
    std::fs::write(folder.path().join("n.prototxt"), text).unwrap();
    let output = run(folder.path(), &["info", "-m", "n.prototxt"]);
    assert_eq!(output.status.code(), Some(1));
    expect_plain(&stderr(&output), "an error with its line");
    let output = run(folder.path(), &["info", "-m", "a\u{1b}[31m\nerror: forged.onnx"]);
    expect_plain(&stderr(&output), "the name of a file that is not there");
    std::fs::write(folder.path().join("model.toml"), "network = \"\u{1b}[31m\"\n[input]\n\u{9b}2J = 1\n")
        .unwrap();
    expect_plain(&stderr(&run(folder.path(), &["info", "-m", "."])), "model.toml");
}

/// Reports name the model and files; neither is markup.
#[test]
fn reports_hold_names_as_text() {
    let folder = folder_with_a_photograph();
    let name = "a|b`<img src=x>'\".png";
    std::fs::rename(folder.path().join("a.png"), folder.path().join(name)).unwrap();
    let truth = serde_json::json!([{
        "file": name, "width": 24, "height": 20, "class_index": 2, "boxes": [[5, 5, 20, 15]]
    }]);
    std::fs::write(folder.path().join("truth.json"), truth.to_string()).unwrap();
    for file in ["names.onnx", "labels.txt"] {
        std::fs::copy(hostile(file), folder.path().join(file)).unwrap();
    }
    let settings = "name = '<b>|x`_y_'\nnetwork = 'names.onnx'\nlabels = 'labels.txt'\n";
    std::fs::write(folder.path().join("model.toml"), settings).unwrap();
    let reports = ["--markdown", "t.md", "--html", "t.html", "--csv", "t.csv"];
    let command = ["evaluate", "localisation", "--ground-truth", "truth.json", "-m", "."];
    let output = run(folder.path(), &[&command[..], &reports].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let read = |file: &str| std::fs::read_to_string(folder.path().join(file)).unwrap();
    assert!(read("t.md").starts_with("\\<b\\>\\|x\\`\\_y\\_ on 1 pictures"), "{}", read("t.md"));
    let html = read("t.html");
    for raw in ["<b>", "<img src=x>", "'\".png"] {
        assert!(!html.contains(raw), "{raw}");
    }
    assert!(html.contains("&lt;b&gt;bold&lt;/b&gt;") && html.contains("&lt;img src=x&gt;&#39;&quot;.png"));
    // Programs that compute tables take such cells for formulas; no cell of a report comes from a name.
    assert!(
        read("t.csv").lines().flat_map(|line| line.split(',')).all(|cell| !cell.starts_with(['=', '+', '@']))
    );
}

/// Names of files are bytes, which need be no text in any encoding.
#[cfg(target_os = "linux")]
#[test]
fn file_names_that_are_no_text_work() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = folder_with_a_photograph();
    let name = std::ffi::OsStr::from_bytes(b"a\xff\xfe.png");
    std::fs::rename(folder.path().join("a.png"), folder.path().join(name)).unwrap();
    let model = std::ffi::OsStr::from_bytes(b"m\xff.onnx");
    std::fs::copy(hostile("names.onnx"), folder.path().join(model)).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deepinside"));
        command.current_dir(folder.path()).args(arguments).arg(name).arg("-m").arg(model).output().unwrap()
    };
    for command in
        [&["classify"][..], &["classify", "--json"], &["saliency", "--class", "1", "--raw", "r.npy"]]
    {
        let output = run(command);
        assert!(output.status.success(), "{command:?}: {}", stderr(&output));
        expect_plain(&stdout(&output), "a name that is no text");
    }
    assert!(folder.path().join("r.npy").exists());
}

/// A layer with a name of 70,000 letters ended `graph`, `check` and `compare --table` with a panic, and each line was as long as it.
#[test]
fn long_names_do_not_make_every_line_long() {
    let folder = folder_with_a_photograph();
    let network = hostile("long_name.onnx");
    let commands: [&[&str]; 3] = [
        &["graph", "--format", "table"],
        &["check", "a.png", "--table"],
        &["compare", "a.png", "--class", "1", "--table"],
    ];
    for command in commands {
        let output = run(folder.path(), &[command, &["-m", &network]].concat());
        assert!(output.status.success(), "{command:?}: {}", stderr(&output));
        let out = stdout(&output);
        assert!(out.lines().filter(|line| line.len() > 1000).count() <= 4, "{command:?}");
    }
}
