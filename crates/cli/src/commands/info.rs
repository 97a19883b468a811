//! `deepinside info`.

use deepinside::graph::Graph;
use deepinside::{Assumption, Model};
use serde::Serialize;

use crate::arguments::InfoArguments;
use crate::failure::Outcome;
use crate::output;

#[derive(Serialize)]
struct Result<'a> {
    name: &'a str,
    input: Value,
    score: Value,
    classes: usize,
    parameters: usize,
    assumptions: Vec<Choice<'a>>,
    warnings: Vec<String>,
    layers: Vec<Layer>,
}

#[derive(Serialize)]
struct Value {
    name: String,
    shape: Vec<usize>,
}

#[derive(Serialize)]
struct Choice<'a> {
    what: &'a str,
    value: &'a str,
    source: &'a str,
}

#[derive(Serialize)]
struct Layer {
    name: String,
    operator: &'static str,
    attributes: String,
    outputs: Vec<Value>,
    parameters: usize,
}

pub fn run(arguments: &InfoArguments) -> Outcome {
    let model = super::open(&arguments.model, false)?;
    let graph = &model.graph;
    let value = |id| {
        let value: &deepinside::graph::Value = graph.value(id);
        Value { name: value.name.clone(), shape: value.shape.extents().to_vec() }
    };
    let mut warnings = model.warnings.clone();
    warnings.extend(model.suspicious_weights());
    let result = Result {
        name: &model.name,
        input: value(model.input),
        score: value(model.score.value),
        classes: model.score.classes,
        parameters: graph.parameters(),
        assumptions: model.assumptions.iter().map(choice).collect(),
        warnings,
        layers: layers(graph),
    };
    if arguments.run.json { output::json(&result) } else { print(&model, &result) }
}

fn choice(assumption: &Assumption) -> Choice<'_> {
    Choice { what: assumption.what, value: &assumption.value, source: &assumption.source }
}

fn layers(graph: &Graph) -> Vec<Layer> {
    let nodes = graph.nodes().iter().map(|node| Layer {
        name: node.name.clone(),
        operator: node.op.operator().name(),
        attributes: node.op.operator().to_string(),
        outputs: node
            .outputs
            .iter()
            .map(|&output| Value {
                name: graph.value(output).name.clone(),
                shape: graph.value(output).shape.extents().to_vec(),
            })
            .collect(),
        parameters: node
            .inputs
            .iter()
            .filter_map(|&input| graph.value(input).weights())
            .map(|weights| weights.shape().elements())
            .sum(),
    });
    nodes.collect()
}

fn print(model: &Model, result: &Result<'_>) -> Outcome {
    let shape = |value: &Value| {
        let extents: Vec<String> = value.shape.iter().map(ToString::to_string).collect();
        extents.join("×")
    };
    output::line(format_args!(
        "{}: {} layers, {} parameters, {} classes",
        result.name,
        result.layers.len(),
        result.parameters,
        result.classes
    ));
    output::line(format_args!("input {} {}", result.input.name, shape(&result.input)));
    output::line(format_args!("score {} {}", result.score.name, shape(&result.score)));
    output::line("");
    for Assumption { what, value, source } in &model.assumptions {
        output::line(format_args!("{what:<22} {value}\n{:22} ({source})", ""));
    }
    output::line("");
    let width = |column: &dyn Fn(&Layer) -> usize| result.layers.iter().map(column).max().unwrap_or(0);
    let (names, operators) =
        (width(&|layer| layer.name.chars().count()), width(&|layer| layer.operator.len()));
    for layer in &result.layers {
        let outputs: Vec<String> = layer.outputs.iter().map(&shape).collect();
        output::line(format_args!(
            "{:<names$}  {:<operators$}  {:<18} {:>10}  {}",
            layer.name,
            layer.operator,
            outputs.join(", "),
            layer.parameters,
            layer.attributes
        ));
    }
    Ok(())
}
