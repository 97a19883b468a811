//! What in a photograph speaks for one class and against another: a map of the difference of their scores, drawn over it.

use deepinside_drawing::normalise::Scaling;
use deepinside_drawing::{ColourMap, Picture};
use deepinside_vision::frame::Frame;
use deepinside_vision::resize::resize_image;
use deepinside_vision::{Interpolation, Photograph};

use crate::attribution::{Choices, Method, Runner, method};
use crate::saliency_figure::DrawnMap;
use crate::{Model, Result, Target};

/// Draws margins between classes of one model.
#[derive(Debug)]
pub struct MarginDrawer {
    method: Box<dyn Method>,
    title: &'static str,
}

impl MarginDrawer {
    /// LayerCAM; the gradient takes its place in networks without layers that have positions.
    ///
    /// # Errors
    /// When neither fits the network.
    pub fn new(model: &Model) -> Result<Self> {
        let entry = method("layer-cam")?;
        if let Ok(method) = entry.make(model, &Choices::default()) {
            return Ok(Self { method, title: entry.title });
        }
        let entry = method("gradient")?;
        Ok(Self { method: entry.make(model, &Choices::default())?, title: entry.title })
    }

    /// What the map is called.
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// The photograph with its longer side at most `side` pixels, and the same with what speaks for the first class and against the second,
    /// by the model's own crop.
    ///
    /// # Errors
    /// When the photograph does not fit the network, or there are no such classes.
    pub fn draw(
        &self,
        runner: &mut Runner,
        photograph: &Photograph,
        [named, other]: [usize; 2],
        side: usize,
    ) -> Result<[Picture; 2]> {
        let model = std::sync::Arc::clone(runner.model());
        let input = model.input_of(photograph, model.crop)?;
        let found = self.method.attribute(runner, &input, &Target::difference(named, other))?;
        let (height, width) = (photograph.height(), photograph.width());
        let scale = (side as f64 / height.max(width) as f64).min(1.0);
        let [height, width] = [height, width].map(|side| ((side as f64 * scale).round() as usize).max(1));
        let small = resize_image(photograph, height, width, Interpolation::AntiAliased)?;
        let frame = Frame { height, width, ..model.frame(photograph, model.crop)? };
        let margin = DrawnMap::new(
            &frame.place(&found.map()?)?,
            &frame.seen()?,
            Scaling::Quantile(0.99),
            ColourMap::Inferno,
        )?
        .over(&small)?;
        Ok([Picture::from_photograph(&small)?, margin])
    }
}
