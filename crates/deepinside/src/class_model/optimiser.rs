//! From gradients to steps.

use rayon::prelude::*;

use super::Optimiser;

/// Adam's decay rates and the number that keeps its quotient finite (Kingma and Ba 2014, algorithm 1).
const DECAY: [f64; 2] = [0.9, 0.999];
const EPSILON: f64 = 1e-8;

/// How many parameters make a piece of work for a thread.
const PIECE: usize = 16 * 1024;

/// What an optimiser remembers of one picture.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    steps: i32,
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Memory {
    /// How many numbers it remembers.
    pub fn numbers(&self) -> usize {
        self.first.len() + self.second.len()
    }

    /// Moves parameters uphill.
    pub fn step(
        &mut self,
        optimiser: Optimiser,
        learning_rate: f64,
        parameters: &mut [f64],
        gradient: &[f64],
    ) {
        match optimiser {
            Optimiser::Gradient => {
                for (parameter, slope) in parameters.iter_mut().zip(gradient) {
                    *parameter += learning_rate * slope;
                }
            }
            Optimiser::Normalised => {
                let square: f64 = gradient.iter().map(|slope| slope * slope).sum();
                let size = (square / gradient.len().max(1) as f64).sqrt();
                if size > 0.0 {
                    for (parameter, slope) in parameters.iter_mut().zip(gradient) {
                        *parameter += learning_rate * (slope / size);
                    }
                }
            }
            Optimiser::Adam => self.adam(learning_rate, parameters, gradient),
        }
    }

    fn adam(&mut self, learning_rate: f64, parameters: &mut [f64], gradient: &[f64]) {
        self.first.resize(gradient.len(), 0.0);
        self.second.resize(gradient.len(), 0.0);
        self.steps += 1;
        // The averages start at zero; dividing by these makes up for that.
        let [first, second] = DECAY.map(|decay| 1.0 - decay.powi(self.steps));
        let moments = self.first.par_chunks_mut(PIECE).zip(self.second.par_chunks_mut(PIECE));
        let numbers = parameters.par_chunks_mut(PIECE).zip(gradient.par_chunks(PIECE)).zip(moments);
        numbers.for_each(|((parameters, gradient), (means, squares))| {
            let moments = means.iter_mut().zip(squares);
            for ((parameter, slope), (mean, square)) in parameters.iter_mut().zip(gradient).zip(moments) {
                *mean += (1.0 - DECAY[0]) * (slope - *mean);
                *square += (1.0 - DECAY[1]) * (slope * slope - *square);
                *parameter += learning_rate * (*mean / first) / ((*square / second).sqrt() + EPSILON);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torch.optim.Adam([x], lr=0.1, maximize=True)` from x = [1, −2], three steps of the gradients below.
    #[test]
    fn adam_is_pytorch_s() {
        let mut memory = Memory::default();
        let mut parameters = [1.0, -2.0];
        for gradient in [[0.5, -1.0], [-2.0, 0.0], [0.25, 4.0]] {
            memory.step(Optimiser::Adam, 0.1, &mut parameters, &gradient);
        }
        for (found, expected) in parameters.iter().zip([1.008_809_17, -2.117_578_63]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn a_normalised_step_has_the_size_of_the_learning_rate() {
        let mut parameters = [0.0, 0.0];
        Memory::default().step(Optimiser::Normalised, 2.0, &mut parameters, &[3e-9, -4e-9]);
        let length = f64::hypot(parameters[0], parameters[1]);
        assert!((length / 2.0f64.sqrt() - 2.0).abs() < 1e-12);
        Memory::default().step(Optimiser::Normalised, 2.0, &mut parameters, &[0.0, 0.0]);
        assert!(parameters.iter().all(|number| number.is_finite()));
    }
}
