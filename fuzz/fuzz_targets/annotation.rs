//! Any text as a PASCAL VOC annotation: an error or an annotation that is the same when it is written and read.
#![no_main]

use deepinside::annotations::voc;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(annotation) = voc::read(text)
        && let Ok(again) = voc::write(&annotation, 3)
    {
        voc::read(&again).expect("what was written is read");
    }
});
