//! Records that a stranger wrote: whatever they say, `replay` reads what they list and writes into a folder of its own.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use deepinside::drawing::Picture;
use serde_json::{Value, json};
use support::{fixtures, stderr, stdout};

/// A folder with a small network, a photograph, what is known of it, and a file that is not to be touched.
struct Workshop {
    folder: tempfile::TempDir,
}

const PRECIOUS: &str = "precious = true\n";

impl Workshop {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let golden = fixtures().join("goldens/mini_caffenet");
        for file in ["model.prototxt", "weights.caffemodel"] {
            std::fs::copy(golden.join(file), folder.path().join(file)).unwrap();
        }
        let pixel = |at: usize| [(at * 5 % 256) as u8, (at * at % 249) as u8, (at * 31 % 251) as u8];
        let picture = Picture::new(80, 90, (0..7200).flat_map(pixel).collect()).unwrap();
        picture.write_png(folder.path().join("a.png")).unwrap();
        let truth =
            r#"[{"file": "a.png", "width": 80, "height": 90, "class_index": 3, "boxes": [[5, 5, 60, 70]]}]"#;
        std::fs::write(folder.path().join("truth.json"), truth).unwrap();
        let workshop = Self { folder };
        for name in
            ["precious.csv", "precious.md", "precious.html", "precious.png", "precious.npy", ".bashrc"]
        {
            std::fs::write(workshop.at(name), PRECIOUS).unwrap();
        }
        workshop
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deepinside"));
        command.current_dir(self.folder.path()).args(arguments).output().unwrap()
    }

    /// The record of a run on the small network.
    fn record(&self, arguments: &[&str]) -> Value {
        let model = ["-m", "model.prototxt", "--weights", "weights.caffemodel", "--record", "run.json"];
        stdout(&self.run(&[arguments, &model].concat()));
        serde_json::from_str(&std::fs::read_to_string(self.at("run.json")).unwrap()).unwrap()
    }

    fn replay(&self, record: &Value, more: &[&str]) -> Output {
        std::fs::write(self.at("run.json"), record.to_string()).unwrap();
        self.run(&[&["replay", "run.json"], more].concat())
    }

    /// Every file below the folder with its bytes.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let (mut files, mut folders) = (Vec::new(), vec![self.folder.path().to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => files.push((path.clone(), std::fs::read(&path).unwrap())),
                }
            }
        }
        files.sort();
        files
    }

    /// The record is refused with this cause, before anything is run, and no file is made or changed.
    fn refuses(&self, record: &Value, more: &[&str], cause: &str) {
        std::fs::write(self.at("run.json"), record.to_string()).unwrap();
        let before = self.files();
        let output = self.replay(record, more);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{more:?} {record}: {said}");
        assert!(said.contains(cause) && !said.contains("panicked"), "expected '{cause}', found {said}");
        assert!(self.files() == before, "{record}: files were touched");
        assert!(!self.at("replay-1").exists(), "a folder is left");
    }
}

/// A record of an evaluation without inputs wrote its tables anywhere, the Markdown beginning with the model's name.
#[test]
fn outputs_that_are_not_listed_are_refused_before_the_run() {
    let workshop = Workshop::new();
    let evaluation = ["evaluate", "localisation", "--method", "mean", "--ground-truth", "truth.json"];
    let tables = ["--csv", "t.csv", "--markdown", "t.md", "--html", "t.html"];
    let recorded = workshop.record(&[&evaluation[..], &tables].concat());
    let home = workshop.at("").to_string_lossy().into_owned();
    for mode in [&[][..], &["--in-place"], &["--into", "again"]] {
        for (option, name) in
            [("csv", "precious.csv"), ("markdown", "precious.md"), ("html", "precious.html")]
        {
            let victims = [
                name.to_owned(),
                format!("{home}{name}"),
                format!("./x/../{name}"),
                format!("{home}x/../{name}"),
                ".bashrc".to_owned(),
                "/dev/null".to_owned(),
            ];
            for victim in victims {
                let mut record = recorded.clone();
                record["options"][option] = json!([victim]);
                workshop.refuses(&record, mode, "outputs");
                // As a second value of the option, too.
                record["options"][option] = json!([format!("t{}", &name[8..]), victim]);
                workshop.refuses(&record, mode, "outputs");
            }
        }
        let mut record = recorded.clone();
        record["options"]["details"] = json!(["precious.md"]);
        workshop.refuses(&record, mode, "details");
        let mut record = recorded.clone();
        record["options"]["markdown"] = json!(["precious.md"]);
        record["inputs"] = json!([]);
        workshop.refuses(&record, mode, "puts");
    }
    for (command, extra) in
        [("saliency", json!({"output": ["precious.png"]})), ("layers", json!({"raw": ["/etc"]}))]
    {
        let mut record =
            workshop.record(&[command, "a.png", "-o", if command == "layers" { "l" } else { "s.png" }]);
        for (option, value) in extra.as_object().unwrap() {
            record["options"][option] = value.clone();
        }
        workshop.refuses(&record, &[], "outputs");
    }
}

/// What a run writes without an option that says so is held to the record, too.
#[test]
fn outputs_that_no_option_names_are_refused() {
    let workshop = Workshop::new();
    let mut record = workshop.record(&["saliency", "a.png"]);
    record["outputs"] = json!([]);
    std::fs::remove_file(workshop.at("a-saliency.png")).unwrap();
    workshop.refuses(&record, &[], "not among the record's outputs");
    workshop.refuses(&record, &["--in-place"], "not among the record's outputs");
}

#[test]
fn reads_outside_of_the_inputs_are_refused_before_the_run() {
    let workshop = Workshop::new();
    std::fs::write(workshop.at("secret.txt"), "correct horse\n").unwrap();
    let record = workshop.record(&["saliency", "a.png", "-o", "s.png"]);
    for (option, value) in [
        ("labels", "secret.txt"),
        ("labels", "/etc/passwd"),
        ("mean", "secret.npy"),
        ("weights", "secret.txt"),
        ("model", "./secret.txt"),
        ("photographs", "precious.png"),
        ("photographs", "./prec*.png"),
        ("photographs", "/dev/stdin"),
    ] {
        let mut record = record.clone();
        record["options"][option] = json!([value]);
        workshop.refuses(&record, &[], "inputs");
    }
    // A model's description that names a file elsewhere.
    std::fs::create_dir(workshop.at("net")).unwrap();
    let described = "network = \"../model.prototxt\"\nweights = \"../weights.caffemodel\"\n";
    std::fs::write(workshop.at("net/model.toml"), described).unwrap();
    let run = ["saliency", "a.png", "-m", "net", "--outside-files", "-o", "s.png", "--record", "run.json"];
    stdout(&workshop.run(&run));
    let mut record: Value =
        serde_json::from_str(&std::fs::read_to_string(workshop.at("run.json")).unwrap()).unwrap();
    stdout(&workshop.replay(&record, &["--into", "again"]));
    std::fs::remove_dir_all(workshop.at("again")).unwrap();
    std::fs::write(workshop.at("net/model.toml"), format!("{described}labels = \"../secret.txt\"\n"))
        .unwrap();
    let inputs = record["inputs"].as_array_mut().unwrap();
    let toml = inputs.iter_mut().find(|input| input["path"].as_str().unwrap().ends_with("toml")).unwrap();
    let described = std::fs::read(workshop.at("net/model.toml")).unwrap();
    toml["bytes"] = json!(described.len());
    toml["sha256"] = json!(sha256(&workshop.at("net/model.toml")));
    workshop.refuses(&record, &[], "secret.txt, which is not among the record's inputs");
}

/// The SHA-256 of a file, as the system's own tool has it.
fn sha256(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}

/// `replay` printed what an input holds instead, so that a record could ask for the hash of any file.
#[test]
fn the_hash_of_a_file_that_differs_is_not_printed() {
    let workshop = Workshop::new();
    let mut record = workshop.record(&["saliency", "a.png", "-o", "s.png"]);
    let secret = sha256(&workshop.at("precious.csv"));
    let input =
        json!({"path": workshop.at("precious.csv"), "bytes": PRECIOUS.len(), "sha256": "00".repeat(32)});
    record["inputs"].as_array_mut().unwrap().push(input);
    for more in [&[][..], &["--json"], &["--in-place"]] {
        let output = workshop.replay(&record, more);
        let said = format!("{}{}", stderr(&output), String::from_utf8_lossy(&output.stdout));
        assert!(!output.status.success() && said.contains("precious.csv has changed"), "{said}");
        assert!(!said.contains(&secret) && !said.contains(&secret[..16]), "{said}");
    }
}

#[test]
fn only_files_that_are_as_recorded_are_replaced() {
    let workshop = Workshop::new();
    let recorded = workshop.record(&["saliency", "a.png", "-o", "s.png", "--view", "map", "--class", "3"]);
    let first = std::fs::read(workshop.at("s.png")).unwrap();
    // Equal: nothing to do.
    let said = stdout(&workshop.replay(&recorded, &["--in-place"]));
    assert!(said.contains("all results are equal") && !said.contains("replay-1"), "{said}");
    // Another class: the file is replaced.
    let mut record = recorded.clone();
    record["options"]["class"] = json!(["4"]);
    assert!(!workshop.replay(&record, &["--in-place"]).status.success());
    let second = std::fs::read(workshop.at("s.png")).unwrap();
    assert_ne!(first, second);
    // It is no longer what the record says.
    workshop.refuses(&record, &["--in-place"], "s.png has changed");
    std::fs::remove_file(workshop.at("s.png")).unwrap();
    workshop.refuses(&record, &["--in-place"], "s.png is not there");
    // A file that the record lists and the run did not make.
    for (name, cause) in [(".bashrc", "does not end"), ("precious.png", "has changed")] {
        let mut record = recorded.clone();
        let path = workshop.at(name);
        record["outputs"] = json!([{"path": path, "bytes": PRECIOUS.len(), "sha256": "11".repeat(32)}]);
        record["options"]["output"] = json!([path]);
        workshop.refuses(&record, &["--in-place"], cause);
    }
    #[cfg(unix)]
    {
        std::fs::write(workshop.at("real.png"), &first).unwrap();
        std::os::unix::fs::symlink(workshop.at("real.png"), workshop.at("s.png")).unwrap();
        workshop.refuses(&recorded, &["--in-place"], "s.png is a link");
        // By default, links in the recorded places are not followed.
        assert!(workshop.replay(&record, &["--into", "again"]).status.code() == Some(1));
        assert_eq!(std::fs::read(workshop.at("real.png")).unwrap(), first);
    }
}

/// A listed output replaces the shell's start-up file where names are not looked at.
#[test]
fn listed_outputs_stay_in_the_new_folder_and_end_as_such_files_do() {
    let workshop = Workshop::new();
    let evaluation = ["evaluate", "localisation", "--method", "mean", "--ground-truth", "truth.json"];
    let recorded = workshop.record(&[&evaluation[..], &["--markdown", "t.md"]].concat());
    let mut record = recorded.clone();
    let path = workshop.at(".bashrc");
    record["outputs"] = json!([{"path": path, "bytes": PRECIOUS.len(), "sha256": sha256(&path)}]);
    record["options"]["markdown"] = json!([path]);
    for more in [&[][..], &["--in-place"]] {
        workshop.refuses(&record, more, "does not end as results do");
    }
    let mut record = recorded.clone();
    let path = workshop.at("precious.md");
    record["outputs"] = json!([{"path": path, "bytes": 1, "sha256": "00".repeat(32)}]);
    record["options"]["markdown"] = json!([path]);
    let output = workshop.replay(&record, &[]);
    assert!(!output.status.success() && workshop.at("replay-1/precious.md").is_file(), "{}", stderr(&output));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), PRECIOUS);
    // Another folder is not taken over.
    std::fs::write(workshop.at("replay-1/mine"), "").unwrap();
    workshop.replay(&record, &[]);
    assert!(workshop.at("replay-2/precious.md").is_file());
    let output = workshop.replay(&record, &["--into", "replay-1"]);
    assert!(stderr(&output).contains("new or empty"), "{}", stderr(&output));
}

#[test]
fn paths_and_commands_are_as_a_run_writes_them() {
    let workshop = Workshop::new();
    let recorded = workshop.record(&["saliency", "a.png", "-o", "s.png"]);
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut record = recorded.clone();
        change(&mut record);
        record
    };
    let output = |path: &str| json!([{"path": path, "bytes": 0, "sha256": ""}]);
    for path in ["s.png", "/tmp/x/../s.png", "/", ""] {
        workshop.refuses(&changed(&|record| record["outputs"] = output(path)), &[], "no absolute path");
    }
    workshop.refuses(&changed(&|record| record["folder"] = json!("relative")), &[], "no absolute path");
    workshop.refuses(
        &changed(&|record| record["outputs"] = output(&workshop.at("a.png").to_string_lossy())),
        &[],
        "an input and an output",
    );
    for command in [
        &["serve"][..],
        &["replay"],
        &["model", "pull"],
        &["model", "add"],
        &["manual"],
        &["completions"],
        &["saliency", "--output=precious.png"],
    ] {
        workshop.refuses(&changed(&|record| record["command"] = json!(command)), &[], "record");
    }
    for (option, value) in [
        ("record", "precious.png"),
        ("details", "x"),
        ("help", "true"),
        ("future", "x"),
        ("address", "0.0.0.0"),
    ] {
        workshop.refuses(
            &changed(&|record| record["options"][option] = json!([value])),
            &[],
            "has no option",
        );
    }
    for value in [json!("s.png"), json!({"output": ["precious.png"]}), json!([["precious.png"]]), json!(null)]
    {
        workshop.refuses(
            &changed(&|record| record["options"]["output"] = value.clone()),
            &[],
            "no record of a run",
        );
    }
}

/// A record of 60 MB, all of it brackets, took gigabytes.
#[test]
fn long_records_are_refused_before_they_take_memory() {
    let workshop = Workshop::new();
    let mut recorded = workshop.record(&["classify", "a.png"]);
    recorded["printed"] = json!(["@"]);
    let text = recorded.to_string().replace("\"@\"", &vec!["{}"; 5_000_000].join(","));
    std::fs::write(workshop.at("run.json"), text).unwrap();
    let output = workshop.run(&["replay", "run.json"]);
    assert!(stderr(&output).contains("values, and at most"), "{}", stderr(&output));
    std::fs::write(workshop.at("run.json"), "[".repeat(100_000)).unwrap();
    assert!(stderr(&workshop.run(&["replay", "run.json"])).contains("no record of a run"));
    std::fs::File::create(workshop.at("run.json")).unwrap().set_len(20 << 30).unwrap();
    assert!(stderr(&workshop.run(&["replay", "run.json"])).contains("at most"));
}

#[test]
fn tables_end_as_tables_do() {
    let workshop = Workshop::new();
    let evaluation = ["evaluate", "pointing", "--ground-truth", "truth.json", "-m", "model.prototxt"];
    for (flag, name, ending) in [
        ("--csv", "precious", ".csv"),
        ("--csv", "precious.md", ".csv"),
        ("--markdown", ".bashrc", ".md"),
        ("--markdown", "precious.csv", ".md"),
        ("--html", "precious.png", ".html"),
        ("--html", "precious", ".html"),
    ] {
        let output =
            workshop.run(&[&evaluation[..], &["--weights", "weights.caffemodel", flag, name]].concat());
        assert!(!output.status.success() && stderr(&output).contains(ending), "{}", stderr(&output));
    }
    assert_eq!(std::fs::read_to_string(workshop.at(".bashrc")).unwrap(), PRECIOUS);
}

/// Class names become parts of file names, and stay that.
#[test]
fn results_do_not_go_where_a_class_name_leads() {
    let workshop = Workshop::new();
    let names = [
        "../../precious",
        "/etc/x",
        "..",
        "a\u{1b}[2Jb",
        "\u{202e}gnp.x",
        ".bashrc",
        &"long ".repeat(100),
        "con",
        "x/y",
        "z",
    ];
    std::fs::write(workshop.at("labels.txt"), names.join("\n")).unwrap();
    std::fs::create_dir(workshop.at("out")).unwrap();
    let model = ["-m", "model.prototxt", "--weights", "weights.caffemodel", "--labels", "labels.txt"];
    let before = workshop.files();
    let classes = ["class-model", "0", "1", "2", "3", "4", "5", "6", "8", "--iterations", "1", "-o", "out/"];
    let output = workshop.run(&[&classes[..], &model].concat());
    stdout(&output);
    let made: Vec<PathBuf> =
        workshop.files().into_iter().filter(|file| !before.contains(file)).map(|(path, _)| path).collect();
    assert_eq!(made.len(), 8, "{made:?}");
    for path in made {
        assert_eq!(path.parent(), Some(workshop.at("out").as_path()), "{path:?}");
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(name.chars().all(deepinside::printable::is_printable) && !name.starts_with('.'), "{name:?}");
    }
}

/// The second of two results went through a link to the first.
#[cfg(unix)]
#[test]
fn two_results_do_not_meet_through_a_link() {
    let workshop = Workshop::new();
    std::os::unix::fs::symlink(workshop.at("precious.png"), workshop.at("link.png")).unwrap();
    let model = ["-m", "model.prototxt", "--weights", "weights.caffemodel"];
    let results = ["localise", "a.png", "-o", "link.png", "--mask", "precious.png"];
    let output = workshop.run(&[&results[..], &model].concat());
    assert!(stderr(&output).contains("is to hold two results"), "{}", stderr(&output));
}
