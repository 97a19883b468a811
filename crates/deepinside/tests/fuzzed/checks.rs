//! What holds of any text that passes for one of the files that stand beside photographs and networks.

use std::sync::LazyLock;

use deepinside::annotations::voc;
use deepinside::evaluation::ground_truth as read_ground_truth;
use deepinside::{Labels, Model, Settings, printable};

/// As a PASCAL VOC annotation: an error, or an annotation that is read again when it is written.
pub fn annotation(text: &str) {
    if let Ok(annotation) = voc::read(text)
        && let Ok(again) = voc::write(&annotation, 3)
    {
        voc::read(&again).expect("what was written is read");
    }
}

/// As a list of classes: every class is found by its own index, and names are shown on one line.
pub fn labels(text: &str) {
    let labels = Labels::parse(text);
    for index in 0..labels.len().min(20) {
        assert_eq!(labels.find(&index.to_string(), labels.len()).ok(), Some(index));
        let name = labels.get(index).map(|label| label.name.clone()).unwrap_or_default();
        assert!(printable::one_line(&name).chars().all(printable::is_printable));
        let _ = labels.search(&name, labels.len(), 5);
    }
}

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let onnx = include_bytes!("../../../cli/tests/fixtures/onnx/shuffle/model.onnx");
    Model::from_onnx(onnx.as_slice().into(), "fuzzed", Settings::default()).expect("a network")
});

/// As what is known of pictures (a list or a COCO file): an error, or finite boxes of classes that the network has.
pub fn ground_truth(text: &str) {
    let file = std::env::temp_dir().join(format!("deepinside-fuzzed-{}.json", std::process::id()));
    std::fs::write(&file, text).expect("a file");
    if let Ok(truth) = read_ground_truth(&file, None, &MODEL) {
        assert!(!truth.objects.is_empty());
        for object in &truth.objects {
            assert!(object.class_index < MODEL.score.classes);
            assert!(object.boxes.iter().flatten().all(|number| number.is_finite()));
        }
    }
    std::fs::remove_file(&file).expect("the file that was written");
}
