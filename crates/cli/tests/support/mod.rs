//! What the whole-program tests share.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use deepinside::files::npy;

/// The program with arguments.
pub fn deepinside<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_deepinside")).args(arguments).output().expect("the program starts")
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Standard output as text, of a run that must have succeeded.
pub fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "failed: {}", stderr(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard output as one JSON object per line.
pub fn json(output: &Output) -> Vec<serde_json::Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// The folder of fixtures.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// What differs between two .npy files by more than `tolerance` times the largest magnitude of the expected one.
pub fn difference(found: &Path, expected: &Path, tolerance: f32) -> Option<String> {
    let (found, expected) = match (npy::read(found), npy::read(expected)) {
        (Ok(found), Ok(expected)) => (found, expected),
        (Err(error), _) | (_, Err(error)) => return Some(error.to_string()),
    };
    if found.shape() != expected.shape() {
        return Some(format!("shape {:?} instead of {:?}", found.shape(), expected.shape()));
    }
    let largest = expected.data().iter().fold(0.0f32, |largest, number| largest.max(number.abs()));
    let worst = found.data().iter().zip(expected.data()).enumerate().map(|(at, (a, b))| {
        let error = if a == b { 0.0 } else { (a - b).abs() };
        (if error.is_nan() { f32::INFINITY } else { error }, at)
    });
    let (error, at) = worst.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (error > tolerance * largest).then(|| {
        format!("element {at} is {} instead of {} (largest {largest})", found.data()[at], expected.data()[at])
    })
}

/// One golden case of real Caffe: its folder, and what its `case.json` says.
pub struct Golden {
    pub folder: PathBuf,
    pub case: serde_json::Value,
}

/// The golden cases in a folder, by name.
pub fn goldens(folder: &Path) -> Vec<Golden> {
    let mut goldens: Vec<Golden> = std::fs::read_dir(folder)
        .expect("a folder of goldens")
        .filter_map(|entry| {
            let folder = entry.ok()?.path();
            let text = std::fs::read_to_string(folder.join("case.json")).ok()?;
            let case: serde_json::Value = serde_json::from_str(&text).ok()?;
            case.get("blobs").is_some().then_some(Golden { folder, case })
        })
        .collect();
    goldens.sort_by(|a, b| a.folder.cmp(&b.folder));
    goldens
}

/// Cases whose gradients in Caffe are not the true ones; ours are, see `docs/caffe-compatibility.md`.
pub const QUIRKS: [&str; 5] =
    ["power_linear_inplace", "power_square_inplace", "log_inplace", "bnll_inplace", "net_no_force_backward"];

impl Golden {
    pub fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Runs `trace` forward and backward from both seeds and compares every blob; returns what differs.
    pub fn differences(&self, tolerance: f32) -> Vec<String> {
        let mut differences = Vec::new();
        let seeds = ["seed_onehot", "seed_dense"];
        let mut compared = 0;
        for seed in seeds {
            let given = &self.case[seed];
            if given.is_null() && seed == "seed_dense" {
                continue;
            }
            let mut flags = Vec::new();
            if let Some(blob) = given["blob"].as_str() {
                flags.push(format!("{blob}:{}={}", given["flat_index"], given["value"]));
            } else if let Some(dense) = given.as_object() {
                for (blob, file) in dense {
                    let file = self.folder.join(file.as_str().expect("a file name"));
                    flags.push(format!("{blob}={}", file.display()));
                }
            }
            match self.trace(&flags, tolerance, seed) {
                Ok((found, count)) => {
                    differences.extend(found);
                    compared += count;
                }
                Err(error) => differences.push(error),
            }
        }
        if compared == 0 && differences.is_empty() {
            differences.push("nothing was compared".to_owned());
        }
        differences.iter().map(|difference| format!("{}: {difference}", self.name())).collect()
    }

    fn trace(&self, seeds: &[String], tolerance: f32, kind: &str) -> Result<(Vec<String>, usize), String> {
        let out = tempfile::tempdir().expect("a temporary folder");
        let mut arguments = vec!["trace".to_owned(), "--model".to_owned()];
        let path = |file: &str| self.folder.join(file).to_string_lossy().into_owned();
        arguments.push(path(self.case["model"].as_str().unwrap_or("model.prototxt")));
        if let Some(weights) = self.case["weights"].as_str() {
            arguments.extend(["--weights".to_owned(), path(weights)]);
        }
        for (name, input) in self.case["inputs"].as_object().expect("inputs") {
            arguments.extend([
                "--input".to_owned(),
                format!("{name}={}", path(input["file"].as_str().expect("a file"))),
            ]);
        }
        for seed in seeds {
            arguments.extend(["--seed".to_owned(), seed.clone()]);
        }
        arguments.extend(["--out".to_owned(), out.path().to_string_lossy().into_owned()]);
        let output = deepinside(&arguments);
        if !output.status.success() {
            return Err(stderr(&output));
        }
        let mut differences = Vec::new();
        let mut compared = 0;
        let diff = if kind == "seed_onehot" { "diff_onehot" } else { "diff_dense" };
        for (blob, files) in self.case["blobs"].as_object().expect("blobs") {
            for (what, ours) in [("data", "data"), (diff, "diff")] {
                let Some(expected) = files[what].as_str() else { continue };
                if ours == "diff" && QUIRKS.contains(&self.name().as_str()) {
                    continue;
                }
                let found = out.path().join(format!("{ours}_{}.npy", blob.replace('/', "__")));
                compared += 1;
                if let Some(difference) = difference(&found, &self.folder.join(expected), tolerance) {
                    differences.push(format!("{what} of '{blob}': {difference}"));
                }
            }
        }
        Ok((differences, compared))
    }
}
