//! `deepinside metric`: how far an attribution can be believed.

use std::time::Instant;

use deepinside::attribution::metrics::metric;
use deepinside::attribution::{Choices, method};
use deepinside::{Size, Target};
use serde_json::{Map, Value, json};

use super::parameters::{given, named_array, read_array, read_recorded};
use crate::arguments::MetricArguments;
use crate::failure::Outcome;
use crate::output;

pub fn run(arguments: &MetricArguments) -> Outcome {
    let start = Instant::now();
    let entry = metric(&arguments.name)?;
    let measure = entry.make(&Choices { given: given(&arguments.set)?, layers: Vec::new() })?;
    let input = read_array(&arguments.array)?;
    let mut settings = arguments.model.settings(false);
    settings.input.size = Some(Size::Rectangle([input.shape()[1], input.shape()[2]]));
    let model = super::open_named(arguments.model.model.as_deref(), settings)?;
    let target = Target::parse(&arguments.target, &model, &named_array)?;
    let made = given(&arguments.method_set)?;
    let explains =
        method(&arguments.method)?.make(&model, &Choices { given: made, layers: arguments.layer.clone() })?;
    let mut runner = super::runner(&model, arguments.run.threads)?;
    let map = match &arguments.attribution {
        Some(path) => read_recorded(path)?,
        None => explains.attribute(&mut runner, &input, &target)?.values,
    };
    let found = measure.measure(&mut runner, &input, &target, &map, explains.as_ref())?;
    if !arguments.run.json {
        output::line(found.value);
        return Ok(());
    }
    let mut object = Map::new();
    object.insert("metric".to_owned(), json!(entry.name));
    object.insert("value".to_owned(), json!(found.value));
    if let Some(curve) = found.curve {
        object.insert("curve".to_owned(), json!(curve));
    }
    for (name, numbers) in found.details {
        let value = if let [only] = numbers[..] { json!(only) } else { json!(numbers) };
        object.insert(name.to_owned(), value);
    }
    object.insert("target".to_owned(), json!(target.text(&model)));
    object.insert("seconds".to_owned(), json!(start.elapsed().as_secs_f64()));
    output::json(&Value::Object(object))
}
