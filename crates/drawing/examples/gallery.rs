//! Draws one picture of each kind into a folder, to be looked at: `cargo run --example gallery -- FOLDER`.

use std::path::{Path, PathBuf};

use deepinside_drawing::contact_sheet::ContactSheet;
use deepinside_drawing::figure::{Figure, Panel};
use deepinside_drawing::normalise::{Scaling, normalise};
use deepinside_drawing::overlay::{Opacity, overlay};
use deepinside_drawing::{ColourMap, Picture, class_model, grid};
use deepinside_files::{Array, npy};
use deepinside_vision::frame::Frame;
use deepinside_vision::{ChannelOrder, Colour, Convention, Crop, photograph};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: gallery FOLDER")?;
    std::fs::create_dir_all(&folder)?;
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let cat = photograph::load(fixtures.join("../../../vision/tests/fixtures/chelsea.jpg"), Colour::Rgb)?;

    // Something that looks like a saliency map: a few soft spots on a map as small as a late layer's.
    let spots = Array::new([13, 13], (0..169).map(|at| spot(at % 13, at / 13)).collect())?;
    let map = normalise(&spots, Scaling::Maximum)?.values;
    let saliency = ColourMap::Hot.apply(&map)?;
    let original = Picture::from_photograph(&cat)?;
    let panel = |title: &str, picture: &Picture| Panel::new(title, picture.clone());

    Figure {
        title: Some("Class saliency: tabby, tabby cat (281)".to_owned()),
        ..Figure::new(vec![panel("Original image", &original), panel("Saliency map, 13×13", &saliency)])
    }
    .render()?
    .write_png(folder.join("figure.png"))?;

    let region = Crop::MirroredCentre.region([256, 256], [227, 227], Convention::Caffe)?;
    let placed = Frame { region, height: cat.height(), width: cat.width() }.place(&map)?;
    overlay(&cat, &placed, ColourMap::Jet, Opacity::ByValue(0.7))?.write_png(folder.join("overlay.png"))?;

    let ascent = npy::read(fixtures.join("ascent_lr100_it20.npy"))?;
    let model = class_model::stretched(&ascent, ChannelOrder::Bgr)?;
    let [_, channels, height, width] = ascent.shape() else { return Err("not a blob".into()) };
    let channels = grid::vis_square(&ascent.clone().reshaped([*channels, *height, *width])?, 1, 0.0)?;
    let mut tiles = vec![
        panel("class model", &model),
        panel("its channels", &ColourMap::Grey.apply(&channels)?),
        panel("a photograph", &original),
        panel("a title which is much too long for so narrow a tile", &saliency),
    ];
    let ramp = Array::new([24, 256], (0..24 * 256).map(|at| (at % 256) as f32 / 255.0).collect())?;
    for name in ["grey", "hot", "jet", "viridis", "inferno", "blue-white-red"] {
        tiles.push(panel(name, &name.parse::<ColourMap>()?.apply(&ramp)?));
    }
    ContactSheet { title: Some("Contact sheet".to_owned()), ..ContactSheet::new(tiles) }
        .render()?
        .write_png(folder.join("contact_sheet.png"))?;

    let row = Array::new([1, 40], (0..40).map(|at| at as f32 / 39.0).collect())?;
    let tall = Array::new([300, 60], (0..18000).map(|at| (at / 60) as f32 / 299.0).collect())?;
    Figure::new(vec![
        panel("1×40", &ColourMap::Viridis.apply(&row)?),
        panel("300×60, with a long title", &ColourMap::Inferno.apply(&tall)?),
        panel("class model (échelle, naïve)", &model),
    ])
    .render()?
    .write_png(folder.join("odd_shapes.png"))?;
    Ok(())
}

/// The height of three soft spots at a pixel.
fn spot(x: usize, y: usize) -> f32 {
    [(4.0, 5.0, 1.0), (8.5, 4.0, 0.7), (7.0, 9.0, 0.5)]
        .map(|(column, row, height): (f32, f32, f32)| {
            height * (-((x as f32 - column).powi(2) + (y as f32 - row).powi(2)) / 3.0).exp()
        })
        .iter()
        .sum()
}
