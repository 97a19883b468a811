//! `deepinside info`.

use std::sync::Arc;

use deepinside::{Assumption, Error, FurtherInput, Model};
use serde::Serialize;

use crate::arguments::InfoArguments;
use crate::failure::{Failure, Outcome};
use crate::output;

#[derive(Serialize)]
struct Result<'a> {
    name: &'a str,
    input: Value,
    /// Inputs beside the picture that nothing gives: zeros stood in for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    further_inputs: Vec<Further>,
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
struct Further {
    name: String,
    shape: String,
}

#[derive(Serialize)]
struct Choice<'a> {
    what: &'a str,
    value: &'a str,
    source: &'a str,
}

pub fn run(arguments: &InfoArguments) -> Outcome {
    let (model, further_inputs) = open(arguments)?;
    let graph = &model.graph;
    let value = |id| {
        let value: &deepinside::graph::Value = graph.value(id);
        Value { name: value.name.clone(), shape: value.shape.extents().to_vec() }
    };
    let result = Result {
        name: &model.name,
        input: value(model.input),
        further_inputs,
        score: value(model.score.value),
        classes: model.score.classes,
        layers: graph.nodes().len(),
        parameters: graph.parameters(),
        assumptions: model.assumptions.iter().map(choice).collect(),
        warnings: model.warnings.iter().cloned().chain(model.suspicions()).collect(),
    };
    if arguments.run.json { output::json(&result) } else { print(&model, &result) }
}

/// The model, and its inputs beside the picture that nothing gives. It is described all the same, with zeros in their place.
fn open(arguments: &InfoArguments) -> Outcome<(Arc<Model>, Vec<Further>)> {
    let mut settings = arguments.model.settings(false);
    let mut further: Vec<Further> = Vec::new();
    loop {
        match super::open_named(arguments.model.model.as_deref(), settings.clone()) {
            Err(Failure::Library(Error::FurtherInput { name, shape }))
                if further.iter().all(|known| known.name != name) =>
            {
                settings.further_inputs.push((name.clone(), FurtherInput::Number(0.0)));
                further.push(Further { name, shape });
            }
            opened => return Ok((opened?, further)),
        }
    }
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
    for Further { name, shape } in &result.further_inputs {
        output::line(format_args!(
            "input {name} {shape}, which a photograph cannot fill and nothing gives: described here with zeros; give it with --input \
             {name}=FILE.npy, or one number for all of it with --input {name}=0"
        ));
    }
    output::line(format_args!("score {} {}", result.score.name, shape(&result.score)));
    output::line("");
    for Assumption { what, value, source, .. } in &model.assumptions {
        output::line(format_args!("{what:<22} {value}"));
        output::line(format_args!("{:22} ({source})", ""));
    }
    Ok(())
}
