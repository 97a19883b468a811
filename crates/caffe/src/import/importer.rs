//! What the importers of all layer types work with: it adds nodes to the graph and keeps the books on blobs.

use std::collections::HashMap;

use deepinside_graph::{
    GraphBuilder, Op, Shape, ValueId, Weights,
    op::{Extent, Reshape},
};

use super::{
    ImportOptions, NamedInput,
    error::ImportError,
    parameters::{Parameters, Slot},
    site::Site,
    storage::{BlobIndex, Blobs, Read, Use},
    suggestion::nearest,
};
use crate::error::Warnings;

/// What becomes of a result of a node.
#[derive(Debug, Clone, Copy)]
pub(super) enum Output<'a> {
    /// It is this output of the layer.
    Top(usize),
    /// It is this output of the layer and in Caffe the same memory as the layer's first input.
    View {
        top: usize,
        /// Whether the memory of the gradients is the same too.
        with_gradient: bool,
    },
    /// It is a step on the way, with a word for its name.
    Step(&'a str),
}

/// The graph so far, and what each blob of Caffe's means at this point of the network.
#[derive(Debug)]
pub(super) struct Importer<'a> {
    pub builder: GraphBuilder,
    pub blobs: Blobs,
    pub parameters: Parameters<'a>,
    pub options: &'a ImportOptions,
    pub warnings: Warnings,
    pub inputs: Vec<NamedInput>,
    /// Constants by parameter and shape, so that layers which share weights read one value.
    known: HashMap<(Slot, Vec<usize>), ValueId>,
    /// Blobs of layers that are left out: the layer and why.
    pub dropped: HashMap<String, (String, String)>,
    /// The last number given to each made-up name that was taken.
    numbers: HashMap<String, usize>,
}

impl<'a> Importer<'a> {
    pub fn new(name: &str, parameters: Parameters<'a>, options: &'a ImportOptions) -> Self {
        Self {
            builder: GraphBuilder::new(name),
            blobs: Blobs::default(),
            parameters,
            options,
            warnings: Warnings::default(),
            inputs: Vec::new(),
            known: HashMap::new(),
            dropped: HashMap::new(),
            numbers: HashMap::new(),
        }
    }

    /// The shape of a value.
    pub fn shape(&self, value: ValueId) -> Shape {
        self.builder.shape(value).clone()
    }

    pub fn warn(&mut self, site: Site<'_>, message: impl std::fmt::Display) {
        let message = format!("layer '{}' ({}): {message}", site.name(), site.kind());
        self.warnings.push(site.line(), message);
    }

    /// The value of a layer's input, which must exist; the layer's table entry has checked the number of
    /// inputs.
    pub fn operand(&mut self, site: Site<'_>, position: usize) -> Result<ValueId, ImportError> {
        let (blob, name) = self.bottom(site, position)?;
        let value = match self.blobs.peek(blob) {
            Read::Own(value) => value,
            Read::Overwritten { value, by } => {
                self.warn(
                    site,
                    format!(
                        "the in-place layer '{by}' has overwritten the memory of its input '{name}' through another \
                         name; the overwritten values are read, as in Caffe, whose gradients are wrong there"
                    ),
                );
                let value = self.reshaped(
                    site,
                    value,
                    self.blobs.shape(blob).clone(),
                    &format!("{name}@after:{by}"),
                )?;
                self.blobs.refresh(blob, value);
                value
            }
        };
        self.blobs.note_read(blob, Use::Compute);
        Ok(value)
    }

    /// The values of all inputs of a layer.
    pub fn operands(&mut self, site: Site<'_>) -> Result<Vec<ValueId>, ImportError> {
        (0..site.bottoms().len()).map(|position| self.operand(site, position)).collect()
    }

    /// Notes that a layer has an input with whose data it does not compute; returns its shape.
    pub fn reference(&mut self, site: Site<'_>, position: usize, purpose: Use) -> Result<Shape, ImportError> {
        let (blob, _) = self.bottom(site, position)?;
        self.blobs.note_read(blob, purpose);
        Ok(self.blobs.shape(blob).clone())
    }

    fn bottom<'s>(&self, site: Site<'s>, position: usize) -> Result<(BlobIndex, &'s str), ImportError> {
        let Some(name) = site.bottoms().get(position) else {
            return Err(site.wrong(
                "number of inputs",
                format!("at least {}", position + 1),
                site.bottoms().len(),
            ));
        };
        if let Some((writer, reason)) = self.dropped.get(name) {
            return Err(ImportError::DroppedBlob {
                place: Box::new(site.place()),
                blob: name.clone(),
                writer: writer.clone(),
                reason: reason.clone(),
            });
        }
        let blob = self.blobs.find(name).ok_or_else(|| ImportError::UnknownBlob {
            place: Box::new(site.place()),
            blob: name.clone(),
            nearest: nearest(name, self.blobs.names()).map(str::to_owned),
        })?;
        Ok((blob, name))
    }

    /// The same elements in another shape, named `name`; the value itself where it has the shape already.
    fn reshaped(
        &mut self,
        site: Site<'_>,
        value: ValueId,
        shape: Shape,
        name: &str,
    ) -> Result<ValueId, ImportError> {
        if *self.builder.shape(value) == shape {
            return Ok(value);
        }
        let extents = shape.extents().iter().map(|extent| Extent::Fixed(*extent)).collect();
        let name = self.unused(name.to_owned());
        let made = self.builder.node(site.name(), Reshape { extents }, &[value], &[&name]);
        one(site, made.map_err(|cause| site.refused(cause))?)
    }

    /// Adds the node that computes a layer's only output.
    pub fn top(&mut self, site: Site<'_>, op: impl Into<Op>, inputs: &[ValueId]) -> Result<(), ImportError> {
        self.node(site, op, inputs, &[Output::Top(0)]).map(drop)
    }

    /// Adds a node on the way to a layer's output. Its result is named after the output and a word for what
    /// it is.
    pub fn step(
        &mut self,
        site: Site<'_>,
        word: &str,
        op: impl Into<Op>,
        inputs: &[ValueId],
    ) -> Result<ValueId, ImportError> {
        one(site, self.node(site, op, inputs, &[Output::Step(word)])?)
    }

    /// Adds a node. All inputs of the layer must have been read before its first output is added.
    pub fn node(
        &mut self,
        site: Site<'_>,
        op: impl Into<Op>,
        inputs: &[ValueId],
        outputs: &[Output<'_>],
    ) -> Result<Vec<ValueId>, ImportError> {
        let mut names = Vec::with_capacity(outputs.len());
        for output in outputs {
            names.push(match *output {
                Output::Top(top) | Output::View { top, .. } => self.claim(site, top)?,
                Output::Step(word) => {
                    let stem = site.tops().first().map_or(site.name(), String::as_str);
                    self.unused(format!("{stem}@{word}"))
                }
            });
        }
        let texts: Vec<&str> = names.iter().map(String::as_str).collect();
        let values =
            self.builder.node(site.name(), op, inputs, &texts).map_err(|cause| site.refused(cause))?;
        for ((output, name), &value) in outputs.iter().zip(&names).zip(&values) {
            let shape = self.shape(value);
            match *output {
                Output::Top(top) if site.in_place(top) => {
                    if let Some(blob) = self.blobs.find(name) {
                        self.blobs.overwrite(blob, value, site.name());
                    }
                }
                Output::Top(_) => self.blobs.add(name, shape, value, site.name(), false),
                Output::View { with_gradient, .. } => {
                    let (of, _) = self.bottom(site, 0)?;
                    self.blobs.add_view(name, shape, value, site.name(), of, with_gradient);
                }
                Output::Step(_) => {}
            }
        }
        Ok(values)
    }

    /// Makes the name of an output free: an in-place layer takes it from the value that it overwrites.
    fn claim(&mut self, site: Site<'_>, top: usize) -> Result<String, ImportError> {
        let Some(name) = site.tops().get(top) else {
            return Err(site.wrong("number of outputs", format!("at least {}", top + 1), site.tops().len()));
        };
        if let Some(blob) = self.blobs.find(name) {
            // Where other layers read it as well, Caffe gives each reader a copy, and none may be
            // overwritten.
            if !site.in_place(top) || self.blobs.readers(blob) != 1 {
                return Err(ImportError::TwoWriters {
                    place: Box::new(site.place()),
                    blob: name.clone(),
                    first: self.blobs.maker(blob).to_owned(),
                });
            }
            let before = self.unused(format!("{name}@before:{}", site.name()));
            let named = self.blobs.named(blob);
            self.builder.rename(named, before).map_err(|cause| site.refused(cause))?;
        }
        Ok(name.clone())
    }

    /// Adds something that is fed from outside, or filled with one number, as an output of a layer.
    pub fn input(
        &mut self,
        site: Site<'_>,
        top: usize,
        shape: Shape,
        fill: Option<f32>,
    ) -> Result<(), ImportError> {
        let name = self.claim(site, top)?;
        if let Some(axis) = shape.extents().iter().position(|extent| *extent == 0) {
            return Err(site.wrong(
                format!("extent of axis {axis} of the input '{name}'"),
                "at least 1",
                format!("0 in {shape}"),
            ));
        }
        let value = self.builder.input(&*name, shape.clone()).map_err(|cause| site.refused(cause))?;
        self.blobs.add(&name, shape, value, site.name(), true);
        self.inputs.push(NamedInput { name, value, fill });
        Ok(())
    }

    /// The constant for a layer's parameter of which Caffe's shape is `shape`, stored as `stored` (the same
    /// elements in the shape that the operator wants). Named `layer@what`.
    pub fn constant(
        &mut self,
        site: Site<'_>,
        position: usize,
        what: &'static str,
        shape: &[usize],
        stored: &[usize],
    ) -> Result<ValueId, ImportError> {
        let weights = self.parameters.weights(site, position, what, shape)?;
        let key = (self.parameters.owner(site, position), stored.to_vec());
        if let Some(&known) = self.known.get(&key) {
            return Ok(known);
        }
        let weights = Shape::new(stored)
            .and_then(|stored| weights.reshaped(stored))
            .map_err(|cause| site.inconsistent(cause))?;
        let value = self.add_constant(site, what, weights)?;
        self.known.insert(key, value);
        Ok(value)
    }

    /// A constant that was computed from a layer's weights. Named `layer@what`.
    pub fn add_constant(
        &mut self,
        site: Site<'_>,
        what: &str,
        weights: Weights,
    ) -> Result<ValueId, ImportError> {
        let name = self.unused(format!("{}@{what}", site.name()));
        self.builder.constant(name, weights).map_err(|cause| site.refused(cause))
    }

    /// The name, with a number behind it where it is taken. Only names that we make up are changed.
    fn unused(&mut self, name: String) -> String {
        if self.builder.find(&name).is_none() {
            return name;
        }
        // Remembered, so that thousands of layers with one name do not each count from the start.
        let number = self.numbers.entry(name.clone()).or_insert(1);
        loop {
            *number += 1;
            let numbered = format!("{name}#{number}");
            if self.builder.find(&numbered).is_none() {
                return numbered;
            }
        }
    }
}

/// The only result of a node.
fn one(site: Site<'_>, values: Vec<ValueId>) -> Result<ValueId, ImportError> {
    match values[..] {
        [value] => Ok(value),
        _ => Err(site.wrong("number of results", 1, values.len())),
    }
}
