//! `deepinside saliency`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use deepinside::attribution::Runner;
use deepinside::classify::{Prediction, prediction};
use deepinside::drawing::Picture;
use deepinside::drawing::figure::Panel;
use deepinside::drawing::normalise::{Content, Scaling};
use deepinside::evidence::{EvidenceOptions, Noise, gather, gather_wanted};
use deepinside::files::Array;
use deepinside::saliency::{Saliency, SaliencyOptions, Wanted, saliency};
use deepinside::saliency_figure::{DrawnMap, figure};
use deepinside::vision::unseen::{share, with_gaps};
use deepinside::vision::{Crop, Photograph};
use deepinside::{Model, rule_notes};
use serde::Serialize;

use crate::arguments::{GradientRecipe, Maps, SaliencyArguments, View};
use crate::failure::Outcome;
use crate::output::{self, Destination};
use crate::pictures::Names;
use crate::{pictures, progress, record};

#[derive(Serialize)]
struct Result<'a> {
    image: &'a str,
    top: &'a [Prediction],
    class: &'a Prediction,
    /// The class whose score was subtracted.
    #[serde(skip_serializing_if = "Option::is_none")]
    minus: Option<String>,
    /// The part of the photograph that the class was found in, and that one pass is of.
    crop: &'a str,
    /// What the parts of the map would have chosen, where that is another class than the model's own crop chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    other_choice: Option<&'a Prediction>,
    /// Whether the map is the same everywhere, so that the picture shows nothing; of several the last one, which `--raw` writes.
    constant_map: bool,
    /// The share of that map that no crop shows; its numbers are NaN there.
    unseen: f64,
    /// The maps of the picture, from left to right.
    maps: Vec<Described<'a>>,
    /// What must be known about the rule in this network.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'a [String],
    output: String,
    seconds: f64,
}

/// What a map is, and what its colours mean.
#[derive(Serialize)]
struct Described<'a> {
    name: &'a str,
    /// How it was made.
    made: String,
    /// What is shown brightest.
    brightest: f32,
    unseen: f64,
    constant: bool,
}

/// What is the same for all photographs.
struct Task<'a> {
    model: &'a Model,
    paths: Vec<PathBuf>,
    names: Names,
    wanted: Wanted,
    minus: Option<usize>,
    arguments: &'a SaliencyArguments,
    to: Destination,
    raw: Option<Destination>,
    gradients: Option<Destination>,
    notes: Vec<String>,
}

pub fn run(arguments: &SaliencyArguments) -> Outcome {
    let paths = pictures::expand(&arguments.photographs)?;
    let names = Names::of(&paths)?;
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
        notes: rule_notes(&model, arguments.gradient.rule.into(), model.score.value),
        model: &model,
        paths,
        names,
        wanted,
        minus,
        arguments,
    };
    let named = [Some(&task.to), task.raw.as_ref(), task.gradients.as_ref()];
    output::expect_places(named.into_iter().flatten().filter_map(Destination::single_file))?;
    let mut runner = super::runner(&model, arguments.run.threads)?;
    super::say_notes(&task.notes);
    match arguments.maps() {
        Maps::OnePassAndReadable => task.with_readable(&mut runner),
        Maps::OnePass => task.of_crop(&mut runner),
        Maps::InPhotograph => task.in_photograph(&mut runner),
    }
}

/// What is made of one class of one photograph.
struct Made<'a> {
    class: &'a Prediction,
    top: &'a [Prediction],
    crop: &'a str,
    other_choice: Option<&'a Prediction>,
    input: Panel,
    /// From left to right; the last is the one that is shown alone, and written.
    maps: Vec<MadeMap>,
    gradient: Option<&'a Array>,
}

/// One map, as it is written and as it is drawn.
struct MadeMap {
    name: &'static str,
    made: [String; 2],
    /// NaN where nothing was seen.
    numbers: Array,
    unseen: f64,
    drawn: DrawnMap,
}

impl Task<'_> {
    /// The photograph, the paper's map of one pass, and the readable map, all in the photograph's frame.
    fn with_readable(&self, runner: &mut Runner) -> Outcome {
        let model = self.model;
        let readable = EvidenceOptions { minus: self.minus, ..EvidenceOptions::readable(model) };
        record::resolved("readable map", &readable)?;
        pictures::each(&self.paths, |path| {
            let start = Instant::now();
            let photograph = model.load_photograph(path)?;
            let one_pass = saliency(runner, &photograph, &self.one_pass())?;
            let classes: Vec<usize> = one_pass.iter().map(|result| result.class.index).collect();
            let evidence = gather(runner, &photograph, &classes, &readable)?;
            for (result, map) in one_pass.iter().zip(&evidence.maps) {
                let Saliency { class, top, crop, gradient, .. } = result;
                let (framed, seen) = result.in_photograph(model, &photograph)?;
                let maps = vec![
                    self.map("one pass", self.made_in_one_pass(result), &framed, &seen)?,
                    self.map("readable map", readable.description(), map, &evidence.seen)?,
                ];
                let input = Panel::new("photograph", Picture::from_photograph(&photograph)?);
                let (crop, gradient) = (crop.to_string(), Some(gradient));
                let made = Made { class, top, crop: &crop, other_choice: None, input, maps, gradient };
                self.keep(path, start, &photograph, made)?;
            }
            Ok(())
        })
    }

    /// The map of one crop, as large as the network's input.
    fn of_crop(&self, runner: &mut Runner) -> Outcome {
        let (model, arguments) = (self.model, self.arguments);
        pictures::each(&self.paths, |path| {
            let start = Instant::now();
            let photograph = model.load_photograph(path)?;
            for result in saliency(runner, &photograph, &self.one_pass())? {
                let Saliency { class, top, other_choice, crop, map, input, gradient, .. } = &result;
                let (crop, other_choice) = (crop.to_string(), other_choice.as_ref());
                say_other(model, &format!("the crop {crop}"), top, other_choice);
                let made = self.made_in_one_pass(&result);
                let whole = vec![true; map.data().len()];
                let mut one = self.map("one pass", made.clone(), map, &whole)?;
                if arguments.view == View::Overlay {
                    let (framed, seen) = result.in_photograph(model, &photograph)?;
                    one.drawn = self.map("one pass", made, &framed, &seen)?.drawn;
                }
                let read = Picture::from_photograph(&model.transformer.deprocess(input)?)?;
                let input = Panel::new(format!("input ({crop})"), read);
                let (maps, gradient) = (vec![one], Some(gradient));
                let made = Made { class, top, crop: &crop, other_choice, input, maps, gradient };
                self.keep(path, start, &photograph, made)?;
            }
            Ok(())
        })
    }

    /// How the paper's map is made.
    fn one_pass(&self) -> SaliencyOptions {
        let gradient = &self.arguments.gradient;
        let recipe = match gradient.recipe {
            GradientRecipe::Plain => SaliencyOptions::default(),
            GradientRecipe::Original => SaliencyOptions::original(),
        };
        SaliencyOptions {
            wanted: self.wanted.clone(),
            minus: self.minus,
            rule: gradient.rule.into(),
            crop: gradient.crop.or(recipe.crop),
            ..recipe
        }
    }

    /// The map in the photograph's own frame: from ten crops or noisy copies, or smoothed.
    fn in_photograph(&self, runner: &mut Runner) -> Outcome {
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
        let crop = if arguments.ten_crops { "ten crops".to_owned() } else { options.crops[0].to_string() };
        let made = options.description();
        pictures::each(&self.paths, |path| {
            let start = Instant::now();
            let photograph = model.load_photograph(path)?;
            let (classification, evidence) = gather_wanted(runner, &photograph, &self.wanted, &options)?;
            super::say_unseen(evidence.unseen());
            let top = classification.top(model, 5);
            let other_choice = classification
                .other_choice(model, &evidence.scores)
                .filter(|_| matches!(self.wanted, Wanted::Top(_)));
            say_other(model, &crop, &top, other_choice.as_ref());
            for (index, (&class, map)) in evidence.classes.iter().zip(&evidence.maps).enumerate() {
                let class = prediction(model, &evidence.scores, class);
                let maps = vec![self.map("saliency", made.clone(), map, &evidence.seen)?];
                let input = Panel::new("photograph", Picture::from_photograph(&photograph)?);
                let gradient = evidence.gradients.get(index);
                let other_choice = other_choice.as_ref();
                let made =
                    Made { class: &class, top: &top, crop: &crop, other_choice, input, maps, gradient };
                self.keep(path, start, &photograph, made)?;
            }
            Ok(())
        })
    }

    /// A map with how it was made, ready to be drawn and written.
    fn map(&self, name: &'static str, made: [String; 2], map: &Array, seen: &[bool]) -> Outcome<MadeMap> {
        let scaling = match (self.arguments.quantile, self.arguments.gradient.recipe) {
            (Some(quantile), _) => Scaling::Quantile(quantile),
            (None, GradientRecipe::Original) => Scaling::Maximum,
            (None, GradientRecipe::Plain) => Scaling::Quantile(0.99),
        };
        record::resolved("scaling", &scaling)?;
        let drawn = DrawnMap::new(map, seen, scaling, self.arguments.colour_map)?;
        Ok(MadeMap { name, made, numbers: with_gaps(map, seen)?, unseen: share(seen), drawn })
    }

    /// How the paper's map was made.
    fn made_in_one_pass(&self, saliency: &Saliency) -> [String; 2] {
        let rules = vec![self.arguments.gradient.rule.into()];
        EvidenceOptions { rules, crops: vec![saliency.crop], ..EvidenceOptions::default() }.description()
    }

    /// Writes what was made, and says so. Where there are several classes, the class is part of the files' names.
    fn keep(&self, path: &Path, start: Instant, photograph: &Photograph, made: Made<'_>) -> Outcome {
        let stem = self.names.name(path);
        let stem = if matches!(&self.wanted, Wanted::Top(1))
            || matches!(&self.wanted, Wanted::Classes(one) if one.len() == 1)
        {
            stem
        } else {
            format!("{stem}-{}", made.class.index)
        };
        let Some(last) = made.maps.last() else { return Ok(()) };
        say_constant(&made.maps, made.class);
        if let Some(raw) = &self.raw {
            output::array(&raw.file(&stem, "-saliency.npy"), &last.numbers)?;
        }
        if let (Some(gradients), Some(gradient)) = (&self.gradients, made.gradient) {
            output::array(&gradients.file(&stem, "-gradient.npy"), gradient)?;
        }
        let picture = match self.arguments.view {
            View::Map => last.drawn.picture()?,
            View::Overlay => last.drawn.over(photograph)?,
            View::Figure => {
                let panels = made.maps.iter().map(|map| map.drawn.panel(map.name, &map.made));
                let Prediction { name, probability, .. } = made.class;
                let first = name.split(',').next().unwrap_or(name);
                let title = format!("saliency of {first} (p = {probability:.3})");
                figure(title, made.input, panels.collect::<std::result::Result<_, _>>()?)?
            }
        };
        let file = self.to.file(&stem, "-saliency.png");
        output::png(&file, &picture)?;
        let output = file.to_string_lossy().into_owned();
        if !self.arguments.run.json {
            output::line(output);
            return Ok(());
        }
        let described = |map: &MadeMap| Described {
            name: map.name,
            made: map.made.join(", "),
            brightest: map.drawn.scaled.high,
            unseen: map.unseen,
            constant: map.is_constant(),
        };
        output::json(&Result {
            image: &path.to_string_lossy(),
            top: made.top,
            class: made.class,
            minus: self.minus.map(|minus| self.model.class_name(minus)),
            crop: made.crop,
            other_choice: made.other_choice,
            constant_map: last.is_constant(),
            unseen: last.unseen,
            maps: made.maps.iter().map(described).collect(),
            notes: &self.notes,
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

impl MadeMap {
    fn is_constant(&self) -> bool {
        matches!(self.drawn.scaled.content, Content::Constant(_))
    }
}

/// Says which maps show nothing.
fn say_constant(maps: &[MadeMap], class: &Prediction) {
    for map in maps {
        if let Content::Constant(number) = map.drawn.scaled.content {
            let which = if maps.len() > 1 { format!(" ({})", map.name) } else { String::new() };
            let more = if number == 0.0 { "" } else { " more than another" };
            progress::note(format_args!(
                "note: the saliency map{which} is {number} everywhere: no pixel changes the score of '{}'{more}",
                class.name
            ));
        }
    }
}
