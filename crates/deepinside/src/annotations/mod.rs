//! Boxes of objects in other people's formats: the XML files of PASCAL VOC, which ImageNet uses too, and COCO's JSON.

pub mod coco;
pub mod voc;

/// The largest annotation file that is read, in bytes: COCO's whole training set is half of that.
pub(crate) const LARGEST: u64 = 1 << 30;

/// Reads a file as text.
pub(crate) fn text(path: &std::path::Path) -> crate::Result<String> {
    let io = |source| crate::Error::Io { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(io)?.len();
    if size > LARGEST {
        return Err(crate::Error::Option(format!(
            "{}: annotations of at most {LARGEST} bytes are read, this file has {size}",
            path.display()
        )));
    }
    std::fs::read_to_string(path).map_err(io)
}
