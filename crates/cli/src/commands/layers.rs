//! `deepinside layers`.

use std::path::Path;
use std::time::Instant;

use deepinside::Threads;
use deepinside::classify::Prediction;
use deepinside::layers::{LayerMaps, LayersOptions, grid, layers};
use deepinside::vision::contact_sheet::ContactSheet;
use deepinside::vision::figure::{Figure, Panel};
use deepinside::vision::{Array, ColourMap, Crop, npy};
use serde::Serialize;

use crate::arguments::{GradientRecipe, LayersArguments};
use crate::failure::Outcome;
use crate::output::{self, Destination, file_name, make_folder};
use crate::pictures;

#[derive(Serialize)]
struct Result<'a> {
    image: &'a str,
    top: &'a [Prediction],
    class: &'a Prediction,
    layers: Vec<&'a str>,
    output: String,
    seconds: f64,
}

pub fn run(arguments: &LayersArguments) -> Outcome {
    let paths = pictures::expand(&arguments.photographs)?;
    pictures::expect_distinct_names(&paths)?;
    let original = arguments.gradient.recipe == GradientRecipe::Original;
    let model = super::open(&arguments.model, original)?;
    let options = LayersOptions {
        class: arguments.class.as_deref().map(|class| model.class(class)).transpose()?,
        rule: arguments.gradient.rule.into(),
        caffe_gradients: original,
    };
    let default_crop = if original { Crop::MirroredCentre } else { model.crop };
    let threads = Threads::new(arguments.run.threads)?;
    pictures::each(&paths, |path| {
        let start = Instant::now();
        let photograph = model.load_photograph(path)?;
        let input = model.inputs(&photograph, &[arguments.gradient.crop.unwrap_or(default_crop)])?;
        let result = layers(&model, input.data(), &options, &threads)?;
        let stem = output::stem(path);
        let folder = match (&arguments.output, paths.len()) {
            (Some(folder), 1) => folder.clone(),
            (Some(folder), _) => folder.join(&stem),
            (None, _) => Destination::new(None, 1)?.file(&stem, "-layers"),
        };
        make_folder(&folder)?;
        let first = result.class.name.split(',').next().unwrap_or(&result.class.name);
        let subject = format!("gradient of the score of {first}");
        write_pictures(&folder, "gradient", &subject, &result.layers, |layer| &layer.gradient)?;
        write_pictures(&folder, "activation", "activation", &result.layers, |layer| &layer.activation)?;
        if let Some(raw) = &arguments.raw {
            let raw = if paths.len() == 1 { raw.clone() } else { raw.join(&stem) };
            make_folder(&raw)?;
            for layer in &result.layers {
                npy::write(
                    raw.join(format!("{}-activation.npy", file_name(&layer.name))),
                    &layer.activation,
                )?;
                npy::write(raw.join(format!("{}-gradient.npy", file_name(&layer.name))), &layer.gradient)?;
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
            layers: result.layers.iter().map(|layer| layer.name.as_str()).collect(),
            output: folder.to_string_lossy().into_owned(),
            seconds: start.elapsed().as_secs_f64(),
        })
    })
}

/// One picture per layer, and a contact sheet of all.
fn write_pictures(
    folder: &Path,
    kind: &str,
    subject: &str,
    layers: &[LayerMaps],
    maps: impl Fn(&LayerMaps) -> &Array,
) -> Outcome {
    let mut tiles = Vec::new();
    for layer in layers {
        let maps = maps(layer);
        let picture = ColourMap::Grey.apply(&grid(maps)?)?;
        let extents: Vec<String> = maps.shape().iter().map(ToString::to_string).collect();
        let title = format!("{} ({})", layer.name, extents.join("×"));
        let panel = Panel { title: format!("{subject}: {title}"), picture: picture.clone() };
        let figure = Figure { axes_size: 640, ..Figure::new(vec![panel]) };
        figure.render()?.write_png(folder.join(format!("{}-{kind}.png", file_name(&layer.name))))?;
        tiles.push(Panel { title, picture });
    }
    let sheet = ContactSheet { title: Some(format!("{subject}, all layers")), ..ContactSheet::new(tiles) };
    sheet.render()?.write_png(folder.join(format!("all-{kind}s.png")))?;
    Ok(())
}
