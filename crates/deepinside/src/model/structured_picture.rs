//! A made-up picture, where any will do.

use crate::Model;

impl Model {
    /// A picture with structure on every scale, `C × H × W`, in the numbers that the network expects: waves of falling strength, since
    /// noise would excite a network as no photograph does.
    pub(crate) fn structured_picture(&self) -> Vec<f32> {
        let shape = self.graph.value(self.input).shape.extents();
        let (channels, height, width) = (shape[1], shape[2], shape[3]);
        let strength = self.transformer.raw_scale;
        let number = |channel: usize, y: usize, x: usize| {
            let (u, v) = (y as f32 / height as f32, x as f32 / width as f32);
            let phase = channel as f32;
            let waves = (1..=6).map(|octave| {
                let frequency = (1 << octave) as f32;
                let angle = std::f32::consts::TAU * frequency;
                ((angle * u + 1.7 * phase + frequency).sin() * (angle * v + 2.3 * phase).cos())
                    / frequency.sqrt()
            });
            let scale = &self.transformer.input_scale;
            0.25 * strength
                * waves.sum::<f32>()
                * scale.get(channel).or(scale.first()).copied().unwrap_or(1.0)
        };
        let positions = (0..channels * height * width)
            .map(|index| number(index / (height * width), index / width % height, index % width));
        positions.collect()
    }
}
