//! What feeds the network: Input, and the data layers of training.
//!
//! A data layer reads files that are not kept beside a trained network. Its first output, the picture, becomes
//! an input where its shape can be told; the others (labels) are left out, and so are the layers that depend on
//! them.

use deepinside_graph::Shape;

use super::{error::ImportError, importer::Importer, site::Site};
use crate::proto::{BlobShape, FillerParameter};

pub(super) fn import_input(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let shapes = site.parameter().input_param.as_ref().map_or(&[][..], |settings| &settings.shape);
    let tops = site.tops().len();
    if ![0, 1, tops].contains(&shapes.len()) {
        return Err(site.wrong(
            "number of shape",
            format!("1 or one for each of {tops} outputs"),
            shapes.len(),
        ));
    }
    for (top, name) in site.tops().iter().enumerate() {
        let stated = if shapes.len() == 1 { shapes.first() } else { shapes.get(top) };
        let shape = match (given(importer, site, name)?, stated) {
            (Some(given), _) => given,
            (None, Some(stated)) => from_proto(site, stated)?,
            (None, None) => return Err(site.wrong(format!("shape of the input '{name}'"), "one", "none")),
        };
        importer.input(site, top, shape, None)?;
    }
    Ok(())
}

pub(super) fn import_data(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    for (top, name) in site.tops().iter().enumerate() {
        let shape = match given(importer, site, name)? {
            Some(shape) => shape,
            None if top > 0 => {
                let reason = "labels exist in training only".to_owned();
                importer.dropped.insert(name.clone(), (site.name().to_owned(), reason));
                continue;
            }
            None => told(site)?.ok_or_else(|| {
                site.unsupported(format!(
                    "a data layer does not say what pictures it feeds; state the shape of the input '{name}', or replace \
                     the layer by one of type Input"
                ))
            })?,
        };
        importer.warn(
            site,
            format!("data layers are for training; its output '{name}' becomes an input of shape {shape}"),
        );
        importer.input(site, top, shape, None)?;
    }
    Ok(())
}

pub(super) fn import_dummy_data(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().dummy_data_param.clone().unwrap_or_default();
    let tops = site.tops().len();
    let mut shapes = settings.shape;
    if shapes.is_empty() {
        let lists = [&settings.num, &settings.channels, &settings.height, &settings.width];
        let count = settings.num.len();
        if lists.iter().any(|list| list.len() != count) {
            return Err(site.wrong(
                "num, channels, height and width",
                "equally many of each",
                "different numbers",
            ));
        }
        let of = |index: usize| lists.iter().map(|list| i64::from(list[index])).collect();
        shapes = (0..count).map(|index| BlobShape { dim: of(index) }).collect();
    }
    if ![1, tops].contains(&shapes.len()) {
        return Err(site.wrong(
            "number of shape",
            format!("1 or one for each of {tops} outputs"),
            shapes.len(),
        ));
    }
    for (top, name) in site.tops().iter().enumerate() {
        let stated = &shapes[if shapes.len() == 1 { 0 } else { top }];
        let shape = match given(importer, site, name)? {
            Some(given) => given,
            None => from_proto(site, stated)?,
        };
        let fill = fill(&settings.data_filler, top);
        if fill.is_none() {
            let text =
                format!("it makes data up; its output '{name}' becomes an input of shape {shape} instead");
            importer.warn(site, text);
        }
        importer.input(site, top, shape, fill)?;
    }
    Ok(())
}

/// The number that a layer fills an output with; none where its filler draws at random.
fn fill(fillers: &[FillerParameter], top: usize) -> Option<f32> {
    match fillers.get(if fillers.len() == 1 { 0 } else { top }) {
        None => Some(0.0),
        Some(filler) if filler.r#type() == "constant" => Some(filler.value()),
        Some(_) => None,
    }
}

/// The shape that the caller gave for an input.
fn given(importer: &Importer<'_>, site: Site<'_>, name: &str) -> Result<Option<Shape>, ImportError> {
    let given = importer.options.input_shapes.get(name);
    given.map(|extents| Shape::new(&extents[..]).map_err(|cause| site.inconsistent(cause))).transpose()
}

fn from_proto(site: Site<'_>, shape: &BlobShape) -> Result<Shape, ImportError> {
    let extents: Result<Vec<usize>, _> = shape.dim.iter().map(|dim| usize::try_from(*dim)).collect();
    let extents = extents.map_err(|_| site.wrong("dim", "at least 1", format!("{:?}", shape.dim)))?;
    Shape::new(extents).map_err(|cause| site.inconsistent(cause))
}

/// The shape of the pictures of a data layer, if its settings tell. Stored pictures are taken for coloured
/// ones.
fn told(site: Site<'_>) -> Result<Option<Shape>, ImportError> {
    let parameter = site.parameter();
    let number = |number: u32| number as usize;
    if let Some(memory) = &parameter.memory_data_param {
        let shape = [memory.batch_size(), memory.channels(), memory.height(), memory.width()];
        return Shape::new(shape.map(number)).map(Some).map_err(|cause| site.inconsistent(cause));
    }
    let transform = parameter.transform_param.as_ref();
    let crop = transform.map_or(0, |transform| transform.crop_size());
    let grey = transform.is_some_and(|transform| transform.force_gray())
        || parameter.image_data_param.as_ref().is_some_and(|settings| !settings.is_color());
    let [height, width] = match (crop, &parameter.image_data_param) {
        (0, Some(settings)) => [settings.new_height(), settings.new_width()],
        (side, _) => [side, side],
    };
    if height == 0 || width == 0 {
        return Ok(None);
    }
    // One picture at a time: the batch size of a data layer is that of training or testing.
    let extents = [1, if grey { 1 } else { 3 }, number(height), number(width)];
    Shape::new(extents).map(Some).map_err(|cause| site.inconsistent(cause))
}
