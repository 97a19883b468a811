//! Boxes of objects in other people's formats: the XML files of PASCAL VOC, which ImageNet uses too, and COCO's JSON.

pub mod coco;
pub mod voc;

/// The largest annotation file that is read, in bytes: COCO's whole training set is half of that.
pub(crate) const LARGEST: u64 = 1 << 30;
