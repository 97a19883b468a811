//! `deepinside localise`.

use std::path::Path;
use std::time::Instant;

use deepinside::annotations::{coco, voc};
use deepinside::class_activation::{ActivationMap, Layers, Weighting};
use deepinside::evidence::{EvidenceOptions, Gatherer, Noise};
use deepinside::localise::{CutRule, Keep, Localisation, Method, Rule, localise};
use deepinside::vision::figure::{Figure, Panel};
use deepinside::vision::graph_cut::CutOptions;
use deepinside::vision::normalise::Scaling;
use deepinside::vision::{ColourMap, Crop, Photograph, Picture, annotate};
use deepinside::{Model, Threads};
use serde::Serialize;

use crate::arguments::{CamChoice, CropChoice, KeepChoice, LocaliseArguments, MethodArguments};
use crate::failure::{Failure, Outcome};
use crate::output::{self, Destination};
use crate::{pictures, progress, record};

/// The colours of the boxes, the best class first.
const COLOURS: [[u8; 3]; 5] = [[255, 210, 0], [0, 200, 255], [255, 80, 160], [120, 230, 60], [200, 140, 255]];

#[derive(Serialize)]
struct Result<'a> {
    image: &'a str,
    method: &'a str,
    /// The share of the photograph that no crop shows.
    unseen: f64,
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
    pictures::expect_distinct_names(&paths)?;
    let method = method(&arguments.method)?;
    if arguments.markers.is_some() && !matches!(method.rule, Rule::Cut(_)) {
        return Err(no_cut("--markers", method.name));
    }
    let model = super::open(&arguments.model, false)?;
    let class = arguments.class.as_deref().map(|class| model.class(class)).transpose()?;
    let threads = Threads::new(arguments.run.threads)?;
    let mut gatherer = Gatherer::new(&model, method.evidence.clone(), &threads)?;
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
        let objects = localise(&model, &mut gatherer, &photograph, &method, class, arguments.top)?;
        let picture = picture(&model, &photograph, &objects)?;
        let stem = output::stem(path);
        let file = to.file(&stem, "-localised.png");
        if let (Some(masks), Some(best)) = (&masks, objects.first()) {
            output::png(&masks.file(&stem, "-mask.png"), &annotate::mask(&best.mask, photograph.width())?)?;
        }
        if let (Some(raw), Some(best)) = (&raw, objects.first()) {
            output::array(&raw.file(&stem, "-saliency.npy"), &best.map)?;
        }
        if let (Some(files), Some(known)) = (&markers, objects.first().and_then(|best| best.markers.as_ref()))
        {
            output::png(&files.file(&stem, "-markers.png"), &annotate::markers(&photograph, known)?)?;
        }
        if let Some(folder) = &arguments.voc {
            output::whole_file(
                &folder.join(format!("{stem}.xml")),
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
                unseen: objects.first().map_or(0.0, |best| best.unseen),
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
    super::say_unseen(objects.first().map_or(0.0, |best| best.unseen));
}

/// The boxes of one photograph as PASCAL VOC's XML; classes by synset where they have one, as in ImageNet's files.
fn voc_text(path: &Path, photograph: &Photograph, objects: &[Localisation]) -> Outcome<String> {
    let objects = objects.iter().map(|object| voc::Object {
        name: object.class.synset.clone().unwrap_or_else(|| object.class.name.clone()),
        bounds: object.bounds.edges(),
    });
    let annotation = voc::Annotation {
        file: file_name(path),
        width: photograph.width() as f64,
        height: photograph.height() as f64,
        objects: objects.collect(),
    };
    Ok(voc::write(&annotation, photograph.channels())?)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// All boxes of a run, as one COCO file.
#[derive(Default)]
struct Collected {
    dataset: coco::Dataset,
}

impl Collected {
    fn add(&mut self, path: &Path, photograph: &Photograph, objects: &[Localisation]) {
        let coco::Dataset { images, annotations, categories } = &mut self.dataset;
        let image_id = images.len() as u64 + 1;
        let (width, height) = (photograph.width() as f64, photograph.height() as f64);
        images.push(coco::Image { id: image_id, file_name: file_name(path), width, height });
        for (rank, object) in objects.iter().enumerate() {
            let category_id = object.class.index as u64;
            if categories.iter().all(|category| category.id != category_id) {
                let (name, supercategory) = (object.class.name.clone(), object.class.synset.clone());
                categories.push(coco::Category { id: category_id, name, supercategory });
            }
            let [x0, y0, x1, y1] = object.bounds.edges();
            annotations.push(coco::Annotation {
                id: annotations.len() as u64 + 1,
                image_id,
                category_id,
                bbox: [x0, y0, x1 - x0, y1 - y0],
                area: object.mask.iter().filter(|inside| **inside).count() as f64,
                iscrowd: 0,
                score: Some(object.class.probability),
                segmentation: (rank == 0).then(|| coco::RunLengths::of(&object.mask, photograph.width())),
            });
        }
    }

    fn write(&self, path: &Path) -> Outcome {
        let text = serde_json::to_string(&self.dataset)
            .map_err(|error| Failure::Message(format!("cannot write JSON: {error}")))?;
        output::whole_file(path, (text + "\n").as_bytes())
    }
}

/// A flag that is for graph cuts only.
fn no_cut(flag: &str, method: &str) -> Failure {
    Failure::Message(format!(
        "{flag}: the method '{method}' makes no graph cut; add --cut, or --method paper"
    ))
}

/// A named method with what the flags change.
pub fn method(arguments: &MethodArguments) -> Outcome<Method> {
    let named = Method::named(&arguments.method)?;
    let EvidenceOptions { rules, activations, minus, crops, noise, smoothing, keeps_gradients } =
        named.evidence;
    let weighting = match arguments.cam {
        None => activations.as_ref().map(|own| own.weighting),
        Some(CamChoice::None) => None,
        Some(CamChoice::GradCam) => Some(Weighting::GradCam),
        Some(CamChoice::LayerCam) => Some(Weighting::LayerCam),
    };
    if weighting.is_none() && !arguments.layer.is_empty() {
        return Err(Failure::Message(format!(
            "--layer: the method '{}' makes no map of layers; add --cam grad-cam or --cam layer-cam",
            named.name
        )));
    }
    let layers = |weighting: Weighting| match (&arguments.layer[..], &activations, weighting) {
        ([], Some(own), weighting) if own.weighting == weighting => own.layers.clone(),
        ([], _, Weighting::GradCam) => Layers::Last,
        ([], _, Weighting::LayerCam) => Layers::Stages,
        (names, ..) => Layers::Named(names.to_vec()),
    };
    let evidence = EvidenceOptions {
        activations: weighting.map(|weighting| ActivationMap { weighting, layers: layers(weighting) }),
        minus,
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
        noise: arguments.smooth_grad.map_or(noise, |samples| {
            Some(Noise { samples, deviation: arguments.noise, seed: arguments.seed })
        }),
        smoothing: arguments.smoothing.unwrap_or(smoothing),
        keeps_gradients,
    };
    let flags = [
        arguments.value.map(Rule::Value),
        arguments.energy.map(Rule::Energy),
        arguments.mean_multiple.map(Rule::Mean),
        arguments.overlap.map(Rule::Overlap),
    ];
    let chosen = match flags.into_iter().flatten().next() {
        Some(rule) => rule,
        None if arguments.cut => Method::named("paper")?.rule,
        None => named.rule,
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
        other => {
            let flags = [
                ("--foreground-quantile", arguments.foreground_quantile.is_some()),
                ("--background-quantile", arguments.background_quantile.is_some()),
                ("--refinements", arguments.refinements.is_some()),
                ("--clamped", arguments.clamped.is_some()),
                ("--smoothness", arguments.smoothness.is_some()),
                ("--saliency-weight", arguments.saliency_weight.is_some()),
                ("--neutral", arguments.neutral.is_some()),
            ];
            if let Some((flag, _)) = flags.into_iter().find(|(_, is_given)| *is_given) {
                return Err(no_cut(flag, named.name));
            }
            other
        }
    };
    let keep = match (arguments.keep, arguments.strong) {
        (None, None) => named.keep,
        (_, Some(share)) => Keep::Strong(share),
        (Some(KeepChoice::Largest), None) => Keep::Largest,
        (Some(KeepChoice::All), None) => Keep::All,
    };
    let method = Method { name: named.name, evidence, rule, keep };
    record::resolved("method", &method)?;
    Ok(method)
}

/// The best class's map, what was known before the cut, and its outline with the boxes of all classes.
fn picture(model: &Model, photograph: &Photograph, objects: &[Localisation]) -> Outcome<Picture> {
    let Some(best) = objects.first() else {
        return Err(Failure::Message(format!("'{}' has no class", model.name)));
    };
    let name = best.class.name.split(',').next().unwrap_or(&best.class.name);
    let scaled = super::scaled(&best.map, Scaling::Quantile(0.99))?;
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
