//! Caffe's blobs as storage: which value each name stands for while layers read and overwrite them.
//!
//! A blob has a data buffer, perhaps together with other blobs. A buffer counts how often an in-place layer
//! has overwritten it; a blob knows which of these states its own value belongs to, so that a read through
//! another name is noticed. See [`crate::BlobView`] for what is shared.

use std::collections::HashMap;

use deepinside_graph::{Shape, ValueId};

use crate::{BlobEntry, BlobGradient, BlobView};

/// Names a blob of [`Blobs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlobIndex(usize);

/// What a layer does with a blob that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Computes with it.
    Compute,
    /// Clears its gradient and does nothing else.
    Silence,
}

/// What reading a blob gives.
#[derive(Debug, Clone)]
pub(super) enum Read {
    /// The blob's own value.
    Own(ValueId),
    /// The value with which a layer has overwritten the memory through another name; perhaps of another
    /// shape.
    Overwritten {
        value: ValueId,
        /// The layer that overwrote it.
        by: String,
    },
}

/// A data buffer, shared by one or more blobs.
#[derive(Debug)]
struct Buffer {
    /// How often it was overwritten.
    state: usize,
    /// What it holds.
    value: ValueId,
    /// The layer that wrote it last.
    writer: String,
}

#[derive(Debug)]
struct Blob {
    name: String,
    shape: Shape,
    buffer: usize,
    /// The value that represents the blob in state `state` of its buffer.
    value: ValueId,
    state: usize,
    /// The value that bears the blob's name.
    named: ValueId,
    /// The value whose gradient is written last if the blob shares its gradient with no other.
    first: ValueId,
    /// The blob whose gradient it shares, and which element of that one's `readers` counts the sharing read.
    shares_gradient_of: Option<(usize, usize)>,
    /// How often the blob was read: first as made, then after each in-place layer.
    readers: Vec<usize>,
    /// Whether Silence has read it as made.
    silenced: bool,
    /// Whether no layer has read its last state.
    unread: bool,
    input: bool,
    /// The layer that made it.
    maker: String,
}

/// All blobs in the order of their making.
#[derive(Debug, Default)]
pub(super) struct Blobs {
    blobs: Vec<Blob>,
    buffers: Vec<Buffer>,
    names: HashMap<String, usize>,
}

impl Blobs {
    pub fn find(&self, name: &str) -> Option<BlobIndex> {
        self.names.get(name).copied().map(BlobIndex)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.blobs.iter().map(|blob| blob.name.as_str())
    }

    pub fn shape(&self, blob: BlobIndex) -> &Shape {
        &self.blobs[blob.0].shape
    }

    /// The layer that made the blob.
    pub fn maker(&self, blob: BlobIndex) -> &str {
        &self.blobs[blob.0].maker
    }

    /// The value that bears the blob's name.
    pub fn named(&self, blob: BlobIndex) -> ValueId {
        self.blobs[blob.0].named
    }

    /// How often the blob was read since it was last written.
    pub fn readers(&self, blob: BlobIndex) -> usize {
        self.blobs[blob.0].readers.last().copied().unwrap_or(0)
    }

    pub fn is_input(&self, blob: BlobIndex) -> bool {
        self.blobs[blob.0].input
    }

    /// Adds a blob with memory of its own.
    pub fn add(&mut self, name: &str, shape: Shape, value: ValueId, maker: &str, input: bool) {
        self.buffers.push(Buffer { state: 0, value, writer: maker.to_owned() });
        let blob = Blob {
            name: name.to_owned(),
            shape,
            buffer: self.buffers.len() - 1,
            value,
            state: 0,
            named: value,
            first: value,
            shares_gradient_of: None,
            readers: vec![0],
            silenced: false,
            unread: true,
            input,
            maker: maker.to_owned(),
        };
        self.names.insert(name.to_owned(), self.blobs.len());
        self.blobs.push(blob);
    }

    /// Adds a blob that shows the memory of another, and perhaps shares its gradient; the other was just read
    /// for it.
    pub fn add_view(
        &mut self,
        name: &str,
        shape: Shape,
        value: ValueId,
        maker: &str,
        of: BlobIndex,
        with_gradient: bool,
    ) {
        self.add(name, shape, value, maker, false);
        self.buffers.pop();
        let (buffer, count) = (self.blobs[of.0].buffer, self.blobs[of.0].readers.len());
        let state = self.buffers[buffer].state;
        if let Some(blob) = self.blobs.last_mut() {
            blob.buffer = buffer;
            blob.state = state;
            blob.shares_gradient_of = with_gradient.then(|| (of.0, count - 1));
        }
    }

    /// An in-place layer overwrites the blob's memory.
    pub fn overwrite(&mut self, blob: BlobIndex, value: ValueId, writer: &str) {
        let blob = &mut self.blobs[blob.0];
        let buffer = &mut self.buffers[blob.buffer];
        buffer.state += 1;
        buffer.value = value;
        buffer.writer = writer.to_owned();
        blob.state = buffer.state;
        blob.value = value;
        blob.named = value;
        blob.readers.push(0);
        blob.unread = true;
    }

    /// What the blob's memory holds now.
    pub fn peek(&self, blob: BlobIndex) -> Read {
        let blob = &self.blobs[blob.0];
        let buffer = &self.buffers[blob.buffer];
        if blob.state == buffer.state {
            Read::Own(blob.value)
        } else {
            Read::Overwritten { value: buffer.value, by: buffer.writer.clone() }
        }
    }

    /// Lets a value in the blob's shape stand for what its memory holds now.
    pub fn refresh(&mut self, blob: BlobIndex, value: ValueId) {
        let blob = &mut self.blobs[blob.0];
        blob.state = self.buffers[blob.buffer].state;
        blob.value = value;
    }

    /// Counts a read.
    pub fn note_read(&mut self, blob: BlobIndex, purpose: Use) {
        let blob = &mut self.blobs[blob.0];
        blob.unread = false;
        blob.silenced |= purpose == Use::Silence && blob.readers.len() == 1;
        if let Some(last) = blob.readers.last_mut() {
            *last += 1;
        }
    }

    /// Counts a blob as used, so that it is no output, without a read that would share its gradient.
    pub fn note_discarded(&mut self, blob: BlobIndex) {
        self.blobs[blob.0].unread = false;
    }

    /// The network's outputs: the blobs that are not read, in Caffe's order, that of their names' bytes.
    pub fn outputs(&self) -> Vec<ValueId> {
        let mut unread: Vec<&Blob> = self.blobs.iter().filter(|blob| blob.unread).collect();
        unread.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        unread.into_iter().map(|blob| self.data(blob)).collect()
    }

    /// What `net.blobs` shows in the end.
    pub fn view(&self) -> BlobView {
        // Made before read: the blob whose gradient another shares always stands before it.
        let mut gradients: Vec<BlobGradient> = Vec::with_capacity(self.blobs.len());
        for blob in &self.blobs {
            gradients.push(match blob.shares_gradient_of {
                Some((of, read)) if self.blobs[of].readers.get(read) == Some(&1) => gradients[of],
                _ if blob.silenced && blob.readers == [1] => BlobGradient::Zero,
                _ => BlobGradient::Value(blob.first),
            });
        }
        let entries = self.blobs.iter().zip(gradients).map(|(blob, gradient)| BlobEntry {
            name: blob.name.clone(),
            shape: blob.shape.clone(),
            data: self.data(blob),
            gradient,
        });
        BlobView::new(entries.collect())
    }

    fn data(&self, blob: &Blob) -> ValueId {
        let buffer = &self.buffers[blob.buffer];
        if blob.state == buffer.state { blob.value } else { buffer.value }
    }
}
