//! What evaluations take their pictures and classes for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use deepinside::attribution::Runner;
use deepinside::class_model::judge::Judge;
use deepinside::class_model::{Objective, Recipe, Wish, ascend};
use deepinside::evaluation::box_accuracy::best_accuracy;
use deepinside::evaluation::{TrueObject, ground_truth, photograph_of};
use deepinside::files::Array;
use deepinside::localise::{Method, choose};
use deepinside::vision::Photograph;
use deepinside::{Model, Settings, Threads};

/// A network of means, one class a channel.
fn means(folder: &Path, channels: usize) -> Model {
    let path = folder.join("means.prototxt");
    let text = format!(
        r#"input: "data" input_shape {{ dim: 1 dim: {channels} dim: 8 dim: 8 }}
           layer {{ name: "score" type: "Pooling" bottom: "data" top: "score" pooling_param {{ pool: AVE global_pooling: true }} }}"#
    );
    std::fs::write(&path, text).unwrap();
    Model::open_with(&path, Settings::default()).unwrap()
}

/// Twice as wide as high as it is stored; to be turned by a quarter.
fn turned() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vision/tests/fixtures/orientation_6.jpg")
}

#[test]
fn boxes_belong_to_pictures_as_they_are_stored() {
    let folder = tempfile::tempdir().unwrap();
    let model = means(folder.path(), 3);
    let shown = model.load_photograph(&turned()).unwrap();
    let (shown, stored) = ([shown.width(), shown.height()], [shown.height(), shown.width()]);
    assert_ne!(shown, stored);
    let size = |[width, height]: [f64; 2]| {
        let object = TrueObject { file: turned(), width, height, class_index: 0, boxes: Vec::new() };
        let photograph = photograph_of(&object, &model).unwrap();
        [photograph.width(), photograph.height()]
    };
    let stated = |extents: [usize; 2]| size(extents.map(|extent| extent as f64 / 3.0));
    assert_eq!(stated(stored), stored);
    // A program that turned the picture before boxes were drawn.
    assert_eq!(stated(shown), shown);
    assert_eq!(size([0.0, 0.0]), stored);
}

#[test]
fn a_class_that_the_network_lacks_is_no_error_of_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let model = means(folder.path(), 3);
    let path = folder.path().join("truth.json");
    let write = |class: usize| {
        let text =
            format!(r#"[{{"file": "a.png", "width": 8, "height": 8, "class_index": {class}, "boxes": []}}]"#);
        std::fs::write(&path, text).unwrap();
        ground_truth(&path, None, &model)
    };
    assert_eq!(write(2).unwrap().objects.len(), 1);
    let error = write(3).unwrap_err().to_string();
    assert!(error.contains("classes 0 to 2") && error.contains("class 3"), "{error}");
}

#[test]
fn an_overlap_of_exactly_so_much_is_enough() {
    for wanted in [0.3, 0.5, 0.7] {
        let curve = vec![[wanted as f32; 2]; 100];
        assert_eq!(best_accuracy(&[&curve], 1, wanted).0, 1.0, "{wanted}");
        let less = vec![[wanted as f32 - 1e-6; 2]; 100];
        assert_eq!(best_accuracy(&[&less], 1, wanted).0, 0.0, "{wanted}");
    }
}

#[test]
fn a_network_that_sees_grey_can_judge() {
    let folder = tempfile::tempdir().unwrap();
    let model = means(folder.path(), 1);
    let threads = Threads::new(1).unwrap();
    let recipe = Recipe { iterations: 1, ..Recipe::paper() };
    let wish = Wish { objective: Objective::Class(0), seed: 0 };
    let made =
        ascend(&model, &[wish], &recipe, None, &threads, |_, _| std::ops::ControlFlow::Continue(())).unwrap();
    let mut judge = Judge::new(Runner::new(Arc::new(model.clone()), threads.clone()), &model).unwrap();
    assert_eq!(judge.judge(&model, &made[0], 0, &recipe).unwrap().rank, 0);
}

#[test]
fn of_equal_pixels_none_is_chosen_for_its_energy() {
    let photograph = Photograph::new(6, 8, 1, vec![0.5; 48]).unwrap();
    let choice = choose(
        &photograph,
        &Array::filled([6, 8], 2.0).unwrap(),
        &[true; 48],
        &Method::named("energy").unwrap(),
    )
    .unwrap();
    assert!(choice.is_empty && choice.mask.iter().all(|chosen| !chosen));
    assert_eq!(choice.bounds.edges(), [0.0, 0.0, 8.0, 6.0]);
}
