//! Pictures whose answers are known: a list of our own, a folder of XML files, or a COCO file.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use deepinside_files::whole_file;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::annotations::{LARGEST, coco, voc};
use crate::labels::is_synset;
use crate::{Error, Label, Model, Result};

/// One picture with the boxes of one of its classes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TrueObject {
    /// The picture.
    pub file: PathBuf,
    /// The size in which the boxes are given.
    pub width: f64,
    /// The size in which the boxes are given.
    pub height: f64,
    /// The class.
    pub class_index: usize,
    /// Left, top, right, bottom in pixels.
    #[serde(default)]
    pub boxes: Vec<[f64; 4]>,
}

impl TrueObject {
    /// SHA-256 of the picture's bytes, the size and the boxes, in hexadecimal digits.
    ///
    /// # Errors
    /// When the picture cannot be read.
    pub fn digest(&self) -> Result<String> {
        let io = |source| Error::Io { path: self.file.clone(), source };
        let mut hash = Sha256::new();
        // A list of what is true may name pipes and devices.
        let (file, length) = whole_file::open(&self.file)?;
        let mut picture = BufReader::new(file.take(length));
        loop {
            let piece = picture.fill_buf().map_err(io)?;
            if piece.is_empty() {
                break;
            }
            hash.update(piece);
            let length = piece.len();
            picture.consume(length);
        }
        for number in [self.width, self.height].iter().chain(self.boxes.as_flattened()) {
            hash.update(number.to_le_bytes());
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// All pictures, and what has to be said about them.
#[derive(Debug, Clone, PartialEq)]
pub struct GroundTruth {
    /// The pictures; one with objects of several classes stands there once for each.
    pub objects: Vec<TrueObject>,
    /// What could not be used, in whole sentences.
    pub notes: Vec<String>,
}

/// Reads what is known of pictures:
///
/// * a JSON array of objects with `file`, `width`, `height`, `class_index` and `boxes`; other keys are left alone;
/// * a COCO file, a JSON object with `images`, `annotations` and `categories`;
/// * a folder of XML files as PASCAL VOC and ImageNet have them.
///
/// Classes of the last two are found by synset or name among those of the network. Pictures lie in `pictures`, or beside the file;
/// those of a folder of XML files in it, or in `JPEGImages` beside it.
///
/// # Errors
/// When a file cannot be read or means something else, a box is none, or no class is one of the network's.
pub fn ground_truth(path: &Path, pictures: Option<&Path>, model: &Model) -> Result<GroundTruth> {
    let mut truth = if path.is_dir() {
        xml_folder(path, pictures, model)?
    } else {
        let content = whole_file::read_text(path, LARGEST)?;
        let folder = pictures.unwrap_or_else(|| path.parent().unwrap_or(Path::new("")));
        if content.trim_start().starts_with('{') {
            coco_file(path, &content, folder, model)?
        } else {
            list(path, &content, folder)?
        }
    };
    for TrueObject { file, class_index, .. } in &truth.objects {
        if *class_index >= model.score.classes {
            return Err(Error::Option(format!(
                "{}: the network has the classes 0 to {}, {} is said to be of class {class_index}",
                path.display(),
                model.score.classes - 1,
                file.display()
            )));
        }
    }
    let cut = truth.objects.iter_mut().map(cut_to_picture).sum::<usize>();
    if cut > 0 {
        truth.notes.push(format!("{cut} boxes reach beyond their pictures and are cut to them"));
    }
    if truth.objects.is_empty() {
        let why = truth.notes.iter().map(|note| format!("; {note}")).collect::<String>();
        return Err(Error::Option(format!("{} lists no picture that can be used{why}", path.display())));
    }
    Ok(truth)
}

/// Cuts boxes to their picture where its size is stated; says how many reached beyond it.
fn cut_to_picture(object: &mut TrueObject) -> usize {
    let TrueObject { width, height, boxes, .. } = object;
    if !(*width > 0.0 && *height > 0.0) {
        return 0;
    }
    let mut count = 0;
    for bounds in boxes {
        let [x0, y0, x1, y1] = *bounds;
        let inside =
            [x0.clamp(0.0, *width), y0.clamp(0.0, *height), x1.clamp(0.0, *width), y1.clamp(0.0, *height)];
        count += usize::from(inside != *bounds);
        *bounds = inside;
    }
    count
}

/// Boxes must be there, and something of each lie in the picture.
///
/// # Errors
/// Where they are not.
pub fn expect_boxes(objects: &[TrueObject]) -> Result<()> {
    for TrueObject { file, width, height, boxes, .. } in objects {
        let whole = *width > 0.0 && *height > 0.0;
        if boxes.is_empty() || !whole || !boxes.iter().all(|[x0, y0, x1, y1]| x0 < x1 && y0 < y1) {
            return Err(Error::Option(format!(
                "{} needs a size, and at least one box; of each left < right and top < bottom within the picture",
                file.display()
            )));
        }
    }
    Ok(())
}

fn list(path: &Path, content: &str, folder: &Path) -> Result<GroundTruth> {
    let mut objects: Vec<TrueObject> = serde_json::from_str(content).map_err(|error| {
        Error::Option(format!(
            "{} is no list of pictures (file, width, height, class_index, boxes): {error}",
            path.display()
        ))
    })?;
    objects.iter_mut().for_each(|object| object.file = folder.join(&object.file));
    Ok(GroundTruth { objects, notes: Vec::new() })
}

/// Classes by name, and which of them the network does not know.
#[derive(Default)]
struct Classes {
    known: BTreeMap<String, Option<usize>>,
    unknown: BTreeMap<String, usize>,
}

impl Classes {
    /// The network's class of the first of these names that it has; an object without one is counted.
    fn find(&mut self, names: &[&str], model: &Model) -> Option<usize> {
        let key = names.join("\n");
        let found =
            *self.known.entry(key).or_insert_with(|| names.iter().find_map(|name| class_named(name, model)));
        if found.is_none() {
            *self.unknown.entry(names.first().copied().unwrap_or_default().to_owned()).or_default() += 1;
        }
        found
    }

    fn notes(&self) -> Vec<String> {
        if self.unknown.is_empty() {
            return Vec::new();
        }
        let objects: usize = self.unknown.values().sum();
        let names =
            self.unknown.keys().take(5).map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        let more = if self.unknown.len() > 5 { " and others" } else { "" };
        vec![format!(
            "{objects} objects of {} classes ({names}{more}) are left out: the network has no class, or several, of that name",
            self.unknown.len()
        )]
    }
}

/// The only class with that synset, that name, or that among its names. A word of a name is not enough: a book is no book
/// jacket.
fn class_named(name: &str, model: &Model) -> Option<usize> {
    let wanted = name.trim().to_lowercase();
    let labels = || (0..model.score.classes).filter_map(|index| Some((index, model.labels.get(index)?)));
    let only = |fits: &dyn Fn(&Label) -> bool| {
        let mut fitting = labels().filter(|(_, label)| fits(label)).map(|(index, _)| index);
        fitting.next().filter(|_| fitting.next().is_none())
    };
    let names = |label: &Label| -> Vec<String> {
        label.name.split(',').map(|name| name.trim().to_lowercase()).collect()
    };
    only(&|label| label.synset.as_deref() == Some(wanted.as_str()))
        .or_else(|| only(&|label| label.name.to_lowercase() == wanted))
        .or_else(|| only(&|label| names(label).first() == Some(&wanted)))
        .or_else(|| only(&|label| names(label).contains(&wanted)))
}

/// Boxes of one picture by class.
fn grouped(
    file: &Path,
    [width, height]: [f64; 2],
    boxes: impl IntoIterator<Item = (usize, [f64; 4])>,
) -> impl Iterator<Item = TrueObject> {
    let mut by_class: BTreeMap<usize, Vec<[f64; 4]>> = BTreeMap::new();
    for (class, bounds) in boxes {
        by_class.entry(class).or_default().push(bounds);
    }
    let file = file.to_owned();
    by_class.into_iter().map(move |(class_index, boxes)| TrueObject {
        file: file.clone(),
        width,
        height,
        class_index,
        boxes,
    })
}

fn coco_file(path: &Path, content: &str, folder: &Path, model: &Model) -> Result<GroundTruth> {
    let dataset: coco::Dataset = serde_json::from_str(content).map_err(|error| {
        Error::Option(format!(
            "{} is no COCO file (images, annotations, categories): {error}",
            path.display()
        ))
    })?;
    let mut classes = Classes::default();
    let categories: BTreeMap<u64, &coco::Category> =
        dataset.categories.iter().map(|category| (category.id, category)).collect();
    let (mut boxes, mut crowds) = (BTreeMap::<u64, Vec<(usize, [f64; 4])>>::new(), 0);
    for annotation in &dataset.annotations {
        if annotation.iscrowd != 0 {
            crowds += 1;
            continue;
        }
        let category = categories.get(&annotation.category_id).ok_or_else(|| {
            Error::Option(format!(
                "{}: annotation {} is of category {}, which is not listed",
                path.display(),
                annotation.id,
                annotation.category_id
            ))
        })?;
        let names: Vec<&str> =
            [Some(category.name.as_str()), category.supercategory.as_deref()].into_iter().flatten().collect();
        // What a category belongs to names a class only where it is a synset.
        let names = if names.len() == 2 && !is_synset(names[1]) { &names[..1] } else { &names[..] };
        if let Some(class) = classes.find(names, model) {
            let [x, y, width, height] = annotation.bbox;
            boxes.entry(annotation.image_id).or_default().push((class, [x, y, x + width, y + height]));
        }
    }
    let mut objects = Vec::new();
    for image in &dataset.images {
        let own = boxes.remove(&image.id).unwrap_or_default();
        objects.extend(grouped(&folder.join(&image.file_name), [image.width, image.height], own));
    }
    let mut notes = classes.notes();
    if let Some((id, _)) = boxes.first_key_value() {
        notes.push(format!(
            "{} pictures with annotations, such as {id}, are not among the images",
            boxes.len()
        ));
    }
    if crowds > 0 {
        notes.push(format!("{crowds} boxes around crowds are left out"));
    }
    Ok(GroundTruth { objects, notes })
}

fn xml_folder(folder: &Path, pictures: Option<&Path>, model: &Model) -> Result<GroundTruth> {
    let io = |source| Error::Io { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xml")) {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::Option(format!(
            "{}: a folder of ground truth holds .xml files, this one has none",
            folder.display()
        )));
    }
    let beside = folder.parent().unwrap_or(Path::new("")).join("JPEGImages");
    let places: Vec<&Path> = pictures.map_or_else(|| vec![folder, &beside], |pictures| vec![pictures]);
    let mut classes = Classes::default();
    let mut objects = Vec::new();
    for path in files {
        let annotation = voc::read(&whole_file::read_text(&path, LARGEST)?)
            .map_err(|cause| Error::Option(format!("{}: {cause}", path.display())))?;
        let mut boxes = Vec::new();
        for object in &annotation.objects {
            if let Some(class) = classes.find(&[&object.name], model) {
                boxes.push((class, object.bounds));
            }
        }
        if boxes.is_empty() {
            continue;
        }
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let picture = picture(&places, &[&annotation.file, &stem]).ok_or_else(|| {
            Error::Option(format!(
                "{}: there is no picture called '{}' or '{stem}' in {}; name the folder with --pictures",
                path.display(),
                annotation.file,
                places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(" or ")
            ))
        })?;
        objects.extend(grouped(&picture, [annotation.width, annotation.height], boxes));
    }
    Ok(GroundTruth { objects, notes: classes.notes() })
}

/// The first of these names, with or without an ending of pictures, that is a file in one of the folders.
fn picture(folders: &[&Path], names: &[&str]) -> Option<PathBuf> {
    const ENDINGS: [&str; 7] = ["", ".JPEG", ".jpg", ".jpeg", ".png", ".JPG", ".webp"];
    let names = || names.iter().filter(|name| !name.is_empty());
    let candidates = folders.iter().flat_map(|folder| {
        names().flat_map(move |name| ENDINGS.iter().map(move |ending| folder.join(format!("{name}{ending}"))))
    });
    candidates.into_iter().find(|path| path.is_file())
}
