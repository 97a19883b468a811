//! Hugging Face's `preprocessor_config.json`: what an image processor does to a photograph.
//!
//! Most processors resize, cut, scale and normalise by the settings that they write down, and some do more: they swap channels,
//! normalise twice, or resize beyond what they say. Those are followed by their type where they prepare classifiers' pictures; of the
//! others, what the settings say is followed, and a warning names the steps that are left out. Compared with transformers 5.24.

use deepinside_vision::ChannelOrder;
use serde_json::Value;

use super::{Told, deviations, normalisation, numbers, size, within};
use crate::settings::{InputSettings, MeanSetting, ScaleSetting, Size};

/// The shorter side that ConvNeXt's preparation keeps whole: smaller pictures are resized beyond it and cut.
const UNCUT_SIDE: usize = 384;

/// Processors that do what their settings say and nothing else to a single picture, by the words before `ImageProcessor`.
const PLAIN: &[&str] = &[
    "Aimv2",
    "Beit",
    "Bit",
    "Blip",
    "CHMv2",
    "CLIP",
    "ChineseCLIP",
    "ConditionalDetr",
    "ConvNext",
    "DINOv3ViT",
    "DPT",
    "DeformableDetr",
    "DeiT",
    "Deta",
    "Detr",
    "EfficientNet",
    "Flava",
    "GLPN",
    "GroundingDino",
    "Levit",
    "Llava",
    "Mask2Former",
    "MaskFormer",
    "MobileNetV1",
    "MobileNetV2",
    "MobileViT",
    "OneFormer",
    "OwlViT",
    "Perceiver",
    "PoolFormer",
    "PromptDepthAnything",
    "Pvt",
    "RTDetr",
    "RfDetr",
    "SegGpt",
    "Segformer",
    "Siglip",
    "SuperPoint",
    "ViT",
    "VideoMAE",
    "Yolos",
];

/// Steps that are not followed, by the setting that asks for them, and what they do.
const NOT_FOLLOWED: &[(&str, &str)] = &[
    ("do_thumbnail", "shrinks pictures until they fit and fills the rest"),
    ("do_crop_margin", "cuts margins off"),
    ("do_align_long_axis", "turns pictures by their longer side"),
    ("keep_aspect_ratio", "keeps a picture's proportions"),
    ("crop_to_patches", "cuts pictures into several"),
    ("do_split_image", "cuts pictures into several"),
    ("do_image_splitting", "cuts pictures into several"),
    ("do_color_quantize", "replaces colours by the numbers of a palette"),
    ("do_grayscale", "makes pictures grey"),
];

/// The type of a processor without what its generations and backends add to it.
fn kind(value: &Value) -> Option<&str> {
    let named = value.get("image_processor_type").or(value.get("feature_extractor_type"))?.as_str()?;
    let named = named.strip_suffix("Fast").or(named.strip_suffix("Pil")).unwrap_or(named);
    named.strip_suffix("ImageProcessor").or(named.strip_suffix("FeatureExtractor"))
}

impl Told {
    /// Hugging Face's `preprocessor_config.json`.
    pub(super) fn read_image_processor(&mut self, value: &Value, source: &str) -> bool {
        let value = value.get("image_processor").unwrap_or(value);
        let says = |key: &str| value.get(key).and_then(Value::as_bool);
        let is_on = |key: &str| says(key).unwrap_or(true);
        let known = ["image_mean", "do_normalize", "rescale_factor", "do_rescale"];
        if !known.iter().any(|key| value.get(key).is_some()) {
            return self.read_preset(value, source);
        }
        let kind = kind(value);
        self.warn_of_further_steps(value, kind, source);
        let factor = value.get("rescale_factor").and_then(Value::as_f64).unwrap_or(1.0 / 255.0);
        let factor = if is_on("do_rescale") { factor } else { 1.0 };
        let statistics = (numbers(value.get("image_mean")), deviations(value.get("image_std")));
        let (mut mean, mut scale) = match statistics {
            // MobileViT's never normalises, though it writes a mean down.
            (Some(mean), Some(deviation)) if is_on("do_normalize") && kind != Some("MobileViT") => {
                normalisation(mean, &deviation)
            }
            _ => (vec![0.0], vec![1.0]),
        };
        // EfficientNet's takes one off the scaled picture, and for classification divides by the deviation once more.
        if says("rescale_offset") == Some(true) && is_on("do_rescale") {
            mean.iter_mut().for_each(|mean| *mean += 1.0);
        }
        let divides_again = says("include_top").unwrap_or(kind == Some("EfficientNet"));
        if divides_again && let Some(deviation) = deviations(value.get("image_std")) {
            scale = deviation
                .iter()
                .enumerate()
                .map(|(channel, deviation)| scale[channel % scale.len()] / deviation)
                .collect();
        }
        let is_reversed = says("do_flip_channel_order").unwrap_or(kind == Some("MobileViT"));
        if is_reversed {
            // Channels are swapped behind the normalisation, and a setting names them as the network reads them.
            mean.reverse();
            scale.reverse();
        }
        let mut input = InputSettings {
            channel_order: Some(if is_reversed { ChannelOrder::Bgr } else { ChannelOrder::Rgb }),
            raw_scale: Some((factor * 255.0) as f32),
            mean: Some(MeanSetting::Pixel(mean)),
            scale: Some(ScaleSetting::PerChannel(scale)),
            interpolation: self.interpolation(value.get("resample"), source),
            ..InputSettings::default()
        };
        resize_and_crop(&mut input, value, kind);
        self.take(input, source);
        true
    }

    /// Says what a processor does to pictures that is not followed.
    fn warn_of_further_steps(&mut self, value: &Value, kind: Option<&str>, source: &str) {
        let steps: Vec<String> = NOT_FOLLOWED
            .iter()
            .filter(|(key, _)| value.get(*key).and_then(Value::as_bool) == Some(true))
            .map(|(key, what)| format!("{key} ({what})"))
            .collect();
        if !steps.is_empty() {
            self.warnings.push(format!(
                "{source} asks for {}, which is not done here: photographs are prepared without it",
                steps.join(" and ")
            ));
        } else if let Some(kind) = kind
            && !PLAIN.contains(&kind)
        {
            let shortened = kind.chars().take(40).collect::<String>();
            let kind = crate::printable::one_line(&shortened);
            self.warnings.push(format!(
                "{source} belongs to {kind}ImageProcessor, which may do more than its settings say; they alone are followed"
            ));
        }
    }
}

/// To what size a photograph is resized, and what is cut of it.
fn resize_and_crop(input: &mut InputSettings, value: &Value, kind: Option<&str>) {
    let says = |key: &str| value.get(key).and_then(Value::as_bool);
    let cropped = value.get("crop_size").and_then(size).filter(|_| says("do_center_crop") == Some(true));
    if says("do_resize").unwrap_or(true) {
        input.resize = value.get("size").and_then(size);
    }
    let beyond = |side: usize, share: f64| {
        Some(Size::Side((side as f64 / share) as usize)).filter(|size| within(*size))
    };
    let share = value.get("crop_pct").and_then(Value::as_f64).filter(|share| (0.1..=1.0).contains(share));
    match (kind, share, input.resize) {
        // PoolFormer's: its crop is stated beside the share of the picture that is to be in it.
        (_, Some(share), Some(resize)) if cropped.is_some() => {
            let [height, width] = resize.extents();
            if height == width {
                input.resize = beyond(height, share);
            }
        }
        (_, Some(share), Some(Size::Side(side))) if side < UNCUT_SIDE => {
            input.size = Some(Size::Side(side));
            input.resize = beyond(side, share);
            return;
        }
        (_, Some(_), Some(Size::Side(side))) => {
            input.resize = Some(Size::Rectangle([side, side]));
            input.size = input.resize;
            return;
        }
        (Some("Levit"), None, Some(Size::Side(side))) => input.resize = beyond(side, 224.0 / 256.0),
        // Perceiver's cuts first: so many of the shorter side's parts, which is as many pixels when it is resized.
        (Some("Perceiver"), None, Some(Size::Rectangle([height, width]))) if height == width => {
            if let Some(Size::Rectangle([rows, columns])) = cropped
                && rows == columns
            {
                input.resize = Some(Size::Side(rows));
                input.size = Some(Size::Side(height));
                return;
            }
        }
        _ => {}
    }
    // What fills the network's input without a crop has its size.
    let is_cut = says("do_center_crop") == Some(true);
    input.size = if is_cut { cropped } else { input.resize };
}
