//! Files that another program changes while they are in use: an error or the true result, never another one and no end by a signal.

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use deepinside::attribution::{Pass, Runner};
use deepinside::{Model, Settings, Target, Threads};
use support::fixtures;

/// A copy of a network of which all numbers lie in its file.
fn copied(folder: &Path, fixture: &str) -> std::path::PathBuf {
    let path = folder.join("model.onnx");
    fs::copy(fixtures().join(fixture), &path).unwrap();
    path
}

fn runner(model: Model) -> Runner {
    Runner::new(Arc::new(model), Threads::new(1).unwrap())
}

fn scores(runner: &mut Runner) -> Result<Vec<f32>, String> {
    let model = runner.model();
    let length = model.graph.value(model.input).shape.elements();
    let input: Vec<f32> = (0..length).map(|at: usize| (at * 37 % 101) as f32 / 101.0 - 0.5).collect();
    Ok(runner.scores(&input).map_err(|error| error.to_string())?.scores)
}

/// Shortened: a bus error or scores of zero. Rewritten: the scores of other weights.
#[test]
fn a_model_that_changed_after_it_was_opened_gives_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = copied(folder.path(), "onnx/residual/model.onnx");
    let whole = fs::read(&path).unwrap();
    let expected = scores(&mut runner(Model::open_with(&path, Settings::default()).unwrap())).unwrap();
    for left in [0, 100, whole.len() / 2, whole.len() - 1, whole.len()] {
        fs::write(&path, &whole).unwrap();
        let model = Model::open_with(&path, Settings::default()).unwrap();
        // What was packed before is the model's own, and stays true.
        let mut before = runner(model.clone());
        before.expect(&Pass::forward(), &Target::class(0)).unwrap();
        let mut changed = whole.clone();
        changed.truncate(left);
        let middle = left / 2;
        changed[middle..].iter_mut().for_each(|byte| *byte ^= 0x10);
        // In place, as `cp` and careless downloads do it.
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_len(left as u64).unwrap();
        std::io::Write::write_all(&mut &file, &changed).unwrap();
        let later = file.metadata().unwrap().modified().unwrap() + std::time::Duration::from_secs(2);
        file.set_modified(later).unwrap();
        let error = scores(&mut runner(model)).expect_err("the model is another one");
        assert!(error.contains("was changed by another program while it was in use"), "{left}: {error}");
        assert_eq!(scores(&mut before).unwrap(), expected, "{left}");
    }
}

/// A new file under the old name leaves the one in use as it was.
#[test]
fn a_model_that_is_replaced_by_renaming_stays_the_one_that_was_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = copied(folder.path(), "onnx/residual/model.onnx");
    let model = Model::open_with(&path, Settings::default()).unwrap();
    let expected = scores(&mut runner(model.clone())).unwrap();
    let other = folder.path().join("other");
    fs::write(&other, b"another file").unwrap();
    fs::rename(&other, &path).unwrap();
    assert_eq!(scores(&mut runner(model)).unwrap(), expected);
}
