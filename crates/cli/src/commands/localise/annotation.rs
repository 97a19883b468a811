//! Boxes in other people's formats.

use std::path::Path;

use deepinside::annotations::{coco, voc};
use deepinside::localise::Localisation;
use deepinside::vision::Photograph;

use crate::failure::{Failure, Outcome};
use crate::output;

/// The boxes of one photograph as PASCAL VOC's XML; classes by synset where they have one, as in ImageNet's files.
pub fn voc_text(path: &Path, photograph: &Photograph, objects: &[Localisation]) -> Outcome<String> {
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
pub struct Collected {
    dataset: coco::Dataset,
}

impl Collected {
    /// Adds the boxes of a photograph, and the best class's pixels.
    pub fn add(&mut self, path: &Path, photograph: &Photograph, objects: &[Localisation]) {
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

    /// Writes the file.
    pub fn write(&self, path: &Path) -> Outcome {
        let text = serde_json::to_string(&self.dataset)
            .map_err(|error| Failure::Message(format!("cannot write JSON: {error}")))?;
        output::whole_file(path, (text + "\n").as_bytes())
    }
}
