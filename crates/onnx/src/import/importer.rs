//! Walks over the nodes and keeps what every tensor name stands for.

use std::collections::HashMap;

use deepinside_graph::{
    Budget, Constant, GraphBuilder, Inconsistency, Op, Reservation, Shape, ValueId, Weights, fold,
};

use super::failure::{Failure, inconsistent, unsupported};
use super::node::Node;
use super::readers::Readers;
use super::{ImportOptions, Imported};
use super::{operators, order};
use crate::tensor::{self, Kind};
use crate::{Model, OnnxError, proto};

/// The oldest operator set that is read.
const OLDEST: i64 = 1;
/// The newest operator set that is known.
const NEWEST: i64 = 25;

/// What a tensor name stands for.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub source: Source,
    /// What its numbers are.
    pub kind: Kind,
    /// Its name, for the constant that it may become.
    name: String,
}

/// Where a tensor comes from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// Known before the network runs.
    Known(Constant),
    /// Computed by the network, or fed to it.
    Computed(ValueId),
    /// Was known until its last reader had read it.
    Freed,
}

impl Operand {
    /// The constant, where the tensor is known.
    pub fn constant(&self) -> Option<&Constant> {
        match &self.source {
            Source::Known(constant) => Some(constant),
            Source::Computed(_) | Source::Freed => None,
        }
    }

    /// The only number of a known tensor.
    pub fn scalar(&self) -> Option<f64> {
        let constant = self.constant().filter(|constant| constant.shape().elements() == 1)?;
        constant.numbers().first().copied()
    }

    /// The same as numbers of another kind.
    pub fn with_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }
}

/// Builds the graph.
pub(super) struct Importer<'a> {
    model: &'a Model,
    builder: GraphBuilder,
    version: i64,
    scope: HashMap<String, Operand>,
    /// The graph's constants made so far, by name.
    constants: HashMap<String, ValueId>,
    tensors: Vec<(String, ValueId)>,
    warnings: Vec<String>,
    /// What computing constants may still take.
    budget: Budget,
    /// Memory of what the graph keeps, counted until the import ends.
    kept: Vec<Reservation>,
    /// The ONNX types of the elements of initialisers and constants, by name.
    data_types: HashMap<&'a str, i32>,
}

pub(super) fn import(model: &Model, options: &ImportOptions) -> Result<Imported, OnnxError> {
    let graph =
        model.proto.graph.as_ref().ok_or_else(|| OnnxError::Malformed { what: "it has no graph".into() })?;
    let own = |domain: &str| matches!(domain, "" | "ai.onnx");
    let version = model.proto.opset_import.iter().filter(|set| own(&set.domain)).map(|set| set.version).max();
    let version = version.unwrap_or(1);
    if version < OLDEST {
        return Err(OnnxError::OperatorSet { found: version, oldest: OLDEST });
    }
    let mut importer = Importer {
        model,
        builder: GraphBuilder::new(graph.name.clone()),
        version: version.min(NEWEST),
        scope: HashMap::new(),
        constants: HashMap::new(),
        tensors: Vec::new(),
        warnings: model.left_out.iter().map(|left_out| left_out.sentence.clone()).collect(),
        budget: model.budget(options.interrupt.clone()),
        kept: Vec::new(),
        data_types: graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor.data_type)).collect(),
    };
    if version > NEWEST {
        importer.warnings.push(format!(
            "the model uses operator set {version} of ONNX, which is newer than this program; it is read as {NEWEST}"
        ));
    }
    importer.initialisers(graph)?;
    importer.inputs(graph, options)?;
    importer.whole(graph)?;
    let mut outputs = Vec::new();
    for output in &graph.output {
        let failed = |what| OnnxError::Output { output: output.name.clone(), what };
        match importer.scope.get(&output.name).map(|operand| &operand.source) {
            Some(Source::Computed(value)) => outputs.push(*value),
            Some(Source::Known(_) | Source::Freed) => importer
                .warnings
                .push(format!("output '{}' does not depend on any input; it is left out", output.name)),
            None => return Err(failed("no node makes it")),
        }
    }
    if outputs.is_empty() {
        let output = graph.output.first().map_or_else(String::new, |output| output.name.clone());
        return Err(OnnxError::Output { output, what: "nothing that the network computes is a result" });
    }
    Ok(Imported {
        graph: importer.builder.finish(&outputs),
        tensors: importer.tensors,
        warnings: importer.warnings,
    })
}

impl<'a> Importer<'a> {
    /// Whether a program of this name wrote the file.
    pub fn is_written_by(&self, program: &str) -> bool {
        self.model.proto.producer_name == program
    }

    fn initialisers(&mut self, graph: &'a proto::Graph) -> Result<(), OnnxError> {
        if let Some(sparse) = graph.sparse_initializer.first() {
            let name = sparse.values.as_ref().map_or_else(String::new, |values| values.name.clone());
            let cause = Inconsistency::new("storage", "dense data", "sparse data, which are not read");
            return Err(OnnxError::Tensor { tensor: name, cause });
        }
        for tensor in &graph.initializer {
            let (constant, kind) = tensor::read(tensor, self.model.file.as_ref(), &self.model.external)?;
            self.budget.grow_to(self.model.size());
            let constant = constant
                .held_by(&self.budget)
                .map_err(|cause| OnnxError::Budget { place: format!("tensor '{}'", tensor.name), cause })?;
            self.define(&tensor.name, Source::Known(constant), kind)?;
        }
        Ok(())
    }

    fn inputs(&mut self, graph: &'a proto::Graph, options: &ImportOptions) -> Result<(), OnnxError> {
        let descriptions = self.model.inputs();
        let unknown = |name: &&String| descriptions.iter().all(|input| input.name != **name);
        if let Some(unknown) = options.input_shapes.keys().chain(options.known_inputs.keys()).find(unknown) {
            let inputs = descriptions.into_iter().map(|input| input.name).collect();
            return Err(OnnxError::UnknownInput { input: unknown.clone(), inputs });
        }
        for (index, (input, description)) in self.model.fed(graph).zip(descriptions).enumerate() {
            let failed = |cause| OnnxError::Input { input: input.name.clone(), cause };
            if let Some(tensor) = input.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()) {
                self.data_types.insert(&input.name, tensor.elem_type);
            }
            let given = options.input_shapes.get(&input.name);
            if let Some(known) = options.known_inputs.get(&input.name) {
                self.known_input(input, description.extents.as_deref(), known)?;
                continue;
            }
            let shape = match (given, description.extents) {
                (Some(extents), _) => Shape::new(extents.clone()),
                (None, Some(extents)) => bind(&extents),
                (None, None) => Err(Inconsistency::new("shape", "one that the file states", "none")),
            };
            let shape = shape.map_err(failed)?;
            let tensor = input.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
            let kind = tensor.map_or(Ok(Kind::Float), |tensor| tensor::kind_of(tensor.elem_type));
            if options.without_weights && index > 0 {
                let zeros = Constant::from(Weights::filled(shape, 0.0));
                self.define(&input.name, Source::Known(zeros), kind.map_err(failed)?)?;
                continue;
            }
            let value = self.builder.input(input.name.clone(), shape);
            let value = value.map_err(|_| OnnxError::DuplicateTensor { tensor: input.name.clone() })?;
            self.define(&input.name, Source::Computed(value), kind.map_err(failed)?)?;
        }
        Ok(())
    }

    /// An input whose numbers are known; one number stands for all that the file states the shape of.
    fn known_input(
        &mut self,
        input: &proto::ValueInfo,
        extents: Option<&[Result<i64, String>]>,
        known: &Constant,
    ) -> Result<(), OnnxError> {
        let failed = |cause| OnnxError::Input { input: input.name.clone(), cause };
        let stated = extents.map(bind).transpose();
        let constant = match (stated, known.shape().rank()) {
            (Ok(Some(stated)), 0) => {
                Constant::filled(stated, known.numbers().first().copied().unwrap_or_default())
            }
            (Ok(Some(stated)), _) if stated != *known.shape() => {
                return Err(failed(Inconsistency::new("shape", stated, known.shape())));
            }
            // The file leaves an extent open, which the numbers settle.
            _ => known.clone(),
        };
        let tensor = input.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
        let kind =
            tensor.map_or(Ok(Kind::Float), |tensor| tensor::kind_of(tensor.elem_type)).map_err(failed)?;
        self.define(&input.name, Source::Known(constant), kind)
    }

    /// Imports the nodes of the whole graph, each behind those that it reads, and frees every constant behind its last
    /// reader.
    fn whole(&mut self, graph: &'a proto::Graph) -> Result<(), OnnxError> {
        let mut readers = Readers::of(graph);
        for proto in self.in_order(&graph.node)? {
            self.node(proto)?;
            for name in readers.done(proto) {
                if let Some(operand) = self.scope.get_mut(name)
                    && matches!(operand.source, Source::Known(_))
                {
                    operand.source = Source::Freed;
                }
            }
        }
        Ok(())
    }

    /// Imports one node.
    fn node(&mut self, proto: &'a proto::Node) -> Result<(), OnnxError> {
        let node = Node::new(proto, self.version);
        let failed = |failure: Failure| failure.at(node.place());
        self.budget.spend(0, 0).map_err(|cause| failed(cause.into()))?;
        let import = operators::find(&proto.domain, &proto.op_type).ok_or_else(|| self.unknown(proto))?;
        import(&node, self).map_err(failed)?;
        for attribute in node.unread() {
            self.warnings
                .push(format!("{}: attribute '{attribute}' is not known and was ignored", node.place()));
        }
        Ok(())
    }

    /// Says something about the whole network, once.
    pub fn warn(&mut self, sentence: &str) {
        if !self.warnings.iter().any(|known| known == sentence) {
            self.warnings.push(sentence.to_owned());
        }
    }

    /// Nodes in the order in which they can be computed.
    fn in_order(&self, nodes: &'a [proto::Node]) -> Result<Vec<&'a proto::Node>, OnnxError> {
        order::in_order(nodes, |name| self.scope.contains_key(name)).map_err(|cycle| OnnxError::Cycle {
            nodes: cycle.iter().map(|node| Node::new(node, self.version).place()).collect(),
        })
    }

    fn unknown(&self, proto: &proto::Node) -> OnnxError {
        let node = Node::new(proto, self.version);
        let own = matches!(proto.domain.as_str(), "" | "ai.onnx");
        if let Some(what) = operators::refusal(&proto.op_type).filter(|_| own) {
            return OnnxError::Unsupported { place: Box::new(node.place()), what: what.to_owned() };
        }
        if proto.domain == "com.microsoft.nchwc" {
            let what = "ONNX Runtime has laid the network out for one machine; save it with the optimisation level 'extended' instead \
                        of 'all', or give the file that it was made of";
            return OnnxError::Unsupported { place: Box::new(node.place()), what: what.to_owned() };
        }
        let sets = &self.model.proto.opset_import;
        let version =
            sets.iter().find(|set| set.domain == proto.domain).map_or(self.version, |set| set.version);
        OnnxError::UnsupportedOperator {
            place: Box::new(node.place()),
            operator: proto.op_type.clone(),
            domain: if own { "ai.onnx".to_owned() } else { proto.domain.clone() },
            version,
            nearest: operators::nearest(&proto.op_type).filter(|_| own),
        }
    }

    /// The initialisers of a branch's graph.
    pub fn branch(&mut self, graph: &'a proto::Graph) -> Result<(), OnnxError> {
        self.initialisers(graph)?;
        self.in_order(&graph.node)?.into_iter().try_for_each(|node| self.node(node))
    }

    fn define(&mut self, name: &str, source: Source, kind: Kind) -> Result<(), OnnxError> {
        if let Source::Computed(value) = source {
            self.tensors.push((name.to_owned(), value));
        }
        let operand = Operand { source, kind, name: name.to_owned() };
        match self.scope.insert(name.to_owned(), operand) {
            None => Ok(()),
            Some(_) => Err(OnnxError::DuplicateTensor { tensor: name.to_owned() }),
        }
    }

    /// What a name of an enclosing graph stands for.
    pub fn named(&self, node: &Node<'_>, name: &str) -> Result<Operand, Failure> {
        self.scope.get(name).cloned().ok_or_else(|| {
            Failure::from(OnnxError::UndefinedTensor {
                place: Box::new(node.place()),
                tensor: name.to_owned(),
            })
        })
    }

    /// An input of a node; `None` where it is left out.
    pub fn optional(&self, node: &Node<'_>, index: usize) -> Result<Option<Operand>, Failure> {
        node.input(index).map(|name| self.named(node, name)).transpose()
    }

    /// An input that must be there.
    pub fn operand(&self, node: &Node<'_>, index: usize) -> Result<Operand, Failure> {
        match self.optional(node, index)? {
            Some(operand) => Ok(operand),
            None => inconsistent("number of inputs", format!("at least {}", index + 1), node.inputs()),
        }
    }

    /// All inputs, of which none may be left out.
    pub fn operands(&self, node: &Node<'_>) -> Result<Vec<Operand>, Failure> {
        (0..node.inputs().max(1)).map(|index| self.operand(node, index)).collect()
    }

    /// An input that must be known; `None` where it is left out. `what` says what it is for.
    pub fn known(&self, node: &Node<'_>, index: usize, what: &str) -> Result<Option<Constant>, Failure> {
        let Some(operand) = self.optional(node, index)? else { return Ok(None) };
        match operand.source {
            Source::Known(constant) => {
                // Its numbers will be copied and read.
                let elements = constant.shape().elements() as u64;
                self.ask_for(elements)?;
                Ok(Some(constant))
            }
            Source::Computed(_) | Source::Freed => unsupported(format!(
                "{what} ('{}') must be constant, but depends on an input of the network",
                operand.name
            )),
        }
    }

    /// The whole numbers of an input that must be known; `None` where it is left out.
    pub fn whole_numbers(
        &self,
        node: &Node<'_>,
        index: usize,
        what: &str,
    ) -> Result<Option<Vec<i64>>, Failure> {
        let constant = self.known(node, index, what)?;
        // Conversions saturate, so that "to the end" stays what it is.
        Ok(constant.map(|constant| constant.numbers().iter().map(|&number| number as i64).collect()))
    }

    /// The shape of a tensor.
    pub fn shape(&self, operand: &Operand) -> Shape {
        match &operand.source {
            Source::Known(constant) => constant.shape().clone(),
            Source::Computed(value) => self.builder.shape(*value).clone(),
            Source::Freed => Shape::default(),
        }
    }

    /// The ONNX type of a tensor's elements, where the file says it.
    pub fn data_type(&self, name: &str) -> Option<i32> {
        self.data_types.get(name).copied()
    }

    /// Notes the type of the first result's elements, which quantisation asks for.
    pub fn note_data_type(&mut self, node: &Node<'a>, data_type: i32) {
        if let Some(name) = node.output(0) {
            self.data_types.insert(name, data_type);
        }
    }

    /// A new constant, called `result@step`. Its numbers are made after the budget has been asked for them.
    ///
    /// # Errors
    /// When they are more than the budget has left.
    pub fn constant(
        &self,
        node: &Node<'_>,
        step: &str,
        extents: &[usize],
        numbers: impl FnOnce() -> Vec<f64>,
    ) -> Result<Operand, Failure> {
        let shape = Shape::new(extents)?;
        self.ask_for(shape.elements() as u64)?;
        let constant = Constant::new(shape, numbers())?.held_by(&self.budget)?;
        let name = format!("{}@{step}", node.stem());
        Ok(Operand { source: Source::Known(constant), kind: Kind::Float, name })
    }

    /// The value of a tensor in the graph; a known one becomes a constant.
    fn value(&mut self, operand: &Operand) -> Result<ValueId, Failure> {
        let constant = match &operand.source {
            Source::Computed(value) => return Ok(*value),
            Source::Known(constant) => constant,
            Source::Freed => return unsupported(format!("'{}' is read after its last reader", operand.name)),
        };
        if let Some(&value) = self.constants.get(&operand.name) {
            return Ok(value);
        }
        if let Some(bytes) = constant.bytes_as_weights() {
            self.keep(bytes)?;
        }
        // A node whose result has no elements has taken its name.
        let end = if constant.shape().elements() == 0 { "@empty" } else { "" };
        let value = self.builder.constant(format!("{}{end}", operand.name), constant.to_weights()?)?;
        self.constants.insert(operand.name.clone(), value);
        Ok(value)
    }

    /// Applies an operator in between; its result is called `result@step`.
    pub fn step(
        &mut self,
        node: &Node<'_>,
        step: &str,
        op: impl Into<Op>,
        operands: &[Operand],
    ) -> Result<Operand, Failure> {
        Ok(self.steps(node, &[step], op, operands)?.remove(0))
    }

    /// The same for an operator of several results.
    pub fn steps(
        &mut self,
        node: &Node<'_>,
        steps: &[&str],
        op: impl Into<Op>,
        operands: &[Operand],
    ) -> Result<Vec<Operand>, Failure> {
        let names: Vec<String> = steps.iter().map(|step| format!("{}@{step}", node.stem())).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.apply(node, &op.into(), operands, &names)
    }

    /// Applies an operator whose results are all those of the node.
    pub fn finish(
        &mut self,
        node: &Node<'_>,
        op: impl Into<Op>,
        operands: &[Operand],
    ) -> Result<(), Failure> {
        let kind = operands.first().map_or(Kind::Float, |operand| operand.kind);
        self.finish_as(node, op, operands, kind)
    }

    /// The same for results of another kind than the first operand.
    pub fn finish_as(
        &mut self,
        node: &Node<'_>,
        op: impl Into<Op>,
        operands: &[Operand],
        kind: Kind,
    ) -> Result<(), Failure> {
        self.finish_output(node, 0, op, operands, kind)
    }

    /// Applies an operator of one result, which becomes that result of the node. Does nothing where it has no name.
    pub fn finish_output(
        &mut self,
        node: &Node<'_>,
        index: usize,
        op: impl Into<Op>,
        operands: &[Operand],
        kind: Kind,
    ) -> Result<(), Failure> {
        let Some(name) = node.output(index) else { return Ok(()) };
        let mut results = self.apply(node, &op.into(), operands, &[name])?;
        let result = results.remove(0);
        Ok(self.define(name, result.source, kind)?)
    }

    /// Applies an operator of several results, which become those of the node in order.
    pub fn finish_all(
        &mut self,
        node: &Node<'_>,
        op: impl Into<Op>,
        operands: &[Operand],
        results: usize,
    ) -> Result<Vec<Operand>, Failure> {
        let names: Vec<String> = (0..results)
            .map(|index| match node.output(index) {
                Some(name) => name.to_owned(),
                None => format!("{}@result{index}", node.stem()),
            })
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let made = self.apply(node, &op.into(), operands, &names)?;
        for (index, result) in made.iter().enumerate() {
            if let Some(name) = node.output(index) {
                self.define(name, result.source.clone(), result.kind)?;
            }
        }
        Ok(made)
    }

    /// Counts memory that what is about to be made takes while it is made.
    ///
    /// # Errors
    /// When it is more than the budget has left.
    pub fn ask_for(&self, elements: u64) -> Result<(), Failure> {
        self.budget.spend(elements, 0)?;
        self.budget.hold(elements * size_of::<f64>() as u64)?;
        Ok(())
    }

    /// Counts memory that the graph keeps.
    pub fn keep(&mut self, bytes: u64) -> Result<(), Failure> {
        self.kept.push(self.budget.hold(bytes)?);
        Ok(())
    }

    /// Makes a known tensor a result of the node.
    pub fn finish_known(
        &mut self,
        node: &Node<'_>,
        index: usize,
        constant: Constant,
        kind: Kind,
    ) -> Result<(), Failure> {
        let constant = constant.held_by(&self.budget)?;
        match node.output(index) {
            Some(name) => Ok(self.define(name, Source::Known(constant), kind)?),
            None => Ok(()),
        }
    }

    /// Applies an operator: computed at once where all operands are known, else a node of the graph.
    fn apply(
        &mut self,
        node: &Node<'_>,
        op: &Op,
        operands: &[Operand],
        names: &[&str],
    ) -> Result<Vec<Operand>, Failure> {
        let kind = operands.first().map_or(Kind::Float, |operand| operand.kind);
        let known: Option<Vec<&Constant>> = operands.iter().map(Operand::constant).collect();
        let folded = match known {
            Some(known) => fold(op, &known, &self.budget)?,
            None => None,
        };
        let result = |name: &str, source| Operand { source, kind, name: name.to_owned() };
        if let Some(folded) = folded {
            let known =
                names.iter().zip(folded).map(|(name, constant)| result(name, Source::Known(constant)));
            return Ok(known.collect());
        }
        self.keep(bytes_of(op))?;
        let inputs: Vec<ValueId> =
            operands.iter().map(|operand| self.value(operand)).collect::<Result<_, _>>()?;
        let values = self.builder.node(node.name(), op.clone(), &inputs, names)?;
        let computed = names.iter().zip(values).map(|(name, value)| {
            // What has no elements depends on nothing: the network is the same without it.
            let shape = self.builder.shape(value);
            let empty = || Source::Known(Constant::filled(shape.clone(), 0.0));
            result(name, if shape.elements() == 0 { empty() } else { Source::Computed(value) })
        });
        Ok(computed.collect())
    }
}

/// The bytes of an operator's attributes that grow with the tensors they are about.
fn bytes_of(op: &Op) -> u64 {
    let bytes = match op {
        Op::Take(take) => take.positions.len() * size_of::<usize>(),
        Op::Resample(resample) => {
            resample.taps.iter().map(|taps| size_of_val(taps) + size_of_val(taps.as_slice())).sum()
        }
        _ => 0,
    };
    bytes as u64
}

/// The shape of an input whose first extent, the number of pictures, may be open.
fn bind(extents: &[Result<i64, String>]) -> Result<Shape, Inconsistency> {
    let bound: Result<Vec<i64>, Inconsistency> = extents
        .iter()
        .enumerate()
        .map(|(axis, extent)| match extent {
            Ok(extent) => Ok(*extent),
            Err(_) if axis == 0 => Ok(1),
            Err(name) => Err(Inconsistency::new(
                "shape",
                "known extents (give them with the input's numbers)",
                format!("axis {axis} left open as '{name}'"),
            )),
        })
        .collect();
    tensor::shape(&bound?)
}
