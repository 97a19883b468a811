//! `deepinside localise`.

use std::time::Instant;

use deepinside::evidence::{EvidenceOptions, Gatherer, Noise};
use deepinside::localise::{CutRule, Keep, Localisation, Method, Rule, localise};
use deepinside::vision::figure::{Figure, Panel};
use deepinside::vision::graph_cut::CutOptions;
use deepinside::vision::normalise::{Scaling, normalise};
use deepinside::vision::{ColourMap, Crop, Photograph, Picture, annotate, npy};
use deepinside::{Model, Threads};
use serde::Serialize;

use crate::arguments::{CropChoice, KeepChoice, LocaliseArguments, MethodArguments};
use crate::failure::{Failure, Outcome};
use crate::output::{self, Destination};
use crate::pictures;

/// The colours of the boxes, the best class first.
const COLOURS: [[u8; 3]; 5] = [[255, 210, 0], [0, 200, 255], [255, 80, 160], [120, 230, 60], [200, 140, 255]];

#[derive(Serialize)]
struct Result<'a> {
    image: &'a str,
    method: &'a str,
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
}

pub fn run(arguments: &LocaliseArguments) -> Outcome {
    if arguments.top == 0 {
        return Err(Failure::Message("--top: at least 1 class is needed".to_owned()));
    }
    let paths = pictures::expand(&arguments.photographs)?;
    pictures::expect_distinct_names(&paths)?;
    let method = method(&arguments.method)?;
    let model = super::open(&arguments.model, false)?;
    let class = arguments.class.as_deref().map(|class| model.class(class)).transpose()?;
    let threads = Threads::new(arguments.run.threads)?;
    let mut gatherer = Gatherer::new(&model, method.evidence.clone(), &threads)?;
    let destination = |path: &Option<std::path::PathBuf>| {
        path.as_deref().map(|path| Destination::new(Some(path), paths.len())).transpose()
    };
    let to = Destination::new(arguments.output.as_deref(), paths.len())?;
    let (masks, raw) = (destination(&arguments.mask)?, destination(&arguments.raw)?);
    pictures::each(&paths, |path| {
        let start = Instant::now();
        let photograph = model.load_photograph(path)?;
        let objects = localise(&model, &mut gatherer, &photograph, &method, class, arguments.top)?;
        let picture = picture(&model, &photograph, &objects)?;
        let stem = output::stem(path);
        let file = to.file(&stem, "-localised.png");
        if let (Some(masks), Some(best)) = (&masks, objects.first()) {
            annotate::mask(&best.mask, photograph.width())?.write_png(masks.file(&stem, "-mask.png"))?;
        }
        if let (Some(raw), Some(best)) = (&raw, objects.first()) {
            npy::write(raw.file(&stem, "-saliency.npy"), &best.map)?;
        }
        picture.write_png(&file)?;
        if arguments.run.json {
            let boxes = objects.iter().map(|object| Box {
                index: object.class.index,
                name: &object.class.name,
                score: object.class.score,
                bounds: object.bounds.edges(),
            });
            return output::json(&Result {
                image: &path.to_string_lossy(),
                method: method.name,
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
    })
}

/// A named method with what the flags change.
pub fn method(arguments: &MethodArguments) -> Outcome<Method> {
    let named = Method::named(&arguments.method)?;
    let EvidenceOptions { rules, crops, noise, smoothing } = named.evidence;
    let evidence = EvidenceOptions {
        rules: if arguments.rules.is_empty() {
            rules
        } else {
            arguments.rules.iter().map(|&rule| rule.into()).collect()
        },
        crops: match arguments.crops {
            None => crops,
            Some(CropChoice::One(crop)) => vec![crop],
            Some(CropChoice::Ten) => Crop::TEN.to_vec(),
        },
        noise: match arguments.smooth_grad {
            None => noise,
            Some(0) => None,
            Some(samples) => Some(Noise { samples, deviation: arguments.noise, seed: 0 }),
        },
        smoothing: arguments.smoothing.unwrap_or(smoothing),
    };
    let chosen = match (arguments.value, arguments.energy, arguments.mean_multiple, arguments.cut) {
        (Some(share), ..) => Rule::Value(share),
        (_, Some(share), ..) => Rule::Energy(share),
        (_, _, Some(multiple), _) => Rule::Mean(multiple),
        (.., true) => Method::named("paper")?.rule,
        _ => named.rule,
    };
    let rule = match chosen {
        Rule::Cut(rule) => Rule::Cut(CutRule {
            foreground: arguments.foreground_quantile.unwrap_or(rule.foreground),
            background: arguments.background_quantile.unwrap_or(rule.background),
            saliency: arguments.saliency_weight.unwrap_or(rule.saliency),
            neutral: arguments.neutral.unwrap_or(rule.neutral),
            cut: CutOptions {
                refinements: arguments.refinements.unwrap_or(rule.cut.refinements),
                clamped: arguments.clamped.unwrap_or(rule.cut.clamped),
                smoothness: arguments.smoothness.unwrap_or(rule.cut.smoothness),
                ..rule.cut
            },
        }),
        other => other,
    };
    let keep = match (arguments.keep, arguments.strong) {
        (None, None) => named.keep,
        (_, Some(share)) => Keep::Strong(share),
        (Some(KeepChoice::Largest), None) => Keep::Largest,
        (Some(KeepChoice::All), None) => Keep::All,
    };
    Ok(Method { name: named.name, evidence, rule, keep })
}

/// The best class's map, what was known before the cut, and its outline with the boxes of all classes.
fn picture(model: &Model, photograph: &Photograph, objects: &[Localisation]) -> Outcome<Picture> {
    let Some(best) = objects.first() else {
        return Err(Failure::Message(format!("'{}' has no class", model.name)));
    };
    let name = best.class.name.split(',').next().unwrap_or(&best.class.name);
    let scaled = normalise(&best.map, Scaling::Quantile(0.99))?;
    let mut panels = vec![Panel {
        title: format!("saliency of {name} (p = {:.3})", best.class.probability),
        picture: ColourMap::Grey.apply(&scaled.values)?,
    }];
    if let Some(markers) = &best.markers {
        panels.push(Panel {
            title: "object, background, unknown".to_owned(),
            picture: annotate::markers(photograph, markers)?,
        });
    }
    let boxes: Vec<_> = objects
        .iter()
        .zip(COLOURS.into_iter().cycle())
        .map(|(object, colour)| (object.bounds, colour))
        .collect();
    panels.push(Panel {
        title: "outline and box".to_owned(),
        picture: annotate::outlined(photograph, &best.mask, &boxes)?,
    });
    Ok(Figure::new(panels).render()?)
}
