//! `deepinside info`.

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
    layers: usize,
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

pub fn run(arguments: &InfoArguments) -> Outcome {
    let model = super::open(&arguments.model, false)?;
    let graph = &model.graph;
    let value = |id| {
        let value: &deepinside::graph::Value = graph.value(id);
        Value { name: value.name.clone(), shape: value.shape.extents().to_vec() }
    };
    let result = Result {
        name: &model.name,
        input: value(model.input),
        score: value(model.score.value),
        classes: model.score.classes,
        layers: graph.nodes().len(),
        parameters: graph.parameters(),
        assumptions: model.assumptions.iter().map(choice).collect(),
        warnings: model.warnings.iter().cloned().chain(model.suspicions()).collect(),
    };
    if arguments.run.json { output::json(&result) } else { print(&model, &result) }
}

fn choice(assumption: &Assumption) -> Choice<'_> {
    Choice { what: assumption.what, value: &assumption.value, source: &assumption.source }
}

fn print(model: &Model, result: &Result<'_>) -> Outcome {
    let shape = |value: &Value| {
        let extents: Vec<String> = value.shape.iter().map(ToString::to_string).collect();
        extents.join("×")
    };
    output::line(format_args!(
        "{}: {} layers, {} parameters, {} classes",
        result.name, result.layers, result.parameters, result.classes
    ));
    output::line(format_args!("input {} {}", result.input.name, shape(&result.input)));
    output::line(format_args!("score {} {}", result.score.name, shape(&result.score)));
    output::line("");
    for Assumption { what, value, source, .. } in &model.assumptions {
        output::line(format_args!("{what:<22} {value}"));
        output::line(format_args!("{:22} ({source})", ""));
    }
    Ok(())
}
