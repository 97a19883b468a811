//! `deepinside saliency`.

use std::path::PathBuf;
use std::time::Instant;

use deepinside::classify::{Prediction, prediction, predictions};
use deepinside::evidence::{EvidenceOptions, Gatherer, Noise};
use deepinside::saliency::{Saliency, SaliencyOptions, saliency};
use deepinside::vision::crops::Region;
use deepinside::vision::figure::{Figure, Panel};
use deepinside::vision::normalise::{Content, Scaling, normalise};
use deepinside::vision::overlay::{Opacity, into_photograph_frame, overlay};
use deepinside::vision::{Array, ColourMap, Crop, Photograph, Picture, npy};
use deepinside::{Model, ScoreRunner, Threads};
use serde::Serialize;

use crate::arguments::{GradientRecipe, SaliencyArguments, View};
use crate::failure::{Failure, Outcome};
use crate::output::{self, Destination};
use crate::{pictures, progress};

#[derive(Serialize)]
struct Result<'a> {
    image: &'a str,
    top: &'a [Prediction],
    class: &'a Prediction,
    crop: String,
    output: String,
    seconds: f64,
}

pub fn run(arguments: &SaliencyArguments) -> Outcome {
    let paths = pictures::expand(&arguments.photographs)?;
    pictures::expect_distinct_names(&paths)?;
    let model = super::open(&arguments.model, arguments.gradient.recipe == GradientRecipe::Original)?;
    let class = arguments.gradient.class.as_deref().map(|class| model.class(class)).transpose()?;
    let options = match arguments.gradient.recipe {
        GradientRecipe::Plain => {
            SaliencyOptions { class, crop: arguments.gradient.crop, ..SaliencyOptions::default() }
        }
        GradientRecipe::Original => {
            let recipe = SaliencyOptions::original(class);
            SaliencyOptions { crop: arguments.gradient.crop.or(recipe.crop), ..recipe }
        }
    };
    let threads = Threads::new(arguments.run.threads)?;
    if arguments.in_photograph() {
        return in_photograph(&model, &paths, class, arguments, &threads);
    }
    let mut runner = ScoreRunner::new(&model, Some(arguments.gradient.rule.into()), &threads)?;
    let to = Destination::new(arguments.output.as_deref(), paths.len())?;
    let raw = arguments.raw.as_deref().map(|path| Destination::new(Some(path), paths.len())).transpose()?;
    let gradients = arguments
        .raw_gradient
        .as_deref()
        .map(|path| Destination::new(Some(path), paths.len()))
        .transpose()?;
    pictures::each(&paths, |path| {
        let start = Instant::now();
        let photograph = model.load_photograph(path)?;
        let result = saliency(&model, &mut runner, &photograph, &options)?;
        let picture = picture(&model, &photograph, &result, arguments)?;
        let stem = output::stem(path);
        let file = to.file(&stem, "-saliency.png");
        if let Some(raw) = &raw {
            npy::write(raw.file(&stem, "-saliency.npy"), &result.map)?;
        }
        if let Some(gradients) = &gradients {
            npy::write(gradients.file(&stem, "-gradient.npy"), &result.gradient)?;
        }
        picture.write_png(&file)?;
        let (top, class, crop) = (&result.top[..], &result.class, result.crop.to_string());
        let (image, output) = (path.to_string_lossy(), file.to_string_lossy().into_owned());
        let seconds = start.elapsed().as_secs_f64();
        say(&Result { image: &image, top, class, crop, output, seconds }, arguments)
    })
}

/// The object of a map, or the name of its picture.
fn say(result: &Result<'_>, arguments: &SaliencyArguments) -> Outcome {
    if arguments.run.json {
        return output::json(result);
    }
    output::line(&result.output);
    Ok(())
}

/// Maps as large as the photographs, from several crops or noisy copies, or smoothed.
fn in_photograph(
    model: &Model,
    paths: &[PathBuf],
    class: Option<usize>,
    arguments: &SaliencyArguments,
    threads: &Threads,
) -> Outcome {
    let options = EvidenceOptions {
        rules: vec![arguments.gradient.rule.into()],
        crops: if arguments.ten_crops {
            Crop::TEN.to_vec()
        } else {
            vec![arguments.gradient.crop.unwrap_or(model.crop)]
        },
        noise: arguments.smooth_grad.map(|samples| Noise { samples, deviation: arguments.noise, seed: 0 }),
        smoothing: arguments.smoothing.unwrap_or(0.0),
    };
    let name = if arguments.ten_crops { "ten crops".to_owned() } else { options.crops[0].to_string() };
    let mut gatherer = Gatherer::new(model, options, threads)?;
    let to = Destination::new(arguments.output.as_deref(), paths.len())?;
    let raw = arguments.raw.as_deref().map(|path| Destination::new(Some(path), paths.len())).transpose()?;
    pictures::each(paths, |path| {
        let start = Instant::now();
        let photograph = model.load_photograph(path)?;
        let scores = gatherer.scores(model, &photograph)?;
        let top = predictions(model, &scores, 5);
        let class = class.or(top.first().map(|best| best.index)).unwrap_or_default();
        let evidence = gatherer.gather(model, &photograph, &[class])?;
        let class = prediction(model, &evidence.scores, class);
        let [map] = &evidence.maps[..] else {
            return Err(Failure::Message("no map was made".to_owned()));
        };
        let scaled = displayed(map, &class, arguments)?;
        let picture = match arguments.view {
            View::Map => arguments.colour_map.apply(&scaled)?,
            View::Overlay => overlay(&photograph, &scaled, arguments.colour_map, Opacity::Uniform(0.6))?,
            View::Figure => {
                figure(Picture::from_photograph(&photograph)?, &name, &class, &scaled, arguments.colour_map)?
            }
        };
        let stem = output::stem(path);
        let file = to.file(&stem, "-saliency.png");
        if let Some(raw) = &raw {
            npy::write(raw.file(&stem, "-saliency.npy"), map)?;
        }
        picture.write_png(&file)?;
        let (image, output) = (path.to_string_lossy(), file.to_string_lossy().into_owned());
        let seconds = start.elapsed().as_secs_f64();
        say(
            &Result { image: &image, top: &top, class: &class, crop: name.clone(), output, seconds },
            arguments,
        )
    })
}

/// A map in [0, 1], with what must be said about it.
fn displayed(map: &Array, class: &Prediction, arguments: &SaliencyArguments) -> Outcome<Array> {
    let scaling = match (arguments.quantile, arguments.gradient.recipe) {
        (Some(quantile), _) => Scaling::Quantile(quantile),
        (None, GradientRecipe::Original) => Scaling::Maximum,
        (None, GradientRecipe::Plain) => Scaling::Quantile(0.99),
    };
    let scaled = normalise(map, scaling)?;
    if scaled.not_finite > 0 {
        return Err(Failure::Message(format!(
            "the saliency map holds {} numbers that are not finite: the network's weights or the picture do",
            scaled.not_finite
        )));
    }
    if let Content::Constant(number) = scaled.content {
        progress::note(format_args!(
            "note: the saliency map is {number} everywhere: no pixel changes the score of '{}'",
            class.name
        ));
    }
    Ok(scaled.values)
}

/// What the network saw, and the map.
fn figure(
    seen: Picture,
    part: &str,
    class: &Prediction,
    map: &Array,
    colours: ColourMap,
) -> Outcome<Picture> {
    let Prediction { name, probability, .. } = class;
    let first = name.split(',').next().unwrap_or(name);
    let title = format!("saliency of {first} (p = {probability:.3})");
    let panels = vec![
        Panel { title: format!("input ({part})"), picture: seen },
        Panel { title, picture: colours.apply(map)? },
    ];
    Ok(Figure::new(panels).render()?)
}

/// The picture that was asked for.
fn picture(
    model: &Model,
    photograph: &Photograph,
    saliency: &Saliency,
    arguments: &SaliencyArguments,
) -> Outcome<Picture> {
    let map = displayed(&saliency.map, &saliency.class, arguments)?;
    let colours = arguments.colour_map;
    Ok(match arguments.view {
        View::Map => colours.apply(&map)?,
        View::Overlay => {
            let size = [model.transformer.height, model.transformer.width];
            let region = match saliency.crop {
                Crop::Whole => Region::WHOLE,
                crop => crop.region(model.image_size(photograph)?, size)?,
            };
            let framed = into_photograph_frame(&map, region, photograph.height(), photograph.width(), 0.0)?;
            overlay(photograph, &framed, colours, Opacity::Uniform(0.6))?
        }
        View::Figure => {
            let seen = Picture::from_photograph(&model.transformer.deprocess(&saliency.input)?)?;
            figure(seen, &saliency.crop.to_string(), &saliency.class, &map, colours)?
        }
    })
}
