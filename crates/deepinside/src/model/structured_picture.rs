//! A made-up picture, where any will do.

use crate::Model;

impl Model {
    /// A picture with structure on every scale, `C × H × W`, in the numbers that the network expects: waves of falling strength, since
    /// noise would excite a network as no photograph does.
    pub(crate) fn structured_picture(&self) -> Vec<f32> {
        let shape = self.graph.value(self.input).shape.extents();
        let (channels, height, width) = (shape[1], shape[2], shape[3]);
        let strength = self.transformer.raw_scale;
        let scale = &self.transformer.input_scale;
        let frequencies: [f32; 6] = std::array::from_fn(|octave| (2 << octave) as f32);
        let mut picture = Vec::with_capacity(channels * height * width);
        for channel in 0..channels {
            let phase = channel as f32;
            let wave = |at: usize, extent: usize, shift: f32| {
                let place = at as f32 / extent as f32;
                frequencies.map(move |frequency| std::f32::consts::TAU * frequency * place + shift * phase)
            };
            let across: Vec<[f32; 6]> = (0..width).map(|x| wave(x, width, 2.3).map(f32::cos)).collect();
            for y in 0..height {
                let mut down = wave(y, height, 1.7);
                down.iter_mut()
                    .zip(frequencies)
                    .for_each(|(angle, frequency)| *angle = (*angle + frequency).sin());
                picture.extend(across.iter().map(|across| {
                    let waves =
                        (0..6).map(|octave| down[octave] * across[octave] / frequencies[octave].sqrt());
                    0.25 * strength
                        * waves.sum::<f32>()
                        * scale.get(channel).or(scale.first()).copied().unwrap_or(1.0)
                }));
            }
        }
        picture
    }
}
