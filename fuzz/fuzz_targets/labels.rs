//! Any text as a list of classes: every class is found by its own index, and names are shown on one line.
#![no_main]

use deepinside::{Labels, printable};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let labels = Labels::parse(text);
    for index in 0..labels.len().min(20) {
        assert_eq!(labels.find(&index.to_string(), labels.len()).ok(), Some(index));
        let name = labels.get(index).map(|label| label.name.clone()).unwrap_or_default();
        assert!(printable::one_line(&name).chars().all(printable::is_printable));
        let _ = labels.search(&name, labels.len(), 5);
    }
});
