//! COCO's JSON: one file for all pictures.

use serde::{Deserialize, Serialize, Serializer};

/// A whole file. What it holds besides (licences, captions) is left alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Dataset {
    /// The pictures.
    pub images: Vec<Image>,
    /// The objects.
    pub annotations: Vec<Annotation>,
    /// The classes.
    pub categories: Vec<Category>,
}

/// A picture.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// By which annotations name it.
    pub id: u64,
    /// Its file.
    pub file_name: String,
    /// Its width in pixels.
    #[serde(serialize_with = "whole_where_it_is")]
    pub width: f64,
    /// Its height in pixels.
    #[serde(serialize_with = "whole_where_it_is")]
    pub height: f64,
}

/// An object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Annotation {
    /// By which others name it.
    #[serde(default)]
    pub id: u64,
    /// The picture.
    pub image_id: u64,
    /// The class.
    pub category_id: u64,
    /// Left, top, width, height in pixels.
    pub bbox: [f64; 4],
    /// The object's pixels.
    #[serde(default)]
    pub area: f64,
    /// 1 for a box around many objects.
    #[serde(default)]
    pub iscrowd: u8,
    /// How sure a program was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    /// The object's outline; not read.
    #[serde(default, skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub segmentation: Option<RunLengths>,
}

/// The format has whole numbers.
fn whole_where_it_is<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if number.fract() == 0.0 && (0.0..=9e15).contains(number) {
        serializer.serialize_u64(*number as u64)
    } else {
        serializer.serialize_f64(*number)
    }
}

/// A class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Category {
    /// By which annotations name it.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// What it belongs to; here the synset, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supercategory: Option<String>,
}

/// A mask as lengths of runs, of pixels outside and inside in turn, column after column from the top: COCO's uncompressed form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunLengths {
    /// Height and width.
    pub size: [usize; 2],
    /// The lengths; the first is of pixels outside, and may be 0.
    pub counts: Vec<usize>,
}

impl RunLengths {
    /// The runs of a mask, rows of `width`.
    pub fn of(mask: &[bool], width: usize) -> Self {
        let height = mask.len().checked_div(width).unwrap_or(0);
        let (mut counts, mut inside, mut length) = (Vec::new(), false, 0);
        for x in 0..width {
            for y in 0..height {
                if mask[y * width + x] != inside {
                    counts.push(length);
                    (inside, length) = (!inside, 0);
                }
                length += 1;
            }
        }
        counts.push(length);
        Self { size: [height, width], counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the format's description has it: column by column, the first run outside.
    #[test]
    fn runs_go_down_the_columns() {
        let mask: Vec<bool> = "x..\nxx.".chars().filter(|c| *c != '\n').map(|c| c == 'x').collect();
        let runs = RunLengths::of(&mask, 3);
        assert_eq!((runs.size, &runs.counts[..]), ([2, 3], &[0, 2, 1, 1, 2][..]));
        assert_eq!(RunLengths::of(&[false; 4], 2).counts, [4]);
    }

    #[test]
    fn sizes_are_written_as_whole_numbers() {
        let image = |width: f64| Image { id: 1, file_name: "a.jpg".to_owned(), width, height: 480.0 };
        let text = |width: f64| serde_json::to_string(&image(width)).unwrap();
        assert!(text(640.0).ends_with(r#""width":640,"height":480}"#), "{}", text(640.0));
        assert!(text(0.5).contains(r#""width":0.5"#));
    }

    #[test]
    fn a_dataset_is_read_with_what_else_it_holds() {
        let text = r#"{"info": {"year": 2017}, "images": [{"id": 9, "file_name": "a.jpg", "width": 640, "height": 480, "license": 3}],
            "annotations": [{"id": 1, "image_id": 9, "category_id": 17, "bbox": [1, 2, 3.5, 4], "iscrowd": 0, "area": 11.5,
            "segmentation": [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]}], "categories": [{"id": 17, "name": "cat", "supercategory": "animal"}]}"#;
        let dataset: Dataset = serde_json::from_str(text).unwrap();
        assert_eq!(dataset.annotations[0].bbox, [1.0, 2.0, 3.5, 4.0]);
        assert_eq!(dataset.categories[0].name, "cat");
    }
}
