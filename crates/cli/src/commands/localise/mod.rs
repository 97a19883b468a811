//! `deepinside localise`.

mod annotation;
mod method;

use std::time::Instant;

use deepinside::Model;
use deepinside::classify::Prediction;
use deepinside::drawing::figure::{Figure, Panel};
use deepinside::drawing::hatching::hatched;
use deepinside::drawing::normalise::Scaling;
use deepinside::drawing::{ColourMap, Picture, annotate};
use deepinside::file_name::portable;
use deepinside::localise::{Localisation, Localised, Method, Rule, localise};
use deepinside::saliency_figure::DrawnMap;
use deepinside::vision::Photograph;
use deepinside::vision::unseen::with_gaps;
use serde::Serialize;

use self::annotation::{Collected, voc_text};
pub use self::method::method;
use self::method::no_cut;
use crate::arguments::LocaliseArguments;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Destination};
use crate::{pictures, progress};

/// The colours of the boxes, the best class first.
const COLOURS: [[u8; 3]; 5] = [[255, 210, 0], [0, 200, 255], [255, 80, 160], [120, 230, 60], [200, 140, 255]];

#[derive(Serialize)]
struct Result<'a> {
    image: &'a str,
    method: &'a str,
    /// The share of the photograph that no crop shows.
    unseen: f64,
    /// What the crops of the map would have chosen, where that is another class than the model's own crop chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    other_choice: Option<Prediction>,
    boxes: Vec<Box<'a>>,
    output: String,
    seconds: f64,
}

#[derive(Serialize)]
struct Box<'a> {
    index: usize,
    name: &'a str,
    score: f32,
    #[serde(rename = "box")]
    bounds: [f64; 4],
    /// Whether its map is the same everywhere, so that the box means nothing.
    constant_map: bool,
    /// Whether the method chooses nothing of its map; the box is then the whole photograph.
    nothing_chosen: bool,
}

pub fn run(arguments: &LocaliseArguments) -> Outcome {
    if arguments.top == 0 {
        return Err(Failure::Message("--top: at least 1 class is needed".to_owned()));
    }
    let paths = pictures::expand(&arguments.photographs)?;
    let names = pictures::Names::of(&paths)?;
    let method = method(&arguments.method)?;
    if arguments.markers.is_some() && !matches!(method.rule, Rule::Cut(_)) {
        return Err(no_cut("--markers", method.name));
    }
    let model = super::open(&arguments.model, false)?;
    let class = arguments.class.as_deref().map(|class| model.class(class)).transpose()?;
    let mut runner = crate::commands::runner(&model, arguments.run.threads)?;
    if let Some(sentence) = method.evidence.left_out(&model) {
        progress::note(format_args!("note: {sentence}"));
    }
    let destination = |path: &Option<std::path::PathBuf>, ending: &str| {
        path.as_deref().map(|path| Destination::new(Some(path), paths.len(), &[ending])).transpose()
    };
    let to = Destination::new(arguments.output.as_deref(), paths.len(), &["png"])?;
    let (masks, raw) = (destination(&arguments.mask, "png")?, destination(&arguments.raw, "npy")?);
    let markers = destination(&arguments.markers, "png")?;
    let named = [Some(&to), masks.as_ref(), raw.as_ref(), markers.as_ref()];
    let named = named.into_iter().flatten().filter_map(Destination::single_file);
    output::expect_places(named.chain(arguments.coco.as_deref()))?;
    if let Some(folder) = &arguments.voc {
        output::make_folder(folder)?;
    }
    let mut collected = Collected::default();
    let outcome = pictures::each(&paths, |path| {
        let start = Instant::now();
        let photograph = model.load_photograph(path)?;
        let classification = if class.is_none() { Some(runner.classify(&photograph)?) } else { None };
        let top = classification.as_ref().map(|own| own.top(&model, arguments.top)).unwrap_or_default();
        let classes = class.map_or_else(|| top.iter().map(|best| best.index).collect(), |class| vec![class]);
        let Localised { objects, scores } = localise(&mut runner, &photograph, &method, &classes)?;
        let other_choice = classification.and_then(|own| own.other_choice(&model, &scores));
        let chosen = top.first().map_or("", |best| &best.name);
        crate::commands::say_other_choice(&model, "the crops of the map", chosen, other_choice.as_ref());
        let picture = picture(&model, &photograph, &objects, &method)?;
        let stem = names.name(path);
        let file = to.file(&stem, "-localised.png");
        if let (Some(masks), Some(best)) = (&masks, objects.first()) {
            output::png(&masks.file(&stem, "-mask.png"), &annotate::mask(&best.mask, photograph.width())?)?;
        }
        if let (Some(raw), Some(best)) = (&raw, objects.first()) {
            output::array(&raw.file(&stem, "-saliency.npy"), &with_gaps(&best.map, &best.seen)?)?;
        }
        if let (Some(files), Some(known)) = (&markers, objects.first().and_then(|best| best.markers.as_ref()))
        {
            output::png(&files.file(&stem, "-markers.png"), &annotate::markers(&photograph, known)?)?;
        }
        if let Some(folder) = &arguments.voc {
            output::whole_file(
                &folder.join(format!("{}.xml", portable(&stem))),
                voc_text(path, &photograph, &objects)?.as_bytes(),
            )?;
        }
        collected.add(path, &photograph, &objects);
        output::png(&file, &picture)?;
        say(&objects, &method);
        if arguments.run.json {
            let boxes = objects.iter().map(|object| Box {
                index: object.class.index,
                name: &object.class.name,
                score: object.class.score,
                bounds: object.bounds.edges(),
                constant_map: object.is_constant(),
                nothing_chosen: object.is_empty,
            });
            return output::json(&Result {
                image: &path.to_string_lossy(),
                method: &method.title(),
                unseen: objects.first().map_or(0.0, Localisation::unseen),
                other_choice,
                boxes: boxes.collect(),
                output: file.to_string_lossy().into_owned(),
                seconds: start.elapsed().as_secs_f64(),
            });
        }
        output::line(file.display());
        for object in &objects {
            let [x0, y0, x1, y1] = object.bounds.edges();
            output::line(format_args!("  {x0},{y0} to {x1},{y1}  {}", object.class.name));
        }
        Ok(())
    });
    // What could be localised is written even where a photograph could not be read.
    if let Some(path) = &arguments.coco {
        collected.write(path)?;
    }
    outcome
}

/// Says which boxes mean nothing, and what was not looked at.
fn say(objects: &[Localisation], method: &Method) {
    for object in objects {
        let name = &object.class.name;
        if object.is_constant() {
            progress::note(format_args!(
                "note: the map of '{name}' is the same everywhere: no pixel changes its score more than another, and its box is the whole photograph"
            ));
        } else if object.is_empty {
            progress::note(format_args!(
                "note: the method '{}' chooses nothing of the map of '{name}': its box is the whole photograph",
                method.title()
            ));
        }
    }
    super::say_unseen(objects.first().map_or(0.0, Localisation::unseen));
}

/// The best class's map, what was known before the cut, and its outline with the boxes of all classes.
fn picture(
    model: &Model,
    photograph: &Photograph,
    objects: &[Localisation],
    method: &Method,
) -> Outcome<Picture> {
    let Some(best) = objects.first() else {
        return Err(Failure::Message(format!("'{}' has no class", model.name)));
    };
    let name = best.class.name.split(',').next().unwrap_or(&best.class.name);
    let title = format!("saliency of {name} (p = {:.3})", best.class.probability);
    let drawn = DrawnMap::new(&best.map, &best.seen, Scaling::Quantile(0.99), ColourMap::Grey)?;
    let mut panels = vec![drawn.panel(&title, &method.evidence.description())?];
    if let Some(markers) = &best.markers {
        panels.push(Panel::new("object, background, unknown", annotate::markers(photograph, markers)?));
    }
    let boxes: Vec<_> = objects
        .iter()
        .zip(COLOURS.into_iter().cycle())
        .map(|(object, colour)| (object.bounds, colour))
        .collect();
    let outlined = annotate::outlined(photograph, &best.mask, &boxes)?;
    panels.push(Panel::new("outline and box", hatched(&outlined, &best.seen, 0.5)?));
    Ok(Figure::new(panels).render()?)
}
