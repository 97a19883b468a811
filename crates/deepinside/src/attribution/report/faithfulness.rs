//! What deletion and insertion by a map tell.

use deepinside_files::Array;
use serde::{Deserialize, Serialize};

use crate::attribution::metrics::{Measure, metric};
use crate::attribution::{Attribution, Choices, Given, Method, Runner};
use crate::{Error, Result, Target};

/// The target while pixels are deleted and inserted, those that matter most first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Faithfulness {
    /// The mean while pixels are deleted; less is better.
    pub deletion: f64,
    /// The mean while pixels are inserted; more is better.
    pub insertion: f64,
    /// The number while more and more pixels are deleted.
    pub deletion_curve: Vec<f64>,
    /// The number while more and more pixels are inserted.
    pub insertion_curve: Vec<f64>,
}

impl Faithfulness {
    /// Insertion minus deletion; more is better.
    pub fn difference(&self) -> f64 {
        self.insertion - self.deletion
    }
}

/// Measures a map with one number a pixel: deletion to zero, insertion into the blurred input, in so many steps.
///
/// # Errors
/// When the map does not fit the input, or as a [`Runner`]'s passes.
pub fn faithfulness(
    runner: &mut Runner,
    input: &Array,
    target: &Target,
    map: &Array,
    steps: usize,
) -> Result<Faithfulness> {
    let mut measure = |name: &str, baseline: &str| -> Result<Measure> {
        let given = [("steps", steps.to_string()), ("baseline", baseline.to_owned())];
        let given = given.map(|(name, value)| (name.to_owned(), Given::Text(value)));
        let metric = metric(name)?.make(&Choices { given: given.into(), layers: Vec::new() })?;
        metric.measure(runner, input, target, map, &NoMethod)
    };
    let (deletion, insertion) = (measure("deletion", "zero")?, measure("insertion", "blur")?);
    Ok(Faithfulness {
        deletion: deletion.value,
        insertion: insertion.value,
        deletion_curve: deletion.curve.unwrap_or_default(),
        insertion_curve: insertion.curve.unwrap_or_default(),
    })
}

/// Deletion and insertion make no other attribution.
#[derive(Debug)]
struct NoMethod;

impl Method for NoMethod {
    fn attribute(&self, _: &mut Runner, _: &Array, _: &Target) -> Result<Attribution> {
        Err(Error::Option("deletion and insertion measure a given map".to_owned()))
    }
}
