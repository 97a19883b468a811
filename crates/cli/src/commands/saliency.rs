//! `deepinside saliency`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use deepinside::classify::{Prediction, prediction};
use deepinside::evidence::{EvidenceOptions, Gatherer, Noise};
use deepinside::saliency::{Saliency, SaliencyOptions, Wanted, saliencies};
use deepinside::vision::figure::{Figure, Panel};
use deepinside::vision::normalise::{Content, Scaling};
use deepinside::vision::overlay::{Opacity, into_photograph_frame, overlay};
use deepinside::vision::{Array, ColourMap, Crop, Photograph, Picture};
use deepinside::{Model, ScoreRunner, Threads};
use serde::Serialize;

use crate::arguments::{GradientRecipe, SaliencyArguments, View};
use crate::failure::Outcome;
use crate::output::{self, Destination};
use crate::{pictures, progress, record};

#[derive(Serialize)]
struct Result<'a> {
    image: &'a str,
    top: &'a [Prediction],
    class: &'a Prediction,
    /// The class whose score was subtracted.
    #[serde(skip_serializing_if = "Option::is_none")]
    minus: Option<String>,
    crop: &'a str,
    /// What this crop, or these crops together, would have chosen, where that is another class than the model's own crop chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    other_choice: Option<&'a Prediction>,
    /// The share of the map that no crop shows, where it is 0.
    unseen: f64,
    /// Whether the map is the same everywhere, so that the picture shows nothing.
    constant_map: bool,
    output: String,
    seconds: f64,
}

/// What is the same for all photographs.
struct Task<'a> {
    model: &'a Model,
    paths: Vec<PathBuf>,
    wanted: Wanted,
    minus: Option<usize>,
    arguments: &'a SaliencyArguments,
    to: Destination,
    raw: Option<Destination>,
    gradients: Option<Destination>,
}

pub fn run(arguments: &SaliencyArguments) -> Outcome {
    let paths = pictures::expand(&arguments.photographs)?;
    pictures::expect_distinct_names(&paths)?;
    let model = super::open(&arguments.model, arguments.gradient.recipe == GradientRecipe::Original)?;
    let wanted = match arguments.top {
        Some(count) => Wanted::Top(usize::from(count)),
        None if arguments.class.is_empty() => Wanted::Top(1),
        None => Wanted::Classes(super::classes(&model, &arguments.class)?),
    };
    let minus = arguments.minus.as_deref().map(|class| model.class(class)).transpose()?;
    let maps = match &wanted {
        Wanted::Classes(classes) => classes.len(),
        Wanted::Top(count) => *count,
    };
    let results = paths.len() * maps;
    let destination = |path: &Option<PathBuf>| {
        path.as_deref().map(|path| Destination::new(Some(path), results, &["npy"])).transpose()
    };
    let task = Task {
        to: Destination::new(arguments.output.as_deref(), results, &["png"])?,
        raw: destination(&arguments.raw)?,
        gradients: destination(&arguments.raw_gradient)?,
        model: &model,
        paths,
        wanted,
        minus,
        arguments,
    };
    let named = [Some(&task.to), task.raw.as_ref(), task.gradients.as_ref()];
    output::expect_places(named.into_iter().flatten().filter_map(Destination::single_file))?;
    let threads = Threads::new(arguments.run.threads)?;
    if arguments.in_photograph() { task.in_photograph(&threads) } else { task.of_crop(&threads) }
}

/// What is made of one class of one photograph.
struct Made<'a> {
    class: &'a Prediction,
    top: &'a [Prediction],
    crop: &'a str,
    other_choice: Option<&'a Prediction>,
    map: &'a Array,
    gradient: Option<&'a Array>,
    unseen: f64,
    picture: Picture,
}

impl Task<'_> {
    /// The map of one crop, as large as the network's input.
    fn of_crop(&self, threads: &Threads) -> Outcome {
        let arguments = self.arguments;
        let options = match arguments.gradient.recipe {
            GradientRecipe::Plain => {
                SaliencyOptions { crop: arguments.gradient.crop, ..SaliencyOptions::default() }
            }
            GradientRecipe::Original => {
                let recipe = SaliencyOptions::original(None);
                SaliencyOptions { crop: arguments.gradient.crop.or(recipe.crop), ..recipe }
            }
        };
        let options = SaliencyOptions { minus: self.minus, ..options };
        let mut runner = ScoreRunner::new(self.model, Some(arguments.gradient.rule.into()), threads)?;
        pictures::each(&self.paths, |path| {
            let start = Instant::now();
            let photograph = self.model.load_photograph(path)?;
            for result in saliencies(self.model, &mut runner, &photograph, &options, &self.wanted)? {
                let picture = picture(self.model, &photograph, &result, arguments)?;
                let Saliency { class, top, other_choice, crop, map, gradient, .. } = &result;
                let (crop, other_choice) = (crop.to_string(), other_choice.as_ref());
                say_other(self.model, &format!("the crop {crop}"), top, other_choice);
                let gradient = Some(gradient);
                let made =
                    Made { class, top, crop: &crop, other_choice, map, gradient, unseen: 0.0, picture };
                self.keep(path, start, made)?;
            }
            Ok(())
        })
    }

    /// The map in the photograph's own frame: from ten crops or noisy copies, or smoothed.
    fn in_photograph(&self, threads: &Threads) -> Outcome {
        let (model, arguments) = (self.model, self.arguments);
        let options = EvidenceOptions {
            rules: vec![arguments.gradient.rule.into()],
            minus: self.minus,
            crops: if arguments.ten_crops {
                Crop::TEN.to_vec()
            } else {
                vec![arguments.gradient.crop.unwrap_or(model.crop)]
            },
            noise: arguments.smooth_grad.map(|samples| Noise {
                samples,
                deviation: arguments.noise,
                seed: arguments.seed,
            }),
            smoothing: arguments.smoothing.unwrap_or(0.0),
            keeps_gradients: self.gradients.is_some(),
            ..EvidenceOptions::default()
        };
        let name = if arguments.ten_crops { "ten crops".to_owned() } else { options.crops[0].to_string() };
        let mut gatherer = Gatherer::new(model, options, threads)?;
        pictures::each(&self.paths, |path| {
            let start = Instant::now();
            let photograph = model.load_photograph(path)?;
            let (classification, evidence) = gatherer.gather_wanted(model, &photograph, &self.wanted)?;
            super::say_unseen(evidence.unseen);
            let top = classification.top(model, 5);
            let other_choice = classification
                .other_choice(model, &evidence.scores)
                .filter(|_| matches!(self.wanted, Wanted::Top(_)));
            say_other(model, &name, &top, other_choice.as_ref());
            for (index, (&class, map)) in evidence.classes.iter().zip(&evidence.maps).enumerate() {
                let class = prediction(model, &evidence.scores, class);
                let scaled = displayed(map, &class, arguments)?;
                let picture = match arguments.view {
                    View::Map => arguments.colour_map.apply(&scaled)?,
                    View::Overlay => {
                        overlay(&photograph, &scaled, arguments.colour_map, Opacity::Uniform(0.6))?
                    }
                    View::Figure => {
                        let seen = Picture::from_photograph(&photograph)?;
                        figure(seen, &name, &class, &scaled, arguments.colour_map)?
                    }
                };
                let unseen = evidence.unseen;
                let gradient = evidence.gradients.get(index);
                let other_choice = other_choice.as_ref();
                let made = Made {
                    class: &class,
                    top: &top,
                    crop: &name,
                    other_choice,
                    map,
                    gradient,
                    unseen,
                    picture,
                };
                self.keep(path, start, made)?;
            }
            Ok(())
        })
    }

    /// Writes what was made, and says so. Where there are several classes, the class is part of the files' names.
    fn keep(&self, path: &Path, start: Instant, made: Made<'_>) -> Outcome {
        let stem = output::stem(path);
        let stem = if matches!(&self.wanted, Wanted::Top(1))
            || matches!(&self.wanted, Wanted::Classes(one) if one.len() == 1)
        {
            stem
        } else {
            format!("{stem}-{}", made.class.index)
        };
        if let Some(raw) = &self.raw {
            output::array(&raw.file(&stem, "-saliency.npy"), made.map)?;
        }
        if let (Some(gradients), Some(gradient)) = (&self.gradients, made.gradient) {
            output::array(&gradients.file(&stem, "-gradient.npy"), gradient)?;
        }
        let file = self.to.file(&stem, "-saliency.png");
        output::png(&file, &made.picture)?;
        let output = file.to_string_lossy().into_owned();
        if !self.arguments.run.json {
            output::line(output);
            return Ok(());
        }
        output::json(&Result {
            image: &path.to_string_lossy(),
            top: made.top,
            class: made.class,
            minus: self.minus.map(|minus| self.model.class_name(minus)),
            crop: made.crop,
            other_choice: made.other_choice,
            unseen: made.unseen,
            constant_map: made.map.data().iter().all(|number| Some(number) == made.map.data().first()),
            output,
            seconds: start.elapsed().as_secs_f64(),
        })
    }
}

/// Says which class the parts that were looked at would have chosen, where it is another.
fn say_other(model: &Model, parts: &str, top: &[Prediction], other: Option<&Prediction>) {
    let chosen = top.first().map_or("", |best| &best.name);
    super::say_other_choice(model, parts, chosen, other);
}

/// A map in [0, 1], with what must be said about it.
fn displayed(map: &Array, class: &Prediction, arguments: &SaliencyArguments) -> Outcome<Array> {
    let scaling = match (arguments.quantile, arguments.gradient.recipe) {
        (Some(quantile), _) => Scaling::Quantile(quantile),
        (None, GradientRecipe::Original) => Scaling::Maximum,
        (None, GradientRecipe::Plain) => Scaling::Quantile(0.99),
    };
    record::resolved("scaling", &scaling)?;
    let scaled = super::scaled(map, scaling)?;
    if let Content::Constant(number) = scaled.content {
        let more = if number == 0.0 { "" } else { " more than another" };
        progress::note(format_args!(
            "note: the saliency map is {number} everywhere: no pixel changes the score of '{}'{more}",
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
            let region = model.region(photograph, saliency.crop)?;
            let framed = into_photograph_frame(&map, region, photograph.height(), photograph.width(), 0.0)?;
            overlay(photograph, &framed, colours, Opacity::Uniform(0.6))?
        }
        View::Figure => {
            let seen = Picture::from_photograph(&model.transformer.deprocess(&saliency.input)?)?;
            figure(seen, &saliency.crop.to_string(), &saliency.class, &map, colours)?
        }
    })
}
