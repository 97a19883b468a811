//! What can be said about a model when it is opened.

use std::path::PathBuf;

use deepinside::vision::{Crop, Interpolation};
use deepinside::{MeanSetting, ScaleSetting, Settings, Size, parse_channel_order};
use pyo3::prelude::*;

use crate::errors::{exception, value_error};

/// What the Python side says, each part perhaps not.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Opening {
    weights: Option<PathBuf>,
    labels: Option<String>,
    score: Option<String>,
    size: Option<(usize, usize)>,
    /// One number is the shorter side, two are height and width.
    resize: Option<Vec<usize>>,
    crop: Option<String>,
    channel_order: Option<String>,
    raw_scale: Option<f32>,
    mean: Option<Vec<f32>>,
    scale: Option<Vec<f32>>,
    interpolation: Option<String>,
    /// In MiB.
    memory_limit: Option<u32>,
    pub threads: usize,
}

impl Opening {
    /// The same as the library's settings.
    ///
    /// # Errors
    /// When a crop, an order of channels or an interpolation has no such name.
    pub fn settings(&self) -> PyResult<Settings> {
        let mut settings = Settings {
            weights: self.weights.clone(),
            labels: self.labels.clone(),
            score: self.score.clone(),
            memory_limit: self.memory_limit.map(|mebibytes| (mebibytes as usize) << 20),
            ..Settings::default()
        };
        let failed = |error: deepinside::vision::Error| exception(error.into());
        let input = &mut settings.input;
        input.size = self.size.map(|(height, width)| Size::Rectangle([height, width]));
        input.resize = match self.resize.as_deref() {
            Some(&[side]) => Some(Size::Side(side)),
            Some(&[height, width]) => Some(Size::Rectangle([height, width])),
            _ => None,
        };
        input.crop = self.crop.as_deref().map(str::parse::<Crop>).transpose().map_err(failed)?;
        let order = self.channel_order.as_deref().map(parse_channel_order).transpose();
        input.channel_order = order.map_err(|error| value_error(&error))?;
        input.raw_scale = self.raw_scale;
        input.mean = self.mean.clone().map(MeanSetting::Pixel);
        input.scale = self.scale.clone().map(ScaleSetting::PerChannel);
        input.interpolation =
            self.interpolation.as_deref().map(str::parse::<Interpolation>).transpose().map_err(failed)?;
        Ok(settings)
    }
}
