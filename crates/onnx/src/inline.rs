//! Functions that a model brings along are written out where they are called, and names of branches made distinct, before anything
//! is imported: the importer then sees one list of nodes.
//!
//! PyTorch's newer exporter and ONNX's own `composite` operators are such functions (`FunctionProto`).

use std::collections::{HashMap, HashSet};

use prost::Message as _;

use crate::{NodePlace, OnnxError, composite, proto};

/// The most nodes that functions may become, and the most bytes of these nodes: functions that call others twice double each time.
const MOST_NODES: usize = 200_000;
const MOST_BYTES: usize = 64 << 20;

/// How deep functions may call others.
const DEEPEST: usize = 64;

/// Writes out all functions of a model, and renames what two branches both call the same.
///
/// # Errors
/// When functions call themselves, or become too many nodes.
pub(crate) fn inline(model: &mut proto::Model) -> Result<(), OnnxError> {
    let functions = std::mem::take(&mut model.functions);
    let Some(graph) = &mut model.graph else { return Ok(()) };
    let mut functions_by_name: HashMap<(&str, &str, &str), &proto::Function> = HashMap::new();
    for function in &functions {
        functions_by_name.insert((own(&function.domain), &function.name, &function.overload), function);
    }
    let mut taken: HashSet<String> = defined(graph).map(str::to_owned).collect();
    taken.extend(graph.input.iter().map(|input| input.name.clone()));
    let mut inliner =
        Inliner { functions: functions_by_name, taken, next: HashMap::new(), nodes: 0, bytes: 0, calls: 0 };
    let nodes = std::mem::take(&mut graph.node);
    graph.node = inliner.nodes(nodes, 0)?;
    Ok(())
}

/// ONNX's own domain has two names.
fn own(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

/// What a graph's nodes and initialisers make.
fn defined(graph: &proto::Graph) -> impl Iterator<Item = &str> {
    let made = graph.node.iter().flat_map(|node| &node.output).filter(|name| !name.is_empty());
    made.chain(graph.initializer.iter().map(|tensor| &tensor.name)).map(String::as_str)
}

struct Inliner<'a> {
    functions: HashMap<(&'a str, &'a str, &'a str), &'a proto::Function>,
    /// Names that are in use anywhere.
    taken: HashSet<String>,
    /// From which number on a name may be free.
    next: HashMap<String, usize>,
    nodes: usize,
    bytes: usize,
    calls: usize,
}

impl Inliner<'_> {
    /// The nodes with their functions written out.
    fn nodes(&mut self, nodes: Vec<proto::Node>, depth: usize) -> Result<Vec<proto::Node>, OnnxError> {
        let mut written = Vec::with_capacity(nodes.len());
        for mut node in nodes {
            for graph in node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_mut()) {
                self.branch(graph, depth)?;
            }
            let key = (own(&node.domain), node.op_type.as_str(), node.overload.as_str());
            match self.functions.get(&key).copied() {
                Some(function) => written.extend(self.call(&node, function, depth)?),
                None => match composite::written_out(&node) {
                    Some(nodes) => written.extend(nodes),
                    None => written.push(node),
                },
            }
        }
        Ok(written)
    }

    /// Makes the names of a branch distinct from all others, and writes out its functions.
    fn branch(&mut self, graph: &mut proto::Graph, depth: usize) -> Result<(), OnnxError> {
        let mut names = HashMap::new();
        for name in defined(graph) {
            if !self.taken.insert(name.to_owned()) {
                let distinct = self.distinct(name);
                names.insert(name.to_owned(), distinct);
            }
        }
        for tensor in &mut graph.initializer {
            rename(&mut tensor.name, &names);
        }
        for output in &mut graph.output {
            rename(&mut output.name, &names);
        }
        graph.node.iter_mut().for_each(|node| rename_node(node, &names));
        let nodes = std::mem::take(&mut graph.node);
        graph.node = self.nodes(nodes, depth)?;
        Ok(())
    }

    /// A function's nodes in place of the node that calls it.
    fn call(
        &mut self,
        node: &proto::Node,
        function: &proto::Function,
        depth: usize,
    ) -> Result<Vec<proto::Node>, OnnxError> {
        let stem = node.output.iter().find(|output| !output.is_empty()).map_or("function", String::as_str);
        let stem = if node.name.is_empty() { stem } else { &node.name };
        let failed = |what: String| OnnxError::Unsupported {
            place: Box::new(NodePlace {
                node: stem.to_owned(),
                operator: format!("{}.{}", node.domain, node.op_type),
            }),
            what,
        };
        if depth >= DEEPEST {
            return Err(failed(format!(
                "functions call each other more than {DEEPEST} deep; does one call itself?"
            )));
        }
        self.calls += 1;
        // Every name inside gets the caller's in front.
        let outputs: usize = function.node.iter().map(|node| node.output.len()).sum();
        self.bytes = self.bytes.saturating_add(stem.len().saturating_mul(function.node.len() + outputs));
        if self.bytes > MOST_BYTES {
            return Err(failed(too_much()));
        }
        let mut names: HashMap<String, String> = HashMap::new();
        for (inner, outer) in
            function.input.iter().zip(node.input.iter().map(Some).chain(std::iter::repeat(None)))
        {
            names.insert(inner.clone(), outer.cloned().unwrap_or_default());
        }
        // A result that is an argument passed through needs a node of its own.
        let mut passed = Vec::new();
        for (inner, outer) in function.output.iter().zip(&node.output) {
            if outer.is_empty() {
                continue;
            }
            match names.get(inner) {
                Some(known) => passed.push((known.clone(), outer.clone())),
                None => drop(names.insert(inner.clone(), outer.clone())),
            }
        }
        for name in function.node.iter().flat_map(|node| &node.output).filter(|name| !name.is_empty()) {
            if !names.contains_key(name) {
                let distinct = self.distinct(&format!("{stem}/{name}"));
                names.insert(name.clone(), distinct);
            }
        }
        let defaults = function.attribute_proto.iter();
        let given: HashMap<&str, &proto::Attribute> =
            defaults.chain(&node.attribute).map(|attribute| (attribute.name.as_str(), attribute)).collect();
        let mut nodes = Vec::with_capacity(function.node.len());
        for inner in &function.node {
            self.nodes += 1;
            self.bytes += size(inner);
            if self.nodes > MOST_NODES || self.bytes > MOST_BYTES {
                return Err(failed(too_much()));
            }
            let mut inner = inner.clone();
            inner.name =
                if inner.name.is_empty() { stem.to_owned() } else { format!("{stem}/{}", inner.name) };
            settle_attributes(&mut inner, &given);
            rename_node(&mut inner, &names);
            nodes.push(inner);
        }
        let identity = |(input, output): (String, String)| proto::Node {
            name: stem.to_owned(),
            op_type: "Identity".to_owned(),
            input: vec![input],
            output: vec![output],
            ..proto::Node::default()
        };
        nodes.extend(passed.into_iter().map(identity));
        self.nodes(nodes, depth + 1)
    }

    /// A name like this one that nothing has.
    fn distinct(&mut self, name: &str) -> String {
        if self.taken.insert(name.to_owned()) {
            return name.to_owned();
        }
        let next = self.next.entry(name.to_owned()).or_default();
        *next = (*next).max(self.calls).max(2);
        loop {
            let numbered = format!("{name}#{next}");
            *next += 1;
            if self.taken.insert(numbered.clone()) {
                return numbered;
            }
        }
    }
}

fn too_much() -> String {
    format!("written out, the model's functions are more than {MOST_NODES} nodes or {} MiB", MOST_BYTES >> 20)
}

/// The bytes of a node without those that lie in the file.
fn size(node: &proto::Node) -> usize {
    let tensors = node.attribute.iter().filter_map(|attribute| attribute.t.as_ref());
    node.encoded_len() - tensors.map(|tensor| tensor.raw_data.len()).sum::<usize>()
}

/// Attributes that stand for the caller's get its value, or go where it gives none.
fn settle_attributes(node: &mut proto::Node, given: &HashMap<&str, &proto::Attribute>) {
    node.attribute.retain_mut(|attribute| {
        if !attribute.ref_attr_name.is_empty() {
            let Some(value) = given.get(attribute.ref_attr_name.as_str()) else { return false };
            *attribute = proto::Attribute { name: std::mem::take(&mut attribute.name), ..(*value).clone() };
        }
        if let Some(graph) = &mut attribute.g {
            graph.node.iter_mut().for_each(|node| settle_attributes(node, given));
        }
        true
    });
}

fn rename(name: &mut String, names: &HashMap<String, String>) {
    if let Some(other) = names.get(name) {
        name.clone_from(other);
    }
}

/// Renames what a node and its branches read and make; what a branch makes itself under such a name stays.
fn rename_node(node: &mut proto::Node, names: &HashMap<String, String>) {
    node.input.iter_mut().chain(&mut node.output).for_each(|name| rename(name, names));
    for graph in node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_mut()) {
        let inner: HashSet<String> = defined(graph).map(str::to_owned).collect();
        let outer: HashMap<String, String> = names
            .iter()
            .filter(|(name, _)| !inner.contains(*name))
            .map(|(a, b)| (a.clone(), b.clone()))
            .collect();
        graph.node.iter_mut().for_each(|node| rename_node(node, &outer));
        graph.output.iter_mut().for_each(|output| rename(&mut output.name, &outer));
    }
}
