//! What a user of Caffe would see in `net.blobs` after a forward and a backward run.
//!
//! Caffe's blobs are storage, not values. An in-place layer overwrites what its blob held; Flatten, Reshape,
//! a Concat of one input, a Slice into one output and Split hand the *same* memory on under another name, so
//! that a later in-place layer changes what earlier names show, too. Gradients have storage of their own,
//! shared by all of those layers but Split, and what remains in it is what the backward run wrote last: the
//! gradient of the oldest value.
//!
//! The graph knows nothing of this: its values are in static single assignment form and data and gradient of
//! one value belong together. The view says for each of Caffe's names which value's data and which value's
//! gradient it shows. Only what must look like Caffe needs it; everything else works with values.

use deepinside_graph::{Shape, ValueId};

/// The gradient that a blob shows after a backward run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobGradient {
    /// That of this value, in the blob's own shape (the elements are as many and in the same order).
    Value(ValueId),
    /// Zero, whatever was seeded: the blob's only reader is Silence, whose backward run clears it.
    Zero,
}

/// One of Caffe's blobs.
#[derive(Debug, Clone, PartialEq)]
pub struct BlobEntry {
    /// Caffe's name of it.
    pub name: String,
    /// Caffe's shape of it. `data` and `gradient` may name values of another shape with as many elements in
    /// the same order, where memory is shared.
    pub shape: Shape,
    /// The value whose data the blob shows after a forward run.
    pub data: ValueId,
    /// The gradient that the blob shows after a backward run.
    pub gradient: BlobGradient,
}

/// Caffe's blobs in Caffe's order, that of their creation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BlobView {
    entries: Vec<BlobEntry>,
}

impl BlobView {
    /// The blobs, in order; their names are distinct.
    pub(crate) fn new(entries: Vec<BlobEntry>) -> Self {
        Self { entries }
    }

    /// All blobs in Caffe's order.
    pub fn entries(&self) -> &[BlobEntry] {
        &self.entries
    }

    /// The blob of that name.
    pub fn get(&self, name: &str) -> Option<&BlobEntry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}
