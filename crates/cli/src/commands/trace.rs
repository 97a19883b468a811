//! `deepinside trace`.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Instant;

use deepinside::file_name::portable;
use deepinside::files::npy;
use deepinside::trace::{Seed, Traced, trace};
use deepinside::{Settings, Threads};
use serde::Serialize;

use crate::arguments::TraceArguments;
use crate::failure::{Failure, Outcome};
use crate::output::{self, make_folder};
use crate::{progress, record};

#[derive(Serialize)]
struct Result {
    blobs: Vec<Blob>,
    output: String,
    seconds: f64,
}

#[derive(Serialize)]
struct Blob {
    name: String,
    shape: Vec<usize>,
    diff: bool,
}

pub fn run(arguments: &TraceArguments) -> Outcome {
    let start = Instant::now();
    let mut inputs = BTreeMap::new();
    for input in &arguments.inputs {
        let (name, file) = split(input, "--input NAME=FILE.npy")?;
        record::input(Path::new(file))?;
        if inputs.insert(name.to_owned(), npy::read(file)?).is_some() {
            return Err(Failure::Message(format!("input '{name}' is given twice")));
        }
    }
    let seeds = seeds(&arguments.seeds)?;
    if super::model::is_built_in(&arguments.model) {
        return Err(Failure::Message(
            "the built-in network has no file whose names could be traced; name a network with --model"
                .to_owned(),
        ));
    }
    let model = super::model::locate(&arguments.model)?;
    super::record_files(&model, &Settings { weights: arguments.weights.clone(), ..Settings::default() })?;
    let settings = Settings::locate(&model)?;
    let network = settings.network.unwrap_or(model);
    let weights = arguments.weights.clone().or(settings.weights);
    let threads = Threads::new(arguments.run.threads)?;
    let Traced { blobs, warnings, external_files } =
        trace(&network, weights.as_deref(), &inputs, &seeds, arguments.precision.into(), &threads)?;
    for file in &external_files {
        record::input(file)?;
    }
    for warning in warnings {
        progress::note(format_args!("warning: {warning}"));
    }
    let mut names = HashSet::new();
    if let Some(blob) = blobs.iter().find(|blob| !names.insert(portable(&blob.name))) {
        return Err(Failure::Message(format!(
            "two blobs would be written to data_{}.npy",
            portable(&blob.name)
        )));
    }
    make_folder(&arguments.out)?;
    for blob in &blobs {
        output::array(&arguments.out.join(format!("data_{}.npy", portable(&blob.name))), &blob.data)?;
        if let Some(diff) = &blob.diff {
            output::array(&arguments.out.join(format!("diff_{}.npy", portable(&blob.name))), diff)?;
        }
    }
    if !arguments.run.json {
        output::line(format_args!("{} blobs in {}", blobs.len(), arguments.out.display()));
        return Ok(());
    }
    let blobs = blobs.into_iter().map(|blob| Blob {
        shape: blob.data.shape().to_vec(),
        diff: blob.diff.is_some(),
        name: blob.name,
    });
    output::json(&Result {
        blobs: blobs.collect(),
        output: arguments.out.to_string_lossy().into_owned(),
        seconds: start.elapsed().as_secs_f64(),
    })
}

fn split<'a>(text: &'a str, form: &str) -> Outcome<(&'a str, &'a str)> {
    text.split_once('=').ok_or_else(|| Failure::Message(format!("expected {form}, found '{text}'")))
}

/// Reads `NAME=FILE.npy` and `NAME:POSITION=NUMBER`; several positions of one blob are one seed.
fn seeds(texts: &[String]) -> Outcome<BTreeMap<String, Seed>> {
    let mut seeds = BTreeMap::new();
    for text in texts {
        let (key, value) = split(text, "--seed NAME=FILE.npy or --seed NAME:POSITION=NUMBER")?;
        let element = key.rsplit_once(':').and_then(|(name, position)| {
            Some((name, position.parse::<usize>().ok()?, value.parse::<f32>().ok()?))
        });
        let twice = |name: &str| Failure::Message(format!("the seed of '{name}' is given twice"));
        match element {
            Some((name, position, number)) => {
                match seeds.entry(name.to_owned()).or_insert_with(|| Seed::Elements(Vec::new())) {
                    Seed::Elements(elements) => elements.push((position, number)),
                    Seed::Dense(_) => return Err(twice(name)),
                }
            }
            None => {
                record::input(Path::new(value))?;
                if seeds.insert(key.to_owned(), Seed::Dense(npy::read(value)?)).is_some() {
                    return Err(twice(key));
                }
            }
        }
    }
    Ok(seeds)
}
