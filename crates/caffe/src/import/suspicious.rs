//! Weights that are no numbers.

use super::Imported;
use crate::Warning;

/// How many numbers are looked at before their pages of the file are given back.
const CHUNK: usize = 1 << 16;

impl Imported {
    /// Looks for weights that are NaN or infinite, and answers a warning for each array that has some.
    ///
    /// This reads all weights (CaffeNet: 244 MB, about a tenth of a second once the file is in the system's
    /// cache), but never keeps more than a piece of a mapped file in memory. It is therefore not part of the
    /// import.
    pub fn suspicious_weights(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut numbers = vec![0.0; CHUNK];
        for constant in &self.constants {
            let value = self.graph.value(constant.value);
            let Some(weights) = value.weights() else { continue };
            let elements = weights.shape().elements();
            let mut found = 0;
            for start in (0..elements).step_by(CHUNK) {
                let chunk = &mut numbers[..CHUNK.min(elements - start)];
                weights.read(start, chunk);
                weights.release(start, chunk.len());
                found += chunk.iter().filter(|number| !number.is_finite()).count();
            }
            if found > 0 {
                warnings.push(Warning {
                    line: constant.line,
                    message: format!(
                        "layer '{}': {found} of the {elements} numbers in {} are NaN or infinite; the file may be damaged, \
                         or the training diverged",
                        constant.layer, value.name
                    ),
                });
            }
        }
        warnings
    }
}
