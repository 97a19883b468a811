//! The layer being imported.

use deepinside_graph::{GraphError, Inconsistency};

use super::error::{ImportError, LayerPlace};
use crate::{Layer, proto::LayerParameter};

/// A layer with its position among the network's layers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    pub layer: &'a Layer,
    pub index: usize,
}

impl<'a> Site<'a> {
    pub fn new(index: usize, layer: &'a Layer) -> Self {
        Self { layer, index }
    }

    pub fn parameter(self) -> &'a LayerParameter {
        &self.layer.parameter
    }

    pub fn name(self) -> &'a str {
        self.layer.parameter.name()
    }

    pub fn kind(self) -> &'a str {
        self.layer.parameter.r#type()
    }

    pub fn line(self) -> usize {
        self.layer.location.line
    }

    pub fn bottoms(self) -> &'a [String] {
        &self.layer.parameter.bottom
    }

    pub fn tops(self) -> &'a [String] {
        &self.layer.parameter.top
    }

    /// Whether an output overwrites an input: Caffe asks that both stand at the same position.
    pub fn in_place(self, top: usize) -> bool {
        self.tops().get(top).is_some_and(|name| self.bottoms().get(top) == Some(name))
    }

    pub fn place(self) -> LayerPlace {
        LayerPlace {
            layer: self.name().to_owned(),
            kind: self.kind().to_owned(),
            location: self.layer.location,
        }
    }

    /// The error that something about the layer disagrees with something else.
    pub fn wrong(
        self,
        what: impl Into<String>,
        expected: impl ToString,
        found: impl ToString,
    ) -> ImportError {
        self.inconsistent(Inconsistency::new(what, expected, found))
    }

    pub fn inconsistent(self, cause: Inconsistency) -> ImportError {
        ImportError::Setting { place: Box::new(self.place()), cause }
    }

    pub fn unsupported(self, what: impl Into<String>) -> ImportError {
        ImportError::Unsupported { place: Box::new(self.place()), what: what.into() }
    }

    /// What the graph said, with the layer's place. Of an error that names the layer by itself only the cause
    /// is kept.
    pub fn refused(self, cause: GraphError) -> ImportError {
        match cause {
            GraphError::Node { cause, .. } => self.inconsistent(cause),
            cause => ImportError::Graph { place: Box::new(self.place()), cause },
        }
    }

    /// The axis that a setting names; negative ones count from the end, -1 being the last.
    pub fn axis(self, what: &str, axis: i32, rank: usize) -> Result<usize, ImportError> {
        let signed = i64::from(axis);
        let from_start = if signed < 0 { signed.checked_add_unsigned(rank as u64) } else { Some(signed) };
        from_start
            .and_then(|axis| usize::try_from(axis).ok())
            .filter(|axis| *axis < rank)
            .ok_or_else(|| self.wrong(what, format!("an axis of an input with {rank} axes"), axis))
    }
}
