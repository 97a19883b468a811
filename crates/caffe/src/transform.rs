//! What a data layer makes of pictures before the network sees them.

use crate::network::Network;

/// The preprocessing that a description states: of the pixels 0 to 255, in blue, green, red or grey, the mean is taken
/// off, and the difference multiplied with the scale.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transform {
    /// The layer that states it.
    pub layer: String,
    /// The scale.
    pub scale: f32,
    /// The mean: none, one number, or one for each channel.
    pub mean_values: Vec<f32>,
    /// The file with the mean picture.
    pub mean_file: Option<String>,
    /// Height and width that pictures are resized to before a crop is cut.
    pub resized: Option<[usize; 2]>,
    /// Whether pictures are read as grey ones.
    pub is_grey: bool,
}

impl Network {
    /// The preprocessing of the first layer that feeds pictures and states one.
    pub fn transform(&self) -> Option<Transform> {
        self.layers.iter().find_map(|layer| {
            let parameter = &layer.parameter;
            // Labels of the same data layer have no preprocessing, other layers no such setting.
            let image_data = parameter.image_data_param.as_ref();
            let transform = parameter.transform_param.clone();
            if transform.is_none() && image_data.is_none() {
                return None;
            }
            let transform = transform.unwrap_or_default();
            let side = |side: u32| (side > 0).then_some(side as usize);
            let resized =
                image_data.and_then(|data| Some([side(data.new_height())?, side(data.new_width())?]));
            Some(Transform {
                layer: parameter.name().to_owned(),
                scale: transform.scale(),
                mean_values: transform.mean_value.clone(),
                mean_file: transform.mean_file.clone().filter(|file| !file.is_empty()),
                resized,
                is_grey: transform.force_gray() || image_data.is_some_and(|data| !data.is_color()),
            })
        })
    }
}
