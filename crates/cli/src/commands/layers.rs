//! `deepinside layers`.

mod exemplars;

use std::path::Path;
use std::time::Instant;

use deepinside::classify::Prediction;
use deepinside::drawing::ColourMap;
use deepinside::drawing::contact_sheet::ContactSheet;
use deepinside::drawing::figure::{Figure, Panel};
use deepinside::drawing::normalise::Content;
use deepinside::file_name::portable;
use deepinside::files::Array;
use deepinside::layers::{LayerMaps, LayersOptions, layers, scaled_grid};
use deepinside::rule_notes;
use deepinside::vision::Crop;
use serde::Serialize;

use self::exemplars::{Exemplars, LayerExemplars};
use crate::arguments::{GradientRecipe, LayersArguments, MapScaling};
use crate::failure::Outcome;
use crate::output::{self, Destination, make_folder};
use crate::{pictures, progress};

#[derive(Serialize)]
struct Result<'a> {
    image: &'a str,
    top: &'a [Prediction],
    class: &'a Prediction,
    /// What this crop would have chosen, where that is another class than the model's own crop chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    other_choice: Option<Prediction>,
    layers: Vec<&'a str>,
    maps: Vec<Drawn<'a>>,
    /// The units that the photograph excites most, where exemplars were given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exemplars: Vec<LayerExemplars<'a>>,
    /// What must be known about the rule in this network.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'a [String],
    output: String,
    seconds: f64,
}

/// How the maps of one layer were drawn.
#[derive(Serialize)]
struct Drawn<'a> {
    layer: &'a str,
    kind: &'static str,
    /// The numbers that are shown darkest and brightest.
    range: [f32; 2],
    /// The number that all maps consist of, where it is one.
    constant: Option<f32>,
}

pub fn run(arguments: &LayersArguments) -> Outcome {
    let paths = pictures::expand(&arguments.photographs)?;
    let names = pictures::Names::of(&paths)?;
    let original = arguments.gradient.recipe == GradientRecipe::Original;
    let model = super::open(&arguments.model, original)?;
    let options = LayersOptions {
        class: arguments.class.as_deref().map(|class| model.class(class)).transpose()?,
        rule: arguments.gradient.rule.into(),
        caffe_gradients: original,
    };
    let notes = rule_notes(&model, options.rule, model.score.value);
    super::say_notes(&notes);
    let exemplars = Exemplars::new(arguments, &model)?;
    let default_crop = if original { Crop::MirroredCentre } else { model.crop };
    let mut runner = super::runner(&model, arguments.run.threads)?;
    pictures::each(&paths, |path| {
        let start = Instant::now();
        let photograph = model.load_photograph(path)?;
        let input = model.input_of(&photograph, arguments.gradient.crop.unwrap_or(default_crop))?;
        let mut options = options;
        let mut own = None;
        // The recipe `original` chooses by what it shows, as the class project did.
        if options.class.is_none()
            && !original
            && arguments.gradient.crop.is_some_and(|crop| crop != model.crop)
        {
            let classification = runner.classify(&photograph)?;
            options.class = classification.top(&model, 1).first().map(|best| best.index);
            own = Some(classification);
        }
        let mut result = layers(&mut runner, input.data(), &options)?;
        let mut other_choice = None;
        if let Some(classification) = own {
            let seen = std::mem::replace(&mut result.top, classification.top(&model, 5));
            other_choice = seen.into_iter().next().filter(|seen| seen.index != result.class.index);
            super::say_other_choice(&model, "this crop", &result.class.name, other_choice.as_ref());
        }
        let stem = names.name(path);
        let folder = match (&arguments.output, paths.len()) {
            (Some(folder), 1) => folder.clone(),
            (Some(folder), _) => folder.join(portable(&stem)),
            (None, _) => Destination::new(None, 1, &[])?.file(&stem, "-layers"),
        };
        make_folder(&folder)?;
        let first = result.class.name.split(',').next().unwrap_or(&result.class.name);
        let subject = format!("gradient of the score of {first}");
        let sheet = |kind, subject| Sheet { folder: &folder, kind, subject, scaling: arguments.normalise };
        let layers = &result.layers;
        let mut drawn = sheet("gradient", &subject).write(layers, |layer| &layer.gradient)?;
        drawn.extend(sheet("activation", "activation").write(layers, |layer| &layer.activation)?);
        for Drawn { layer, kind, constant, .. } in &drawn {
            if let Some(number) = constant {
                progress::note(format_args!(
                    "note: the {kind} of {layer} is {number} everywhere; its picture shows nothing"
                ));
            }
        }
        let excited = match &exemplars {
            Some(exemplars) => exemplars.write(&mut runner, &input, layers, &folder)?,
            None => Vec::new(),
        };
        if let Some(raw) = &arguments.raw {
            let raw = if paths.len() == 1 { raw.clone() } else { raw.join(portable(&stem)) };
            make_folder(&raw)?;
            for layer in &result.layers {
                output::array(
                    &raw.join(format!("{}-activation.npy", portable(&layer.name))),
                    &layer.activation,
                )?;
                output::array(&raw.join(format!("{}-gradient.npy", portable(&layer.name))), &layer.gradient)?;
            }
        }
        if !arguments.run.json {
            output::line(folder.display());
            return Ok(());
        }
        output::json(&Result {
            image: &path.to_string_lossy(),
            top: &result.top,
            class: &result.class,
            other_choice,
            layers: result.layers.iter().map(|layer| layer.name.as_str()).collect(),
            maps: drawn,
            exemplars: excited,
            notes: &notes,
            output: folder.to_string_lossy().into_owned(),
            seconds: start.elapsed().as_secs_f64(),
        })
    })
}

/// The pictures of one kind.
struct Sheet<'a> {
    folder: &'a Path,
    kind: &'static str,
    subject: &'a str,
    scaling: MapScaling,
}

impl Sheet<'_> {
    /// Writes one picture per layer, and a contact sheet of all.
    fn write<'a>(
        &self,
        layers: &'a [LayerMaps],
        maps: impl Fn(&LayerMaps) -> &Array,
    ) -> Outcome<Vec<Drawn<'a>>> {
        let Self { folder, kind, subject, scaling } = *self;
        let colours = if scaling == MapScaling::Signed { ColourMap::BlueWhiteRed } else { ColourMap::Grey };
        let (mut tiles, mut drawn) = (Vec::new(), Vec::new());
        for layer in layers {
            let maps = maps(layer);
            let grid = scaled_grid(maps, scaling.into())?;
            let constant = match grid.content {
                Content::Constant(number) => Some(number),
                _ => None,
            };
            let picture = colours.apply(&grid.values)?;
            let extents: Vec<String> = maps.shape().iter().map(ToString::to_string).collect();
            let holds = constant.map(|number| format!(": {number} everywhere")).unwrap_or_default();
            let title = format!("{} ({}){holds}", layer.name, extents.join("×"));
            let panel = Panel::new(format!("{subject}: {title}"), picture.clone());
            let figure = Figure { axes_size: 640, ..Figure::new(vec![panel]) };
            let file = folder.join(format!("{}-{kind}.png", portable(&layer.name)));
            output::png(&file, &figure.render()?)?;
            tiles.push(Panel::new(title, picture));
            drawn.push(Drawn { layer: &layer.name, kind, range: grid.range, constant });
        }
        let title = Some(format!("{subject}, all layers"));
        let sheet = ContactSheet { title, ..ContactSheet::new(tiles) };
        output::png(&folder.join(format!("all-{kind}s.png")), &sheet.render()?)?;
        Ok(drawn)
    }
}
